//! The ledger as callers read it (H1): who took what and when.
//!
//! A lot's history is its chain of entries, and a customer's is the merge of its lots' chains, newest
//! first: no index is kept for it.

mod source;
mod wanted;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::entry::{Entry, EntryKind};
use crate::domain::lot::Lot;
use crate::ids::{
    BookingId, BusinessId, CustomerId, InvoiceId, ItemId, LotId, PackageId, Reference, UserId,
};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::history::source::Source;
use crate::service::history::wanted::Wanted;
use crate::service::resolve;
use crate::store::columns::micros;
use crate::store::{lots, posting_notes};

/// How many entries are looked at for one page; a page whose filters pass few of them ends early.
const LOOKED_AT_MAX: usize = 2_000;

/// Which entries.
#[derive(Clone, Debug)]
pub struct EntryList {
    /// Whose.
    pub scope: EntryScope,
    /// Which of these.
    pub filter: EntryFilter,
    /// After this position.
    pub after: Option<Position>,
    /// How many at most.
    pub size: usize,
}

/// Which entries of a scope; all that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Only for this item.
    pub item: Option<Reference<ItemId>>,
    /// Only with this user as the one who delivered or called.
    pub user: Option<Reference<UserId>>,
    /// Only of these kinds; none: all.
    pub kinds: Vec<EntryKind>,
    /// Only of credits that this customer used or got.
    pub customer: Option<Reference<CustomerId>>,
    /// Only on lines of this invoice.
    pub invoice: Option<Reference<InvoiceId>>,
    /// Only for this booking.
    pub booking: Option<Reference<BookingId>>,
    /// Only those recorded from the first instant on and before the second.
    pub recorded: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Whose entries.
#[derive(Clone, Debug)]
pub enum EntryScope {
    /// A package's.
    Package(Reference<PackageId>),
    /// Those of all packages of a customer.
    Customer(Reference<CustomerId>),
    /// Those of the customer of an invoice; which of them are on its lines is for the filter.
    Invoice(Reference<InvoiceId>),
    /// Those of the customer of a booking; which of them are for it is for the filter.
    Booking(Reference<BookingId>),
    /// A posting's.
    Posting(Uuid),
    /// Those recorded from the first instant on and before the second.
    Recorded(DateTime<Utc>, DateTime<Utc>),
}

/// Where an entry stands among others: newest first by instant, then lot, then number in the lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    recorded_at: i64,
    lot_id: LotId,
    seq: i64,
}

/// A page of entries, newest first.
#[derive(Clone, Debug)]
pub struct EntryPage {
    /// The entries, each with its lot and the note of its posting.
    pub rows: Vec<EntryRow>,
    /// Where the next page begins; none on the last.
    pub next: Option<Position>,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct EntryRow {
    /// The entry.
    pub entry: Entry,
    /// Its lot, as it is now.
    pub lot: Lot,
    /// The note of its posting.
    pub note: String,
}

impl Position {
    /// Where entries begin that were recorded before an instant.
    fn before(at: DateTime<Utc>) -> Self {
        Self {
            recorded_at: micros(at),
            lot_id: LotId::from_uuid(Uuid::nil()),
            seq: i64::MIN,
        }
    }

    fn of(entry: &Entry) -> Self {
        Self {
            recorded_at: micros(entry.recorded_at),
            lot_id: entry.lot_id,
            seq: entry.seq,
        }
    }
}

/// A page of entries.
///
/// # Errors
/// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &EntryList,
) -> Result<EntryPage, ServiceError> {
    of_business(ctx, call.business_id(), input).await
}

/// The same, whoever asks.
///
/// # Errors
/// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
pub(super) async fn of_business(
    ctx: &Context,
    business_id: BusinessId,
    input: &EntryList,
) -> Result<EntryPage, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let mut wanted = Wanted::of(&txn, business_id, &input.filter).await?;
    let mut source = Source::open(&txn, business_id, input, &mut wanted, ctx.clock.now()).await?;
    let mut found = Vec::new();
    let mut next = None;
    let mut last = None;
    for looked_at in 0_usize.. {
        let Some(entry) = source.next(&txn, business_id).await? else {
            break;
        };
        if wanted.is_over_at(&entry) {
            break;
        }
        if found.len() == input.size || looked_at == LOOKED_AT_MAX {
            next = last;
            break;
        }
        last = Some(Position::of(&entry));
        if wanted.wants(&entry) {
            found.push(entry);
        }
    }
    let rows = rows(&txn, business_id, found).await?;
    txn.commit().await?;
    Ok(EntryPage { rows, next })
}

/// Entries with their lots and notes.
pub(super) async fn rows(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    found: Vec<Entry>,
) -> Result<Vec<EntryRow>, ServiceError> {
    let mut lot_ids: Vec<LotId> = found.iter().map(|entry| entry.lot_id).collect();
    lot_ids.sort_unstable();
    lot_ids.dedup();
    let lots: HashMap<LotId, Lot> = lots::by_ids(txn, business_id, &lot_ids)
        .await?
        .into_iter()
        .map(|lot| (lot.id, lot))
        .collect();
    let postings = found.iter().map(|entry| entry.key.posting_id);
    let notes = posting_notes::of_postings(txn, business_id, postings).await?;
    let mut rows = Vec::with_capacity(found.len());
    for entry in found {
        let lot = lots
            .get(&entry.lot_id)
            .cloned()
            .ok_or_else(|| resolve::not_found("lot", &entry.lot_id))?;
        let note = notes
            .get(&entry.key.posting_id)
            .cloned()
            .unwrap_or_default();
        rows.push(EntryRow { entry, lot, note });
    }
    Ok(rows)
}
