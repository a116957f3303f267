//! Holds: what they say is held is what the lots' entries say, and each part is an entry of its posting.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::flaw::{Findings, Flaw, Place};
use crate::domain::credits::Credits;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::hold::Hold;
use crate::domain::lot::Lot;
use crate::ids::BusinessId;
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

/// Walks over all holds; false if `go_on` said that it is enough.
pub(super) async fn prove(
    db: &Database,
    business_id: BusinessId,
    findings: &mut Findings,
    mut go_on: impl FnMut() -> bool,
) -> Result<bool, StoreError> {
    let mut after = None;
    loop {
        let snapshot = db.snapshot().await?;
        let page = match holds::page(&snapshot, business_id, after, HOLDS_PER_PAGE).await {
            Err(StoreError::Corrupt { table, id }) => {
                findings.add(Place::Business, Flaw::Damaged { table, id });
                return Ok(true);
            }
            page => page?,
        };
        let keys = page.iter().map(|hold| (business_id, hold.id.uuid()));
        let Some(last) = page.last() else {
            snapshot.rollback().await?;
            return Ok(true);
        };
        after = Some(last.id);
        let postings = entries::of_postings(&snapshot, keys).await?;
        snapshot.rollback().await?;
        for hold in &page {
            let posted = postings.get(&(business_id, hold.id.uuid()));
            for flaw in flaws(hold, posted.map_or(&[], Vec::as_slice)) {
                findings.add(Place::Posting(hold.id.uuid()), flaw);
            }
        }
        if !go_on() {
            return Ok(false);
        }
    }
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
