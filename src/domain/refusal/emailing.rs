//! Why an e-mail template is not kept, or an e-mail not shown, sent for a trial, sent once more or cancelled.

use chrono::{DateTime, Utc};

use crate::domain::email_template::TextFault;
use crate::ids::EmailId;

/// What the rules of templates, trials and single e-mails do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailingRefusal {
    /// The template cannot be used as it is.
    #[error("{} {} in the template", .0.len(), if .0.len() == 1 { "fault" } else { "faults" })]
    TemplateFaulty(Vec<TextFault>),
    /// No e-mail of this kind can tell these facts.
    #[error("no such e-mail can tell this: {problem}")]
    CannotBeTold {
        /// What is missing.
        problem: String,
    },
    /// Nothing is sent to this address.
    #[error("nothing is sent to this address: {reason}")]
    AddressSuppressed {
        /// Why, a stable word.
        reason: String,
    },
    /// So many trials were sent within an hour.
    #[error("{limit} trials were sent within an hour; the next can be at {possible_from}")]
    TestLimitReached {
        /// How many an hour.
        limit: u64,
        /// When the next one can be sent.
        possible_from: DateTime<Utc>,
    },
    /// The e-mail did not fail, so it is not sent once more.
    #[error("e-mail {email_id} is {state}, not failed")]
    NotFailed {
        /// The e-mail.
        email_id: EmailId,
        /// The state that it is in.
        state: &'static str,
    },
    /// The e-mail does not wait, or is being sent.
    #[error("e-mail {email_id} is {state}, not queued")]
    NotQueued {
        /// The e-mail.
        email_id: EmailId,
        /// The state that it is in.
        state: &'static str,
    },
    /// What the e-mail says is kept no more.
    #[error("what e-mail {email_id} says is kept no more")]
    TextCleared {
        /// The e-mail.
        email_id: EmailId,
    },
}

impl EmailingRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TemplateFaulty(_) => "EMAIL_TEMPLATE_FAULTY",
            Self::CannotBeTold { .. } => "EMAIL_CANNOT_BE_TOLD",
            Self::AddressSuppressed { .. } => "ADDRESS_SUPPRESSED",
            Self::TestLimitReached { .. } => "TEST_LIMIT_REACHED",
            Self::NotFailed { .. } => "EMAIL_NOT_FAILED",
            Self::NotQueued { .. } => "EMAIL_NOT_QUEUED",
            Self::TextCleared { .. } => "EMAIL_TEXT_CLEARED",
        }
    }
}
