//! The ledger as callers read it (H1): who took what and when.
//!
//! A lot's history is its chain of entries, and a customer's is the merge of its lots' chains, newest
//! first: no index is kept for it.

mod source;
mod wanted;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::entry::{Entry, EntryKind};
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
use crate::store::lots::{self, Home};
use crate::store::posting_notes;

/// How many entries are looked at for one page; a page whose filters pass few of them ends early.
const LOOKED_AT_MAX: usize = 2_000;
/// How many are looked at for a piece, if to find the next one takes another query.
const PIECE_MIN: usize = 500;

/// Which entries.
#[derive(Clone, Debug)]
pub struct EntryList {
    /// Whose.
    pub scope: EntryScope,
    /// Which of these.
    pub filter: EntryFilter,
    /// After this position.
    pub after: Option<Position>,
    /// How many.
    pub amount: Amount,
}

/// How many entries are read by one call.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
    /// So many at most.
    Page(usize),
    /// As many as are found with least effort: those that are wanted of some thousands.
    Piece,
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
    /// The entries, each with where its lot belongs and the note of its posting.
    pub rows: Vec<EntryRow>,
    /// Where the next page begins; none on the last.
    pub next: Option<Position>,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct EntryRow {
    /// The entry.
    pub entry: Entry,
    /// Where its lot belongs.
    pub home: Home,
    /// The note of its posting.
    pub note: String,
}

impl Amount {
    /// Whether to have looked at so many is enough, if to find the next one takes another query.
    const fn is_enough(self, looked_at: usize) -> bool {
        match self {
            // Whether there is a next page is known with its first entry only.
            Self::Page(_) => false,
            Self::Piece => looked_at >= PIECE_MIN,
        }
    }

    /// Whether the next page begins behind so many.
    const fn is_reached(self, found: usize, looked_at: usize) -> bool {
        match self {
            Self::Page(size) => found == size || looked_at == LOOKED_AT_MAX,
            Self::Piece => false,
        }
    }
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
    let mut source = Source::open(&txn, business_id, input, &mut wanted).await?;
    let mut found = Vec::new();
    let mut next = None;
    let mut last = None;
    for looked_at in 0_usize.. {
        if input.amount.is_enough(looked_at) && !source.has_read_ahead() {
            next = last;
            break;
        }
        let Some(entry) = source.next(&txn, business_id).await? else {
            break;
        };
        if wanted.is_over_at(&entry) {
            break;
        }
        if input.amount.is_reached(found.len(), looked_at) {
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

/// Entries with where their lots belong, and their notes.
pub(super) async fn rows(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    found: Vec<Entry>,
) -> Result<Vec<EntryRow>, ServiceError> {
    let lot_ids = found.iter().map(|entry| entry.lot_id);
    let homes = lots::homes(txn, business_id, lot_ids).await?;
    let postings = found.iter().map(|entry| entry.key.posting_id);
    let notes = posting_notes::of_postings(txn, business_id, postings).await?;
    let mut rows = Vec::with_capacity(found.len());
    for entry in found {
        let home = homes.get(&entry.lot_id).copied();
        let note = notes.get(&entry.key.posting_id).cloned();
        rows.push(EntryRow {
            home: home.ok_or_else(|| resolve::not_found("lot", &entry.lot_id))?,
            note: note.unwrap_or_default(),
            entry,
        });
    }
    Ok(rows)
}
