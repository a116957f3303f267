//! Where entries come from, newest first: the merge of chains, a range of time, or a list.

use std::collections::BTreeMap;
use std::vec::IntoIter;

use sea_orm::DatabaseTransaction;

use crate::domain::entry::{Entry, EntryKey};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CustomerId};
use crate::service::buyers::check_there;
use crate::service::error::ServiceError;
use crate::service::history::wanted::{Wanted, of_customer};
use crate::service::history::{Amount, EntryList, EntryScope, Position};
use crate::service::resolve;
use crate::store::columns::micros;
use crate::store::{bookings, customers, entries, invoices, lots, packages};

/// How many entries are read ahead, of one chain or of a range of time.
const READ_AHEAD: u64 = 64;
/// How many of a range of time for a piece.
const PIECE_READ_AHEAD: u64 = 4_000;
/// Where entries come from, newest first.
pub(super) enum Source {
    /// A list that was read whole.
    Listed(IntoIter<Entry>),
    /// A range of time.
    Recorded(Recorded),
    /// The merge of chains.
    Merged(Merge),
}

impl Source {
    pub(super) async fn open(
        txn: &DatabaseTransaction,
        business_id: BusinessId,
        input: &EntryList,
        wanted: &mut Wanted,
    ) -> Result<Self, ServiceError> {
        let lots = match &input.scope {
            EntryScope::Posting(posting_id) => {
                let mut all = entries::of_posting(txn, business_id, *posting_id).await?;
                all.sort_by_key(|entry| std::cmp::Reverse(Position::of(entry)));
                all.retain(|entry| input.after.is_none_or(|after| Position::of(entry) < after));
                return Ok(Self::Listed(all.into_iter()));
            }
            EntryScope::Recorded(from, before) => {
                let range = (micros(*from), micros(*before));
                return Ok(Self::Recorded(Recorded::open(range, input)));
            }
            EntryScope::Package(reference) => {
                let id = resolve::package(txn, business_id, reference).await?;
                packages::get(txn, business_id, id)
                    .await?
                    .ok_or_else(|| resolve::not_found("package", reference))?;
                lots::of_packages(txn, business_id, &[id]).await?
            }
            EntryScope::Customer(reference) => {
                let id = resolve::customer(txn, business_id, reference).await?;
                let customer = customers::get(txn, business_id, id)
                    .await?
                    .ok_or_else(|| resolve::not_found("customer", reference))?;
                check_there(&customer)?;
                lots_of(txn, business_id, id, wanted).await?
            }
            EntryScope::Invoice(reference) => {
                let id = resolve::invoice(txn, business_id, reference).await?;
                let invoice = invoices::get(txn, business_id, id).await?;
                let invoice = invoice.ok_or_else(|| resolve::not_found("invoice", reference))?;
                lots_of(txn, business_id, invoice.customer_id, wanted).await?
            }
            EntryScope::Booking(reference) => {
                let id = resolve::booking(txn, business_id, reference).await?;
                let booking = bookings::get(txn, business_id, id).await?;
                let booking = booking.ok_or_else(|| resolve::not_found("booking", reference))?;
                lots_of(txn, business_id, booking.customer_id, wanted).await?
            }
        };
        let until = wanted.recorded.map(|(_, before)| Position::before(before));
        let after = until.into_iter().chain(input.after).min();
        Ok(Self::Merged(Merge::open(&lots, after)))
    }

    /// Whether the next entry was read together with the one before.
    pub(super) fn has_read_ahead(&self) -> bool {
        match self {
            Self::Recorded(recorded) => recorded.rest.len() > 0,
            Self::Merged(_) | Self::Listed(_) => false,
        }
    }

    pub(super) async fn next(
        &mut self,
        txn: &DatabaseTransaction,
        business_id: BusinessId,
    ) -> Result<Option<Entry>, ServiceError> {
        match self {
            Self::Merged(merge) => merge.next(txn, business_id).await,
            Self::Recorded(recorded) => recorded.next(txn, business_id).await,
            Self::Listed(rest) => Ok(rest.next()),
        }
    }
}

/// The lots of a customer's history, or of the one that it was merged into.
async fn lots_of(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: CustomerId,
    wanted: &mut Wanted,
) -> Result<Vec<Lot>, ServiceError> {
    let customer = customers::get(txn, business_id, id).await?;
    let survivor = customer.and_then(|customer| customer.merged_into);
    let (lots, shared) = of_customer(txn, business_id, survivor.unwrap_or(id)).await?;
    wanted.shared = Some(shared);
    Ok(lots)
}

/// A range of time, read backwards.
pub(super) struct Recorded {
    range: (i64, i64),
    after: Option<Position>,
    /// How many entries are read at once.
    at_once: u64,
    rest: IntoIter<Entry>,
    is_read: bool,
}

impl Recorded {
    fn open(range: (i64, i64), input: &EntryList) -> Self {
        Self {
            range,
            after: input.after,
            at_once: match input.amount {
                Amount::Page(_) => READ_AHEAD,
                Amount::Piece => PIECE_READ_AHEAD,
            },
            rest: Vec::new().into_iter(),
            is_read: false,
        }
    }

    async fn next(
        &mut self,
        txn: &DatabaseTransaction,
        business_id: BusinessId,
    ) -> Result<Option<Entry>, ServiceError> {
        if self.rest.len() == 0 && !self.is_read {
            let after = self.after;
            let after = after.map(|after| (after.recorded_at, after.lot_id, after.seq));
            let read = entries::recorded_between(txn, business_id, self.range, after, self.at_once)
                .await?;
            self.is_read = u64::try_from(read.len()) != Ok(self.at_once);
            self.after = read.last().map(Position::of);
            self.rest = read.into_iter();
        }
        Ok(self.rest.next())
    }
}

/// The chains of several lots as one, newest first. A chain is read when its turn may have come.
pub(super) struct Merge {
    after: Option<Position>,
    /// The next entry of each chain that was read, and what was read behind it.
    ready: BTreeMap<Position, (Entry, IntoIter<Entry>)>,
    /// Chains to be read from this key on; the position is that of the key, or newer.
    unread: BTreeMap<Position, EntryKey>,
}

impl Merge {
    fn open(lots: &[Lot], after: Option<Position>) -> Self {
        let mut unread = BTreeMap::new();
        for lot in lots {
            if let (Some(last), Some(recorded_at)) = (lot.tail.last, lot.tail.recorded_at) {
                let position = Position {
                    recorded_at: micros(recorded_at),
                    lot_id: lot.id,
                    seq: lot.tail.seq,
                };
                unread.insert(position, last);
            }
        }
        Self {
            after,
            ready: BTreeMap::new(),
            unread,
        }
    }

    async fn next(
        &mut self,
        txn: &DatabaseTransaction,
        business_id: BusinessId,
    ) -> Result<Option<Entry>, ServiceError> {
        loop {
            let newest_ready = self.ready.last_key_value().map(|(position, _)| *position);
            let newest_unread = self.unread.last_key_value().map(|(position, _)| *position);
            if newest_unread > newest_ready {
                let Some((_, key)) = self.unread.pop_last() else {
                    return Ok(None);
                };
                let chain = entries::chain(txn, business_id, key, READ_AHEAD).await?;
                self.put(chain.into_iter());
                continue;
            }
            let Some((position, (entry, rest))) = self.ready.pop_last() else {
                return Ok(None);
            };
            if rest.len() > 0 {
                self.put(rest);
            } else if let Some(key) = entry.previous {
                let seq = position.seq.saturating_sub(1);
                self.unread.insert(Position { seq, ..position }, key);
            }
            if self.after.is_none_or(|after| position < after) {
                return Ok(Some(entry));
            }
        }
    }

    fn put(&mut self, mut chain: IntoIter<Entry>) {
        if let Some(head) = chain.next() {
            self.ready.insert(Position::of(&head), (head, chain));
        }
    }
}
