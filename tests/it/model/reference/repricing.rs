//! Prices that are agreed anew after a sale (semantics 26).

use carnet::proto::v1::{Account, EntryKind};

use crate::model::catalogue::shares;
use crate::model::reference::calls::{Answer, Outcome};
use crate::model::reference::{Ledger, refuse};

impl Ledger {
    /// What is taken off or put on the price is taken from or put on what is unused, by its value.
    pub(super) fn reprice(&mut self, package: usize, price: i64) -> Outcome {
        let known = &self.packages[package];
        if known.is_revoked() {
            return refuse("PACKAGE_REVOKED");
        }
        if known.is_transferred() {
            return refuse("PACKAGE_TRANSFERRED");
        }
        let change = price - known.price;
        if change != 0 {
            self.revalue(package, change)?;
        }
        self.packages[package].price = price;
        Ok(Answer::default())
    }

    fn revalue(&mut self, package: usize, change: i64) -> Outcome {
        let lots = self.lots_of(package).filter(|(_, lot)| lot.unused() > 0);
        let lots: Vec<usize> = lots.map(|(index, _)| index).collect();
        let values = lots.iter().map(|lot| self.lots[*lot].unused_value());
        let values: Vec<i64> = values.collect();
        let unused: i64 = values.iter().sum();
        if lots.is_empty() || unused + change < 0 {
            return refuse("NOTHING_TO_REVALUE");
        }
        let weight = |(lot, value): (&usize, &i64)| match unused {
            // Worth nothing: as at a sale.
            0 => self
                .line_of(&self.lots[*lot])
                .weight_of(self.lots[*lot].unused()),
            _ => i128::from(*value),
        };
        let weights: Vec<i128> = lots.iter().zip(&values).map(weight).collect();
        let (parts, is_tied) = shares(change.abs(), &weights);
        self.ambiguous |= is_tied;
        let now = self.now;
        for (lot, part) in lots.into_iter().zip(parts) {
            let accounts = if change > 0 {
                (Account::Issued, Account::Available)
            } else {
                (Account::Available, Account::Issued)
            };
            if part > 0 {
                self.move_credits(lot, EntryKind::Revalue, accounts, (0, part), now);
            }
        }
        Ok(Answer::default())
    }
}
