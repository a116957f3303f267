//! Postings: what one command does to credits, atomically.
//!
//! A posting is drafted on copies of lots, so a refusal half-way leaves nothing behind, its settling
//! included. Whoever writes a posting writes its entries, its lots and its effects in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::domain::change::{ChangeKind, Expiry, NewChange, Value};
use crate::domain::entry::{Entry, EntryKey};
use crate::domain::hold::Hold;
use crate::domain::lot::{Lot, Movement, Stamp, Terms};
use crate::domain::package::Package;
use crate::domain::refusal::Refusal;
use crate::ids::{HoldId, LotId, PackageId};

/// What a posting changes besides its lots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The validity of a package that counts from first use now counts from this local day
    /// (semantics 9). Written by the second lane, which holds the package's lock.
    StartClock {
        /// The package.
        package_id: PackageId,
        /// The earliest local day of a service that used it.
        first_used_on: NaiveDate,
    },
    /// A freeze of the package reached its limit (semantics 15).
    Thaw {
        /// The package.
        package_id: PackageId,
        /// When.
        at: DateTime<Utc>,
    },
    /// Everything that used or held a unit of the package was undone, so its validity waits for its
    /// first use again (semantics 9).
    StopClock {
        /// The package.
        package_id: PackageId,
    },
}

impl Effect {
    /// Makes the change on its package.
    pub fn apply(&self, package: &mut Package) {
        match self {
            Self::StartClock { first_used_on, .. } => package.start_clock(*first_used_on),
            Self::StopClock { .. } => package.stop_clock(),
            Self::Thaw { at, .. } => package.thaw(*at),
        }
    }

    /// Makes the change on its package, decided at `now`, and tells it.
    pub fn change(&self, package: &mut Package, now: DateTime<Utc>) -> NewChange {
        let old = Value::Expiry(Expiry::of(package));
        self.apply(package);
        let (kind, by_time_at) = match self {
            Self::StartClock { .. } => (ChangeKind::ClockStarted, None),
            Self::StopClock { .. } => (ChangeKind::ClockStopped, None),
            Self::Thaw { at, .. } => (ChangeKind::Thawed, Some(*at)),
        };
        NewChange {
            kind,
            old,
            new: Value::Expiry(Expiry::of(package)),
            effective_at: by_time_at.unwrap_or(now),
            by_time: by_time_at.is_some(),
        }
    }

    /// The package that it changes.
    pub fn package_id(&self) -> PackageId {
        match self {
            Self::StartClock { package_id, .. }
            | Self::StopClock { package_id }
            | Self::Thaw { package_id, .. } => *package_id,
        }
    }
}

/// What one command did to credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Its id: the request id.
    pub id: Uuid,
    /// Its entries, in the order of `n`.
    pub entries: Vec<Entry>,
    /// What else it changes.
    pub effects: Vec<Effect>,
    /// The lots that it moved, as they are after it, in the order of their ids.
    pub lots: Vec<Lot>,
    /// The holds that it placed or of which it took something, as they are after it, in the order of
    /// their ids.
    pub holds: Vec<Hold>,
    /// The packages that it makes.
    pub packages: Vec<Package>,
}

impl Posting {
    /// Whether it moved credits of a package or changed it.
    pub fn concerns(&self, package_id: PackageId) -> bool {
        self.lots.iter().any(|lot| lot.package_id == package_id)
            || self.effects.iter().any(|it| it.package_id() == package_id)
    }
}

/// A posting in the making.
#[derive(Debug)]
pub struct Draft<'a> {
    stamp: &'a Stamp,
    lots: BTreeMap<LotId, Lot>,
    moved: BTreeSet<LotId>,
    holds: BTreeMap<HoldId, Hold>,
    touched: BTreeSet<HoldId>,
    packages: Vec<Package>,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
}

impl<'a> Draft<'a> {
    /// Begins a posting on copies of `lots`, none of which has a hold that is due.
    pub fn open(stamp: &'a Stamp, lots: impl IntoIterator<Item = Lot>) -> Self {
        Self::with_holds(stamp, lots, [])
    }

    /// Begins a posting on copies of `lots` and of the open `holds` in them.
    pub fn with_holds(
        stamp: &'a Stamp,
        lots: impl IntoIterator<Item = Lot>,
        holds: impl IntoIterator<Item = Hold>,
    ) -> Self {
        Self {
            stamp,
            lots: lots.into_iter().map(|lot| (lot.id, lot)).collect(),
            moved: BTreeSet::new(),
            holds: holds.into_iter().map(|hold| (hold.id, hold)).collect(),
            touched: BTreeSet::new(),
            packages: Vec::new(),
            entries: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// What the posting's entries have in common.
    pub fn stamp(&self) -> &Stamp {
        self.stamp
    }

    /// The lots as they are so far, in the order of their ids.
    pub fn lots(&self) -> impl Iterator<Item = &Lot> {
        self.lots.values()
    }

    /// One lot as it is so far.
    ///
    /// # Errors
    /// [`Refusal::LotCorrupt`] if it is not among those that the posting was begun on.
    pub fn lot(&self, lot_id: LotId) -> Result<&Lot, Refusal> {
        self.lots.get(&lot_id).ok_or(Refusal::LotCorrupt(lot_id))
    }

    /// The lots of one package as they are so far.
    pub fn lots_of(&self, package_id: PackageId) -> impl Iterator<Item = &Lot> {
        self.lots
            .values()
            .filter(move |lot| lot.package_id == package_id)
    }

    /// Whether it has this lot, and the lot is one of this package.
    pub fn is_in(&self, lot_id: LotId, package_id: PackageId) -> bool {
        let lot = self.lots.get(&lot_id);
        lot.is_some_and(|lot| lot.package_id == package_id)
    }

    /// Gives the lots of a package what they copy from it.
    pub fn retell(&mut self, package_id: PackageId, change: impl Fn(&mut Terms)) {
        for lot in self.lots.values_mut() {
            if lot.package_id == package_id {
                change(&mut lot.terms);
            }
        }
    }

    /// Gives the lots of a package all that they copy from it.
    pub fn copy_from(&mut self, package: &Package) {
        for lot in self.lots.values_mut() {
            if lot.package_id == package.id {
                lot.terms = package.terms();
                lot.priority = package.priority;
            }
        }
    }

    /// Adds a lot that does not exist yet; its first movement must be what puts credits into it.
    pub fn add(&mut self, lot: Lot) {
        self.lots.insert(lot.id, lot);
    }

    /// Lets what comes back into a lot follow to the lot that its credits were moved to.
    pub fn link(&mut self, from: LotId, to: LotId) {
        if let Some(lot) = self.lots.get_mut(&from) {
            lot.transferred_to = Some(to);
        }
    }

    /// Adds a package that does not exist yet.
    pub fn add_package(&mut self, package: Package) {
        self.packages.push(package);
    }

    /// The holds as they are so far, in the order of their ids.
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// Keeps a hold as it is now, and when the next of the holds in each of its lots times out.
    pub fn keep(&mut self, hold: Hold) {
        let lot_ids: BTreeSet<LotId> = hold.parts.iter().map(|part| part.lot_id).collect();
        self.touched.insert(hold.id);
        self.holds.insert(hold.id, hold);
        for lot_id in lot_ids {
            let next = self
                .holds
                .values()
                .filter(|hold| hold.holds_in(lot_id))
                .filter_map(|hold| hold.times_out_at)
                .min();
            if let Some(lot) = self.lots.get_mut(&lot_id)
                && lot.next_timeout_at != next
            {
                lot.next_timeout_at = next;
                self.moved.insert(lot_id);
            }
        }
    }

    /// The number that the next entry will have.
    pub fn next_n(&self) -> Result<i32, Refusal> {
        i32::try_from(self.entries.len()).map_err(|_| Refusal::AmountTooLarge)
    }

    /// The key that the next entry will have.
    pub fn next_key(&self) -> Result<EntryKey, Refusal> {
        Ok(EntryKey {
            posting_id: self.stamp.posting_id,
            n: self.next_n()?,
        })
    }

    /// The entries so far, in their order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Makes one movement in the lot `lot_id`.
    pub fn post(&mut self, lot_id: LotId, movement: Movement) -> Result<(), Refusal> {
        let corrupt = Refusal::LotCorrupt(lot_id);
        let n = self.next_n()?;
        let lot = self.lots.get_mut(&lot_id).ok_or(corrupt.clone())?;
        let entry = lot.post(self.stamp, n, movement).map_err(|_| corrupt)?;
        self.moved.insert(lot_id);
        self.entries.push(entry);
        Ok(())
    }

    /// Adds an effect, unless the same one is there already.
    pub fn cause(&mut self, effect: Effect) {
        if !self.effects.contains(&effect) {
            self.effects.push(effect);
        }
    }

    /// The effects so far.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// The finished posting.
    pub fn close(self) -> Posting {
        self.close_with_rest().0
    }

    /// The finished posting, and the lots that it did not move.
    pub fn close_with_rest(self) -> (Posting, Vec<Lot>) {
        let (moved, touched) = (self.moved, self.touched);
        let (lots, rest) = self
            .lots
            .into_values()
            .partition(|lot| moved.contains(&lot.id));
        let posting = Posting {
            id: self.stamp.posting_id,
            entries: self.entries,
            effects: self.effects,
            lots,
            holds: self
                .holds
                .into_values()
                .filter(|hold| touched.contains(&hold.id))
                .collect(),
            packages: self.packages,
        };
        (posting, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{at, item, line_for, lot, stamp};

    #[test]
    fn a_posting_concerns_the_packages_that_it_moves_credits_of_or_changes() {
        let (moved, changed) = (
            lot(&line_for(&item()), "8", 800),
            PackageId::generate(at(0)),
        );
        let stamp = stamp(1);
        let mut draft = Draft::open(&stamp, []);
        draft.cause(Effect::Thaw {
            package_id: changed,
            at: at(1),
        });
        let posting = Posting {
            lots: vec![moved.clone()],
            ..draft.close()
        };
        assert!(posting.concerns(moved.package_id));
        assert!(posting.concerns(changed));
        assert!(!posting.concerns(PackageId::generate(at(0))));
    }
}
