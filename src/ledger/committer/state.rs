//! The lots of a batch in memory, and what its calls come to on them, one after another.
//!
//! Pure. A call sees what the calls before it did, a refused one leaves nothing behind, and a second copy
//! of a request gets the first one's answer.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::look_up::{Earlier, RequestKey};
use super::read::Scope;
use crate::domain::decide::{Facts, decide};
use crate::domain::entry::Entry;
use crate::domain::lot::Lot;
use crate::domain::posting::Posting;
use crate::domain::queue::calls_the_next;
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, LotId};
use crate::ledger::reach::may_be_moved;
use crate::ledger::submit::{Receipt, Submission};

/// What one call comes to, if the batch is committed.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It writes this.
    Posted(Posting),
    /// It is a copy of the call at this place of the batch.
    CopyOf(usize),
    /// It took effect earlier, or its id was used for something else.
    Known(Result<Receipt, Refusal>),
    /// The rules say no, unless it took effect earlier.
    Refused(Refusal),
    /// It needs a transaction of its own.
    Solo,
}

/// The lots that a batch holds.
#[derive(Debug)]
pub(super) struct State {
    now: DateTime<Utc>,
    lots: HashMap<(BusinessId, LotId), Lot>,
    moved: BTreeSet<(BusinessId, LotId)>,
}

impl State {
    /// A state of lots that are locked; `now` was read after the locks.
    pub(super) fn new(now: DateTime<Utc>, locked: Vec<Lot>) -> Self {
        let keyed = locked
            .into_iter()
            .map(|lot| ((lot.business_id, lot.id), lot));
        Self {
            now,
            lots: keyed.collect(),
            moved: BTreeSet::new(),
        }
    }

    /// Decides calls, each on its lots, in their order.
    pub(super) fn decide<'a>(
        &mut self,
        calls: impl Iterator<Item = (&'a Submission, &'a Scope)>,
        earlier: &Earlier,
    ) -> Vec<Verdict> {
        let mut posted: HashMap<RequestKey, (usize, &Submission)> = HashMap::new();
        let mut verdicts = Vec::new();
        for (place, (submission, scope)) in calls.enumerate() {
            let key = (submission.business_id, submission.request_id);
            let verdict = if let Some(known) = earlier.of(submission) {
                Verdict::Known(known)
            } else if let Some((first, other)) = posted.get(&key) {
                copy_of(*first, other, submission)
            } else {
                self.verdict(submission, scope)
            };
            if matches!(verdict, Verdict::Posted(_)) {
                posted.insert(key, (place, submission));
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    /// The lots that the calls moved, as they are after the last.
    pub(super) fn moved(&self) -> impl Iterator<Item = &Lot> {
        self.moved.iter().filter_map(|key| self.lots.get(key))
    }

    fn verdict(&mut self, submission: &Submission, scope: &Scope) -> Verdict {
        let business_id = submission.business_id;
        let ids = scope.lot_ids.iter();
        let lots: Option<Vec<&Lot>> = ids.map(|id| self.lots.get(&(business_id, *id))).collect();
        let Some(lots) = lots else {
            // Somebody else holds one of them, and this call waits for it elsewhere.
            return Verdict::Solo;
        };
        let stamp = submission.stamp(self.now, lots.iter().copied());
        if lots.iter().any(|lot| lot.has_timed_out_hold(stamp.now)) {
            // What time did there is told by holds, which a batch does not read.
            return Verdict::Solo;
        }
        if lots.iter().any(|lot| lot.terms.is_limited) {
            // What was used before is told by entries.
            return Verdict::Solo;
        }
        let facts = Facts {
            shared_with: scope.shared_with.clone(),
            ..Facts::of_lots(lots.into_iter().cloned())
        };
        match decide(&facts, &submission.command, &stamp) {
            // What was not looked at might pay instead.
            Ok(posting) if !scope.decides(&posting, &facts.lots) => Verdict::Solo,
            Err(_) if scope.ends_at.is_some() => Verdict::Solo,
            Ok(posting) if !posting.effects.is_empty() || calls_the_next(&posting) => Verdict::Solo,
            // What a customer is to be told is queued with the posting.
            Ok(posting) if !submission.watch.may_have_crossed(&posting).is_empty() => Verdict::Solo,
            Ok(posting) => {
                for lot in &posting.lots {
                    let key = (business_id, lot.id);
                    self.lots.insert(key, lot.clone());
                    self.moved.insert(key);
                }
                Verdict::Posted(posting)
            }
            Err(Refusal::InsufficientCredits { .. }) if may_be_moved(&facts.lots, stamp.now) => {
                Verdict::Solo
            }
            // A batch does not see that a package is shared of which nothing is left.
            Err(Refusal::PackageOfOtherCustomer { .. }) => Verdict::Solo,
            Err(refusal) => Verdict::Refused(refusal),
        }
    }
}

fn copy_of(first: usize, other: &Submission, submission: &Submission) -> Verdict {
    if other.request_hash == submission.request_hash {
        return Verdict::CopyOf(first);
    }
    let request_id = submission.request_id;
    Verdict::Known(Err(Refusal::RequestIdReused { request_id }))
}

/// The entries that calls write, in the order of their keys: everybody inserts in that order, so that nobody
/// waits for a key in a circle.
pub(super) fn entries<'a>(
    postings: impl Iterator<Item = (BusinessId, &'a Posting)>,
) -> Vec<(BusinessId, &'a Entry)> {
    let mut entries: Vec<(BusinessId, &Entry)> = postings
        .flat_map(|(business_id, posting)| {
            let entries = posting.entries.iter();
            entries.map(move |entry| (business_id, entry))
        })
        .collect();
    entries.sort_unstable_by_key(|(business_id, entry)| (*business_id, entry.key));
    entries
}
