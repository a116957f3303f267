//! E-mail templates that a business wrote itself, one for a kind and a language (G8).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::notice::NoticeKind;

/// The texts of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateText {
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text_body: String,
    /// The HTML part.
    pub html_body: String,
}

/// One of the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextPart {
    /// The subject.
    Subject,
    /// The text part.
    TextBody,
    /// The HTML part.
    HtmlBody,
}

impl TextPart {
    /// The name of its field in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::TextBody => "text_body",
            Self::HtmlBody => "html_body",
        }
    }
}

/// Something wrong with a text, and where; lines and columns are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFault {
    /// In which text.
    pub part: TextPart,
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
    /// What is wrong.
    pub reason: String,
}

/// What a business has of its own for a kind and a language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnTemplate {
    /// For which e-mails.
    pub kind: NoticeKind,
    /// For which language, a BCP 47 tag.
    pub locale: String,
    /// What it says; none: it was reset, and what is shipped counts.
    pub text: Option<TemplateText>,
    /// When it changed last.
    pub updated_at: DateTime<Utc>,
    /// How often it changed, resets included; the caller's etag.
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_called_as_its_field() {
        let parts = [TextPart::Subject, TextPart::TextBody, TextPart::HtmlBody];
        let names = parts.map(TextPart::as_str);
        assert_eq!(names, ["subject", "text_body", "html_body"]);
    }
}
