//! Postings: what one command does to credits, atomically.
//!
//! A posting is drafted on copies of lots, so a refusal half-way leaves nothing behind, its settling
//! included. Whoever writes a posting writes its entries, its lots and its effects in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use uuid::Uuid;

use crate::domain::entry::Entry;
use crate::domain::lot::{Lot, Movement, Stamp};
use crate::domain::refusal::Refusal;
use crate::ids::{LotId, PackageId};

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
}

/// A posting in the making.
#[derive(Debug)]
pub struct Draft<'a> {
    stamp: &'a Stamp,
    lots: BTreeMap<LotId, Lot>,
    moved: BTreeSet<LotId>,
    entries: Vec<Entry>,
    effects: Vec<Effect>,
}

impl<'a> Draft<'a> {
    /// Begins a posting on copies of `lots`.
    pub fn open(stamp: &'a Stamp, lots: impl IntoIterator<Item = Lot>) -> Self {
        Self {
            stamp,
            lots: lots.into_iter().map(|lot| (lot.id, lot)).collect(),
            moved: BTreeSet::new(),
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

    /// The lots as they are so far, to change what they copy from their package.
    pub fn lots_mut(&mut self) -> impl Iterator<Item = &mut Lot> {
        self.lots.values_mut()
    }

    /// Adds a lot that does not exist yet; its first movement must be its issue.
    pub fn add(&mut self, lot: Lot) {
        self.lots.insert(lot.id, lot);
    }

    /// Makes one movement in the lot `lot_id`.
    pub fn post(&mut self, lot_id: LotId, movement: Movement) -> Result<(), Refusal> {
        let corrupt = Refusal::LotCorrupt(lot_id);
        let n = i32::try_from(self.entries.len()).map_err(|_| Refusal::AmountTooLarge)?;
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

    /// The finished posting.
    pub fn close(self) -> Posting {
        let moved = self.moved;
        Posting {
            id: self.stamp.posting_id,
            entries: self.entries,
            effects: self.effects,
            lots: self
                .lots
                .into_values()
                .filter(|lot| moved.contains(&lot.id))
                .collect(),
        }
    }
}
