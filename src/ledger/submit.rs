//! Submitting a command that only moves credits.
//!
//! The first lane locks the lots concerned, looks up the request id, settles, decides, appends and
//! commits. What it must not write goes to the second lane: a decision with effects on a package, and a
//! call without a named package whose candidates did not suffice though there may be more. The second
//! lane locks the packages first, then all their lots, reads again and decides again.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::RngExt;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::credits::Credits;
use crate::domain::decide::{Command, decide};
use crate::domain::entry::{Actor, Entry, Hash};
use crate::domain::hold::Hold;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::posting::Posting;
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, HoldId, LotId, PackageId};
use crate::ledger::facts::{self, Scope, packages_of};
use crate::ledger::{LedgerError, post, replay};
use crate::store::db::Database;
use crate::store::error::StoreError;
use crate::store::{entries, holds, lots};

/// How often a unit is tried that lost to others.
const TRIES_MAX: u32 = 8;
/// The longest pause before the second try; it doubles with each.
const FIRST_PAUSE_MILLISECONDS_MAX: u64 = 10;

/// A command with all that its entries say of it.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Whose credits.
    pub business_id: BusinessId,
    /// The request id, which becomes the posting's id.
    pub request_id: Uuid,
    /// The hash of the request.
    pub request_hash: Hash,
    /// The method that was called.
    pub method: &'static str,
    /// Who calls.
    pub actor: Actor,
    /// What is to be done.
    pub command: Command,
    /// The note to keep beside it.
    pub note: String,
    /// Whether nothing is to be kept.
    pub validate_only: bool,
}

/// What a submission did.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Its entries, without what time caused.
    pub entries: Vec<Entry>,
    /// The lots that they are in.
    pub lots: HashMap<LotId, Lot>,
    /// The hold that they place or end.
    pub hold: Option<Hold>,
    /// Whether an earlier call with the same request id did it.
    pub replayed: bool,
}

/// The write path of credits.
#[derive(Clone, Debug)]
pub struct Ledger {
    db: Database,
    clock: Clock,
}

/// How far a lane came.
enum Outcome {
    Done(Receipt),
    /// The other lane must decide, on all lots of these packages.
    Escalate(Vec<PackageId>),
}

impl Ledger {
    /// A write path on `db`.
    pub fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock }
    }

    /// Does what the submission says, once.
    ///
    /// # Errors
    /// Every refusal of the rules, and failures of the database; nothing is kept then.
    pub async fn submit(&self, submission: &Submission) -> Result<Receipt, LedgerError> {
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

    /// What this very request did earlier, if it did.
    ///
    /// # Errors
    /// [`Refusal::RequestIdReused`] if its id was used for another request.
    pub async fn earlier(
        &self,
        business_id: BusinessId,
        request_id: Uuid,
        hash: &Hash,
    ) -> Result<Option<Receipt>, LedgerError> {
        let txn = self.db.snapshot().await?;
        let found = replayed(&txn, business_id, request_id, hash).await?;
        txn.commit().await?;
        Ok(found)
    }

    /// What a posting did, whatever request wrote it; `None` if there is no such posting.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn posted(
        &self,
        business_id: BusinessId,
        posting_id: Uuid,
    ) -> Result<Option<Receipt>, LedgerError> {
        let txn = self.db.snapshot().await?;
        let mut found = entries::of_posting(&txn, business_id, posting_id).await?;
        found.retain(|entry| !entry.by_time);
        if found.is_empty() {
            txn.commit().await?;
            return Ok(None);
        }
        let receipt = reread(&txn, business_id, found).await?;
        txn.commit().await?;
        Ok(Some(receipt))
    }

    async fn attempt(&self, submission: &Submission) -> Result<Receipt, LedgerError> {
        let (business_id, now) = (submission.business_id, self.clock.now());
        let reader = self.db.reader();
        let scope = facts::scope(reader, business_id, &submission.command, now).await?;
        match self.unit(submission, scope).await? {
            Outcome::Done(receipt) => Ok(receipt),
            Outcome::Escalate(package_ids) => {
                match self.unit(submission, Scope::Packages(package_ids)).await? {
                    Outcome::Done(receipt) => Ok(receipt),
                    Outcome::Escalate(_) => {
                        Err(StoreError::corrupt("packages", "an effect").into())
                    }
                }
            }
        }
    }

    /// One transaction: lock, look up, settle and decide, append, commit.
    async fn unit(&self, submission: &Submission, scope: Scope) -> Result<Outcome, LedgerError> {
        let txn = self.db.begin().await?;
        let outcome = self.decide_in(&txn, submission, &scope).await?;
        let takes_effect = matches!(&outcome, Outcome::Done(receipt) if !receipt.replayed);
        if takes_effect && !submission.validate_only {
            txn.commit().await?;
        } else {
            txn.rollback().await?;
        }
        Ok(outcome)
    }

    async fn decide_in(
        &self,
        txn: &DatabaseTransaction,
        submission: &Submission,
        scope: &Scope,
    ) -> Result<Outcome, LedgerError> {
        let (business_id, command) = (submission.business_id, &submission.command);
        let mut facts = facts::lock(txn, business_id, scope).await?;
        let stamp = self.stamp(submission, &facts.lots);
        let (request_id, hash) = (submission.request_id, &submission.request_hash);
        if let Some(receipt) = replayed(txn, business_id, request_id, hash).await? {
            return Ok(Outcome::Done(receipt));
        }
        if !scope.holds_packages() && may_stop_a_clock(&facts.lots, stamp.now) {
            return Ok(Outcome::Escalate(packages_of(&facts.lots)));
        }
        facts::complete(txn, business_id, command, stamp.now, &mut facts).await?;
        let mut posting = match decide(&facts, command, &stamp) {
            Ok(posting) => posting,
            Err(refusal @ Refusal::InsufficientCredits { .. }) => {
                let Some(customer_id) = scope.more_of() else {
                    return Err(refusal.into());
                };
                let mut all = lots::of_customer(txn, business_id, customer_id).await?;
                all.retain(|lot| lot.available() > Credits::ZERO);
                all.extend(facts.lots);
                return Ok(Outcome::Escalate(packages_of(&all)));
            }
            Err(refusal) => return Err(refusal.into()),
        };
        if !posting.effects.is_empty() && !scope.holds_packages() {
            // All packages that were looked at, so that the second look sees what the first one saw.
            return Ok(Outcome::Escalate(packages_of(&facts.lots)));
        }
        post::apply_effects(txn, &stamp, &mut posting, &mut facts).await?;
        post::post_in(txn, business_id, &posting, &submission.note).await?;
        Ok(Outcome::Done(receipt(posting)))
    }

    /// The time is read after the locks, and never before what was last written in these lots: another
    /// replica's clock may be a little ahead.
    fn stamp(&self, submission: &Submission, locked_lots: &[Lot]) -> Stamp {
        let written = locked_lots.iter().filter_map(|lot| lot.tail.recorded_at);
        let now = self.clock.now();
        Stamp {
            posting_id: submission.request_id,
            now: written.fold(now, Ord::max),
            request_hash: Some(submission.request_hash),
            method: submission.method.to_owned(),
            actor: submission.actor,
        }
    }
}

/// Whether time may have undone all that keeps the clock of a package running: then its lots alone do
/// not tell when it ends.
fn may_stop_a_clock(lots: &[Lot], now: DateTime<Utc>) -> bool {
    lots.iter()
        .any(|lot| lot.has_timed_out_hold(now) && lot.terms.counts_from_first_use)
}

async fn replayed(
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
async fn reread(
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
        hold,
        replayed: true,
    })
}

fn receipt(posting: Posting) -> Receipt {
    let hold_id = posting
        .entries
        .iter()
        .filter(|entry| !entry.by_time)
        .find_map(|entry| entry.about.hold_id);
    Receipt {
        hold: posting
            .holds
            .into_iter()
            .find(|hold| Some(hold.id.uuid()) == hold_id),
        entries: posting
            .entries
            .into_iter()
            .filter(|entry| !entry.by_time)
            .collect(),
        lots: posting.lots.into_iter().map(|lot| (lot.id, lot)).collect(),
        replayed: false,
    }
}

/// Waits a random while, longer with each try, so that those who collided do not collide again.
async fn pause_before(next_try: u32) {
    let most = FIRST_PAUSE_MILLISECONDS_MAX.saturating_mul(1 << next_try.min(6));
    let pause = rand::rng().random_range(0..=most);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}
