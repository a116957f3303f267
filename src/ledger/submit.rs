//! Submitting a command that only moves credits.
//!
//! What may share a commit with other calls goes to the committer, everything else to the solo lane, and so
//! does what the committer gives back: a call whose rows are taken, one with effects on a package, and one for
//! which lots might pay that a batch does not look at. Nothing that only wants to know enters the queue.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::LedgerSettings;
use crate::domain::decide::Command;
use crate::domain::entry::{Actor, Entry, Hash, Purpose};
use crate::domain::hold::Hold;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::posting::Posting;
use crate::domain::watch::Watch;
use crate::ids::{BusinessId, CustomerId, LotId, PackageId};
use crate::ledger::LedgerError;
use crate::ledger::committer::{Answer, Committer};
use crate::ledger::solo::{self, Solo};
use crate::store::db::Database;
use crate::store::entries;

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
    /// What its credits are held and used for, if that is more than an item.
    pub purpose: Option<Purpose>,
    /// What is to be done.
    pub command: Command,
    /// The note to keep beside it.
    pub note: String,
    /// What of it the business wants its customers to be told.
    pub watch: Watch,
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
    pub hold: Option<Box<Hold>>,
    /// Whether an earlier call with the same request id did it.
    pub replayed: bool,
}

/// What a submission asks for that may share its commit with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shareable<'a> {
    /// Whose lots pay.
    pub(super) customer_id: CustomerId,
    /// Only those of these packages; none: the best ones.
    pub(super) package_ids: &'a [PackageId],
}

/// The write path of credits.
#[derive(Clone, Debug)]
pub struct Ledger(Arc<Lanes>);

#[derive(Debug)]
struct Lanes {
    db: Database,
    solo: Solo,
    /// None: every call has a transaction of its own.
    committer: Option<Committer>,
}

impl Ledger {
    /// A write path on `db` that gives every call a transaction of its own.
    pub fn new(db: Database, clock: Clock) -> Self {
        Self(Arc::new(Lanes {
            solo: Solo::new(db.clone(), clock),
            db,
            committer: None,
        }))
    }

    /// A write path on `db` where calls share commits, as `settings` say. Nothing runs before the first call.
    pub fn batching(db: Database, clock: Clock, settings: LedgerSettings) -> Self {
        let committer = Committer::new(db.clone(), clock.clone(), settings);
        Self(Arc::new(Lanes {
            solo: Solo::new(db.clone(), clock),
            db,
            committer,
        }))
    }

    /// Does what the submission says, once. The caller runs in a task that no client can cancel.
    ///
    /// # Errors
    /// Every refusal of the rules, [`LedgerError::Overloaded`], and failures of the database; nothing is kept
    /// then, unless the connection was lost while it committed.
    pub async fn submit(&self, submission: &Submission) -> Result<Receipt, LedgerError> {
        if let Some(committer) = &self.0.committer
            && submission.shareable().is_some()
            && let Answer::Done(receipt) = committer.submit(submission).await?
        {
            return Ok(receipt);
        }
        // On the heap, since it is large and most calls do without it.
        Box::pin(self.0.solo.submit(submission)).await
    }

    /// What this very request did earlier, if it did.
    ///
    /// # Errors
    /// [`Refusal::RequestIdReused`](crate::domain::refusal::Refusal::RequestIdReused) if its id was used for
    /// another request.
    pub async fn earlier(
        &self,
        business_id: BusinessId,
        request_id: Uuid,
        hash: &Hash,
    ) -> Result<Option<Receipt>, LedgerError> {
        let txn = self.0.db.snapshot().await?;
        let found = solo::replayed(&txn, business_id, request_id, hash).await?;
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
        let txn = self.0.db.snapshot().await?;
        let mut found = entries::of_posting(&txn, business_id, posting_id).await?;
        found.retain(|entry| !entry.by_time);
        let receipt = if found.is_empty() {
            None
        } else {
            Some(solo::reread(&txn, business_id, found).await?)
        };
        txn.commit().await?;
        Ok(receipt)
    }

    /// Takes nothing more into batches, and waits until everything that was taken is committed and answered.
    /// A call that comes later has a transaction of its own.
    pub async fn stop(&self) {
        if let Some(committer) = &self.0.committer {
            committer.stop().await;
        }
    }
}

impl Submission {
    /// What it asks for, if it may share its commit with others: a use of credits that is to be kept.
    pub(super) fn shareable(&self) -> Option<Shareable<'_>> {
        if self.validate_only {
            return None;
        }
        match &self.command {
            Command::Consume(consume) if consume.past_expiry.is_none() => Some(Shareable {
                customer_id: consume.customer_id,
                package_ids: &consume.package_ids,
            }),
            Command::Consume(_)
            | Command::Hold(_)
            | Command::Capture(_)
            | Command::Release(_)
            | Command::Keep(_)
            | Command::Reverse(_)
            | Command::Move(_)
            | Command::Adjust(_) => None,
        }
    }

    /// What its entries have in common. `now` was read after the locks; the time is never before what was
    /// last written in these lots, since another replica's clock may be a little ahead.
    pub(super) fn stamp<'a>(
        &self,
        now: DateTime<Utc>,
        locked_lots: impl IntoIterator<Item = &'a Lot>,
    ) -> Stamp {
        let written = locked_lots
            .into_iter()
            .filter_map(|lot| lot.tail.recorded_at);
        Stamp {
            posting_id: self.request_id,
            now: written.fold(now, Ord::max),
            request_hash: Some(self.request_hash),
            method: self.method.to_owned(),
            actor: self.actor,
            purpose: self.purpose,
        }
    }
}

impl Receipt {
    /// What a posting did that was written now.
    pub(super) fn of(posting: Posting) -> Self {
        let entries = posting.entries.into_iter();
        let entries: Vec<Entry> = entries.filter(|entry| !entry.by_time).collect();
        let hold_id = entries.iter().find_map(|entry| entry.about.hold_id);
        let mut holds = posting.holds.into_iter();
        Self {
            hold: holds
                .find(|hold| Some(hold.id.uuid()) == hold_id)
                .map(Box::new),
            entries,
            lots: posting.lots.into_iter().map(|lot| (lot.id, lot)).collect(),
            replayed: false,
        }
    }
}
