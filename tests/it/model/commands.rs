//! Random commands. What they name is a number that is taken modulo what there is, so that a sequence
//! still means something when parts of it are left out.

use carnet::proto::v1::Account;
use chrono::{Days, TimeDelta};
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::catalogue::{CUSTOMERS, templates};
use crate::model::reference::calls::{Ask, Call, Outcome, Portion, Until, What};
use crate::model::reference::{Instant, Ledger, ONE, local_day};

/// More packages make a case slow, not better.
const PACKAGES_MAX: usize = 7;
/// How many of the next boundaries a jump in time may go to.
const BOUNDARIES_NEAR: usize = 3;

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
            answer.clone_from(self.requests[by].outcome.as_ref().unwrap());
            answer.done_by = Some(by);
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

    fn resolve(&self, loose: &Loose) -> Option<Call> {
        let ledger = &self.ledger;
        let when = |when: &When| ledger.resolve_when(*when);
        let package = |index: &usize| index.checked_rem(ledger.packages.len());
        let hold = |index: &usize| index.checked_rem(ledger.holds_len());
        let line = |package: usize, line: &usize| line % ledger.packages[package].lines.len();
        let uses = ledger.use_calls();
        let used = |index: &usize| index.checked_rem(uses.len()).map(|index| uses[index]);
        Some(match loose {
            Loose::Sell(customer, template) => Call::Sell {
                customer: *customer,
                template: *template,
            },
            Loose::Give(customer, kind, amount, days) => Call::Give {
                customer: *customer,
                kind: *kind,
                amount: *amount,
                days: *days,
            },
            Loose::Consume(ask, delivered_at) => Call::Consume {
                ask: ledger.resolve_ask(ask),
                delivered_at: when(delivered_at)?,
            },
            Loose::Hold(ask, service_at, times_out_at, captures) => Call::Hold {
                ask: ledger.resolve_ask(ask),
                service_at: when(service_at)?,
                times_out_at: when(times_out_at)?,
                captures: *captures,
            },
            Loose::Capture(index, portion, delivered_at, excess) => Call::Capture {
                hold: hold(index)?,
                portion: *portion,
                delivered_at: when(delivered_at)?,
                excess: *excess,
            },
            Loose::Release(index) => Call::Release { hold: hold(index)? },
            Loose::Reverse(index, portion, restore) => Call::Reverse {
                of: used(index)?,
                portion: *portion,
                restore_through: restore
                    .map(|days| local_day(ledger.now) - Days::new(1) + Days::new(days)),
            },
            Loose::Move(index, named) => Call::Move {
                of: used(index)?,
                named: ledger.resolve_named(named),
            },
            Loose::Remove(index, position, amount) => {
                let package = package(index)?;
                Call::Remove {
                    package,
                    line: line(package, position),
                    amount: *amount,
                }
            }
            Loose::Add(index, position, amount, value) => {
                let package = package(index)?;
                Call::Add {
                    package,
                    line: line(package, position),
                    amount: *amount,
                    value: *value,
                }
            }
            Loose::Extend(index, until, bonus, force) => {
                let package = package(index)?;
                Call::Extend {
                    package,
                    until: match until {
                        Ok(days) => Until::By(*days),
                        Err(at) => Until::At(when(at)??),
                    },
                    bonus: bonus.map(|(position, amount)| (line(package, &position), amount)),
                    force: *force,
                }
            }
        })
    }
}

impl Ledger {
    fn resolve_named(&self, named: &[usize]) -> Vec<usize> {
        let mut packages = Vec::new();
        for index in named {
            let package = index.checked_rem(self.packages.len());
            packages.extend(package.filter(|package| !packages.contains(package)));
        }
        packages
    }

    fn resolve_ask(&self, ask: &LooseAsk) -> Ask {
        let named = self.resolve_named(&ask.named);
        // Mostly the owner's, seldom another's.
        let owner = named
            .first()
            .map(|package| self.packages[*package].customer);
        let customer = if ask.customer > CUSTOMERS {
            (ask.customer - 1) % CUSTOMERS
        } else {
            owner.unwrap_or(ask.customer % CUSTOMERS)
        };
        Ask {
            customer,
            what: ask.what,
            named,
        }
    }

    fn resolve_when(&self, when: When) -> Option<Option<Instant>> {
        Some(match when {
            When::Unsaid => None,
            When::Ago(minutes) => Some(self.now - TimeDelta::minutes(minutes)),
            When::Ahead(minutes) => Some(self.now + TimeDelta::minutes(minutes)),
            When::Boundary(index, offset) => {
                let boundaries = self.boundaries();
                let boundary = boundaries[index.checked_rem(boundaries.len())?];
                Some(boundary + TimeDelta::microseconds(offset))
            }
        })
    }

    fn resolve_jump(&self, when: When) -> Option<Instant> {
        let mut ahead = self.boundaries();
        ahead.retain(|at| *at > self.now);
        ahead.truncate(BOUNDARIES_NEAR);
        match when {
            When::Boundary(index, offset) => {
                let boundary = ahead[index.checked_rem(ahead.len())?];
                Some(boundary + TimeDelta::microseconds(offset))
            }
            other => self.resolve_when(other)?,
        }
    }

    /// Whether the credits of the lot went away unused, or were used: for the reader of a failure.
    pub(super) fn lot_line(&self, lot: usize) -> String {
        let lot = &self.lots[lot];
        let lost = lot.of(Account::Expired);
        format!("package {} line {}, {lost} lost", lot.package, lot.line)
    }
}

fn what() -> impl Strategy<Value = What> {
    let units = select(vec![
        ONE,
        ONE,
        ONE,
        2 * ONE,
        2 * ONE,
        3 * ONE,
        ONE / 2,
        ONE * 3 / 2,
        ONE / 4,
    ]);
    let amounts = select(vec![
        ONE,
        ONE,
        2 * ONE,
        4 * ONE,
        ONE / 2,
        ONE / 4,
        ONE / 1_000,
    ]);
    prop_oneof![
        3 => (0..2_usize, units).prop_map(|(item, units)| What::Item(item, units)),
        1 => (0..2_usize, amounts).prop_map(|(kind, amount)| What::Credits(kind, amount)),
    ]
}

fn ask() -> impl Strategy<Value = LooseAsk> {
    let named = prop_oneof![
        3 => Just(Vec::new()),
        2 => prop::collection::vec(0..16_usize, 1..3),
    ];
    (0..12_usize, what(), named).prop_map(|(customer, what, named)| LooseAsk {
        // 3 in 12 name a customer whoever owns the packages.
        customer: if customer < 9 {
            customer % CUSTOMERS
        } else {
            CUSTOMERS + customer % 3
        },
        what,
        named,
    })
}

fn boundary() -> impl Strategy<Value = When> {
    (0..8_usize, -1..=1_i64).prop_map(|(index, offset)| When::Boundary(index, offset))
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        6 => Just(When::Unsaid),
        2 => (1..4_000_i64).prop_map(When::Ago),
        2 => boundary(),
        1 => (1..3_000_i64).prop_map(When::Ahead),
    ]
}

fn portion() -> impl Strategy<Value = Portion> {
    let amounts = || select(vec![ONE, ONE, ONE, 2 * ONE, ONE / 2, ONE * 5 / 2, 3 * ONE]);
    prop_oneof![
        3 => Just(Portion::All),
        2 => amounts().prop_map(Portion::Units),
        2 => amounts().prop_map(Portion::Credits),
    ]
}

fn amount() -> impl Strategy<Value = i64> {
    select(vec![ONE, ONE, 2 * ONE, 3 * ONE, ONE / 2, ONE / 1_000])
}

fn sales() -> impl Strategy<Value = Loose> {
    let gift = (
        0..CUSTOMERS,
        0..2_usize,
        amount(),
        prop::option::of(1..4_u64),
    );
    prop_oneof![
        5 => (0..CUSTOMERS, 0..templates().len()).prop_map(|(who, what)| Loose::Sell(who, what)),
        1 => gift.prop_map(|(who, kind, amount, days)| Loose::Give(who, kind, amount, days)),
    ]
}

fn calls() -> impl Strategy<Value = Loose> {
    let hold_times = (
        when(),
        prop_oneof![1 => Just(When::Unsaid), 3 => (1..4_000_i64).prop_map(When::Ahead), 1 => boundary()],
    );
    let until = prop_oneof![
        3 => (1..4_u64).prop_map(Ok),
        1 => when().prop_map(Err),
    ];
    let bonus = prop::option::of((0..2_usize, amount()));
    prop_oneof![
        2 => sales(),
        8 => (ask(), when()).prop_map(|(ask, when)| Loose::Consume(ask, when)),
        6 => (ask(), hold_times, any::<bool>())
            .prop_map(|(ask, (at, end), captures)| Loose::Hold(ask, at, end, captures)),
        4 => (0..16_usize, portion(), when(), any::<bool>())
            .prop_map(|(hold, portion, at, excess)| Loose::Capture(hold, portion, at, excess)),
        2 => (0..16_usize).prop_map(Loose::Release),
        5 => (0..16_usize, portion(), prop::option::weighted(0.3, 0..4_u64))
            .prop_map(|(of, portion, restore)| Loose::Reverse(of, portion, restore)),
        2 => (0..16_usize, prop::collection::vec(0..16_usize, 1..3))
            .prop_map(|(of, named)| Loose::Move(of, named)),
        1 => (0..16_usize, 0..2_usize, amount()).prop_map(|(package, line, amount)| Loose::Remove(package, line, amount)),
        1 => (0..16_usize, 0..2_usize, amount(), 0..200_i64)
            .prop_map(|(package, line, amount, value)| Loose::Add(package, line, amount, value)),
        2 => (0..16_usize, until, bonus, any::<bool>())
            .prop_map(|(package, until, bonus, force)| Loose::Extend(package, until, bonus, force)),
    ]
}

fn jumps() -> impl Strategy<Value = Command> {
    prop_oneof![
        5 => boundary(),
        3 => (1..2_000_i64).prop_map(When::Ahead),
        1 => Just(When::Ahead(31 * 24 * 60)),
    ]
    .prop_map(Command::Jump)
}

/// Any command; the first ones sell.
pub(super) fn commands(state: &State) -> BoxedStrategy<Command> {
    if state.ledger.packages.len() < 2 {
        return sales().prop_map(Command::Fresh).boxed();
    }
    prop_oneof![
        26 => calls().prop_map(Command::Fresh),
        2 => calls().prop_map(Command::Trial),
        8 => jumps(),
        2 => Just(Command::Job),
        1 => Just(Command::Restart),
        3 => (0..64_usize).prop_map(Command::Repeat),
        1 => (0..64_usize).prop_map(Command::ReuseId),
    ]
    .boxed()
}
