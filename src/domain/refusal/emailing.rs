//! Why an e-mail template is not kept, or an e-mail not shown or sent for a trial.

use chrono::{DateTime, Utc};

use crate::domain::email_template::TextFault;

/// What the rules of templates and of trials do not allow.
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
}

impl EmailingRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TemplateFaulty(_) => "EMAIL_TEMPLATE_FAULTY",
            Self::CannotBeTold { .. } => "EMAIL_CANNOT_BE_TOLD",
            Self::AddressSuppressed { .. } => "ADDRESS_SUPPRESSED",
            Self::TestLimitReached { .. } => "TEST_LIMIT_REACHED",
        }
    }
}
