//! The solo lane: a call with a transaction of its own.
//!
//! It locks the lots concerned, looks up the request id, settles, decides, appends and commits. What it must
//! not write so it decides again, after locking the packages first, then all their lots: a decision with
//! effects on a package, and a call without a named package whose candidates did not suffice though there
//! may be more. It waits for rows that others hold, which a batch never does.

use std::time::Duration;

use rand::RngExt;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::credits::Credits;
use crate::domain::decide::{Command, decide};
use crate::domain::entry::Hash;
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, LotId, PackageId};
use crate::ledger::submit::{Receipt, Submission};
use crate::ledger::{LedgerError, post, replay};
use crate::store::db::Database;
use crate::store::error::StoreError;
use crate::store::{lots, packages};

/// How often a unit is tried that lost to others.
pub(super) const TRIES_MAX: u32 = 8;
/// The longest pause before the second try; it doubles with each.
const FIRST_PAUSE_MILLISECONDS_MAX: u64 = 10;

/// The lane of calls that share their transaction with nobody.
#[derive(Debug)]
pub(super) struct Solo {
    db: Database,
    clock: Clock,
}

/// Which lots a submission is decided on.
enum Scope {
    /// These; whether there may be more that could pay.
    Lots { ids: Vec<LotId>, complete: bool },
    /// All lots of these packages.
    Packages(Vec<PackageId>),
}

/// How far a lane came.
enum Outcome {
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
        let scope = self.scope(submission).await?;
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

    /// The lots that could be concerned, read without locks.
    async fn scope(&self, submission: &Submission) -> Result<Scope, StoreError> {
        let Command::Consume(consume) = &submission.command;
        let business_id = submission.business_id;
        let reader = self.db.reader();
        if consume.package_ids.is_empty() {
            let asked = [(business_id, consume.customer_id)];
            let found = lots::batch::candidates(reader, asked).await?;
            let ids = found.into_values().flatten().collect::<Vec<_>>();
            let complete = ids.len() < lots::CANDIDATES_MAX;
            return Ok(Scope::Lots { ids, complete });
        }
        let asked = consume.package_ids.iter().map(|id| (business_id, *id));
        let found = lots::batch::of_packages(reader, asked).await?;
        Ok(Scope::Lots {
            ids: found.into_values().flatten().collect(),
            complete: true,
        })
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
        let business_id = submission.business_id;
        let (mut locked_packages, locked_lots) = lock(txn, business_id, scope).await?;
        let stamp = submission.stamp(self.clock.now(), &locked_lots);
        let (request_id, hash) = (submission.request_id, &submission.request_hash);
        if let Some(receipt) = replayed(txn, business_id, request_id, hash).await? {
            return Ok(Outcome::Done(receipt));
        }
        let decided = decide(locked_lots.iter().cloned(), &submission.command, &stamp);
        let mut posting = match decided {
            Ok(posting) => posting,
            Err(Refusal::InsufficientCredits { .. }) if scope.may_hide_more() => {
                let Command::Consume(consume) = &submission.command;
                let mut all = lots::of_customer(txn, business_id, consume.customer_id).await?;
                all.retain(|lot| lot.available() > Credits::ZERO);
                return Ok(Outcome::Escalate(packages_of(&all)));
            }
            Err(refusal) => return Err(refusal.into()),
        };
        if !posting.effects.is_empty() && !scope.holds_packages() {
            // All packages that were looked at, so that the second look sees what the first one saw.
            return Ok(Outcome::Escalate(packages_of(&locked_lots)));
        }
        let packages = &mut locked_packages;
        post::apply_effects(txn, &stamp, &mut posting, packages, &locked_lots).await?;
        post::post_in(txn, business_id, &posting, &submission.note).await?;
        Ok(Outcome::Done(Receipt::of(posting)))
    }
}

impl Scope {
    fn may_hide_more(&self) -> bool {
        matches!(
            self,
            Self::Lots {
                complete: false,
                ..
            }
        )
    }

    fn holds_packages(&self) -> bool {
        matches!(self, Self::Packages(_))
    }
}

async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    scope: &Scope,
) -> Result<(Vec<Package>, Vec<Lot>), StoreError> {
    match scope {
        Scope::Lots { ids, .. } => Ok((Vec::new(), lots::lock(txn, business_id, ids).await?)),
        Scope::Packages(ids) => {
            let packages = packages::lock(txn, business_id, ids).await?;
            let lots = lots::lock_of_packages(txn, business_id, ids).await?;
            Ok((packages, lots))
        }
    }
}

/// The packages of lots, each once, in the order of their ids.
fn packages_of(lots: &[Lot]) -> Vec<PackageId> {
    let mut ids: Vec<PackageId> = lots.iter().map(|lot| lot.package_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What this very request did earlier, if it did.
pub(super) async fn replayed(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    hash: &Hash,
) -> Result<Option<Receipt>, LedgerError> {
    let found = replay::of_request(txn, business_id, request_id, hash).await?;
    let Some(entries) = found else {
        return Ok(None);
    };
    let ids: Vec<LotId> = entries.iter().map(|entry| entry.lot_id).collect();
    let lots = lots::by_ids(txn, business_id, &ids).await?;
    Ok(Some(Receipt {
        entries,
        lots: lots.into_iter().map(|lot| (lot.id, lot)).collect(),
        replayed: true,
    }))
}

/// Waits a random while, longer with each try, so that those who collided do not collide again.
pub(super) async fn pause_before(next_try: u32) {
    let most = FIRST_PAUSE_MILLISECONDS_MAX.saturating_mul(1 << next_try.min(6));
    let pause = rand::rng().random_range(0..=most);
    tokio::time::sleep(Duration::from_millis(pause)).await;
}
