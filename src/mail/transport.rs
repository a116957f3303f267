//! Where finished messages go: to a mail server, or into a folder.
//!
//! What came of an attempt is an [`Outcome`]; it says no more than is certain. Replies may hold
//! addresses: they belong into the e-mail's own delivery log and never into the program's log, so
//! nothing here logs.

use std::fmt;
use std::future::{Future, Ready, ready};
use std::time::{Duration, Instant};

use super::capture::CaptureFolder;
use super::message::Outgoing;
use super::session::SmtpSession;

/// How long writing a file can take, by a generous guess.
const CAPTURE_MAX: Duration = Duration::from_mins(1);

/// Why a text was held back that is not this one's to send any more.
pub(super) const TOO_LATE: &str = "the claim ran out before the final dot";

/// Leave to hand over the text of a message.
#[derive(Debug)]
pub struct Leave<F> {
    /// Not before this has come.
    pub from: F,
    /// Not after this, on the clock that nobody sets: by then somebody else may have the e-mail.
    pub until: Instant,
}

impl Leave<Ready<()>> {
    /// Leave from now on.
    pub fn until(until: Instant) -> Self {
        let from = ready(());
        Self { from, until }
    }
}

/// What a server says of a recipient's address that is bad (RFC 3463, RFC 7505). Other codes of the same subject speak
/// of the sender, whom many servers refuse only once they know for whom the message is.
const BAD_RECIPIENT: [&str; 5] = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"];

/// How far a session with a mail server came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Resolving the name and opening the connection.
    Connect,
    /// `STARTTLS` and the handshake.
    Tls,
    /// The server's greeting and `EHLO`.
    Greeting,
    /// Signing in.
    Auth,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// The `DATA` command.
    Data,
    /// Writing the message.
    Body,
    /// The final dot and its answer.
    FinalDot,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Greeting => "greeting",
            Self::Auth => "auth",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Data => "data",
            Self::Body => "body",
            Self::FinalDot => "final dot",
        })
    }
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server took the message: 2xx to the final dot.
    Accepted {
        /// What it said.
        reply: String,
    },
    /// The server refused this sender, this recipient or this message.
    Refused {
        /// 5xx to the recipient or the message: trying again will not help.
        permanent: bool,
        /// Where.
        stage: Stage,
        /// The reply's code; `None` if no server was asked because it could not have taken it.
        code: Option<u16>,
        /// The enhanced status code, such as `5.1.1`.
        enhanced: Option<String>,
        /// What it said.
        reply: String,
    },
    /// The session broke after the recipient was named and before the final dot: certainly not
    /// delivered. It costs an attempt, lest one recipient that hangs hold up all others.
    Interrupted {
        /// Where.
        stage: Stage,
        /// What happened.
        reason: String,
    },
    /// The failure lies before any recipient was named, and is no refusal of the sender for good: it says nothing
    /// about this message. It pauses the transport and costs no attempt.
    NotTried {
        /// Where.
        stage: Stage,
        /// What happened.
        reason: String,
    },
    /// The final dot may have been sent and no answer came: the server may or may not have taken it.
    Unknown {
        /// What happened.
        reason: String,
    },
}

impl Outcome {
    /// What metrics and traces call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::Interrupted { .. } => "interrupted",
            Self::NotTried { .. } => "not_tried",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Whether the server may have the message.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Accepted { .. } | Self::Unknown { .. } => true,
            Self::Refused { .. } | Self::Interrupted { .. } | Self::NotTried { .. } => false,
        }
    }

    /// Whether the refusal says that the recipient's address itself is bad, so that nothing more should be sent there.
    pub fn suppresses_address(&self) -> bool {
        match self {
            Self::Refused {
                permanent,
                stage,
                enhanced,
                ..
            } => {
                let code = enhanced.as_deref();
                let is_bad = code.is_some_and(|code| BAD_RECIPIENT.contains(&code));
                *permanent && *stage == Stage::Recipient && is_bad
            }
            Self::Accepted { .. }
            | Self::Interrupted { .. }
            | Self::NotTried { .. }
            | Self::Unknown { .. } => false,
        }
    }
}

/// A way out for messages; one worker owns one.
#[derive(Debug)]
pub enum Transport {
    /// To a mail server.
    Smtp(Box<SmtpSession>),
    /// Into a folder, to look at.
    Capture(CaptureFolder),
}

impl Transport {
    /// Tries once to deliver a message. May be dropped at any moment: what was begun is cut off and
    /// never disturbs the next message.
    pub async fn send(&mut self, message: &Outgoing, leave: Leave<impl Future + Unpin>) -> Outcome {
        match self {
            Self::Smtp(session) => session.send(message, leave).await,
            Self::Capture(folder) => {
                leave.from.await;
                if leave.until <= Instant::now() {
                    let (stage, reason) = (Stage::FinalDot, TOO_LATE.to_owned());
                    return Outcome::Interrupted { stage, reason };
                }
                folder.store(message).await
            }
        }
    }

    /// What it is known by to all replicas that use it.
    pub fn name(&self) -> String {
        match self {
            Self::Smtp(session) => session.server(),
            Self::Capture(_) => "capture".to_owned(),
        }
    }

    /// The longest that one attempt can take; a claim must be leased longer.
    pub fn attempt_max(&self) -> Duration {
        match self {
            Self::Smtp(session) => session.attempt_max(),
            Self::Capture(_) => CAPTURE_MAX,
        }
    }

    /// Takes leave of the server, if there is a session.
    pub async fn close(&mut self) {
        match self {
            Self::Smtp(session) => session.close().await,
            Self::Capture(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bad_recipient_suppresses_the_address() {
        let refused = |permanent, stage, enhanced: &str| Outcome::Refused {
            permanent,
            stage,
            code: Some(550),
            enhanced: Some(enhanced.to_owned()),
            reply: String::new(),
        };
        assert!(refused(true, Stage::Recipient, "5.1.1").suppresses_address());
        assert!(refused(true, Stage::Recipient, "5.1.10").suppresses_address());
        for of_others in ["5.7.1", "5.1.0", "5.1.7", "5.1.8"] {
            assert!(!refused(true, Stage::Recipient, of_others).suppresses_address());
        }
        assert!(!refused(true, Stage::FinalDot, "5.1.1").suppresses_address());
        assert!(!refused(false, Stage::Recipient, "4.1.1").suppresses_address());
    }
}
