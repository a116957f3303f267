//! Charge requests (J6): what the payment system is to charge, and what it answered.
//!
//! One that is never answered times out at its deadline, true to the instant whether or not a job has written it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::entry::coded;
use crate::domain::money::Currency;
use crate::domain::payment::Payable;
use crate::domain::refusal::ChargeRefusal;
use crate::ids::{BusinessId, ChargeRequestId, CustomerId, PaymentId};

coded! {
    /// What a charge request is at one moment; in the order in which they are listed.
    ChargeState {
        /// It waits for an answer.
        Pending = 1, "pending";
        /// Nobody answered it in time.
        TimedOut = 2, "timed_out";
        /// It was charged.
        Paid = 3, "paid";
        /// It was not charged, or is not to be any more.
        Failed = 4, "failed";
    }
}

/// What became of a charge request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeStatus {
    /// It waits for an answer.
    Pending,
    /// Nobody answered it in time.
    TimedOut,
    /// It was charged.
    Paid {
        /// The payment that was written down for it.
        payment_id: PaymentId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was not charged, or is not to be any more.
    Failed {
        /// Why; empty if it was withdrawn because nothing is due any more.
        cause: String,
        /// When.
        at: DateTime<Utc>,
    },
}

/// What the payment system is to charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeRequest {
    /// The request.
    pub id: ChargeRequestId,
    /// Whose.
    pub business_id: BusinessId,
    /// What is to be paid.
    pub of: Payable,
    /// Who is to pay.
    pub customer_id: CustomerId,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Of which currency.
    pub currency: Currency,
    /// What became of it.
    pub status: ChargeStatus,
    /// From when on it can be answered no more.
    pub times_out_at: DateTime<Utc>,
    /// When it was made.
    pub recorded_at: DateTime<Utc>,
}

impl ChargeStatus {
    /// Its name.
    pub fn state(&self) -> ChargeState {
        match self {
            Self::Pending => ChargeState::Pending,
            Self::TimedOut => ChargeState::TimedOut,
            Self::Paid { .. } => ChargeState::Paid,
            Self::Failed { .. } => ChargeState::Failed,
        }
    }
}

impl ChargeRequest {
    /// The request as it is at `now`, whether or not its time-out was written.
    #[must_use]
    pub fn as_of(mut self, now: DateTime<Utc>) -> Self {
        if self.status == ChargeStatus::Pending && self.times_out_at <= now {
            self.status = ChargeStatus::TimedOut;
        }
        self
    }

    /// Refuses one that waits for no answer.
    ///
    /// # Errors
    /// [`ChargeRefusal::TimedOut`], [`ChargeRefusal::Paid`], [`ChargeRefusal::Failed`].
    pub fn refuse_answered(&self, now: DateTime<Utc>) -> Result<(), ChargeRefusal> {
        let charge_request_id = self.id;
        match self.clone().as_of(now).status {
            ChargeStatus::Pending => Ok(()),
            ChargeStatus::TimedOut => Err(ChargeRefusal::TimedOut {
                charge_request_id,
                timed_out_at: self.times_out_at,
            }),
            ChargeStatus::Paid { payment_id, .. } => Err(ChargeRefusal::Paid {
                charge_request_id,
                payment_id,
            }),
            ChargeStatus::Failed { at, .. } => Err(ChargeRefusal::Failed {
                charge_request_id,
                failed_at: at,
            }),
        }
    }

    /// Says that it was charged.
    ///
    /// # Errors
    /// Those of [`ChargeRequest::refuse_answered`].
    pub fn paid(&mut self, payment_id: PaymentId, now: DateTime<Utc>) -> Result<(), ChargeRefusal> {
        self.refuse_answered(now)?;
        let at = now;
        self.status = ChargeStatus::Paid { payment_id, at };
        Ok(())
    }

    /// Says that it was not charged.
    ///
    /// # Errors
    /// Those of [`ChargeRequest::refuse_answered`].
    pub fn failed(&mut self, cause: String, now: DateTime<Utc>) -> Result<(), ChargeRefusal> {
        self.refuse_answered(now)?;
        self.status = ChargeStatus::Failed { cause, at: now };
        Ok(())
    }

    /// Refuses another amount than was asked for.
    ///
    /// # Errors
    /// [`ChargeRefusal::AmountDiffers`].
    pub fn refuse_amount(&self, given_minor: Option<i64>) -> Result<(), ChargeRefusal> {
        match given_minor.filter(|given| *given != self.amount_minor) {
            Some(given_minor) => Err(ChargeRefusal::AmountDiffers {
                charge_request_id: self.id,
                given_minor,
                asked_minor: self.amount_minor,
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::at;
    use crate::ids::SaleId;

    fn request(status: ChargeStatus) -> ChargeRequest {
        ChargeRequest {
            id: ChargeRequestId::generate(at(0)),
            business_id: BusinessId::generate(at(0)),
            of: Payable::Sale(SaleId::generate(at(0))),
            customer_id: CustomerId::generate(at(0)),
            amount_minor: 100,
            currency: Currency::parse("EUR").unwrap(),
            status,
            times_out_at: at(10),
            recorded_at: at(0),
        }
    }

    #[test]
    fn every_state_says_to_every_answer_what_it_becomes_or_why_not() {
        let payment_id = PaymentId::generate(at(0));
        let paid = ChargeStatus::Paid {
            payment_id,
            at: at(1),
        };
        let failed = ChargeStatus::Failed {
            cause: String::new(),
            at: at(1),
        };
        let late = at(10);
        for (status, now, as_paid, as_failed) in [
            (ChargeStatus::Pending, at(9), "paid", "failed"),
            (
                ChargeStatus::Pending,
                late,
                "CHARGE_TIMED_OUT",
                "CHARGE_TIMED_OUT",
            ),
            (
                ChargeStatus::TimedOut,
                late,
                "CHARGE_TIMED_OUT",
                "CHARGE_TIMED_OUT",
            ),
            (paid, at(9), "CHARGE_ALREADY_PAID", "CHARGE_ALREADY_PAID"),
            (failed, at(9), "CHARGE_FAILED", "CHARGE_FAILED"),
        ] {
            let told = |answered: Result<(), ChargeRefusal>, it: &ChargeRequest| match answered {
                Ok(()) => it.status.state().as_str(),
                Err(refusal) => refusal.reason(),
            };
            let mut it = request(status.clone());
            assert_eq!(told(it.paid(payment_id, now), &it), as_paid);
            let mut it = request(status);
            assert_eq!(told(it.failed("declined".to_owned(), now), &it), as_failed);
        }
    }

    #[test]
    fn nothing_but_what_was_asked_for_answers_it() {
        let it = request(ChargeStatus::Pending);
        assert_eq!(it.refuse_amount(None), Ok(()));
        assert_eq!(it.refuse_amount(Some(100)), Ok(()));
        let refusal = it.refuse_amount(Some(99)).unwrap_err();
        assert_eq!(refusal.reason(), "CHARGE_AMOUNT_DIFFERS");
    }
}
