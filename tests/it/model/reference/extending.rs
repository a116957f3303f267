//! Later ends: extending a package, and restoring one that has ended.

use carnet::proto::v1::Account;
use chrono::Days;

use crate::model::catalogue;
use crate::model::reference::calls::{Answer, Outcome, Until};
use crate::model::reference::package::{end_of, last_day};
use crate::model::reference::{Ledger, refuse};

impl Ledger {
    /// Semantics 13 and 14. Of a frozen package it is the end that a thaw at the limit gives.
    pub(super) fn extend(
        &mut self,
        package: usize,
        until: Until,
        bonus: Option<(usize, i64)>,
        force: bool,
    ) -> Outcome {
        let end = self.packages[package].end();
        if end.is_none() && matches!(until, Until::By(_)) {
            return refuse("PACKAGE_NEVER_EXPIRES");
        }
        if let Some((line, _)) = bonus
            && !self.has_line(package, line)
        {
            return refuse("NOT_FOUND");
        }
        if let Some((line, amount)) = bonus
            && catalogue::is_too_fine(self.packages[package].lines[line].kind, amount)
        {
            return refuse("AMOUNT_TOO_FINE");
        }
        if self.packages[package].is_revoked() {
            return refuse("PACKAGE_REVOKED");
        }
        if self.packages[package].is_transferred() {
            return refuse("PACKAGE_TRANSFERRED");
        }
        let Some(old) = end else {
            return refuse("PACKAGE_NEVER_EXPIRES");
        };
        let new = match until {
            Until::By(days) => end_of(last_day(old) + Days::new(days)),
            Until::At(instant) => instant,
        };
        if new <= old || new <= self.now {
            return refuse("EXPIRY_NOT_LATER");
        }
        let restorable_until = self.packages[package].restorable_until();
        if restorable_until.is_some_and(|until| until <= self.now) && !force {
            return refuse("QUARANTINE_OVER");
        }
        let extended = &mut self.packages[package];
        match &mut extended.frozen {
            Some(freeze) => freeze.end = new,
            None => extended.expires_at = Some(new),
        }
        if let Some(clock) = &mut extended.clock {
            if clock.first.is_some() {
                clock.moved = true;
            } else {
                clock.deadline = Some(new);
            }
        }
        let lots: Vec<usize> = self.lots_of(package).map(|(index, _)| index).collect();
        for lot in lots {
            self.restore(lot, self.lots[lot].of(Account::Expired));
        }
        if let Some((line, amount)) = bonus {
            self.issue(package, line, (0, amount));
        }
        Ok(Answer::default())
    }
}
