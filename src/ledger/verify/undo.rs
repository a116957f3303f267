//! Undone entries: an undo points to what it can undo, and no more comes back than went.

use std::collections::{BTreeMap, BTreeSet};

use super::flaw::{Findings, Flaw};
use crate::domain::credits::Credits;
use crate::domain::entry::meaning::Undoing;
use crate::domain::entry::{Entry, EntryKey};
use crate::domain::value;
use crate::ids::BusinessId;
use crate::store::db::Database;
use crate::store::entries::proof;
use crate::store::error::StoreError;

/// How many undone entries are looked up at a time.
const ORIGINALS_PER_PAGE: usize = 100;

/// Proves those of these entries that undo others.
pub(super) async fn prove(
    db: &Database,
    business_id: BusinessId,
    entries: &[Entry],
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let mut by_original: BTreeMap<EntryKey, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        if let Some(key) = entry.undoes {
            by_original.entry(key).or_default().push(entry);
        }
    }
    let keys: Vec<EntryKey> = by_original.keys().copied().collect();
    for keys in keys.chunks(ORIGINALS_PER_PAGE) {
        let originals = proof::by_keys(db.reader(), business_id, keys).await?;
        let undoing = proof::undoing(db.reader(), business_id, keys).await?;
        for key in keys {
            let here = by_original.get(key).map_or(&[][..], Vec::as_slice);
            let Some(original) = originals.iter().find(|entry| entry.key == *key) else {
                for undo in here {
                    findings.in_lot(undo.lot_id, [Flaw::UndoesNothing(undo.seq)]);
                }
                continue;
            };
            for undo in here.iter().filter(|undo| !can_undo(undo, original)) {
                findings.in_lot(undo.lot_id, [Flaw::UndoesOther(undo.seq)]);
            }
            let all = undoing.iter().filter(|undo| undo.undoes == Some(*key));
            // Told once, where the first of them is met.
            let first = all.clone().map(|undo| undo.seq).min();
            if here.iter().any(|undo| Some(undo.seq) == first) {
                findings.in_lot(original.lot_id, sums(original, all));
            }
        }
    }
    Ok(())
}

/// Whether `undo` may name `original`: of the same lot, of a fitting kind, and there before it.
fn can_undo(undo: &Entry, original: &Entry) -> bool {
    let fits = match undo.kind.undoing() {
        Undoing::Nothing => false,
        Undoing::Maybe(kinds) | Undoing::Always(kinds) => kinds.contains(&original.kind),
    };
    fits && undo.lot_id == original.lot_id && undo.seq > original.seq
}

/// What came back of `original`, part by part: never more than went, each part with its share of the
/// value, the last with the rest.
fn sums<'a>(original: &Entry, undoing: impl Iterator<Item = &'a Entry>) -> BTreeSet<Flaw> {
    let mut parts: Vec<&Entry> = undoing.collect();
    parts.sort_unstable_by_key(|undo| undo.seq);
    let (mut left, mut value_left) = (original.amount, original.value);
    let mut flaws = BTreeSet::new();
    for part in parts {
        let rest = left.checked_sub(part.amount);
        let Some(rest) = rest.filter(|rest| *rest >= Credits::ZERO) else {
            flaws.insert(Flaw::UndoneAmount(original.seq));
            break;
        };
        let share = value::carried(value_left, original.value, original.amount, rest);
        if part.value != share {
            flaws.insert(Flaw::UndoneValue(original.seq));
        }
        left = rest;
        value_left = value_left.saturating_sub(part.value).max(0);
    }
    flaws
}
