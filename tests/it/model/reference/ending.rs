//! Ending holds: by using what is held, or by freeing it.

use carnet::proto::v1::{Account, EntryKind};

use crate::model::reference::calls::{Answer, Ask, Outcome, Portion, Returned, What, by_lot};
use crate::model::reference::taking::{Moment, check_amount};
use crate::model::reference::{Hold, HoldState, Instant, Ledger, Part, Refusal, Use, refuse};

/// What is taken of one part.
#[derive(Clone, Copy)]
pub(super) struct Slice {
    pub(super) part: usize,
    pub(super) amount: i64,
    pub(super) units: Option<i64>,
}

/// Less is left than was asked for.
pub(super) enum CannotTake {
    Short { left: i64, requested: i64 },
    No(&'static str),
}

/// `amount × part ÷ whole`, where that is exact.
pub(super) fn exact_share(amount: i64, part: i64, whole: i64) -> Option<i64> {
    let product = i128::from(amount) * i128::from(part);
    let is_exact = product % i128::from(whole) == 0;
    is_exact.then(|| i64::try_from(product / i128::from(whole)).unwrap())
}

/// Takes a portion of the parts in this order. Parts of one unit stay together.
pub(super) fn take(
    parts: &[Part],
    portion: Portion,
    last_first: bool,
) -> Result<Vec<Slice>, CannotTake> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if part.units == Some(0) => group.push(index),
            _ => groups.push(vec![index]),
        }
    }
    if last_first {
        groups.reverse();
        for group in &mut groups {
            group.reverse();
        }
    }
    match portion {
        Portion::All => take_credits(parts, &groups, parts.iter().map(|part| part.left).sum()),
        Portion::Credits(amount) => take_credits(parts, &groups, amount),
        Portion::Units(units) => take_units(parts, &groups, units),
    }
}

fn take_credits(
    parts: &[Part],
    groups: &[Vec<usize>],
    amount: i64,
) -> Result<Vec<Slice>, CannotTake> {
    let mut missing = amount;
    let mut slices = Vec::new();
    for group in groups {
        let here = missing.min(left_of(parts, group));
        missing -= here;
        slices.extend(take_of(parts, group, here));
    }
    if missing > 0 {
        return Err(CannotTake::Short {
            left: amount - missing,
            requested: amount,
        });
    }
    Ok(slices)
}

fn take_units(parts: &[Part], groups: &[Vec<usize>], units: i64) -> Result<Vec<Slice>, CannotTake> {
    let mut missing = units;
    let mut slices = Vec::new();
    for group in groups {
        if missing == 0 {
            break;
        }
        let Some(counted) = counted(parts, group) else {
            return Err(CannotTake::No("NOT_COUNTED_IN_UNITS"));
        };
        let (all, left) = (all_of(parts, group), left_of(parts, group));
        let too_fine = CannotTake::No("UNITS_TOO_FINE");
        let Some(units_left) = exact_share(left, counted, all) else {
            return Err(too_fine);
        };
        let here = missing.min(units_left);
        let Some(amount) = exact_share(here, all, counted) else {
            return Err(too_fine);
        };
        missing -= here;
        slices.extend(take_of(parts, group, amount));
    }
    if missing > 0 {
        return Err(CannotTake::Short {
            left: units - missing,
            requested: units,
        });
    }
    Ok(slices)
}

/// Takes credits of the parts of one unit, or of the only part of many. The first slice tells the units of
/// all of them, if they are exact: a lot alone did not pay for any.
fn take_of(parts: &[Part], group: &[usize], amount: i64) -> Vec<Slice> {
    let share = |counted| exact_share(amount, counted, all_of(parts, group));
    let mut units = counted(parts, group).and_then(share);
    let mut missing = amount;
    let mut slices = Vec::new();
    for part in group {
        let taken = missing.min(parts[*part].left);
        missing -= taken;
        if taken > 0 {
            slices.push(Slice {
                part: *part,
                amount: taken,
                units,
            });
            units = units.map(|_| 0);
        }
    }
    slices
}

/// The units that the parts of a group pay for together.
fn counted(parts: &[Part], group: &[usize]) -> Option<i64> {
    group.iter().map(|index| parts[*index].units).sum()
}

fn all_of(parts: &[Part], group: &[usize]) -> i64 {
    group.iter().map(|index| parts[*index].amount).sum()
}

fn left_of(parts: &[Part], group: &[usize]) -> i64 {
    group.iter().map(|index| parts[*index].left).sum()
}

impl Part {
    pub(super) fn whole(lot: usize, (amount, value): (i64, i64), units: Option<i64>) -> Self {
        Self {
            lot,
            amount,
            value,
            left: amount,
            left_value: value,
            units,
        }
    }
}

impl Ledger {
    /// Semantics 19.
    pub(super) fn capture(
        &mut self,
        (call, hold): (usize, usize),
        portion: Portion,
        delivered_at: Option<Instant>,
        excess: bool,
    ) -> Outcome {
        let held = self.holds[hold].clone();
        match held.state {
            HoldState::Open => {}
            HoldState::Captured(by) => {
                return Ok(Answer {
                    done_by: Some(by),
                    ..Answer::default()
                });
            }
            HoldState::Released(_) => return refuse("HOLD_ALREADY_RELEASED"),
            HoldState::TimedOut => return refuse("HOLD_TIMED_OUT"),
        }
        let at = delivered_at.unwrap_or(held.service_at.min(self.now));
        if at > self.now {
            return refuse("DELIVERED_IN_FUTURE");
        }
        let (slices, more) = match take(&held.parts, portion, false) {
            Ok(slices) => (slices, None),
            Err(CannotTake::Short { left, requested }) if excess => {
                let Ok(all) = take(&held.parts, Portion::All, false) else {
                    return refuse("UNITS_TOO_FINE");
                };
                (all, Some(requested - left))
            }
            Err(CannotTake::Short { .. }) => return refuse("CAPTURE_EXCEEDS_HOLD"),
            Err(CannotTake::No(reason)) => return refuse(reason),
        };
        let mut answer = Answer {
            effective_at: Some(at),
            ..Answer::default()
        };
        let mut parts = Vec::new();
        let mut rest = held.parts.clone();
        for Slice {
            part,
            amount,
            units,
        } in slices
        {
            let lot = held.parts[part].lot;
            if self.is_too_fine(lot, amount) {
                return refuse("AMOUNT_TOO_FINE");
            }
            rest[part].left -= amount;
            let package = self.lots[lot].package;
            self.starts.push((package, at));
            let value = self.lots[lot].leaving(amount);
            let accounts = (Account::Held, Account::Consumed);
            self.move_credits(lot, EntryKind::Capture, accounts, (amount, value), at);
            answer.taken.push(self.taken(lot, (amount, value), units));
            parts.push(Part::whole(lot, (amount, value), units));
        }
        self.holds[hold].state = HoldState::Captured(call);
        answer.returned = self.free(&rest);
        if let Some(more) = more {
            let ask = self.excess_of(&held, portion, more)?;
            check_amount(&ask)?;
            let moment = Moment {
                at,
                looks_past_end: false,
            };
            let (taken, more_parts) = self.use_up(&ask, moment)?;
            answer.taken.extend(taken);
            parts.extend(more_parts);
        }
        let ask = held.ask;
        self.uses.push(Use {
            call,
            ask,
            at,
            parts,
        });
        Ok(answer)
    }

    /// What was wanted beyond the hold, from the customer's best packages.
    fn excess_of(&self, held: &Hold, portion: Portion, more: i64) -> Result<Ask, Refusal> {
        let what = match (portion, held.ask.what) {
            (Portion::Units(_), What::Item(item, _)) => What::Item(item, more),
            (Portion::Units(_), What::Credits(..)) => return refuse("NOT_COUNTED_IN_UNITS"),
            _ => {
                let lot = &self.lots[held.parts[0].lot];
                What::Credits(self.line_of(lot).kind, more)
            }
        };
        Ok(Ask {
            customer: held.ask.customer,
            what,
            named: Vec::new(),
        })
    }

    pub(super) fn release(&mut self, call: usize, hold: usize) -> Outcome {
        match self.holds[hold].state {
            HoldState::Open => {}
            HoldState::Released(by) => {
                return Ok(Answer {
                    returned: self.holds[hold].returned.clone(),
                    done_by: Some(by),
                    ..Answer::default()
                });
            }
            HoldState::Captured(_) => return refuse("HOLD_ALREADY_CAPTURED"),
            HoldState::TimedOut => return refuse("HOLD_TIMED_OUT"),
        }
        self.holds[hold].state = HoldState::Released(call);
        let parts = self.holds[hold].parts.clone();
        Ok(Answer {
            returned: self.free(&parts),
            ..Answer::default()
        })
    }

    /// Gives back what is left in the parts, to the same lots.
    fn free(&mut self, parts: &[Part]) -> Vec<Returned> {
        let now = self.now;
        let mut returned = Vec::new();
        for Part { lot, left, .. } in parts.iter().filter(|part| part.left > 0) {
            let accounts = (Account::Held, Account::Available);
            self.move_credits(*lot, EntryKind::Release, accounts, (*left, 0), now);
            let account = self.send_on(*lot, now).unwrap_or(Account::Available);
            returned.push(Returned {
                lot: *lot,
                amount: *left,
                value: 0,
                account,
                moved_to: None,
            });
        }
        for package in self.packages_of(parts) {
            self.stop_clock(package, now);
        }
        by_lot(returned)
    }
}
