//! What of a use of credits a customer is to be told: that little is left of a package, or nothing
//! (semantics 42). It is told when the line is crossed downward, so each crossing has one posting that
//! is its cause, and below the line nothing more is said.
//!
//! The check costs a command that nobody wants to hear of one comparison, since every use makes it.

use std::collections::BTreeMap;

use crate::domain::business::{Business, LowBalance};
use crate::domain::credits::Credits;
use crate::domain::entry::Account;
use crate::domain::line::LineKind;
use crate::domain::notice::NoticeKind;
use crate::domain::posting::Posting;
use crate::ids::PackageId;

/// What a business wants told of uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    low_balance: Option<LowBalance>,
    used_up: bool,
}

impl Watch {
    /// What this business wants told.
    pub fn of(business: &Business) -> Self {
        if !business.feature_enabled {
            return Self::default();
        }
        Self {
            low_balance: business.reminder_policy.low_balance,
            used_up: business.reminder_policy.used_up,
        }
    }

    /// The packages in which a posting crossed a line that is watched. That nothing is left of one lot is
    /// no proof that the whole package is used up: others may not be in the posting.
    pub fn crossed(&self, posting: &Posting) -> BTreeMap<PackageId, NoticeKind> {
        let mut crossed = BTreeMap::new();
        if *self == Self::default() {
            return crossed;
        }
        for entry in &posting.entries {
            let lot = posting.lots.iter().find(|lot| lot.id == entry.lot_id);
            let (Account::Consumed, Some(lot)) = (entry.to, lot) else {
                continue;
            };
            let balances = &entry.balances;
            let after = balances.available.checked_add(balances.held);
            let before = after.and_then(|after| after.checked_add(entry.amount));
            let (Some(after), Some(before)) = (after, before) else {
                continue;
            };
            if lot.line.kind != LineKind::Prepaid {
                continue;
            }
            let line = self.low_balance.map(|line| line.of(lot.issued.quantity));
            if self.used_up && after == Credits::ZERO {
                crossed.insert(lot.package_id, NoticeKind::UsedUp);
            } else if line.is_some_and(|line| after <= line && line < before) {
                crossed
                    .entry(lot.package_id)
                    .or_insert(NoticeKind::LowBalance);
            }
        }
        crossed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::decide::Command;
    use crate::domain::line::Line;
    use crate::domain::testing::book::*;
    use crate::domain::testing::{business, credits, item, line_for};

    /// Tells of two credits or fewer, of a package that is used up, or of both.
    fn watching(low_balance: bool, used_up: bool) -> Watch {
        let mut business = business();
        let two = LowBalance::Credits(credits("2"));
        business.reminder_policy.low_balance = low_balance.then_some(two);
        business.reminder_policy.used_up = used_up;
        Watch::of(&business)
    }

    fn told(watch: Watch, posting: &Posting) -> Vec<NoticeKind> {
        watch.crossed(posting).into_values().collect()
    }

    #[test]
    fn semantics_42_each_line_is_told_once_when_it_is_crossed_downward() {
        let swim = item();
        let mut book = Book::default();
        book.sell(package(), &[(&line_for(&swim), "5", 500)]);
        for (used, expected) in [
            ("2", None),
            ("1", Some(NoticeKind::LowBalance)),
            ("1", None),
            ("1", Some(NoticeKind::UsedUp)),
        ] {
            let posting = book.act(1, Command::Consume(units(&swim, used))).unwrap();
            assert_eq!(
                told(watching(true, true), &posting),
                Vec::from_iter(expected)
            );
        }
    }

    #[test]
    fn a_business_is_told_what_it_wants_to_hear() {
        let swim = item();
        let mut book = Book::default();
        book.sell(package(), &[(&line_for(&swim), "5", 500)]);
        let posting = book.act(1, Command::Consume(units(&swim, "5"))).unwrap();
        for (low_balance, used_up, expected) in [
            (false, false, None),
            (true, false, Some(NoticeKind::LowBalance)),
            (false, true, Some(NoticeKind::UsedUp)),
            (true, true, Some(NoticeKind::UsedUp)),
        ] {
            let watch = watching(low_balance, used_up);
            assert_eq!(told(watch, &posting), Vec::from_iter(expected));
        }
        let mut switched_off = business();
        switched_off.feature_enabled = false;
        switched_off.reminder_policy.used_up = true;
        assert_eq!(told(Watch::of(&switched_off), &posting), []);
    }

    #[test]
    fn what_is_held_is_not_used_up() {
        let swim = item();
        let mut book = Book::default();
        book.sell(package(), &[(&line_for(&swim), "5", 500)]);
        book.act(1, hold(units(&swim, "2"), None)).unwrap();
        let posting = book.act(2, Command::Consume(units(&swim, "3"))).unwrap();
        let expected = [NoticeKind::LowBalance];
        assert_eq!(told(watching(true, true), &posting), expected);
    }

    #[test]
    fn each_package_of_a_posting_is_watched_by_itself() {
        let swim = item();
        let line = line_for(&swim);
        let mut book = Book::default();
        let first = package_until(10);
        let id = first.id;
        book.sell(first, &[(&line, "2", 200)]);
        book.sell(package_until(20), &[(&line, "5", 500)]);
        let posting = book.act(1, Command::Consume(units(&swim, "4"))).unwrap();
        let crossed = watching(true, true).crossed(&posting);
        assert_eq!(crossed, BTreeMap::from([(id, NoticeKind::UsedUp)]));
    }

    #[test]
    fn units_at_a_package_rate_are_no_balance() {
        let swim = item();
        let mut book = Book::default();
        book.sell(package(), &[(&line_for(&swim), "1", 100)]);
        let mut posting = book.act(1, Command::Consume(units(&swim, "1"))).unwrap();
        for lot in &mut posting.lots {
            lot.line = Arc::new(Line {
                kind: LineKind::Rate { rate_minor: 100 },
                ..Line::clone(&lot.line)
            });
        }
        assert_eq!(told(watching(true, true), &posting), []);
    }
}
