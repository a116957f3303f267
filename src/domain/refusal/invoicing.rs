//! Why something cannot be done to an invoice, or to the credits of one or of a booking.

use crate::domain::entry::Purpose;

/// What an invoice does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceRefusal {
    /// The credits are held or used for something else, which alone frees or undoes them.
    #[error("the credits are those of {purpose}; only that frees or undoes them")]
    CreditsBound {
        /// For what.
        purpose: Purpose,
    },
}

impl InvoiceRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::CreditsBound { .. } => "CREDITS_BOUND",
        }
    }
}
