//! Undoing a use, into the very lots that it came from (semantics 22).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::decide::Facts;
use crate::domain::decide::takes::refuse_too_fine;
use crate::domain::decide::using::{self, Consume};
use crate::domain::entry::{Account, Entry, EntryKind};
use crate::domain::line::ItemFacts;
use crate::domain::lot::Movement;
use crate::domain::package::Package;
use crate::domain::part::{self, Part, Portion, Slice};
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;
use crate::domain::returned::{bare, receiving, send_on, stop_clock, transfer};
use crate::domain::selection::Wanted;
use crate::domain::validity::{ExpirySource, Validity};
use crate::domain::value;
use crate::ids::{LotId, PackageId};

/// Undo a use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverse {
    /// The posting that used credits.
    pub posting_id: Uuid,
    /// How much of it.
    pub portion: Portion,
    /// What becomes of what goes back into a package that has ended.
    pub meanwhile: Meanwhile,
}

/// What becomes of credits that go back into a package that has ended meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meanwhile {
    /// They are lost at once.
    Expire,
    /// They alone are restored, as a package of their own.
    Restore {
        /// Its end, exclusive.
        expires_at: DateTime<Utc>,
        /// Ids for the packages and lots that this makes; at least two for each entry of the posting.
        ids: Vec<Uuid>,
    },
}

/// Undo all that is left of a use, and use other packages for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The posting that used credits.
    pub posting_id: Uuid,
    /// The packages to use, in this order; none: the best ones.
    pub package_ids: Vec<PackageId>,
    /// The item that was used, as it is now; none: credits by hand.
    pub item: Option<ItemFacts>,
}

pub(super) fn reverse(
    draft: &mut Draft<'_>,
    reverse: &Reverse,
    facts: &Facts,
) -> Result<(), Refusal> {
    if let Meanwhile::Restore { expires_at, .. } = &reverse.meanwhile
        && *expires_at <= draft.stamp().now
    {
        return Err(Refusal::ExpiryNotLater {
            old: draft.stamp().now,
            new: *expires_at,
        });
    }
    let use_ = Use::of(reverse.posting_id, facts, draft);
    use_.refuse_bound(draft)?;
    let slices = use_.slices(reverse.portion)?;
    undo(draft, &use_, &slices)?;
    if let Meanwhile::Restore { expires_at, ids } = &reverse.meanwhile {
        restore(draft, &slices, *expires_at, (&facts.packages, ids))?;
    }
    settle_returned(draft, &slices)
}

pub(super) fn relocate(draft: &mut Draft<'_>, moved: &Move, facts: &Facts) -> Result<(), Refusal> {
    let use_ = Use::of(moved.posting_id, facts, draft);
    use_.refuse_bound(draft)?;
    let slices = use_.slices(Portion::All)?;
    let again = use_.again(draft, &slices, moved)?;
    let again = Consume {
        customer_id: facts.survivor.unwrap_or(again.customer_id),
        ..again
    };
    undo(draft, &use_, &slices)?;
    settle_returned(draft, &slices)?;
    using::consume(draft, &again, facts)
}

/// A use that is to be undone: its entries, and what was undone of each.
struct Use<'a> {
    posting_id: Uuid,
    exists: bool,
    entries: Vec<Entry>,
    undone: &'a [Entry],
}

impl<'a> Use<'a> {
    /// The uses of a posting; of one that placed a hold, what its time-out captured, be it written by others
    /// or just now. What else time did in a posting was settled by its command, not asked for.
    fn of(posting_id: Uuid, facts: &'a Facts, draft: &Draft<'_>) -> Self {
        let is_of_use =
            |entry: &Entry| entry.key.posting_id == posting_id && entry.to == Account::Consumed;
        let by_time_out = |entry: &Entry| {
            let about = entry.about.hold_id == Some(posting_id);
            entry.by_time && about && entry.kind == EntryKind::Capture
        };
        let entries = facts
            .original
            .iter()
            .filter(|entry| by_time_out(entry) || (is_of_use(entry) && !entry.by_time))
            .chain(draft.entries().iter().filter(|entry| by_time_out(entry)))
            .cloned()
            .collect();
        Self {
            posting_id,
            exists: !facts.original.is_empty(),
            entries,
            undone: &facts.undone,
        }
    }

    /// Refuses a use for something else than this command is for.
    fn refuse_bound(&self, draft: &Draft<'_>) -> Result<(), Refusal> {
        let bound = self.entries.iter().find_map(|entry| entry.about.purpose());
        using::refuse_bound(bound, draft)
    }

    /// What is taken back, last taken first.
    fn slices(&self, portion: Portion) -> Result<Vec<Slice>, Refusal> {
        if !self.exists {
            return Err(Refusal::NotFound {
                kind: "posting",
                id: self.posting_id.to_string(),
            });
        }
        let nothing = Refusal::NothingToReverse {
            posting_id: self.posting_id,
        };
        let mut parts = Vec::new();
        for (n, entry) in (0..).zip(&self.entries) {
            let (amount, _) = self.left(entry)?;
            parts.push(Part {
                n,
                lot_id: entry.lot_id,
                amount: entry.amount,
                left: amount,
                units: entry.about.units,
            });
        }
        if parts.iter().all(|part| part.left <= Credits::ZERO) {
            return Err(nothing);
        }
        part::take(&parts, portion, part::From::Last).map_err(|cannot| {
            cannot.or_else(|left, requested, counted_in| Refusal::ReversalExceedsUse {
                left,
                requested,
                counted_in,
            })
        })
    }

    /// The credits and the value of an entry that are not undone.
    fn left(&self, entry: &Entry) -> Result<(Credits, i64), Refusal> {
        let undone = self
            .undone
            .iter()
            .filter(|undo| undo.undoes == Some(entry.key));
        let mut left = (entry.amount, entry.value);
        for undo in undone {
            let amount = left.0.checked_sub(undo.amount);
            let value = left.1.checked_sub(undo.value);
            left = amount.zip(value).ok_or(Refusal::LotCorrupt(entry.lot_id))?;
        }
        Ok(left)
    }

    /// The entry that a slice is of.
    fn entry(&self, n: i32) -> Result<&Entry, Refusal> {
        usize::try_from(n)
            .ok()
            .and_then(|place| self.entries.get(place))
            .ok_or(Refusal::NothingToReverse {
                posting_id: self.posting_id,
            })
    }

    /// The same use once more, from other packages.
    fn again(&self, draft: &Draft<'_>, slices: &[Slice], moved: &Move) -> Result<Consume, Refusal> {
        let first = slices.last().ok_or(Refusal::NothingToReverse {
            posting_id: self.posting_id,
        })?;
        let entry = self.entry(first.n)?;
        let lot = draft.lot(first.lot_id)?;
        let sum = |amounts: Option<Vec<Credits>>, otherwise: Refusal| {
            amounts
                .and_then(|all| {
                    all.into_iter()
                        .try_fold(Credits::ZERO, Credits::checked_add)
                })
                .ok_or(otherwise)
        };
        let wanted = match &moved.item {
            Some(item) => Wanted::Item {
                // It was offered when it was delivered.
                item: ItemFacts {
                    active: true,
                    ..item.clone()
                },
                units: sum(
                    slices.iter().map(|slice| slice.units).collect(),
                    Refusal::UnitsTooFine,
                )?,
            },
            None => Wanted::Credits {
                credit_type_id: lot.line.credit_type_id,
                amount: sum(
                    slices.iter().map(|slice| Some(slice.amount)).collect(),
                    Refusal::AmountTooLarge,
                )?,
            },
        };
        Ok(Consume {
            customer_id: entry.about.customer_id.unwrap_or(lot.customer_id),
            wanted,
            package_ids: moved.package_ids.clone(),
            delivered_at: Some(entry.effective_at),
            consumed_by: entry.about.consumed_by,
            past_expiry: None,
        })
    }
}

/// Brings the slices back, each with the value that it carried; the last part of an entry carries the
/// rest (design section 2).
fn undo(draft: &mut Draft<'_>, use_: &Use<'_>, slices: &[Slice]) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    for slice in slices {
        let entry = use_.entry(slice.n)?;
        refuse_too_fine(draft.lot(slice.lot_id)?, slice.amount)?;
        let corrupt = || Refusal::LotCorrupt(slice.lot_id);
        let (left, left_value) = use_.left(entry)?;
        let remaining = left.checked_sub(slice.amount).ok_or_else(corrupt)?;
        let value = value::carried(left_value, entry.value, entry.amount, remaining);
        let accounts = (Account::Consumed, Account::Available);
        let movement = bare(
            EntryKind::Reverse,
            accounts,
            (slice.amount, value),
            now,
            false,
        );
        let mut about = entry.about;
        about.units = slice.units;
        draft.post(
            slice.lot_id,
            Movement {
                undoes: Some(entry.key),
                about,
                ..movement
            },
        )?;
    }
    Ok(())
}

/// Sends on what lots cannot keep, and unsets clocks that nothing keeps running any more.
fn settle_returned(draft: &mut Draft<'_>, slices: &[Slice]) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let lot_ids: BTreeSet<LotId> = slices.iter().map(|slice| slice.lot_id).collect();
    let mut package_ids = BTreeSet::new();
    for lot_id in lot_ids {
        package_ids.insert(draft.lot(lot_id)?.package_id);
        send_on(draft, lot_id, now, false)?;
    }
    for package_id in package_ids {
        stop_clock(draft, package_id, now, false)?;
    }
    Ok(())
}

/// Moves what came back into ended packages into packages of their own, one for each.
fn restore(
    draft: &mut Draft<'_>,
    slices: &[Slice],
    expires_at: DateTime<Utc>,
    (packages, ids): (&[Package], &[Uuid]),
) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let mut ids = ids.iter().copied();
    let mut made: BTreeMap<PackageId, Package> = BTreeMap::new();
    let lot_ids: BTreeSet<LotId> = slices.iter().map(|slice| slice.lot_id).collect();
    for lot_id in lot_ids {
        let lot_id = follow(draft, lot_id)?;
        let lot = draft.lot(lot_id)?.clone();
        let is_lost = lot.has_expired(now) && !lot.terms.revoked;
        if !is_lost || lot.available() <= Credits::ZERO {
            // Moved to a package that was revoked.
            send_on(draft, lot_id, now, false)?;
            continue;
        }
        let corrupt = || Refusal::LotCorrupt(lot_id);
        let package = if let Some(package) = made.get(&lot.package_id) {
            package.clone()
        } else {
            let ended = packages
                .iter()
                .find(|package| package.id == lot.package_id)
                .ok_or_else(corrupt)?;
            let id = PackageId::from_uuid(ids.next().ok_or_else(corrupt)?);
            let package = successor(ended, id, expires_at, now);
            made.insert(lot.package_id, package.clone());
            draft.add_package(package.clone());
            package
        };
        let new_id = LotId::from_uuid(ids.next().ok_or_else(corrupt)?);
        draft.add(receiving(&lot, new_id, &package, now));
        transfer(draft, lot_id, new_id, now, false)?;
    }
    Ok(())
}

/// Moves what came back on to where the lot's credits were moved, and names the lot it is in then.
fn follow(draft: &mut Draft<'_>, lot_id: LotId) -> Result<LotId, Refusal> {
    let mut at = lot_id;
    // A lot is moved once, to a newer one, so this ends.
    while let Some(to) = draft.lot(at)?.transferred_to {
        if draft.lot(at)?.available() <= Credits::ZERO {
            break;
        }
        transfer(draft, at, to, draft.stamp().now, false)?;
        at = to;
    }
    Ok(at)
}

/// The package that holds what was restored of another one: worth what its lots bring, at no price.
fn successor(
    ended: &Package,
    id: PackageId,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Package {
    Package {
        validity: Validity::Until(calendar::last_usable_day(expires_at, ended.zone)),
        expiry_source: ExpirySource::Sale,
        expires_at: Some(expires_at),
        counts_from_first_use: false,
        version: 0,
        ..ended.successor(id, now)
    }
}
