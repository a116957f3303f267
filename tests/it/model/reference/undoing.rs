//! Undoing uses, and moving them to other packages (semantics 22).

use carnet::proto::v1::{Account, EntryKind};
use chrono::NaiveDate;

use crate::model::reference::calls::{Answer, Ask, Outcome, Portion, Returned, What, by_lot};
use crate::model::reference::ending::{CannotTake, Slice, take};
use crate::model::reference::lot::share_leaving;
use crate::model::reference::package::{Package, end_of};
use crate::model::reference::taking::Moment;
use crate::model::reference::{Instant, Ledger, Refusal, Use, refuse};

impl Ledger {
    fn used_by(&self, call: usize) -> usize {
        let place = self.uses.iter().position(|used| used.call == call);
        place.unwrap()
    }

    pub(super) fn reverse(
        &mut self,
        of: usize,
        portion: Portion,
        restore_through: Option<NaiveDate>,
    ) -> Outcome {
        let new_end = restore_through.map(end_of);
        if new_end.is_some_and(|end| end <= self.now) {
            return refuse("EXPIRY_NOT_LATER");
        }
        let used = self.used_by(of);
        let slices = self.undoable(used, portion)?;
        let mut returned = self.undo(used, &slices)?;
        if let Some(end) = new_end {
            self.restore_alone(&mut returned, end);
        }
        self.settle_returned(&mut returned);
        Ok(Answer {
            returned,
            ..Answer::default()
        })
    }

    /// Reverse and consume in one posting.
    pub(super) fn relocate(&mut self, call: usize, of: usize, named: &[usize]) -> Outcome {
        let used = self.used_by(of);
        let slices = self.undoable(used, Portion::All)?;
        let Use { ask, at, parts, .. } = self.uses[used].clone();
        let what = match ask.what {
            What::Item(item, _) => {
                let units: Option<i64> = slices.iter().map(|slice| slice.units).sum();
                match units {
                    Some(units) => What::Item(item, units),
                    None => return refuse("UNITS_TOO_FINE"),
                }
            }
            What::Credits(..) => {
                let first = &self.lots[parts[0].lot];
                let amount = slices.iter().map(|slice| slice.amount).sum();
                What::Credits(self.line_of(first).kind, amount)
            }
        };
        let mut returned = self.undo(used, &slices)?;
        self.settle_returned(&mut returned);
        let again = Ask {
            customer: ask.customer,
            what,
            named: named.to_vec(),
        };
        let moment = Moment {
            at,
            looks_past_end: false,
        };
        let (taken, parts) = self.use_up(&again, moment)?;
        self.uses.push(Use {
            call,
            ask: again,
            at,
            parts,
        });
        Ok(Answer {
            taken,
            returned,
            effective_at: Some(at),
            ..Answer::default()
        })
    }

    /// What is taken back, the last taken first.
    fn undoable(&self, used: usize, portion: Portion) -> Result<Vec<Slice>, Refusal> {
        let parts = &self.uses[used].parts;
        if parts.iter().all(|part| part.left == 0) {
            return refuse("NOTHING_TO_REVERSE");
        }
        match take(parts, portion, true) {
            Ok(slices) => Ok(slices),
            Err(CannotTake::Short { .. }) => refuse("REVERSAL_EXCEEDS_USE"),
            Err(CannotTake::No(reason)) => refuse(reason),
        }
    }

    /// Each part comes back with its share of the original's value, the last of it with the rest.
    fn undo(&mut self, used: usize, slices: &[Slice]) -> Result<Vec<Returned>, Refusal> {
        let now = self.now;
        let mut returned = Vec::new();
        for Slice { part, amount, .. } in slices {
            let part = &mut self.uses[used].parts[*part];
            part.left -= amount;
            let original = (part.value, part.amount);
            let value = share_leaving(part.left_value, original, part.left);
            part.left_value -= value;
            let lot = part.lot;
            if self.is_too_fine(lot, *amount) {
                return refuse("AMOUNT_TOO_FINE");
            }
            let accounts = (Account::Consumed, Account::Available);
            self.move_credits(lot, EntryKind::Reverse, accounts, (*amount, value), now);
            self.lots[lot].undone = true;
            returned.push(Returned {
                lot,
                amount: *amount,
                value,
                account: Account::Available,
                moved_to: None,
            });
        }
        Ok(by_lot(returned))
    }

    fn settle_returned(&mut self, returned: &mut [Returned]) {
        let now = self.now;
        for back in returned.iter_mut() {
            if let Some(account) = self.send_on(back.lot, now) {
                back.account = account;
                let last = self.last_of(back.lot);
                let moved = account == Account::Transferred;
                back.moved_to = moved.then(|| self.lots[last].package);
            }
        }
        let mut packages: Vec<usize> = returned
            .iter()
            .map(|back| self.lots[back.lot].package)
            .collect();
        packages.sort_unstable();
        packages.dedup();
        for package in packages {
            self.stop_clock(package, now);
        }
    }

    /// What came back into packages that have ended becomes packages of its own, one for each.
    fn restore_alone(&mut self, returned: &mut [Returned], end: Instant) {
        let now = self.now;
        let mut made: Vec<(usize, usize)> = Vec::new();
        for back in returned.iter_mut() {
            let last = self.last_of(back.lot);
            let old = self.packages[self.lots[last].package].clone();
            if old.is_revoked() || !old.has_ended(now) {
                continue;
            }
            self.bring_on(back.lot);
            let old = self.lots[last].clone();
            let place = made.iter().find(|(from, _)| *from == old.package);
            let package = if let Some((_, package)) = place {
                *package
            } else {
                let ended = self.packages[old.package].clone();
                self.packages.push(Package {
                    expires_at: Some(end),
                    clock: None,
                    freezes: (0, 0),
                    came_from: Some(old.package),
                    price: 0,
                    ..ended
                });
                made.push((old.package, self.packages.len() - 1));
                self.packages.len() - 1
            };
            let lot = self.new_lot(package, old.line, old.issued);
            self.follow(last, lot, now);
            back.account = Account::Transferred;
            back.moved_to = Some(package);
        }
    }

    /// Moves what came back into a lot to where its credits were moved.
    fn bring_on(&mut self, lot: usize) {
        if let Some(to) = self.lots[lot].moved_to {
            self.follow(lot, to, self.now);
            self.bring_on(to);
        }
    }
}
