//! The ledger by any of its columns (H1): the narrowest source of what is asked for, and the rest as filters.

use chrono::{DateTime, Utc};

use crate::ids::{PackageId, Reference};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::history::{
    self, Amount, EntryFilter, EntryList, EntryPage, EntryScope, Position,
};
use crate::service::reports::Period;

/// Which entries; all that is given must hold.
#[derive(Clone, Debug)]
pub struct LedgerQuery {
    /// Of this package.
    pub package: Option<Reference<PackageId>>,
    /// Of these, which.
    pub filter: EntryFilter,
    /// Recorded in this period.
    pub recorded: Option<Period>,
    /// After this position.
    pub after: Option<Position>,
    /// How many.
    pub amount: Amount,
}

/// A page or a piece of entries, newest first.
///
/// # Errors
/// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &LedgerQuery,
) -> Result<EntryPage, ServiceError> {
    let recorded = match input.recorded {
        Some(period) => Some(period.range(&call.caller.business)?),
        None => None,
    };
    let mut filter = EntryFilter {
        recorded,
        ..input.filter.clone()
    };
    let scope = if let Some(package) = &input.package {
        EntryScope::Package(package.clone())
    } else if let Some(booking) = &filter.booking {
        EntryScope::Booking(booking.clone())
    } else if let Some(invoice) = &filter.invoice {
        EntryScope::Invoice(invoice.clone())
    } else if let Some(customer) = filter.customer.take() {
        EntryScope::Customer(customer)
    } else {
        let (from, before) = recorded.unwrap_or((DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC));
        EntryScope::Recorded(from, before)
    };
    let list = EntryList {
        scope,
        filter,
        after: input.after,
        amount: input.amount,
    };
    history::list(ctx, call, &list).await
}
