//! Random commands. What they name is a number that is taken modulo what there is, so that a sequence
//! still means something when parts of it are left out.

use chrono::TimeDelta;

use crate::model::reference::calls::{Call, Outcome, Portion, What};
use crate::model::reference::{Instant, Ledger};

pub(super) mod drawing;
mod naming;

/// More packages make a case slow, not better.
const PACKAGES_MAX: usize = 7;

/// An instant, seen from now.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Unsaid,
    Ago(i64),
    Ahead(i64),
    /// A microsecond before one of the boundaries, at it, or after it.
    Boundary(usize, i64),
}

/// A command that is not resolved yet.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Jump(When),
    Job,
    Restart,
    /// Calls.
    Fresh(Loose),
    /// Only tries it.
    Trial(Loose),
    /// Sends an earlier request again.
    Repeat(usize),
    /// Sends another request under an id that has taken effect.
    ReuseId(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Loose {
    Sell(usize, usize),
    Give(usize, usize, i64, Option<u64>),
    Consume(LooseAsk, When),
    Hold(LooseAsk, When, When, bool),
    Capture(usize, Portion, When, bool),
    Release(usize),
    Reverse(usize, Portion, Option<u64>),
    Move(usize, Vec<usize>),
    Remove(usize, usize, i64),
    Add(usize, usize, i64, i64),
    Extend(usize, Result<u64, When>, Option<(usize, i64)>, bool),
    /// Through so many days after today.
    Freeze(usize, i64),
    Unfreeze(usize),
    Revoke(usize),
    Reinstate(usize),
    /// To its owner, or to another customer.
    Transfer(usize, bool),
    /// By so many cents more or less.
    Reprice(usize, i64),
}

#[derive(Clone, Debug)]
pub(super) struct LooseAsk {
    customer: usize,
    what: What,
    named: Vec<usize>,
}

/// What the services are to do, and what they are to answer.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Clock,
    Job,
    Restart,
    Call {
        number: usize,
        call: Call,
        is_trial: bool,
        is_repeat: bool,
        expected: Outcome,
    },
    ReuseId {
        number: usize,
        call: Call,
    },
}

/// An earlier request.
#[derive(Clone, Debug)]
struct Request {
    call: Call,
    outcome: Outcome,
}

impl Request {
    /// Whether its id is kept: not that of a refused call, nor of one that only told what another did.
    fn is_kept(&self) -> bool {
        matches!(&self.outcome, Ok(answer) if answer.done_by.is_none())
    }
}

/// The reference, and what was asked of it.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) ledger: Ledger,
    /// Whether the second service settles after every step; else never.
    pub(super) sweeps: bool,
    pub(super) step: Step,
    requests: Vec<Request>,
}

impl State {
    pub(super) fn new(now: Instant, sweeps: bool) -> Self {
        Self {
            ledger: Ledger::new(now),
            sweeps,
            step: Step::Clock,
            requests: Vec::new(),
        }
    }

    /// Whether the command means anything now, and ids do not decide what it does.
    pub(super) fn takes(&self, command: &Command) -> bool {
        let next = self.clone().after(command);
        next.is_some_and(|next| {
            !next.ledger.ambiguous && next.ledger.packages.len() <= PACKAGES_MAX
        })
    }

    /// The state after a command; none: it names what is not there.
    pub(super) fn after(mut self, command: &Command) -> Option<Self> {
        match command {
            Command::Jump(when) => {
                let at = self.ledger.resolve_jump(*when)?;
                self.ledger.now = at;
                self.step = Step::Clock;
            }
            Command::Job => self.step = Step::Job,
            Command::Restart => self.step = Step::Restart,
            Command::Fresh(loose) => {
                let call = self.resolve(loose)?;
                let number = self.requests.len();
                let outcome = self.call(number, &call, false);
                self.requests.push(Request { call, outcome });
            }
            Command::Trial(loose) => {
                let call = self.resolve(loose)?;
                let kept = self.ledger.clone();
                let number = self.requests.len();
                let _ = self.call(number, &call, true);
                let ambiguous = self.ledger.ambiguous;
                self.ledger = kept;
                self.ledger.ambiguous |= ambiguous;
            }
            Command::Repeat(index) => {
                let number = index.checked_rem(self.requests.len())?;
                let Request { call, outcome } = self.requests[number].clone();
                if self.requests[number].is_kept() {
                    self.step = Step::Call {
                        number,
                        call,
                        is_trial: false,
                        is_repeat: true,
                        expected: outcome,
                    };
                } else {
                    self.requests[number].outcome = self.call(number, &call, false);
                }
            }
            Command::ReuseId(index) => {
                let number = index.checked_rem(self.requests.len())?;
                if !self.requests[number].is_kept() {
                    return None;
                }
                let call = self.requests[number].call.clone();
                self.step = Step::ReuseId { number, call };
            }
        }
        self.ledger.settle();
        Some(self)
    }

    fn call(&mut self, number: usize, call: &Call, is_trial: bool) -> Outcome {
        let lots = self.ledger.lots.len();
        let mut outcome = self.ledger.call(number, call);
        if self.ledger.lots.len() > lots {
            // What is made at different times is told apart by that.
            self.ledger.now += TimeDelta::milliseconds(1);
        }
        let mut is_repeat = false;
        if let Ok(answer) = &mut outcome
            && let Some(by) = answer.done_by
        {
            is_repeat = true;
            // A hold that ended because its package was taken away answers with what came back then.
            if !matches!(self.requests[by].call, Call::Revoke { .. }) {
                answer.clone_from(self.requests[by].outcome.as_ref().unwrap());
                answer.done_by = Some(by);
            }
        }
        self.step = Step::Call {
            number,
            call: call.clone(),
            is_trial,
            is_repeat,
            expected: outcome.clone(),
        };
        outcome
    }
}
