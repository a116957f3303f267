//! What can be asked of the ledger, what it answers, and what each call does.

use chrono::{Days, NaiveDate};

use carnet::proto::v1::Account;

use crate::model::catalogue::{self, Validity};
use crate::model::reference::package::{Package, UseClock, end_of, local_day};
use crate::model::reference::{Instant, Ledger, Refusal, refuse};

/// What credits are used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum What {
    /// Units of an item.
    Item(usize, i64),
    /// An amount of a credit type.
    Credits(usize, i64),
}

/// Credits to be used or held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Ask {
    pub(in crate::model) customer: usize,
    pub(in crate::model) what: What,
    /// Only these packages.
    pub(in crate::model) named: Vec<usize>,
}

/// How much of a hold or a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Portion {
    All,
    Units(i64),
    Credits(i64),
}

/// A later end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Until {
    /// So many days later.
    By(u64),
    /// This instant.
    At(Instant),
}

/// A call, with everything that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) enum Call {
    Sell {
        customer: usize,
        template: usize,
    },
    Give {
        customer: usize,
        kind: usize,
        amount: i64,
        days: Option<u64>,
    },
    Consume {
        ask: Ask,
        delivered_at: Option<Instant>,
    },
    Hold {
        ask: Ask,
        service_at: Option<Instant>,
        times_out_at: Option<Instant>,
        captures: bool,
    },
    Capture {
        hold: usize,
        portion: Portion,
        delivered_at: Option<Instant>,
        excess: bool,
    },
    Release {
        hold: usize,
    },
    Reverse {
        /// The number of the call that used credits.
        of: usize,
        portion: Portion,
        restore_through: Option<NaiveDate>,
    },
    Move {
        of: usize,
        named: Vec<usize>,
    },
    Remove {
        package: usize,
        line: usize,
        amount: i64,
    },
    Add {
        package: usize,
        line: usize,
        amount: i64,
        value: i64,
    },
    Extend {
        package: usize,
        until: Until,
        bonus: Option<(usize, i64)>,
        force: bool,
    },
    Freeze {
        package: usize,
        through: NaiveDate,
    },
    Unfreeze {
        package: usize,
    },
    Revoke {
        package: usize,
    },
    Reinstate {
        package: usize,
    },
    Transfer {
        package: usize,
        receiver: usize,
    },
    Reprice {
        package: usize,
        price: i64,
    },
}

/// What was taken from a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Taken {
    pub(in crate::model) lot: usize,
    pub(in crate::model) amount: i64,
    pub(in crate::model) units: Option<i64>,
    /// Held credits carry none.
    pub(in crate::model) value: i64,
    pub(in crate::model) balances: [i64; 7],
}

/// What came back into a lot, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Returned {
    pub(in crate::model) lot: usize,
    pub(in crate::model) amount: i64,
    pub(in crate::model) value: i64,
    /// Where it is in the end.
    pub(in crate::model) account: Account,
    /// In which package, if it went on to another.
    pub(in crate::model) moved_to: Option<usize>,
}

/// What a call is answered with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::model) struct Answer {
    pub(in crate::model) taken: Vec<Taken>,
    /// By lot.
    pub(in crate::model) returned: Vec<Returned>,
    /// What holds hold in a package that was frozen or thawed, or held in one that was taken away; by hold.
    pub(in crate::model) held: Vec<(usize, i64)>,
    /// When it was true, of uses.
    pub(in crate::model) effective_at: Option<Instant>,
    /// The call that had done it before.
    pub(in crate::model) done_by: Option<usize>,
}

pub(in crate::model) type Outcome = Result<Answer, Refusal>;

/// Sums up what came back, by lot.
pub(in crate::model) fn by_lot(mut returned: Vec<Returned>) -> Vec<Returned> {
    returned.sort_by_key(|back| back.lot);
    returned.dedup_by(|again, first| {
        let same = again.lot == first.lot;
        if same {
            first.amount += again.amount;
            first.value += again.value;
        }
        same
    });
    returned
}

impl Ledger {
    /// Does what call `number` says, or says why not and does nothing.
    pub(in crate::model) fn call(&mut self, number: usize, call: &Call) -> Outcome {
        self.settle();
        let before = self.clone();
        let mut outcome = self.attempt(number, call);
        if outcome.is_err() {
            *self = before;
        }
        for (package, service_at) in std::mem::take(&mut self.starts) {
            self.packages[package].start_clock(service_at);
            self.send_on_all(package, self.now);
        }
        let returned = outcome.iter_mut().flat_map(|answer| &mut answer.returned);
        for back in returned.filter(|back| back.account == Account::Available) {
            if self.is_over(back.lot, self.now) {
                back.account = Account::Expired;
            }
        }
        self.settle();
        outcome
    }

    fn attempt(&mut self, number: usize, call: &Call) -> Outcome {
        match call {
            Call::Sell { customer, template } => self.sell(*customer, *template),
            Call::Give {
                customer,
                kind,
                amount,
                days,
            } => self.give(*customer, *kind, *amount, *days),
            Call::Consume { ask, delivered_at } => self.consume(number, ask, *delivered_at),
            Call::Hold {
                ask,
                service_at,
                times_out_at,
                captures,
            } => self.hold((number, ask), *service_at, *times_out_at, *captures),
            Call::Capture {
                hold,
                portion,
                delivered_at,
                excess,
            } => self.capture((number, *hold), *portion, *delivered_at, *excess),
            Call::Release { hold } => self.release(number, *hold),
            Call::Reverse {
                of,
                portion,
                restore_through,
            } => self.reverse(*of, *portion, *restore_through),
            Call::Move { of, named } => self.relocate(number, *of, named),
            Call::Remove {
                package,
                line,
                amount,
            } => self.remove(*package, *line, *amount),
            Call::Add {
                package,
                line,
                amount,
                value,
            } => self.add(*package, *line, (*value, *amount)),
            Call::Extend {
                package,
                until,
                bonus,
                force,
            } => self.extend(*package, *until, *bonus, *force),
            Call::Freeze { package, through } => self.freeze(*package, *through),
            Call::Unfreeze { package } => self.unfreeze(*package),
            Call::Revoke { package } => self.revoke(number, *package),
            Call::Reinstate { package } => self.reinstate(*package),
            Call::Transfer { package, receiver } => self.transfer(*package, *receiver),
            Call::Reprice { package, price } => self.reprice(*package, *price),
        }
    }

    fn sell(&mut self, customer: usize, template: usize) -> Outcome {
        let template = catalogue::templates()[template].clone();
        let today = local_day(self.now);
        let (expires_at, clock) = match template.validity {
            Validity::Never => (None, None),
            Validity::FromSale(days) => (Some(end_of(today + Days::new(days))), None),
            Validity::FromFirstUse { days, within } => {
                let deadline = within.map(|within| end_of(today + Days::new(within)));
                let clock = UseClock {
                    days,
                    first: None,
                    deadline,
                    moved: false,
                };
                (deadline, Some(clock))
            }
        };
        let values = template.line_values();
        self.packages.push(Package {
            customer,
            priority: template.priority,
            lines: template.lines.clone(),
            starts_at: self.now,
            expires_at,
            clock,
            frozen: None,
            revoked_at: None,
            transferred: None,
            came_from: None,
            freezes: (0, 0),
            freezes_max: template.freezes_max,
            transferable: template.transferable,
            price: template.price,
        });
        let package = self.packages.len() - 1;
        for (line, (sold, value)) in template.lines.iter().zip(values).enumerate() {
            self.issue(package, line, (value, sold.quantity));
        }
        Ok(Answer::default())
    }

    fn give(&mut self, customer: usize, kind: usize, amount: i64, days: Option<u64>) -> Outcome {
        if catalogue::is_too_fine(kind, amount) {
            return refuse("AMOUNT_TOO_FINE");
        }
        let today = local_day(self.now);
        self.packages.push(Package {
            customer,
            priority: 0,
            lines: vec![catalogue::gift(kind, amount)],
            starts_at: self.now,
            expires_at: days.map(|days| end_of(today + Days::new(days))),
            clock: None,
            frozen: None,
            revoked_at: None,
            transferred: None,
            came_from: None,
            freezes: (0, 0),
            freezes_max: None,
            transferable: false,
            price: 0,
        });
        self.issue(self.packages.len() - 1, 0, (0, amount));
        Ok(Answer::default())
    }
}
