//! What lies on the shelf, and who waits at it.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Taken, ToSend};

/// E-mails are made ready ahead for so long.
const AHEAD: Duration = Duration::from_millis(50);
/// How many are at most.
const AHEAD_MAX: usize = 96;
/// How long one may lie on the shelf.
pub(super) const FRESH_FOR: Duration = Duration::from_millis(500);

/// What a worker that waits is told.
pub(super) enum Told {
    Taken(Taken),
    /// Nothing is due that may go out now.
    Nothing,
    /// It has to see for itself.
    Alone,
}

pub(super) struct Waiting {
    /// Whether it begins a step, for which somebody looks whose e-mails are due.
    pub(super) begins: bool,
    pub(super) answer: oneshot::Sender<Told>,
}

/// What lies on the shelf, since when its facts were read.
pub(super) struct Lying {
    pub(super) taken: Taken,
    pub(super) since: Instant,
}

#[derive(Default)]
pub(super) struct Things {
    pub(super) ready: VecDeque<Lying>,
    pub(super) waiting: VecDeque<Waiting>,
    /// How many e-mails were answered since some were made ready.
    pub(super) answered: u32,
    /// When they were.
    pub(super) made_at: Option<Instant>,
    /// How many are to be made ready ahead.
    pub(super) ahead: usize,
    pub(super) is_filling: bool,
}

impl Lying {
    /// Whether it has to be checked again.
    pub(super) fn is_old(&self) -> bool {
        self.since.elapsed() >= FRESH_FOR
    }
}

impl Things {
    /// How many go out in the time for which they are made ready ahead.
    pub(super) fn at_the_pace_of_late(&mut self, now: Instant) -> usize {
        let answered = mem::take(&mut self.answered);
        let Some(made_at) = self.made_at.replace(now) else {
            return 0;
        };
        let passed = now.saturating_duration_since(made_at).as_micros();
        let ahead = AHEAD.as_micros().saturating_mul(u128::from(answered));
        let ahead = ahead.checked_div(passed).map(usize::try_from);
        ahead.map_or(0, |ahead| ahead.unwrap_or(AHEAD_MAX).min(AHEAD_MAX))
    }

    /// Whether somebody should make some ready before the shelf is empty; whoever is told so does.
    pub(super) fn begin_filling(&mut self) -> bool {
        let is_low = self.ready.len() <= self.ahead / 2;
        let begins = self.ahead > 0 && is_low && !self.is_filling;
        self.is_filling |= begins;
        begins
    }

    /// Takes away such e-mails to send as lie there.
    pub(super) fn remove(&mut self, is_such: impl Fn(&Lying) -> bool) -> Vec<ToSend> {
        let mut removed = Vec::new();
        if self.ready.iter().any(&is_such) {
            for lying in mem::take(&mut self.ready) {
                let is_such = is_such(&lying);
                match lying.taken {
                    Taken::ToSend(to_send) if is_such => removed.push(*to_send),
                    taken @ (Taken::ToSend(_) | Taken::Ended(..)) => {
                        self.ready.push_back(Lying { taken, ..lying });
                    }
                }
            }
        }
        removed
    }

    /// Gives those that wait what lies there. The first ones, for whom it was made ready, are told if nothing is left
    /// for them.
    pub(super) fn serve(&mut self, first: usize) {
        let mut told = 0;
        while let Some(waiting) = self.waiting.pop_front() {
            if let Some(lying) = self.ready.pop_front() {
                let since = lying.since;
                if let Err(Told::Taken(taken)) = waiting.answer.send(Told::Taken(lying.taken)) {
                    self.ready.push_front(Lying { taken, since });
                }
            } else if told < first {
                let _ = waiting.answer.send(Told::Nothing);
            } else {
                self.waiting.push_front(waiting);
                return;
            }
            told = told.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::NoticeKind;
    use crate::jobs::deliver::mark::Marked;

    #[test]
    fn as_many_are_made_ready_ahead_as_go_out_in_a_few_moments() {
        let (mut things, mut now) = (Things::default(), Instant::now());
        for (answered, milliseconds, ahead) in [
            (7, 1, 0), // Nobody knows the pace yet.
            (4, 100, 2),
            (0, 1, 0),
            (1, 1000, 0),
            (30, 50, 30),
            (500, 50, AHEAD_MAX),
        ] {
            now += Duration::from_millis(milliseconds);
            things.answered = answered;
            assert_eq!(things.at_the_pace_of_late(now), ahead, "{answered}");
            assert_eq!(things.answered, 0);
        }
    }

    #[test]
    fn the_shelf_is_filled_by_one_while_half_is_left() {
        let mut things = Things::default();
        assert!(!things.begin_filling(), "nothing is made ready ahead");
        things.ahead = 2;
        let since = Instant::now();
        let taken = |_| Taken::Ended(NoticeKind::Expired, Marked::Cancelled);
        let lying = (0..2).map(taken).map(|taken| Lying { taken, since });
        things.ready.extend(lying);
        assert!(!things.begin_filling());
        things.ready.pop_front();
        assert!(things.begin_filling());
        assert!(!things.begin_filling(), "somebody does");
    }

    #[tokio::test]
    async fn those_for_whom_some_was_made_ready_are_told_if_nothing_is_left_and_others_wait() {
        let mut things = Things::default();
        let mut wait = || {
            let (answer, answered) = oneshot::channel();
            let begins = false;
            things.waiting.push_back(Waiting { begins, answer });
            answered
        };
        let (gone, first, second, mut late) = (wait(), wait(), wait(), wait());
        drop(gone);
        let taken = Taken::Ended(NoticeKind::Expired, Marked::Cancelled);
        let since = Instant::now();
        things.ready.push_back(Lying { taken, since });
        things.serve(3);
        assert!(matches!(first.await, Ok(Told::Taken(_))));
        assert!(matches!(second.await, Ok(Told::Nothing)));
        assert!(late.try_recv().is_err());
        assert_eq!(things.waiting.len(), 1);
    }
}
