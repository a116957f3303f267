//! What a random command means now: its numbers taken modulo what there is.

use carnet::proto::v1::Account;
use chrono::{Days, TimeDelta};

use crate::model::catalogue::CUSTOMERS;
use crate::model::commands::{Loose, LooseAsk, State, When};
use crate::model::reference::calls::{Ask, Call, Until};
use crate::model::reference::package::{Package, local_day};
use crate::model::reference::{Instant, Ledger};

/// How many of the next boundaries a jump in time may go to.
const BOUNDARIES_NEAR: usize = 3;

impl State {
    pub(super) fn resolve(&self, loose: &Loose) -> Option<Call> {
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
            Loose::Freeze(index, days) => Call::Freeze {
                package: ledger.mostly(*index, |package| {
                    ledger.goes_on(package) && package.expires_at.is_some()
                })?,
                through: local_day(ledger.now) + TimeDelta::days(*days),
            },
            Loose::Unfreeze(index) => Call::Unfreeze {
                package: ledger.mostly(*index, |package| package.frozen.is_some())?,
            },
            Loose::Revoke(index) => Call::Revoke {
                package: ledger.mostly(*index, |package| ledger.goes_on(package))?,
            },
            Loose::Reinstate(index) => Call::Reinstate {
                package: ledger.mostly(*index, Package::is_revoked)?,
            },
            Loose::Transfer(index, to_owner) => {
                let package = ledger.mostly(*index, |package| ledger.goes_on(package))?;
                let owner = ledger.packages[package].customer;
                let receiver = if *to_owner {
                    owner
                } else {
                    (owner + 1) % CUSTOMERS
                };
                Call::Transfer { package, receiver }
            }
            Loose::Reprice(index, change) => {
                let package = ledger.mostly(*index, |package| ledger.goes_on(package))?;
                let price = ledger.packages[package].price + change;
                Call::Reprice {
                    package,
                    price: price.max(0),
                }
            }
        })
    }
}

impl Ledger {
    /// Mostly one of the packages that are fit, seldom any.
    fn mostly(&self, index: usize, fit: impl Fn(&Package) -> bool) -> Option<usize> {
        if index % 8 == 7 {
            return index.checked_rem(self.packages.len());
        }
        let all = self.packages.iter().enumerate();
        let fit = all.filter(|(_, package)| fit(package));
        let fit: Vec<usize> = fit.map(|(number, _)| number).collect();
        Some(fit[index.checked_rem(fit.len())?])
    }

    /// Neither over nor taken away nor somebody else's by now.
    fn goes_on(&self, package: &Package) -> bool {
        !package.has_ended(self.now) && !package.is_revoked() && !package.is_transferred()
    }

    fn resolve_named(&self, named: &[usize]) -> Vec<usize> {
        let mut packages = Vec::new();
        // Few are frozen at a time.
        let frozen = self.packages.iter().position(|it| it.frozen.is_some());
        for index in named {
            let any = index.checked_rem(self.packages.len());
            let package = frozen.filter(|_| *index > 12).or(any);
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

    pub(super) fn resolve_jump(&self, when: When) -> Option<Instant> {
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
    pub(in crate::model) fn lot_line(&self, lot: usize) -> String {
        let lot = &self.lots[lot];
        let lost = lot.of(Account::Expired);
        format!("package {} line {}, {lost} lost", lot.package, lot.line)
    }
}
