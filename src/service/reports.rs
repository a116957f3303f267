//! Who knows: what is outstanding and who holds it, packages over a time, what is owed and how it came about,
//! and balances in the past (H2–H5).
//!
//! Every report is true at one moment, which its answer names, whether or not what time caused was written.
//! Reports read by connections and transactions that never keep a writer waiting, and what they add up is
//! added up by the database or a part at a time. The ledger itself is in
//! [`history`](crate::service::history).

pub mod balance_as_of;
pub mod ledger;
pub mod liability;
pub mod outstanding;
pub mod packages;
mod unwritten;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, CreditTypeId, Reference};
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::credit_types;

/// From the first instant to before the second.
pub type Range = (DateTime<Utc>, DateTime<Utc>);

/// A period, as callers name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// From an instant to before another one.
    Instants(Range),
    /// From the beginning of a local day through another one.
    Days {
        /// The first day.
        first: NaiveDate,
        /// The last day.
        last: NaiveDate,
        /// Whose days; none: the business's.
        zone: Option<Tz>,
    },
}

impl Period {
    /// The instants of the period for a business.
    pub(super) fn range(self, business: &Business) -> Result<Range, Refusal> {
        match self {
            Self::Instants(range) => Ok(range),
            Self::Days { first, last, zone } => {
                let zone = zone.unwrap_or(business.zone);
                let from = calendar::first_instant_of(first, zone);
                let range = from.zip(calendar::end_of(last, zone));
                range.ok_or(Refusal::AmountTooLarge)
            }
        }
    }
}

/// The only credit type that a report is about, if there is one.
///
/// # Errors
/// [`Refusal::NotFound`]: an empty report would hide the mistake.
async fn only_type(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    wanted: Option<&Reference<CreditTypeId>>,
) -> Result<Option<CreditTypeId>, ServiceError> {
    let Some(reference) = wanted else {
        return Ok(None);
    };
    let id = resolve::credit_type(txn, business_id, reference).await?;
    let found = credit_types::get(txn, business_id, id).await?;
    found.ok_or_else(|| resolve::not_found("credit type", reference))?;
    Ok(Some(id))
}
