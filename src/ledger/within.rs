//! Commands on credits in a transaction that the caller began, for what spans tables: an invoice or a booking
//! with the credits that it holds.
//!
//! Their packages are locked first, all of them in the order of their ids, then all of their lots, so
//! nothing has to be decided again elsewhere. Each command is a posting with an id of its own.

use sea_orm::DatabaseTransaction;

use crate::clock::Clock;
use crate::ledger::LedgerError;
use crate::ledger::facts::{self, Scope};
use crate::ledger::solo::{self, Outcome};
use crate::ledger::submit::{Receipt, Submission};
use crate::store::packages;

/// Does what the submissions of one business say, one after the other. The caller commits, or keeps nothing.
///
/// # Errors
/// The refusal of the first that is refused, and failures of the database.
pub async fn carry_out(
    txn: &DatabaseTransaction,
    clock: &Clock,
    submissions: &[Submission],
) -> Result<Vec<Receipt>, LedgerError> {
    lock(txn, clock, submissions).await?;
    let mut receipts = Vec::with_capacity(submissions.len());
    for submission in submissions {
        receipts.push(carry_out_one(txn, clock, submission).await?);
    }
    Ok(receipts)
}

/// Locks the packages that the submissions of one business could concern.
///
/// # Errors
/// Failures of the database.
pub async fn lock(
    txn: &DatabaseTransaction,
    clock: &Clock,
    submissions: &[Submission],
) -> Result<(), LedgerError> {
    let Some(first) = submissions.first() else {
        return Ok(());
    };
    let mut concerned = Vec::new();
    for submission in submissions {
        let command = &submission.command;
        let found = facts::packages(txn, submission.business_id, command, clock.now()).await?;
        concerned.extend(found);
    }
    concerned.sort_unstable();
    concerned.dedup();
    packages::lock(txn, first.business_id, &concerned).await?;
    Ok(())
}

/// Does what one submission says whose packages are locked. Of a refused one nothing is written, so the
/// caller may go on in the same transaction.
///
/// # Errors
/// Its refusal, and failures of the database.
pub async fn carry_out_one(
    txn: &DatabaseTransaction,
    clock: &Clock,
    submission: &Submission,
) -> Result<Receipt, LedgerError> {
    let (business_id, command) = (submission.business_id, &submission.command);
    // Once more: what came before may have freed what this one uses.
    let ids = facts::packages(txn, business_id, command, clock.now()).await?;
    let mut outcome = solo::decide_in(clock, txn, submission, &Scope::Packages(ids)).await?;
    // What it is then decided on is locked late, but a package from which credits went on is older than theirs.
    for _ in 0..solo::ESCALATIONS_MAX {
        let Outcome::Escalate(ids) = outcome else {
            break;
        };
        outcome = solo::decide_in(clock, txn, submission, &Scope::Packages(ids)).await?;
    }
    solo::done(outcome)
}
