//! The ledger as callers read it (H1): who took what and when.
//!
//! A lot's history is its chain of entries, and a customer's is the merge of its lots' chains, newest
//! first: no index is kept for it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::vec::IntoIter;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::entry::{Actor, Entry, EntryKey, EntryKind};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CustomerId, ItemId, LotId, PackageId, Reference, UserId};
use crate::service::buyers::check_merged;
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::columns::micros;
use crate::store::{customers, entries, lots, package_members, packages, posting_notes};

/// How many entries of one chain are read ahead.
const READ_AHEAD: u64 = 64;
/// By how much the clock of another replica may be ahead, and more.
const CLOCKS_DIFFER_MAX: TimeDelta = TimeDelta::minutes(1);
/// How long a span of a range of time is read first.
const FIRST_SPAN_MICROSECONDS: i64 = 60_000_000;
/// How many times as long the next span is if there was too little in one.
const SPAN_GROWTH: i64 = 4;
/// How many entries are looked at for one page; a page whose filters pass few of them ends early.
const LOOKED_AT_MAX: usize = 2_000;

/// Which entries.
#[derive(Clone, Debug)]
pub struct EntryList {
    /// Whose.
    pub scope: EntryScope,
    /// Only for this item.
    pub item: Option<Reference<ItemId>>,
    /// Only with this user as the one who delivered or called.
    pub user: Option<Reference<UserId>>,
    /// Only of these kinds; none: all.
    pub kinds: Vec<EntryKind>,
    /// After this position.
    pub after: Option<Position>,
    /// How many at most.
    pub size: usize,
}

/// Whose entries.
#[derive(Clone, Debug)]
pub enum EntryScope {
    /// A package's.
    Package(Reference<PackageId>),
    /// Those of all packages of a customer.
    Customer(Reference<CustomerId>),
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
    let txn = ctx.db.snapshot().await?;
    let business_id = call.business_id();
    let mut wanted = Wanted::of(&txn, business_id, input).await?;
    let mut source = Source::open(&txn, business_id, input, &mut wanted, ctx.clock.now()).await?;
    let mut found = Vec::new();
    let mut next = None;
    let mut last = None;
    for looked_at in 0_usize.. {
        let Some(entry) = source.next(&txn, business_id).await? else {
            break;
        };
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

/// The filters, with what they name found.
struct Wanted {
    item_id: Option<ItemId>,
    user_id: Option<UserId>,
    kinds: Vec<EntryKind>,
    /// Of which lots only the entries of some customers are theirs to see.
    shared: Option<SharedLots>,
}

/// The lots of others that a customer shares or shared once, and under which ids it did.
struct SharedLots {
    lot_ids: HashSet<LotId>,
    customer_ids: Vec<CustomerId>,
}

/// The lots in which a customer's history lies: its own, and those of others in which it left entries.
async fn of_customer(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<(Vec<Lot>, SharedLots), ServiceError> {
    let mut customer_ids = customers::merged_into(txn, business_id, id).await?;
    customer_ids.push(id);
    let mut all = lots::of_customer(txn, business_id, id).await?;
    let shared = package_members::ever_shared_with(txn, business_id, &customer_ids).await?;
    let mut others = lots::of_packages(txn, business_id, &shared).await?;
    others.retain(|lot| lot.customer_id != id);
    let lot_ids = others.iter().map(|lot| lot.id).collect();
    all.append(&mut others);
    let shared = SharedLots {
        lot_ids,
        customer_ids,
    };
    Ok((all, shared))
}

impl Wanted {
    async fn of(
        db: &impl ConnectionTrait,
        business_id: BusinessId,
        input: &EntryList,
    ) -> Result<Self, ServiceError> {
        Ok(Self {
            item_id: match &input.item {
                Some(reference) => Some(resolve::item(db, business_id, reference).await?),
                None => None,
            },
            user_id: match &input.user {
                Some(reference) => Some(resolve::user(db, business_id, reference).await?),
                None => None,
            },
            kinds: input.kinds.clone(),
            shared: None,
        })
    }

    fn wants(&self, entry: &Entry) -> bool {
        let is_of = |user_id: UserId| {
            entry.about.consumed_by == Some(user_id) || entry.actor == Actor::User(user_id)
        };
        let is_anothers = |shared: &SharedLots| {
            let user = entry.about.customer_id;
            shared.lot_ids.contains(&entry.lot_id)
                && user.is_none_or(|user| !shared.customer_ids.contains(&user))
        };
        !self.shared.as_ref().is_some_and(is_anothers)
            && self
                .item_id
                .is_none_or(|item_id| entry.about.item_id == Some(item_id))
            && self.user_id.is_none_or(is_of)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
    }
}

/// Where entries come from, newest first.
enum Source {
    /// A list that was read whole.
    Listed(IntoIter<Entry>),
    /// A range of time.
    Recorded(Recorded),
    /// The merge of chains.
    Merged(Merge),
}

impl Source {
    async fn open(
        txn: &DatabaseTransaction,
        business_id: BusinessId,
        input: &EntryList,
        wanted: &mut Wanted,
        now: DateTime<Utc>,
    ) -> Result<Self, ServiceError> {
        let lots = match &input.scope {
            EntryScope::Posting(posting_id) => {
                let mut all = entries::of_posting(txn, business_id, *posting_id).await?;
                all.sort_by_key(|entry| std::cmp::Reverse(Position::of(entry)));
                all.retain(|entry| input.after.is_none_or(|after| Position::of(entry) < after));
                return Ok(Self::Listed(all.into_iter()));
            }
            EntryScope::Recorded(from, before) => {
                // Nothing is recorded after now, but for clocks that differ.
                let newest = now.checked_add_signed(CLOCKS_DIFFER_MAX).unwrap_or(now);
                let range = (micros(*from), micros((*before).min(newest)));
                return Ok(Self::Recorded(Recorded::open(range, input.after)));
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
                check_merged(&customer)?;
                let (lots, told) = of_customer(txn, business_id, id).await?;
                wanted.shared = Some(told);
                lots
            }
        };
        Ok(Self::Merged(Merge::open(&lots, input.after)))
    }

    async fn next(
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

/// A range of time, read backwards by short spans: a database that finds only blocks by time would sort all
/// that it has for each piece of a long one.
struct Recorded {
    from: i64,
    /// All from here on was read.
    before: i64,
    span_microseconds: i64,
    rest: IntoIter<Entry>,
    last: Option<Position>,
}

impl Recorded {
    fn open((from, before): (i64, i64), after: Option<Position>) -> Self {
        let before = after.map_or(before, |after| {
            before.min(after.recorded_at.saturating_add(1))
        });
        Self {
            from,
            before,
            span_microseconds: FIRST_SPAN_MICROSECONDS,
            rest: Vec::new().into_iter(),
            last: after,
        }
    }

    async fn next(
        &mut self,
        txn: &DatabaseTransaction,
        business_id: BusinessId,
    ) -> Result<Option<Entry>, ServiceError> {
        loop {
            if let Some(entry) = self.rest.next() {
                self.last = Some(Position::of(&entry));
                return Ok(Some(entry));
            }
            if self.before <= self.from {
                return Ok(None);
            }
            let begin = self.before.saturating_sub(self.span_microseconds);
            let span = (begin.max(self.from), self.before);
            let after = self
                .last
                .map(|last| (last.recorded_at, last.lot_id, last.seq));
            let piece =
                entries::recorded_between(txn, business_id, span, after, READ_AHEAD).await?;
            match piece.last() {
                Some(last) if u64::try_from(piece.len()) == Ok(READ_AHEAD) => {
                    self.before = micros(last.recorded_at).saturating_add(1);
                    let shorter = self.span_microseconds.checked_div(SPAN_GROWTH);
                    self.span_microseconds =
                        shorter.unwrap_or_default().max(FIRST_SPAN_MICROSECONDS);
                }
                _ => {
                    self.before = span.0;
                    self.span_microseconds = self.span_microseconds.saturating_mul(SPAN_GROWTH);
                }
            }
            self.rest = piece.into_iter();
        }
    }
}

/// The chains of several lots as one, newest first. A chain is read when its turn may have come.
struct Merge {
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

async fn rows(
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
