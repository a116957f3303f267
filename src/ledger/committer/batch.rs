//! One batch: read, lock, decide, write, commit, answer.
//!
//! Six round trips, however many calls: the lots concerned (unnamed and named, at most two), begin, lock and
//! read, entries, lots, commit. Request ids are looked up only where it matters: before a refusal is answered,
//! and for the whole batch once something went wrong with it.
//!
//! A batch that fails is not given up: lost against others it is tried again, with one faulty call in it it
//! is halved until that call is alone.

use std::collections::{HashMap, HashSet};

use super::look_up::{self, Earlier};
use super::read::{self, Scope};
use super::state::{self, State, Verdict};
use super::{Answer, Waiting, Work};
use crate::domain::posting::Posting;
use crate::domain::refusal::Refusal;
use crate::ledger::LedgerError;
use crate::ledger::solo::{TRIES_MAX, pause_before};
use crate::ledger::submit::{Receipt, Submission};
use crate::store::error::StoreError;
use crate::store::{entries, lots, posting_notes};

/// Calls that are tried together.
struct Part {
    calls: Vec<Waiting>,
    tries: u32,
    /// Whether all request ids are looked up first: an earlier try may have been committed after all.
    look_up: bool,
}

/// Commits calls and answers each of them.
pub(super) async fn run(work: &Work, calls: Vec<Waiting>) {
    let mut parts = vec![Part {
        calls,
        tries: 1,
        look_up: false,
    }];
    while let Some(part) = parts.pop() {
        match attempt(work, &part).await {
            Ok(verdicts) => answer(work, part.calls, verdicts).await,
            Err(error) => {
                let again = part.after(&error);
                if let Some(part) = again.last()
                    && part.tries > 1
                {
                    pause_before(part.tries.saturating_sub(1)).await;
                }
                parts.extend(again);
            }
        }
    }
}

impl Part {
    /// What is left to be tried after a failure, the first calls last; whatever is not is answered.
    fn after(self, error: &StoreError) -> Vec<Self> {
        let may_be_tried = self.tries < TRIES_MAX;
        match error {
            // Another copy of a request was faster, or somebody held what was needed, or the connection was
            // lost, perhaps after the commit.
            StoreError::Taken(_) | StoreError::Contention(_) | StoreError::Unavailable(_)
                if may_be_tried && !is_unreachable(error) =>
            {
                vec![Self {
                    tries: self.tries.saturating_add(1),
                    look_up: true,
                    ..self
                }]
            }
            StoreError::Unavailable(_) | StoreError::TooSlow(_) => {
                for call in self.calls {
                    let failed = LedgerError::Store(error.clone());
                    // A caller that is gone needs no answer.
                    let _ = call.answer.send(Err(failed));
                }
                Vec::new()
            }
            StoreError::Corrupt { .. }
            | StoreError::Database(_)
            | StoreError::Taken(_)
            | StoreError::Contention(_) => self.halves(),
        }
    }

    fn halves(mut self) -> Vec<Self> {
        let half = self.calls.len().div_ceil(2);
        if self.calls.len() < 2 {
            // By itself it gets the answer that is its own.
            for call in self.calls {
                let _ = call.answer.send(Ok(Answer::Solo));
            }
            return Vec::new();
        }
        let rest = self.calls.split_off(half);
        [rest, self.calls]
            .map(|calls| Self {
                calls,
                tries: 1,
                look_up: true,
            })
            .into()
    }
}

/// Whether there was not even a connection: then another try would only keep callers waiting.
fn is_unreachable(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Unavailable(sea_orm::DbErr::ConnectionAcquire(_) | sea_orm::DbErr::Conn(_))
    )
}

/// Decides the calls in one transaction and commits it; the verdicts are true from then on.
async fn attempt(work: &Work, part: &Part) -> Result<Vec<Verdict>, StoreError> {
    let submissions = part.calls.iter().map(|call| &call.submission);
    let earlier = if part.look_up {
        look_up::earlier(work, submissions.clone()).await?
    } else {
        Earlier::default()
    };
    let scopes = read::scopes(work.db.batch_reader(part.calls.len()), submissions.clone()).await?;
    let txn = work.db.begin_batch(part.calls.len()).await?;
    let keys = lot_keys(submissions.clone(), &scopes);
    let locked = lots::batch::lock_free(&txn, keys, &work.lines).await?;
    let mut state = State::new(work.clock.now(), locked);
    let verdicts = state.decide(submissions.clone().zip(&scopes), &earlier);
    let postings = postings(submissions.clone(), &verdicts);
    if postings.is_empty() {
        txn.rollback().await?;
        return Ok(verdicts);
    }
    let of_businesses = postings
        .iter()
        .map(|(it, posting)| (it.business_id, *posting));
    entries::append_unclaimed(&txn, state::entries(of_businesses)).await?;
    lots::batch::update_used(&txn, state.moved()).await?;
    let notes = postings.iter();
    let notes = notes.map(|(it, posting)| (it.business_id, posting.id, it.note.as_str()));
    posting_notes::insert(&txn, notes).await?;
    txn.commit().await?;
    Ok(verdicts)
}

fn lot_keys<'a>(
    submissions: impl Iterator<Item = &'a Submission>,
    scopes: &[Scope],
) -> Vec<lots::batch::LotKey> {
    let mut keys: Vec<_> = submissions
        .zip(scopes)
        .flat_map(|(it, scope)| scope.lot_ids.iter().map(|id| (it.business_id, *id)))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn postings<'a>(
    submissions: impl Iterator<Item = &'a Submission>,
    verdicts: &'a [Verdict],
) -> Vec<(&'a Submission, &'a Posting)> {
    let decided = submissions.zip(verdicts);
    decided
        .filter_map(|(submission, verdict)| match verdict {
            Verdict::Posted(posting) => Some((submission, posting)),
            Verdict::CopyOf(_) | Verdict::Known(_) | Verdict::Refused(_) | Verdict::Solo => None,
        })
        .collect()
}

/// Answers calls whose batch is committed: refusals last, since their ids are looked up first.
async fn answer(work: &Work, calls: Vec<Waiting>, verdicts: Vec<Verdict>) {
    let copied = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::CopyOf(place) => Some(*place),
        Verdict::Posted(_) | Verdict::Known(_) | Verdict::Refused(_) | Verdict::Solo => None,
    });
    let copied: HashSet<usize> = copied.collect();
    let mut firsts: HashMap<usize, Receipt> = HashMap::new();
    let mut refused: Vec<(Waiting, Refusal)> = Vec::new();
    for (place, (call, verdict)) in calls.into_iter().zip(verdicts).enumerate() {
        let answer = match verdict {
            Verdict::Posted(posting) => {
                let receipt = Receipt::of(posting);
                if copied.contains(&place) {
                    firsts.insert(place, receipt.clone());
                }
                Ok(Answer::Done(receipt))
            }
            Verdict::CopyOf(place) => Ok(match firsts.get(&place).cloned() {
                Some(first) => Answer::Done(Receipt {
                    replayed: true,
                    ..first
                }),
                None => Answer::Solo,
            }),
            Verdict::Known(known) => known.map(Answer::Done).map_err(LedgerError::Refused),
            Verdict::Solo => Ok(Answer::Solo),
            Verdict::Refused(refusal) => {
                refused.push((call, refusal));
                continue;
            }
        };
        // A caller that is gone needs no answer.
        let _ = call.answer.send(answer);
    }
    refuse(work, refused).await;
}

/// Answers refusals, after looking up whether what is refused now took effect earlier.
async fn refuse(work: &Work, refused: Vec<(Waiting, Refusal)>) {
    let submissions = refused.iter().map(|(call, _)| &call.submission);
    let earlier = look_up::earlier(work, submissions).await;
    for (call, refusal) in refused {
        let answer = match &earlier {
            Ok(earlier) => match earlier.of(&call.submission) {
                Some(known) => known.map(Answer::Done).map_err(LedgerError::Refused),
                None => Err(LedgerError::Refused(refusal)),
            },
            Err(error) => Err(LedgerError::Store(error.clone())),
        };
        let _ = call.answer.send(answer);
    }
}
