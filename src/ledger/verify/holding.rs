//! Holds: what they say is held is what the lots' entries say, each part is an entry of its posting, and how
//! they ended is what the entries say that ended them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::flaw::{Findings, Flaw, Place};
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, Entry, EntryKind};
use crate::domain::hold::{Hold, HoldEnd};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, LotId};
use crate::store::db::Database;
use crate::store::entries;
use crate::store::error::StoreError;
use crate::store::holds;

/// How many holds are read at a time.
const HOLDS_PER_PAGE: u64 = 500;

/// What is wrong between a lot and the open holds in it.
pub(super) fn in_lot(lot: &Lot, open: &[Hold]) -> Vec<Flaw> {
    let parts = open.iter().flat_map(|hold| &hold.parts);
    let held = parts
        .filter(|part| part.lot_id == lot.id)
        .try_fold(Credits::ZERO, |sum, part| sum.checked_add(part.left));
    let next_timeout_at: Option<DateTime<Utc>> = open
        .iter()
        .filter(|hold| hold.holds_in(lot.id))
        .filter_map(|hold| hold.times_out_at)
        .min();
    let mut flaws = Vec::new();
    if held != Some(lot.fold.balances.held) {
        flaws.push(Flaw::Held);
    }
    if next_timeout_at != lot.next_timeout_at {
        flaws.push(Flaw::TimeOut);
    }
    flaws
}

/// Walks over all holds; false if `go_on`, which hears how many were read, said that it is enough.
pub(super) async fn prove(
    db: &Database,
    business_id: BusinessId,
    findings: &mut Findings,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<bool, StoreError> {
    let (mut after, mut read) = (None, 0_u64);
    loop {
        let snapshot = db.snapshot().await?;
        let page = match holds::page(&snapshot, business_id, after, HOLDS_PER_PAGE).await {
            Err(StoreError::Corrupt { table, id }) => {
                findings.add(Place::Business, Flaw::Damaged { table, id });
                return Ok(true);
            }
            page => page?,
        };
        let concerned = |hold: &Hold| {
            let ended_by = hold.ended.map(|(_, posting_id)| posting_id);
            [Some(hold.id.uuid()), ended_by]
        };
        let keys: BTreeSet<Uuid> = page.iter().flat_map(concerned).flatten().collect();
        let keys = keys.into_iter().map(|id| (business_id, id));
        let Some(last) = page.last() else {
            snapshot.rollback().await?;
            return Ok(true);
        };
        after = Some(last.id);
        let postings = entries::of_postings(&snapshot, keys).await?;
        snapshot.rollback().await?;
        for hold in &page {
            read = read.saturating_add(1);
            let posted = |id| {
                let entries = postings.get(&(business_id, id));
                entries.map_or(&[][..], Vec::as_slice)
            };
            let ending = hold.ended.map(|(how, id)| (how, posted(id)));
            let ended_else = ending.filter(|(how, entries)| !ended_so(hold, *how, entries));
            let ended_else = ended_else.map(|_| Flaw::HoldEndedBy);
            let flaws = flaws(hold, posted(hold.id.uuid()));
            for flaw in flaws.into_iter().chain(ended_else) {
                findings.add(Place::Posting(hold.id.uuid()), flaw);
            }
        }
        if !go_on(read) {
            return Ok(false);
        }
    }
}

/// Proves those of these entries that end holds: the holds say so.
pub(super) async fn prove_ends(
    db: &Database,
    business_id: BusinessId,
    chain: &[Entry],
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let ends = chain.iter().filter(|entry| entry.from == Account::Held);
    let ids: BTreeSet<Uuid> = ends.clone().filter_map(|it| it.about.hold_id).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    // How a hold ended is written with what ended it, and never again.
    let holds = holds::by_ids(db.reader(), business_id, &ids).await?;
    let by_id: HashMap<Uuid, &Hold> = holds.iter().map(|hold| (hold.id.uuid(), hold)).collect();
    for entry in ends {
        let hold = entry.about.hold_id.and_then(|id| by_id.get(&id));
        let is_told = match hold {
            Some(hold) if is_told(hold, entry) => true,
            Some(hold) => is_part(db, business_id, hold, entry).await?,
            None => false,
        };
        let flaw = (!is_told).then_some(Flaw::EndsHold(entry.seq));
        findings.in_lot(entry.lot_id, flaw);
    }
    Ok(())
}

/// Whether the hold says that this entry ended it.
fn is_told(hold: &Hold, entry: &Entry) -> bool {
    let captures = entry.kind == EntryKind::Capture;
    if entry.by_time {
        let mut keys = hold.captured_by_time.iter().map(|(_, key)| *key);
        return hold.ended.is_none() && captures == keys.any(|key| key == entry.key);
    }
    let ended_by = hold.ended.filter(|(_, id)| *id == entry.key.posting_id);
    // Of what was captured the rest is freed.
    ended_by.is_some_and(|(how, _)| how == HoldEnd::Captured || !captures)
}

/// Whether the entry only frees what a hold over several packages held in one that was taken away: the hold
/// goes on.
async fn is_part(
    db: &Database,
    business_id: BusinessId,
    hold: &Hold,
    entry: &Entry,
) -> Result<bool, StoreError> {
    if entry.by_time || entry.kind != EntryKind::Release {
        return Ok(false);
    }
    let posted = entries::of_posting(db.reader(), business_id, entry.key.posting_id).await?;
    let freed = by_lot(ending(hold, &posted).map(|entry| (entry.lot_id, entry.amount)));
    Ok(freed.len() < in_lots(hold).len())
}

/// Whether these entries end the hold in this way: of each of its lots all that it held, or what was freed
/// before.
fn ended_so(hold: &Hold, how: HoldEnd, posted: &[Entry]) -> bool {
    let captures = ending(hold, posted).any(|entry| entry.kind == EntryKind::Capture);
    let ended = by_lot(ending(hold, posted).map(|entry| (entry.lot_id, entry.amount)));
    let was_held = in_lots(hold);
    captures == (how == HoldEnd::Captured)
        && !ended.is_empty()
        && ended.iter().all(|(id, sum)| was_held.get(id) == Some(sum))
}

/// Those of these entries by which somebody ended the hold.
fn ending<'a>(hold: &Hold, posted: &'a [Entry]) -> impl Iterator<Item = &'a Entry> {
    let id = Some(hold.id.uuid());
    let entries = posted.iter();
    entries.filter(move |it| it.from == Account::Held && it.about.hold_id == id && !it.by_time)
}

/// What the hold took of each lot.
fn in_lots(hold: &Hold) -> BTreeMap<LotId, i128> {
    by_lot(hold.parts.iter().map(|part| (part.lot_id, part.amount)))
}

fn by_lot(amounts: impl Iterator<Item = (LotId, Credits)>) -> BTreeMap<LotId, i128> {
    let mut sums = BTreeMap::new();
    for (lot_id, amount) in amounts {
        let sum: &mut i128 = sums.entry(lot_id).or_default();
        *sum = sum.saturating_add(i128::from(amount.millionths()));
    }
    sums
}

fn flaws(hold: &Hold, posted: &[Entry]) -> Vec<Flaw> {
    let placed: HashMap<i32, &Entry> = posted
        .iter()
        .filter(|entry| entry.kind == EntryKind::Hold)
        .map(|entry| (entry.key.n, entry))
        .collect();
    let mut flaws: Vec<Flaw> = hold
        .parts
        .iter()
        .filter(|part| {
            placed.get(&part.n).is_none_or(|entry| {
                (entry.lot_id, entry.amount, entry.about.units)
                    != (part.lot_id, part.amount, part.units)
            })
        })
        .map(|part| Flaw::HoldPart(part.n))
        .collect();
    if placed.len() != hold.parts.len() {
        flaws.push(Flaw::HoldParts);
    }
    let holds_nothing = hold.parts.iter().all(|part| part.left == Credits::ZERO);
    let is_over = hold.ended.is_some();
    let may_be_over = is_over || hold.times_out_at.is_some();
    if (is_over && !holds_nothing) || (holds_nothing && !may_be_over) {
        flaws.push(Flaw::HoldEnd);
    }
    flaws
}
