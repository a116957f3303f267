//! One batch: read, decide, write, answer.
//!
//! On PostgreSQL two round trips, however many calls: the lots concerned are read without locks, and one
//! statement, a transaction of its own, writes lots and entries if every lot still has the version that was
//! read and all request ids were free; else it writes nothing. A note takes a transaction around it,
//! and so does SQLite, where one statement does not write two tables.
//!
//! What comes of that the second time goes the locked way: begin, lock those lots that nobody else holds,
//! read and decide again, write, commit; calls whose lots are taken are given back. Request ids are looked
//! up only where it matters: before a refusal is answered, and for the whole batch once something went wrong
//! with it.
//!
//! A batch that fails is not given up: lost against others it is tried again, with one faulty call in it it
//! is halved until that call is alone.

use std::collections::{HashMap, HashSet};

use sea_orm::{ConnectionTrait, DbBackend};
use uuid::Uuid;

use super::look_up::{self, Earlier};
use super::read::{self, Scope};
use super::state::{self, State, Verdict};
use super::{Answer, Waiting, Work};
use crate::domain::posting::Posting;
use crate::domain::refusal::Refusal;
use crate::ids::BusinessId;
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
                // The second try has locks, so it waits for nothing.
                if let Some(part) = again.last()
                    && part.tries > 2
                {
                    pause_before(part.tries.saturating_sub(2)).await;
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
            StoreError::Taken(_) | StoreError::Contention(_) if may_be_tried => self.once_more(),
            StoreError::Unavailable(_) if may_be_tried && error.is_cut_off() => self.once_more(),
            StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::TooSlow(_) => {
                for call in self.calls {
                    let failed = LedgerError::Store(error.clone());
                    // A caller that is gone needs no answer.
                    let _ = call.answer.send(Err(failed));
                }
                Vec::new()
            }
            StoreError::Corrupt { .. }
            | StoreError::TooLarge(_)
            | StoreError::Database(_)
            | StoreError::Taken(_)
            | StoreError::Contention(_) => self.halves(),
        }
    }

    fn once_more(self) -> Vec<Self> {
        vec![Self {
            tries: self.tries.saturating_add(1),
            look_up: true,
            ..self
        }]
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

/// Decides the calls and commits what they come to; the verdicts are true from then on.
async fn attempt(work: &Work, part: &Part) -> Result<Vec<Verdict>, StoreError> {
    if part.look_up {
        return locked(work, part).await;
    }
    let verdicts = unlocked(work, part).await;
    verdicts.map_err(StoreError::contended_if_locked)
}

/// The way without locks, for calls that were never tried. It hardly waits for a lot that somebody holds.
async fn unlocked(work: &Work, part: &Part) -> Result<Vec<Verdict>, StoreError> {
    let submissions = part.calls.iter().map(|call| &call.submission);
    let read = read::read(work.db.batch_reader(), submissions.clone(), &work.lines).await?;
    let mut state = State::new(work.clock.now(), read.lots);
    let decided = submissions.clone().zip(&read.scopes);
    let verdicts = state.decide(decided, &Earlier::default());
    let postings = postings(submissions, &verdicts);
    if postings.is_empty() {
        return Ok(verdicts);
    }
    let has_notes = postings.iter().any(|(it, _)| !it.note.is_empty());
    if work.db.backend() == DbBackend::Postgres && !has_notes {
        write(work.db.batch_writer(), &state, &postings).await?;
    } else {
        let txn = work.db.begin_batch().await?;
        write(&txn, &state, &postings).await?;
        posting_notes::insert(&txn, notes(&postings)).await?;
        txn.commit().await?;
    }
    Ok(verdicts)
}

/// The way with locks, for calls that somebody got in the way of.
async fn locked(work: &Work, part: &Part) -> Result<Vec<Verdict>, StoreError> {
    let submissions = part.calls.iter().map(|call| &call.submission);
    let earlier = look_up::earlier(work, submissions.clone()).await?;
    let mut read = read::read(work.db.batch_reader(), submissions.clone(), &work.lines).await?;
    let txn = work.db.begin_patient_batch().await?;
    let keys = lot_keys(submissions.clone(), &read.scopes);
    let locked = lots::batch::lock_free(&txn, keys, &work.lines).await?;
    read::share_again(&txn, submissions.clone(), &mut read.scopes).await?;
    let mut state = State::new(work.clock.now(), locked);
    let verdicts = state.decide(submissions.clone().zip(&read.scopes), &earlier);
    let postings = postings(submissions, &verdicts);
    if postings.is_empty() {
        txn.rollback().await?;
        return Ok(verdicts);
    }
    write(&txn, &state, &postings).await?;
    posting_notes::insert(&txn, notes(&postings)).await?;
    txn.commit().await?;
    Ok(verdicts)
}

/// Writes lots and entries, all or nothing.
async fn write(
    db: &impl ConnectionTrait,
    state: &State,
    postings: &[(&Submission, &Posting)],
) -> Result<(), StoreError> {
    let of_businesses = postings
        .iter()
        .map(|(it, posting)| (it.business_id, *posting));
    entries::append_claiming(db, state::entries(of_businesses), state.moved()).await
}

fn notes<'a>(
    postings: &'a [(&Submission, &Posting)],
) -> impl Iterator<Item = (BusinessId, Uuid, &'a str)> {
    let postings = postings.iter();
    postings.map(|(it, posting)| (it.business_id, posting.id, it.note.as_str()))
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
