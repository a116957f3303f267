//! Lots: the credits of one line in one package at one unit value, the atom of the ledger.
//!
//! Invariants: the seven accounts sum to zero, none but `transferred` goes below zero, value is
//! conserved to the cent, `seq` has no gaps, and `recorded_at` never goes backwards. [`Lot::post`] is
//! the only way in which a lot changes its balances; the verifier folds stored entries with the same
//! arithmetic ([`Fold::moved`]). A lot is never topped up: an addition is a lot of its own (semantics 1).

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::{
    About, Account, Actor, Balances, Entry, EntryKey, EntryKind, Hash, Purpose, coded,
};
use crate::domain::line::Line;
use crate::domain::value;
use crate::ids::{BusinessId, CustomerId, LotId, PackageId};

coded! {
    /// Why a lot exists.
    Origin {
        /// Part of a package that was sold.
        Sold = 1, "sold";
        /// Added for nothing, with an extension.
        Bonus = 2, "bonus";
        /// Given by hand.
        Given = 3, "given";
        /// Moved here from another lot.
        Transferred = 4, "transferred";
        /// Added to a package afterwards, by hand.
        Added = 5, "added";
    }
}

/// What deciding needs to know of the lot's package; copied from there whenever it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of the package of its own"
)]
pub struct Terms {
    /// From when on it can be used.
    pub starts_at: DateTime<Utc>,
    /// From when on it cannot; none: never, or frozen.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether validity is counted from the first use.
    pub counts_from_first_use: bool,
    /// The local day of that first use, once there was one.
    pub first_used_on: Option<NaiveDate>,
    /// From when on it cannot be used if its clock of first use is unset again; `expires_at` where that
    /// does not depend on the clock.
    pub expires_if_unused: Option<DateTime<Utc>>,
    /// The business's zone when the package was sold.
    pub zone: Tz,
    /// Whether the package is frozen.
    pub frozen: bool,
    /// When it is thawed by itself, if it is frozen.
    pub frozen_until_max: Option<DateTime<Utc>>,
    /// From when on it cannot be used then.
    pub expires_if_thawed: Option<DateTime<Utc>>,
    /// Whether the package was taken away.
    pub revoked: bool,
    /// Whether another package waits for it to be used up or to end.
    pub is_followed: bool,
    /// Whether what each customer may use of the package is limited.
    pub is_limited: bool,
}

impl Terms {
    /// The terms once a freeze has reached its limit.
    pub fn thaw(&mut self) {
        self.frozen = false;
        self.expires_at = self.expires_if_thawed.take();
        self.expires_if_unused = self.expires_at;
        self.frozen_until_max = None;
    }
}

/// An agreed value, in minor units and without tax, for a quantity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// The value.
    pub value: i64,
    /// The quantity that it is for.
    pub quantity: Credits,
}

/// Where the lot's value is, in minor units; held credits are unused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pools {
    /// What is still owed.
    pub unused: i64,
    /// What was used.
    pub consumed: i64,
    /// What was lost at the end of validity: breakage.
    pub expired: i64,
    /// What was taken away.
    pub revoked: i64,
    /// What was moved elsewhere; below zero where it came from elsewhere.
    pub transferred: i64,
}

/// What a lot's entries add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    /// The credits.
    pub balances: Balances,
    /// The value.
    pub pools: Pools,
    /// What unused credits are worth: the formula of design section 2 is over this.
    pub basis: Basis,
    /// Whether the basis was reset by a revaluation; whatever comes back then raises it.
    pub revalued: bool,
}

/// The end of the lot's chain of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// How many entries there are.
    pub seq: i64,
    /// The last one.
    pub last: Option<EntryKey>,
    /// Its hash.
    pub hash: Hash,
    /// When it was written.
    pub recorded_at: Option<DateTime<Utc>>,
}

/// The credits of one line in one package at one unit value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The lot.
    pub id: LotId,
    /// Whose it is.
    pub business_id: BusinessId,
    /// Its package.
    pub package_id: PackageId,
    /// Its line.
    pub line: Arc<Line>,
    /// The owner of the package.
    pub customer_id: CustomerId,
    /// Why it exists.
    pub origin: Origin,
    /// The package's priority; the lower number pays first.
    pub priority: i32,
    /// What it takes from its package.
    pub terms: Terms,
    /// Value and quantity as issued, kept for the order in which lots pay.
    pub issued: Basis,
    /// What its entries add up to.
    pub fold: Fold,
    /// The end of its chain.
    pub tail: Tail,
    /// When the next of its holds times out.
    pub next_timeout_at: Option<DateTime<Utc>>,
    /// The lot to which all its credits were moved; what comes back goes there as well (semantics 22).
    pub transferred_to: Option<LotId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it was written; 0 until it is for the first time.
    pub version: i64,
}

/// What every entry of one posting has in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The posting; its id is the request id.
    pub posting_id: Uuid,
    /// When it is decided.
    pub now: DateTime<Utc>,
    /// The hash of the request; none where a job writes.
    pub request_hash: Option<Hash>,
    /// The method that was called, or the job's name.
    pub method: String,
    /// Who caused it.
    pub actor: Actor,
    /// What its credits are held and used for, if that is more than an item.
    pub purpose: Option<Purpose>,
}

/// One movement to be made in a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// What kind.
    pub kind: EntryKind,
    /// Out of this account.
    pub from: Account,
    /// Into this one.
    pub to: Account,
    /// So many credits.
    pub amount: Credits,
    /// With this value, in minor units.
    pub value: i64,
    /// True since.
    pub effective_at: DateTime<Utc>,
    /// Whether time alone causes it.
    pub by_time: bool,
    /// What it undoes.
    pub undoes: Option<EntryKey>,
    /// What it is about.
    pub about: About,
}

/// A movement that a sound lot cannot make; the row is damaged or the code is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lot {0} does not add up")]
pub struct Imbalance(pub LotId);

impl Fold {
    /// What the fold is after `amount` and `value` moved, or `None` if that breaks an invariant: an
    /// account or a pool would fall below zero, or a number leaves its range.
    pub fn moved(
        &self,
        kind: EntryKind,
        (from, to): (Account, Account),
        amount: Credits,
        value: i64,
    ) -> Option<Self> {
        let mut next = *self;
        if amount < Credits::ZERO || value < 0 {
            return None;
        }
        next.balances.add(from, amount.checked_neg()?)?;
        next.balances.add(to, amount)?;
        next.pools.add(from, value.checked_neg()?)?;
        next.pools.add(to, value)?;
        if kind == EntryKind::Revalue {
            next.basis = Basis {
                value: next.pools.unused,
                quantity: next.unused()?,
            };
            next.revalued = true;
        } else if raises_basis(from, to, self.revalued) {
            next.basis.quantity = next.basis.quantity.checked_add(amount)?;
            next.basis.value = next.basis.value.checked_add(value)?;
        }
        next.is_sound().then_some(next)
    }

    /// Everything that is free or set aside.
    pub fn unused(&self) -> Option<Credits> {
        self.balances.available.checked_add(self.balances.held)
    }

    /// The value that leaves with `amount` unused credits (design section 2, "Value").
    pub fn value_leaving(&self, amount: Credits) -> Option<i64> {
        let remaining = self.unused()?.checked_sub(amount)?;
        Some(value::carried(
            self.pools.unused,
            self.basis.value,
            self.basis.quantity,
            remaining,
        ))
    }

    fn is_sound(&self) -> bool {
        let Balances {
            available,
            held,
            consumed,
            expired,
            revoked,
            transferred: _,
        } = self.balances;
        [available, held, consumed, expired, revoked]
            .iter()
            .all(|credits| *credits >= Credits::ZERO)
            && [
                self.pools.unused,
                self.pools.consumed,
                self.pools.expired,
                self.pools.revoked,
            ]
            .iter()
            .all(|value| *value >= 0)
    }
}

/// New credits always raise what the formula of design section 2 is over; what was used, lost or taken
/// and comes back does so only after a revaluation, which counted it out.
fn raises_basis(from: Account, to: Account, revalued: bool) -> bool {
    match from {
        Account::Issued | Account::Transferred => true,
        Account::Consumed | Account::Expired | Account::Revoked => {
            revalued && to == Account::Available
        }
        Account::Available | Account::Held => false,
    }
}

impl Balances {
    fn add(&mut self, account: Account, amount: Credits) -> Option<()> {
        let slot = match account {
            Account::Issued => return Some(()),
            Account::Available => &mut self.available,
            Account::Held => &mut self.held,
            Account::Consumed => &mut self.consumed,
            Account::Expired => &mut self.expired,
            Account::Revoked => &mut self.revoked,
            Account::Transferred => &mut self.transferred,
        };
        *slot = slot.checked_add(amount)?;
        Some(())
    }

    /// All that was ever issued: the sum of the six accounts.
    pub fn total(&self) -> Option<Credits> {
        self.all()
            .into_iter()
            .try_fold(Credits::ZERO, Credits::checked_add)
    }
}

impl Pools {
    fn add(&mut self, account: Account, value: i64) -> Option<()> {
        let slot = match account {
            Account::Issued => return Some(()),
            Account::Available | Account::Held => &mut self.unused,
            Account::Consumed => &mut self.consumed,
            Account::Expired => &mut self.expired,
            Account::Revoked => &mut self.revoked,
            Account::Transferred => &mut self.transferred,
        };
        *slot = slot.checked_add(value)?;
        Some(())
    }
}

impl Lot {
    /// Makes the movement and returns its entry.
    ///
    /// # Errors
    /// [`Imbalance`] if it would break an invariant; the lot is then as before.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a movement is made once: it becomes its entry"
    )]
    pub fn post(&mut self, stamp: &Stamp, n: i32, movement: Movement) -> Result<Entry, Imbalance> {
        let imbalance = Imbalance(self.id);
        let fold = self
            .fold
            .moved(
                movement.kind,
                (movement.from, movement.to),
                movement.amount,
                movement.value,
            )
            .ok_or(imbalance)?;
        let mut entry = Entry {
            key: EntryKey {
                posting_id: stamp.posting_id,
                n,
            },
            lot_id: self.id,
            line_id: self.line.id,
            seq: self.tail.seq.checked_add(1).ok_or(imbalance)?,
            previous: self.tail.last,
            hash: [0; 32],
            kind: movement.kind,
            from: movement.from,
            to: movement.to,
            amount: movement.amount,
            value: movement.value,
            balances: fold.balances,
            effective_at: movement.effective_at,
            recorded_at: self
                .tail
                .recorded_at
                .map_or(stamp.now, |last| last.max(stamp.now)),
            by_time: movement.by_time,
            undoes: movement.undoes,
            request_hash: stamp.request_hash,
            method: stamp.method.clone(),
            actor: stamp.actor,
            about: movement.about,
        };
        entry.hash = entry.digest(&self.tail.hash);
        self.fold = fold;
        self.tail = Tail {
            seq: entry.seq,
            last: Some(entry.key),
            hash: entry.hash,
            recorded_at: Some(entry.recorded_at),
        };
        Ok(entry)
    }

    /// What is free to use.
    pub fn available(&self) -> Credits {
        self.fold.balances.available
    }

    /// Whether the package's validity has ended at `at`; `expires_at` is exclusive (semantics 7).
    pub fn has_expired(&self, at: DateTime<Utc>) -> bool {
        self.terms
            .expires_at
            .is_some_and(|expires_at| expires_at <= at)
    }

    /// When its package was thawed by itself, if it was by then and nobody has written that yet.
    pub fn thaw_due(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let until = self.terms.frozen_until_max.filter(|_| self.terms.frozen);
        until.filter(|until| *until <= at)
    }

    /// Whether something is available, or a hold's time-out may make it so.
    pub fn is_open(&self) -> bool {
        self.available() > Credits::ZERO || self.next_timeout_at.is_some()
    }

    /// Whether time has ended a hold in it and nobody has written that yet.
    pub fn has_timed_out_hold(&self, at: DateTime<Utc>) -> bool {
        self.next_timeout_at.is_some_and(|due_at| due_at <= at)
    }

    /// Whether something is set aside in it.
    pub fn is_held(&self) -> bool {
        self.fold.balances.held > Credits::ZERO
    }

    /// Whether its package's clock of first use runs and nothing in this lot is used or held any more.
    pub fn might_stop_clock(&self) -> bool {
        let balances = &self.fold.balances;
        self.terms.counts_from_first_use
            && self.terms.first_used_on.is_some()
            && balances.consumed == Credits::ZERO
            && balances.held == Credits::ZERO
    }
}

#[cfg(test)]
mod tests;
