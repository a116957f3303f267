//! Taking packages away, and bringing them back (semantics 22 and 23).

use carnet::proto::v1::{Account, EntryKind};

use crate::model::reference::calls::{Answer, Outcome, Returned, by_lot};
use crate::model::reference::package::Package;
use crate::model::reference::{HoldState, Instant, Ledger, refuse};

impl Ledger {
    /// What is held is released first, then what is available is taken; what was used stays used.
    pub(super) fn revoke(&mut self, call: usize, package: usize) -> Outcome {
        let now = self.now;
        if self.packages[package].is_revoked() {
            return refuse("PACKAGE_ALREADY_REVOKED");
        }
        if self.packages[package].is_transferred() {
            return refuse("PACKAGE_TRANSFERRED");
        }
        let held = self.held_in(package);
        for (hold, _) in &held {
            self.release_in(package, (call, *hold));
        }
        self.stop_clock(package, now);
        self.packages[package].revoked_at = Some(now);
        self.send_on_all(package, now);
        if self.packages[package].has_ended(now) {
            // What was released had ended with its package before that was taken away.
            for (hold, _) in &held {
                for back in &mut self.holds[*hold].returned {
                    back.account = Account::Expired;
                }
            }
        }
        Ok(Answer {
            held,
            ..Answer::default()
        })
    }

    /// Frees what a hold holds in one package; it goes on with what it holds in others.
    fn release_in(&mut self, package: usize, (call, hold): (usize, usize)) {
        let now = self.now;
        let mut parts = self.holds[hold].parts.clone();
        let mut returned = Vec::new();
        for part in &mut parts {
            let left = part.left;
            if left == 0 || self.lots[part.lot].package != package {
                continue;
            }
            part.left = 0;
            let accounts = (Account::Held, Account::Available);
            self.move_credits(part.lot, EntryKind::Release, accounts, (left, 0), now);
            self.send_on(part.lot, now);
            returned.push(Returned {
                lot: part.lot,
                amount: left,
                value: 0,
                account: Account::Revoked,
                moved_to: None,
            });
        }
        let known = &mut self.holds[hold];
        if parts.iter().all(|part| part.left == 0) {
            known.state = HoldState::Released(call);
        }
        known.parts = parts;
        known.returned = by_lot(returned);
    }

    /// Brings back all that was taken away, also what came back meanwhile, with its value.
    pub(super) fn reinstate(&mut self, package: usize) -> Outcome {
        let now = self.now;
        if self.packages[package].revoked_at.take().is_none() {
            return refuse("PACKAGE_NOT_REVOKED");
        }
        let lots: Vec<usize> = self.lots_of(package).map(|(index, _)| index).collect();
        for lot in lots {
            let known = &self.lots[lot];
            let taken = (known.of(Account::Revoked), known.worth_of(Account::Revoked));
            if taken.0 > 0 {
                let accounts = (Account::Revoked, Account::Available);
                self.move_credits(lot, EntryKind::Reinstate, accounts, taken, now);
            }
        }
        self.send_on_all(package, now);
        Ok(Answer::default())
    }

    /// Takes away all that is available in a lot.
    pub(super) fn take_away(&mut self, lot: usize, at: Instant) {
        let amount = self.lots[lot].available();
        let value = self.lots[lot].leaving(amount);
        let accounts = (Account::Available, Account::Revoked);
        self.move_credits(lot, EntryKind::Revoke, accounts, (amount, value), at);
    }
}

impl Package {
    pub(in crate::model) fn is_revoked(&self) -> bool {
        self.revoked_at.is_some()
    }
}
