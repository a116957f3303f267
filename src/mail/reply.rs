//! One answer of a mail server, or why there was none.

use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::content::one_line;

/// Longer replies are cut; they go into a row of the database.
const TEXT_CHARS_MAX: usize = 500;

/// What came back for one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The server answered.
    Said {
        /// From 200 to 599.
        code: u16,
        /// Such as `5.1.1`.
        enhanced: Option<String>,
        /// One line, cleaned.
        text: String,
    },
    /// No answer, or none that can be understood.
    Broken {
        /// Why.
        reason: String,
    },
}

impl Reply {
    /// The answer that comes within `limit`.
    pub(super) async fn within(
        limit: Duration,
        answer: impl Future<Output = Result<Response, Error>>,
    ) -> Self {
        match timeout(limit, answer).await {
            Ok(result) => Self::of(&result),
            Err(_) => Self::timed_out(limit),
        }
    }

    /// The absence of an answer.
    pub(super) fn timed_out(limit: Duration) -> Self {
        Self::Broken {
            reason: format!("no answer within {limit:?}"),
        }
    }

    /// What the client made of the answer. It calls 2xx and 3xx positive alike.
    pub(super) fn of(result: &Result<Response, Error>) -> Self {
        match result {
            Ok(response) => {
                let text: Vec<&str> = response.message().collect();
                Self::said(response.code().into(), &text.join(" "))
            }
            Err(error) => Self::of_error(error),
        }
    }

    /// What the client's error says: a negative answer, or none.
    pub(super) fn of_error(error: &Error) -> Self {
        match error.status() {
            Some(code) => {
                let text = error.source().map(ToString::to_string).unwrap_or_default();
                Self::said(code.into(), &text)
            }
            None => Self::Broken {
                reason: short(&error.to_string()),
            },
        }
    }

    fn said(code: u16, text: &str) -> Self {
        let text = short(text);
        Self::Said {
            code,
            enhanced: enhanced(code, &text),
            text,
        }
    }

    /// The code, if there was an answer.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Said { code, .. } => Some(*code),
            Self::Broken { .. } => None,
        }
    }

    /// 2xx: done.
    pub(super) fn is_completion(&self) -> bool {
        matches!(
            self,
            Self::Said {
                code: 200..=299,
                ..
            }
        )
    }

    /// 354: send the message.
    pub(super) fn is_go_ahead(&self) -> bool {
        matches!(self, Self::Said { code: 354, .. })
    }

    /// The answer with its code, or why there was none.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Said { code, text, .. } => format!("{code} {text}").trim_end().to_owned(),
            Self::Broken { reason } => reason.clone(),
        }
    }
}

/// How an answer that no server should give is told.
pub(super) fn unexpected(answer: &str) -> String {
    format!("unexpected answer: {answer}")
}

fn short(text: &str) -> String {
    one_line(text).chars().take(TEXT_CHARS_MAX).collect()
}

/// The enhanced status code at the start of a reply's text (RFC 2034), if its class fits.
fn enhanced(code: u16, text: &str) -> Option<String> {
    let word = text.split(' ').next()?;
    let parts: Vec<&str> = word.split('.').collect();
    let class = code.checked_div(100)?.to_string();
    let number =
        |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let fits =
        parts.len() == 3 && parts.first() == Some(&class.as_str()) && parts.iter().all(number);
    fits.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhanced_code_is_read_where_it_belongs() {
        for (code, text, expected) in [
            (550, "5.1.1 no such user", Some("5.1.1")),
            (451, "4.7.1 later", Some("4.7.1")),
            (550, "4.1.1 wrong class", None),
            (550, "no such user", None),
            (550, "5.1 short", None),
            (550, "5.1.x", None),
            (550, "", None),
        ] {
            assert_eq!(enhanced(code, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_reply_is_kept_short_and_on_one_line() {
        let reply = Reply::said(550, &format!("a\r\nb {}", "x".repeat(1_000)));
        assert!(reply.describe().starts_with("550 a b x"));
        assert!(reply.describe().len() < 520);
    }
}
