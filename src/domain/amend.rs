//! Changing a package that was sold: what every such command has in common.
//!
//! The package is first settled, and seen as it is now: what time alone has changed on it is judged by and
//! is written with the command, before the command's own changes.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::change::{ChangeKind, Expiry, NewChange, Value};
use crate::domain::credits::Credits;
use crate::domain::hold::Hold;
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Posting};
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::domain::settle::settle;
use crate::ids::HoldId;

/// A package that is being changed, with all lots of it and the open holds in them. The draft also has the lots of
/// others to which what is held in these goes on, where there are such.
#[derive(Debug)]
pub struct Amendment<'a> {
    /// The package as it is so far.
    pub package: Package,
    /// What is posted so far.
    pub draft: Draft<'a>,
    changes: Vec<NewChange>,
    /// How many effects of the draft the package has had.
    applied: usize,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// The package after it.
    pub package: Package,
    /// What its lots did.
    pub posting: Posting,
    /// The lots that did nothing, with what they copy from the package.
    pub unmoved: Vec<Lot>,
    /// What is to be told of it, in this order.
    pub changes: Vec<NewChange>,
}

impl<'a> Amendment<'a> {
    /// Begins with the package as it is at the draft's now.
    ///
    /// # Errors
    /// [`Refusal::LotCorrupt`].
    pub fn begin(package: &Package, mut draft: Draft<'a>) -> Result<Self, Refusal> {
        settle(&mut draft)?;
        let mut amendment = Self {
            package: package.clone(),
            draft,
            changes: Vec::new(),
            applied: 0,
        };
        amendment.apply_effects();
        Ok(amendment)
    }

    /// When it is decided.
    pub fn now(&self) -> DateTime<Utc> {
        self.draft.stamp().now
    }

    /// The lots of the package as they are so far.
    pub fn lots(&self) -> impl Iterator<Item = &Lot> {
        self.draft.lots_of(self.package.id)
    }

    /// What the open holds hold in the package.
    pub fn held(&self) -> Vec<Held> {
        let held = self.draft.holds().map(|hold| Held {
            hold_id: hold.id,
            amount: self.held_by(hold),
            service_at: hold.service_at,
            times_out_at: hold.times_out_at,
        });
        held.filter(|held| held.amount > Credits::ZERO).collect()
    }

    fn held_by(&self, hold: &Hold) -> Credits {
        let here = hold.parts.iter();
        let here = here.filter(|part| self.draft.is_in(part.lot_id, self.package.id));
        here.fold(Credits::ZERO, |sum, part| {
            sum.checked_add(part.left).unwrap_or(sum)
        })
    }

    /// Makes the changes on the package that its credits have caused since.
    pub fn apply_effects(&mut self) {
        let now = self.now();
        for effect in self.draft.effects().iter().skip(self.applied) {
            if effect.package_id() != self.package.id {
                continue;
            }
            self.changes.push(effect.change(&mut self.package, now));
        }
        self.applied = self.draft.effects().len();
        self.retell();
    }

    /// Gives the lots what they copy from the package.
    pub fn retell(&mut self) {
        self.draft.copy_from(&self.package);
    }

    /// Refuses a package that was taken away.
    ///
    /// # Errors
    /// [`Refusal::PackageRevoked`].
    pub fn refuse_revoked(&self) -> Result<(), Refusal> {
        let package_id = self.package.id;
        match self.package.revoked_at {
            Some(_) => Err(Refusal::PackageRevoked { package_id }),
            None => Ok(()),
        }
    }

    /// Refuses a package whose credits were moved to another one.
    ///
    /// # Errors
    /// [`CannotAmend::Transferred`].
    pub fn refuse_transferred(&self) -> Result<(), Refusal> {
        match self.package.transferred_at {
            Some(transferred_at) => Err(CannotAmend::Transferred {
                package_id: self.package.id,
                transferred_at,
            }
            .into()),
            None => Ok(()),
        }
    }

    /// How many changes are told so far.
    pub fn told(&self) -> usize {
        self.changes.len()
    }

    /// Tells a change that is true from now on.
    pub fn tell(&mut self, kind: ChangeKind, old: Value, new: Value) {
        self.changes.push(NewChange {
            kind,
            old,
            new,
            effective_at: self.now(),
            by_time: false,
        });
    }

    /// Tells a change of the package's expiry, which was `old`.
    pub fn tell_expiry(&mut self, kind: ChangeKind, old: Expiry) {
        let new = Expiry::of(&self.package);
        self.tell(kind, Value::Expiry(old), Value::Expiry(new));
    }

    /// The package and what is to be told of it, and the draft for the next package of the same posting.
    pub fn hand_on(mut self) -> (Package, Vec<NewChange>, Draft<'a>) {
        self.retell();
        (self.package, self.changes, self.draft)
    }

    /// What it comes to.
    pub fn end(mut self) -> Amended {
        self.retell();
        let (posting, rest) = self.draft.close_with_rest();
        let id = self.package.id;
        Amended {
            unmoved: rest
                .into_iter()
                .filter(|lot| lot.package_id == id)
                .collect(),
            posting,
            package: self.package,
            changes: self.changes,
        }
    }
}

impl Expiry {
    /// The package's expiry as a change tells it.
    pub fn of(package: &Package) -> Self {
        Self {
            expires_at: package.expires_at,
            expires_if_thawed: package.expires_if_thawed,
            expiry_epoch: package.expiry_epoch,
        }
    }
}

/// What a hold holds in one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The hold.
    pub hold_id: HoldId,
    /// How many credits of the package.
    pub amount: Credits,
    /// When the service takes place.
    pub service_at: DateTime<Utc>,
    /// When it ends by itself; none: never.
    pub times_out_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::book::{Book, package};
    use crate::domain::testing::start;

    #[test]
    fn what_is_told_is_counted() {
        let package = package();
        let id = package.id;
        let mut book = Book::default();
        book.sell(package, &[]);
        let amended = book.amended(start(), id, |amendment| {
            assert_eq!(amendment.told(), 0);
            amendment.tell(ChangeKind::PriceChanged, Value::Nothing, Value::Nothing);
            assert_eq!(amendment.told(), 1);
            Ok(())
        });
        assert_eq!(amended.unwrap().changes.len(), 1);
    }
}
