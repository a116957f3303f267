//! The solo lane: a call with a transaction of its own.
//!
//! It claims the request id, locks the lots concerned, looks up what the id did, settles, decides, appends and
//! commits. What it must not write so it decides again, after locking the packages first, then all their lots: a
//! decision with effects on a package or on one that waits for it, and a use that is refused for want of credits where
//! time may have moved some to these lots. It looks at all lots that could pay, and waits for rows that others hold: a
//! batch does neither.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::RngExt;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::decide::decide;
use crate::domain::entry::{Entry, Hash};
use crate::domain::lot::Lot;
use crate::domain::queue::calls_the_next;
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, HoldId, LotId, PackageId};
use crate::ledger::facts::{self, Scope, packages_of};
use crate::ledger::submit::{Receipt, Submission};
use crate::ledger::{LedgerError, post, queue, replay, tell};
use crate::store::db::Database;
use crate::store::error::StoreError;
use crate::store::{holds, lots, requests};

/// How often a unit is tried that lost to others.
pub(super) const TRIES_MAX: u32 = 8;
/// How often a call is decided on more than before: on packages, and on those from which time has moved something
/// to them.
pub(super) const ESCALATIONS_MAX: usize = 3;
/// The longest pause before the second try; it doubles with each.
const FIRST_PAUSE_MILLISECONDS_MAX: u64 = 10;

/// The lane of calls that share their transaction with nobody.
#[derive(Debug)]
pub(super) struct Solo {
    db: Database,
    clock: Clock,
}

/// How far a lane came.
pub(super) enum Outcome {
    Done(Receipt),
    /// The other lane must decide, on all lots of these packages.
    Escalate(Vec<PackageId>),
}

impl Solo {
    /// A lane on `db`.
    pub(super) fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Does what the submission says, once.
    pub(super) async fn submit(&self, submission: &Submission) -> Result<Receipt, LedgerError> {
        let mut tries = 1;
        loop {
            let result = self.attempt(submission).await;
            let again = match &result {
                // Another copy of this request was faster: its entries are there now.
                Err(LedgerError::Store(StoreError::Taken(_) | StoreError::Contention(_))) => true,
                Ok(_) | Err(_) => false,
            };
            if !again || tries >= TRIES_MAX {
                return result;
            }
            pause_before(tries).await;
            tries = tries.saturating_add(1);
        }
    }

    async fn attempt(&self, submission: &Submission) -> Result<Receipt, LedgerError> {
        let (business_id, now) = (submission.business_id, self.clock.now());
        let reader = self.db.reader();
        let scope = facts::scope(reader, business_id, &submission.command, now).await?;
        let mut outcome = self.unit(submission, scope).await?;
        for _ in 0..ESCALATIONS_MAX {
            outcome = match outcome {
                Outcome::Done(receipt) => return Ok(receipt),
                Outcome::Escalate(ids) => self.unit(submission, Scope::Packages(ids)).await?,
            };
        }
        done(outcome)
    }

    /// One transaction: claim, lock, look up, settle and decide, append, commit.
    async fn unit(&self, submission: &Submission, scope: Scope) -> Result<Outcome, LedgerError> {
        let txn = self.db.begin().await?;
        let (business_id, request_id) = (submission.business_id, submission.request_id);
        // Whoever claimed it is waited for with nothing locked. If it is not ours, looking up says what it was used for.
        requests::claim_bare(&txn, business_id, request_id, self.clock.now()).await?;
        let outcome = decide_in(&self.clock, &txn, submission, &scope).await?;
        let takes_effect = matches!(&outcome, Outcome::Done(receipt) if !receipt.replayed);
        if takes_effect && !submission.validate_only {
            txn.commit().await?;
        } else {
            txn.rollback().await?;
        }
        Ok(outcome)
    }
}

/// The receipt of what must be done by now.
pub(super) fn done(outcome: Outcome) -> Result<Receipt, LedgerError> {
    match outcome {
        Outcome::Done(receipt) => Ok(receipt),
        Outcome::Escalate(_) => Err(StoreError::corrupt("packages", "an effect").into()),
    }
}

/// Locks, looks up the request id, settles and decides, and appends; the caller commits.
pub(super) async fn decide_in(
    clock: &Clock,
    txn: &DatabaseTransaction,
    submission: &Submission,
    scope: &Scope,
) -> Result<Outcome, LedgerError> {
    let (business_id, command) = (submission.business_id, &submission.command);
    let mut facts = facts::lock(txn, business_id, (scope, command)).await?;
    let stamp = submission.stamp(clock.now(), &facts.lots);
    let (request_id, hash) = (submission.request_id, &submission.request_hash);
    if let Some(receipt) = replayed(txn, business_id, request_id, hash).await? {
        return Ok(Outcome::Done(receipt));
    }
    let needs_packages = may_stop_a_clock(&facts.lots, stamp.now) || is_limited(&facts.lots);
    if !scope.holds_packages() && needs_packages {
        return Ok(Outcome::Escalate(packages_of(&facts.lots)));
    }
    facts::complete(txn, business_id, command, stamp.now, &mut facts).await?;
    let mut posting = match decide(&facts, command, &stamp) {
        Ok(posting) => posting,
        Err(refusal @ Refusal::InsufficientCredits { .. }) => {
            let wider = facts::wider(txn, business_id, &facts, stamp.now).await?;
            return wider.map(Outcome::Escalate).ok_or(refusal.into());
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let changes_packages = !posting.effects.is_empty() || calls_the_next(&posting);
    if changes_packages && !scope.holds_packages() {
        // All packages that were looked at, so that the second look sees what the first one saw.
        return Ok(Outcome::Escalate(packages_of(&facts.lots)));
    }
    post::apply_effects(txn, &stamp, &mut posting, &mut facts).await?;
    post::post_in(txn, business_id, &posting, &submission.note).await?;
    tell::of_crossings(txn, business_id, &submission.watch, &posting, stamp.now).await?;
    let changed = facts.packages.iter().filter(|it| posting.concerns(it.id));
    queue::move_on(txn, &stamp, changed).await?;
    Ok(Outcome::Done(Receipt::of(posting)))
}

/// Whether time may have undone all that keeps the clock of a package running: then its lots alone do
/// not tell when it ends.
fn may_stop_a_clock(lots: &[Lot], now: DateTime<Utc>) -> bool {
    lots.iter()
        .any(|lot| lot.has_timed_out_hold(now) && lot.terms.counts_from_first_use)
}

/// Whether use of a package is limited: then all of its lots count.
fn is_limited(lots: &[Lot]) -> bool {
    lots.iter().any(|lot| lot.terms.is_limited)
}

/// What this very request did earlier, if it did.
pub(super) async fn replayed(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    hash: &Hash,
) -> Result<Option<Receipt>, LedgerError> {
    let found = replay::of_request(txn, business_id, request_id, hash).await?;
    match found {
        Some(entries) => Ok(Some(reread(txn, business_id, entries).await?)),
        None => Ok(None),
    }
}

/// The receipt of entries that were written earlier.
pub(super) async fn reread(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    entries: Vec<Entry>,
) -> Result<Receipt, StoreError> {
    let ids: Vec<LotId> = entries.iter().map(|entry| entry.lot_id).collect();
    let lots = lots::by_ids(txn, business_id, &ids).await?;
    let hold = match entries.iter().find_map(|entry| entry.about.hold_id) {
        Some(id) => holds::get(txn, business_id, HoldId::from_uuid(id)).await?,
        None => None,
    };
    Ok(Receipt {
        entries,
        lots: lots.into_iter().map(|lot| (lot.id, lot)).collect(),
        hold: hold.map(Box::new),
        replayed: true,
    })
}

/// Waits a random while, longer with each try, so that those who collided do not collide again.
pub(super) async fn pause_before(next_try: u32) {
    let most = FIRST_PAUSE_MILLISECONDS_MAX.saturating_mul(1 << next_try.min(6));
    let pause = rand::rng().random_range(0..=most);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}
