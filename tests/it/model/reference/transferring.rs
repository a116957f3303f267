//! Moving packages to other customers (semantics 22 and 25).

use carnet::proto::v1::{Account, EntryKind};

use crate::model::reference::calls::{Answer, Outcome};
use crate::model::reference::package::Package;
use crate::model::reference::{Instant, Ledger, refuse};

impl Ledger {
    /// All that is available goes, with its value and its end, into a package of the receiver's.
    pub(super) fn transfer(&mut self, package: usize, receiver: usize) -> Outcome {
        let now = self.now;
        self.check_transfer(package, receiver)?;
        let known = &self.packages[package];
        // A clock that runs has set the end for good: what started it stays with the giver.
        let waiting = known.clock.clone().filter(|clock| clock.first.is_none());
        self.packages.push(Package {
            customer: receiver,
            came_from: Some(package),
            clock: waiting,
            price: 0,
            ..known.clone()
        });
        let received = self.packages.len() - 1;
        self.packages[package].transferred = Some((now, received));
        let lots: Vec<usize> = self.lots_of(package).map(|(index, _)| index).collect();
        for from in lots {
            let lot = self.lots[from].clone();
            // What was used may come back, and follows then.
            if lot.available() > 0 || lot.of(Account::Consumed) > 0 {
                let to = self.new_lot(received, lot.line, lot.issued);
                self.lots[from].moved_to = Some(to);
                self.follow(from, to, now);
            }
        }
        Ok(Answer::default())
    }

    fn check_transfer(&self, package: usize, receiver: usize) -> Outcome {
        let known = &self.packages[package];
        let mut lots = self.lots_of(package);
        if known.is_revoked() {
            refuse("PACKAGE_REVOKED")
        } else if known.is_transferred() {
            refuse("PACKAGE_TRANSFERRED")
        } else if known.frozen.is_some() {
            refuse("PACKAGE_FROZEN")
        } else if known.has_ended(self.now) {
            refuse("PACKAGE_EXPIRED")
        } else if !known.transferable {
            refuse("TRANSFER_NOT_ALLOWED")
        } else if known.customer == receiver {
            refuse("TRANSFER_TO_OWNER")
        } else if !self.held_in(package).is_empty() {
            refuse("PACKAGE_HOLDS_CREDITS")
        } else if lots.all(|(_, lot)| lot.available() == 0) {
            refuse("NOTHING_TO_TRANSFER")
        } else {
            Ok(Answer::default())
        }
    }

    /// Moves all that is available in a lot into another; that one begins with it, be it nothing.
    pub(super) fn follow(&mut self, from: usize, to: usize, at: Instant) {
        let amount = self.lots[from].available();
        let value = self.lots[from].leaving(amount);
        if amount > 0 {
            let away = (Account::Available, Account::Transferred);
            self.move_credits(from, EntryKind::Transfer, away, (amount, value), at);
        }
        let here = (Account::Transferred, Account::Available);
        self.move_credits(to, EntryKind::Transfer, here, (amount, value), at);
    }

    /// The lot in which credits are that came back into this one, if its package was moved.
    pub(super) fn last_of(&self, lot: usize) -> usize {
        self.lots[lot].moved_to.map_or(lot, |to| self.last_of(to))
    }
}

impl Package {
    pub(in crate::model) fn is_transferred(&self) -> bool {
        self.transferred.is_some()
    }
}
