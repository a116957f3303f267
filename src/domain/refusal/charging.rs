//! Why a charge request cannot be answered.

use chrono::{DateTime, Utc};

use crate::ids::{ChargeRequestId, PaymentId};

/// An answer to a charge request that the rules do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChargeRefusal {
    /// Its time is over.
    #[error("charge request {charge_request_id} timed out at {timed_out_at}")]
    TimedOut {
        /// The request.
        charge_request_id: ChargeRequestId,
        /// When.
        timed_out_at: DateTime<Utc>,
    },
    /// It was answered with a payment.
    #[error("charge request {charge_request_id} was paid by {payment_id}")]
    Paid {
        /// The request.
        charge_request_id: ChargeRequestId,
        /// The payment.
        payment_id: PaymentId,
    },
    /// It was not charged, or is not to be any more.
    #[error("charge request {charge_request_id} failed or was withdrawn at {failed_at}")]
    Failed {
        /// The request.
        charge_request_id: ChargeRequestId,
        /// When.
        failed_at: DateTime<Utc>,
    },
    /// Another amount was charged than was asked for.
    #[error(
        "charge request {charge_request_id} asks for {asked_minor} minor units, not {given_minor}"
    )]
    AmountDiffers {
        /// The request.
        charge_request_id: ChargeRequestId,
        /// What was charged, in minor units.
        given_minor: i64,
        /// What was asked for, in minor units.
        asked_minor: i64,
    },
}

impl ChargeRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TimedOut { .. } => "CHARGE_TIMED_OUT",
            Self::Paid { .. } => "CHARGE_ALREADY_PAID",
            Self::Failed { .. } => "CHARGE_FAILED",
            Self::AmountDiffers { .. } => "CHARGE_AMOUNT_DIFFERS",
        }
    }
}
