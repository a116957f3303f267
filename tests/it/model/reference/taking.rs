//! Using and holding credits: which lots can pay, in which order, and how units are spread over them.

use std::cmp::Ordering;

use carnet::proto::v1::{Account, EntryKind};

use crate::model::catalogue;
use crate::model::reference::calls::{Answer, Ask, Outcome, Taken, What};
use crate::model::reference::lot::{Lot, share_leaving};
use crate::model::reference::{Hold, HoldState, Instant, Ledger, ONE, Part, Refusal, Use, refuse};

/// When a service is or was delivered, and whether a later end counts.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) looks_past_end: bool,
}

/// What a lot contributes.
pub(super) struct Take {
    lot: usize,
    amount: i64,
    units: Option<i64>,
}

/// A lot that can pay.
struct Payer {
    lot: usize,
    per_unit: i64,
    left: i64,
}

#[derive(PartialEq, Eq)]
enum Standing {
    Usable,
    NotStarted,
    Ended,
    Frozen,
    Revoked,
}

fn per_unit(ledger: &Ledger, lot: &Lot, what: What) -> Option<i64> {
    let line = ledger.line_of(lot);
    match what {
        What::Item(item, _) => line.per_unit(item),
        What::Credits(kind, _) => (line.kind == kind).then_some(ONE),
    }
}

fn insufficient<T>(available: i64, requested: i64) -> Result<T, Refusal> {
    Err(Refusal {
        reason: "INSUFFICIENT_CREDITS",
        numbers: Some((available, requested)),
    })
}

/// Semantics 6: an amount that is too fine is refused.
pub(super) fn check_amount(ask: &Ask) -> Result<(), Refusal> {
    match ask.what {
        What::Credits(kind, amount) if catalogue::is_too_fine(kind, amount) => {
            refuse("AMOUNT_TOO_FINE")
        }
        _ => Ok(()),
    }
}

impl Ledger {
    pub(super) fn consume(
        &mut self,
        call: usize,
        ask: &Ask,
        delivered_at: Option<Instant>,
    ) -> Outcome {
        check_amount(ask)?;
        let moment = Moment {
            at: delivered_at.unwrap_or(self.now),
            looks_past_end: delivered_at.is_some(),
        };
        if moment.at > self.now {
            return refuse("DELIVERED_IN_FUTURE");
        }
        self.use_up(ask, moment).map(|(taken, parts)| {
            self.uses.push(Use {
                call,
                ask: ask.clone(),
                at: moment.at,
                parts,
            });
            Answer {
                taken,
                effective_at: Some(moment.at),
                ..Answer::default()
            }
        })
    }

    /// Takes credits and uses them.
    pub(super) fn use_up(
        &mut self,
        ask: &Ask,
        moment: Moment,
    ) -> Result<(Vec<Taken>, Vec<Part>), Refusal> {
        let mut taken = Vec::new();
        let mut parts = Vec::new();
        for Take { lot, amount, units } in self.pick(ask, moment)? {
            let missing = amount - self.lots[lot].available();
            if missing > 0 {
                // Semantics 3: what is needed is restored.
                self.restore(lot, missing);
            }
            let package = self.lots[lot].package;
            self.starts.push((package, moment.at));
            let value = self.lots[lot].leaving(amount);
            let accounts = (Account::Available, Account::Consumed);
            self.move_credits(
                lot,
                EntryKind::Consume,
                accounts,
                (amount, value),
                moment.at,
            );
            taken.push(self.taken(lot, (amount, value), units));
            parts.push(Part::whole(lot, (amount, value), units));
        }
        Ok((taken, parts))
    }

    pub(super) fn taken(
        &self,
        lot: usize,
        (amount, value): (i64, i64),
        units: Option<i64>,
    ) -> Taken {
        Taken {
            lot,
            amount,
            units,
            value,
            balances: self.lots[lot].balances(),
        }
    }

    pub(super) fn hold(
        &mut self,
        (call, ask): (usize, &Ask),
        service_at: Option<Instant>,
        times_out_at: Option<Instant>,
        captures: bool,
    ) -> Outcome {
        check_amount(ask)?;
        if times_out_at.is_some_and(|at| at <= self.now) {
            return refuse("TIME_OUT_NOT_LATER");
        }
        let moment = Moment {
            at: service_at.unwrap_or(self.now),
            looks_past_end: false,
        };
        let now = self.now;
        let mut answer = Answer::default();
        let mut parts = Vec::new();
        for Take { lot, amount, units } in self.pick(ask, moment)? {
            let package = self.lots[lot].package;
            self.starts.push((package, moment.at));
            let accounts = (Account::Available, Account::Held);
            self.move_credits(lot, EntryKind::Hold, accounts, (amount, 0), now);
            answer.taken.push(self.taken(lot, (amount, 0), units));
            parts.push(Part::whole(lot, (amount, 0), units));
        }
        self.holds.push(Hold {
            call,
            ask: ask.clone(),
            service_at: moment.at,
            times_out_at,
            captures,
            state: HoldState::Open,
            parts,
            returned: Vec::new(),
        });
        Ok(answer)
    }

    /// Brings back so much of what a lot lost, with its share of the value.
    pub(super) fn restore(&mut self, lot: usize, amount: i64) {
        if amount == 0 {
            return;
        }
        let lost = self.lots[lot].of(Account::Expired);
        let lost_value = self.lots[lot].worth_of(Account::Expired);
        let value = share_leaving(lost_value, (lost_value, lost), lost - amount);
        let accounts = (Account::Expired, Account::Available);
        let now = self.now;
        self.move_credits(lot, EntryKind::Restore, accounts, (amount, value), now);
        self.lots[lot].undone |= amount < lost;
    }

    /// Priority, earliest end (never last), narrower line, lower unit value as issued, oldest.
    pub(in crate::model) fn pay_order(&self, a: &Lot, b: &Lot) -> Ordering {
        let of = |lot: &Lot| &self.packages[lot.package];
        let end = |lot: &Lot| (of(lot).expires_at.is_none(), of(lot).expires_at);
        let unit_value =
            |lot: &Lot, other: &Lot| i128::from(lot.issued.0) * i128::from(other.issued.1);
        of(a)
            .priority
            .cmp(&of(b).priority)
            .then_with(|| end(a).cmp(&end(b)))
            .then_with(|| {
                self.line_of(a)
                    .narrowness()
                    .cmp(&self.line_of(b).narrowness())
            })
            .then_with(|| unit_value(a, b).cmp(&unit_value(b, a)))
            .then_with(|| a.created_at.cmp(&b.created_at))
    }

    /// Whether the lot can be used for a service at this moment, and how much of it.
    fn standing(&self, lot: &Lot, moment: Moment) -> (Standing, i64) {
        let package = &self.packages[lot.package];
        if package.is_revoked() {
            return (Standing::Revoked, 0);
        }
        if package.frozen.is_some() {
            return (Standing::Frozen, 0);
        }
        if package.starts_at.max(lot.created_at) > moment.at {
            return (Standing::NotStarted, 0);
        }
        let in_quarantine = package
            .restorable_until()
            .is_some_and(|until| self.now < until);
        if package.has_ended(moment.at) {
            (Standing::Ended, 0)
        } else if !package.has_ended(self.now) {
            (Standing::Usable, lot.available())
        } else if moment.looks_past_end && in_quarantine {
            (Standing::Usable, lot.available() + lot.of(Account::Expired))
        } else {
            (Standing::Ended, 0)
        }
    }

    /// Whether anything could be used of the lot now.
    pub(in crate::model) fn is_usable_now(&self, lot: &Lot) -> bool {
        let moment = Moment {
            at: self.now,
            looks_past_end: false,
        };
        matches!(self.standing(lot, moment), (Standing::Usable, 1..))
    }

    fn pick(&self, ask: &Ask, moment: Moment) -> Result<Vec<Take>, Refusal> {
        for package in &ask.named {
            self.check_named(*package, ask, moment)?;
        }
        let place = |lot: &Lot| ask.named.iter().position(|named| *named == lot.package);
        let mut lots: Vec<(usize, &Lot)> = self
            .lots
            .iter()
            .enumerate()
            .filter(|(_, lot)| self.packages[lot.package].customer == ask.customer)
            .filter(|(_, lot)| ask.named.is_empty() || place(lot).is_some())
            .collect();
        lots.sort_by(|(_, a), (_, b)| place(a).cmp(&place(b)).then_with(|| self.pay_order(a, b)));
        let payers = lots.into_iter().filter_map(|(index, lot)| {
            let (_, left) = self.standing(lot, moment);
            let per_unit = per_unit(self, lot, ask.what)?;
            (left > 0).then_some(Payer {
                lot: index,
                per_unit,
                left,
            })
        });
        match ask.what {
            What::Item(_, units) => self.spread_units(payers.collect(), units),
            What::Credits(_, amount) => spread_credits(payers.collect(), amount),
        }
    }

    /// Semantics 5: a package that is named is used or refused.
    fn check_named(&self, package: usize, ask: &Ask, moment: Moment) -> Result<(), Refusal> {
        if self.packages[package].customer != ask.customer {
            return refuse("PACKAGE_OF_OTHER_CUSTOMER");
        }
        let covering: Vec<Standing> = self
            .lots_of(package)
            .filter(|(_, lot)| per_unit(self, lot, ask.what).is_some())
            .map(|(_, lot)| self.standing(lot, moment).0)
            .collect();
        if covering.is_empty() {
            return refuse(match ask.what {
                What::Item(..) => "ITEM_NOT_COVERED",
                What::Credits(..) => "CREDIT_TYPE_NOT_IN_PACKAGE",
            });
        }
        if covering.contains(&Standing::Usable) {
            Ok(())
        } else if covering.contains(&Standing::Revoked) {
            refuse("PACKAGE_REVOKED")
        } else if covering.contains(&Standing::Frozen) {
            refuse("PACKAGE_FROZEN")
        } else if covering.contains(&Standing::Ended) {
            refuse("PACKAGE_EXPIRED")
        } else {
            refuse("PACKAGE_NOT_STARTED")
        }
    }

    /// What so many units cost of a lot, if its credits can be counted so finely.
    fn cost(&self, payer: &Payer, units: i64) -> Option<i64> {
        let product = i128::from(payer.per_unit) * i128::from(units);
        let amount = i64::try_from(product / i128::from(ONE)).unwrap();
        let is_exact = product % i128::from(ONE) == 0;
        (is_exact && !self.is_too_fine(payer.lot, amount)).then_some(amount)
    }

    /// One unit is paid by one line of one package: by one of its lots, or by what is left in one and by
    /// the ones after it. So is a last part of a unit.
    fn spread_units(&self, mut payers: Vec<Payer>, units: i64) -> Result<Vec<Take>, Refusal> {
        let mut takes = Vec::new();
        let mut remaining = units;
        for first in 0..payers.len() {
            let payer = &payers[first];
            let alone = match self.cost(payer, remaining) {
                Some(cost) if cost <= payer.left => remaining,
                _ => (payer.left / payer.per_unit).min(remaining / ONE) * ONE,
            };
            if alone > 0 {
                let Some(amount) = self.cost(payer, alone) else {
                    return refuse("AMOUNT_TOO_FINE");
                };
                payers[first].left -= amount;
                remaining -= alone;
                takes.push(Take {
                    lot: payers[first].lot,
                    amount,
                    units: Some(alone),
                });
            }
            let one = remaining.min(ONE);
            let beside: Vec<usize> = (first..payers.len())
                .filter(|other| self.is_beside(payers[first].lot, payers[*other].lot))
                .collect();
            let supply: i64 = beside.iter().map(|index| payers[*index].left).sum();
            let Some(mut cost) = self.cost(&payers[first], one) else {
                continue;
            };
            if one == 0 || payers[first].left == 0 || supply < cost {
                continue;
            }
            remaining -= one;
            let mut counted = one;
            for index in beside {
                let amount = cost.min(payers[index].left);
                if amount > 0 {
                    payers[index].left -= amount;
                    cost -= amount;
                    takes.push(Take {
                        lot: payers[index].lot,
                        amount,
                        units: Some(std::mem::take(&mut counted)),
                    });
                }
            }
        }
        if remaining == 0 {
            return Ok(takes);
        }
        let last = remaining.min(ONE);
        if payers.iter().any(|payer| self.cost(payer, last).is_none()) {
            return refuse("AMOUNT_TOO_FINE");
        }
        insufficient(units - remaining, units)
    }

    fn is_beside(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.lots[a], &self.lots[b]);
        (a.package, a.line) == (b.package, b.line)
    }

    /// Semantics 1: down in the lots, those that would pay last first.
    pub(super) fn remove(&mut self, package: usize, line: usize, amount: i64) -> Outcome {
        let mut lots: Vec<(usize, &Lot)> = self
            .lots_of(package)
            .filter(|(_, lot)| lot.line == line && lot.available() > 0)
            .collect();
        if !self.has_line(package, line) {
            return refuse("LINE_NOT_IN_PACKAGE");
        }
        if catalogue::is_too_fine(self.packages[package].lines[line].kind, amount) {
            return refuse("AMOUNT_TOO_FINE");
        }
        lots.sort_by(|(_, a), (_, b)| self.pay_order(b, a));
        let lots: Vec<usize> = lots.into_iter().map(|(index, _)| index).collect();
        let mut answer = Answer::default();
        let mut missing = amount;
        let now = self.now;
        for lot in lots {
            let part = missing.min(self.lots[lot].available());
            if part > 0 {
                missing -= part;
                let value = self.lots[lot].leaving(part);
                let accounts = (Account::Available, Account::Issued);
                self.move_credits(lot, EntryKind::Adjust, accounts, (part, value), now);
                answer.taken.push(self.taken(lot, (part, value), None));
            }
        }
        if missing > 0 {
            return insufficient(amount - missing, amount);
        }
        Ok(answer)
    }

    /// Semantics 1: up by a lot of its own.
    pub(super) fn add(&mut self, package: usize, line: usize, issued: (i64, i64)) -> Outcome {
        if !self.has_line(package, line) {
            return refuse("LINE_NOT_IN_PACKAGE");
        }
        if catalogue::is_too_fine(self.packages[package].lines[line].kind, issued.1) {
            return refuse("AMOUNT_TOO_FINE");
        }
        if self.packages[package].is_revoked() {
            return refuse("PACKAGE_REVOKED");
        }
        if self.packages[package].is_transferred() {
            return refuse("PACKAGE_TRANSFERRED");
        }
        if self.packages[package].has_ended(self.now) {
            return refuse("PACKAGE_EXPIRED");
        }
        let lot = self.issue(package, line, issued);
        Ok(Answer {
            taken: vec![self.taken(lot, (issued.1, issued.0), None)],
            ..Answer::default()
        })
    }
}

fn spread_credits(payers: Vec<Payer>, amount: i64) -> Result<Vec<Take>, Refusal> {
    let mut takes = Vec::new();
    let mut remaining = amount;
    for Payer { lot, left, .. } in payers {
        let part = remaining.min(left);
        remaining -= part;
        if part > 0 {
            takes.push(Take {
                lot,
                amount: part,
                units: None,
            });
        }
    }
    if remaining > 0 {
        return insufficient(amount - remaining, amount);
    }
    Ok(takes)
}
