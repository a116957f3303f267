//! What of a use of credits a customer is to be told: that little is left of a package, or nothing
//! (semantics 42). It is told when the line is crossed downward, so each crossing has one posting that
//! is its cause, and below the line nothing more is said.
//!
//! A template may want something else told than its business. Each line of a package has what its template wants of
//! that ([`Line::emails`]), so a posting says all that is to be known.
//!
//! A posting has only the lots that it moved, and the line is over all lots of a package. So first it is asked whether
//! a posting may have crossed a line, which costs a command that nobody wants to hear of one comparison, since every
//! use makes it; then, where it may, whether it did. A line in percent depends on what lots had that are used up by
//! now, so there each use may have crossed it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::business::{Business, LowBalance};
use crate::domain::credits::Credits;
use crate::domain::entry::Account;
use crate::domain::line::{Line, LineKind};
use crate::domain::lot::Lot;
use crate::domain::notice::{NoticeKind, is_used_up, left_of_types};
use crate::domain::posting::Posting;
use crate::ids::{CreditTypeId, PackageId};

/// What a business wants told of uses, where a template does not want something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    is_on: bool,
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
            is_on: true,
            low_balance: business.reminder_policy.low_balance,
            used_up: business.reminder_policy.used_up,
        }
    }

    /// The packages in which a posting may have crossed a line that is watched.
    pub fn may_have_crossed(&self, posting: &Posting) -> BTreeSet<PackageId> {
        let lots = &posting.lots;
        if !self.is_on || lots.iter().all(|lot| !self.asks_of(&lot.line)) {
            return BTreeSet::new();
        }
        let used = used(posting);
        let touched = used.filter(|(lot, _)| {
            let left = lot.fold.unused().unwrap_or_default();
            let may_be_low = match self.low_balance(&lot.line) {
                Some(LowBalance::Credits(line)) => left <= line,
                Some(LowBalance::Percent(_)) => true,
                None => false,
            };
            may_be_low || (self.used_up(&lot.line) && left == Credits::ZERO)
        });
        touched.map(|(lot, _)| lot.package_id).collect()
    }

    /// What is to be told of a package which a posting used and whose lots are these after it.
    pub fn crossed(
        &self,
        posting: &Posting,
        package_id: PackageId,
        lots: &[Lot],
    ) -> Option<NoticeKind> {
        let mut taken: BTreeMap<CreditTypeId, Credits> = BTreeMap::new();
        for (lot, amount) in used(posting).filter(|(lot, _)| lot.package_id == package_id) {
            let of_type = taken.entry(lot.line.credit_type_id).or_default();
            *of_type = of_type.checked_add(amount).unwrap_or(*of_type);
        }
        // All lines of a package say the same of it.
        let (lot, _) = used(posting).find(|(lot, _)| lot.package_id == package_id)?;
        if self.used_up(&lot.line) && is_used_up(lots) {
            return Some(NoticeKind::UsedUp);
        }
        let low_balance = self.low_balance(&lot.line)?;
        let is_crossed = left_of_types(lots).into_iter().any(|(id, left)| {
            let line = low_balance.of(left.issued);
            let taken = taken.get(&id).copied().unwrap_or_default();
            let before = left.unused.checked_add(taken);
            left.unused <= line && before.is_some_and(|before| line < before)
        });
        is_crossed.then_some(NoticeKind::LowBalance)
    }

    fn low_balance(&self, line: &Line) -> Option<LowBalance> {
        line.emails.low_balance(self.low_balance)
    }

    fn used_up(&self, line: &Line) -> bool {
        line.emails.used_up(self.used_up)
    }

    fn asks_of(&self, line: &Line) -> bool {
        self.used_up(line) || self.low_balance(line).is_some()
    }
}

/// The lots that pay of which a posting used something, and how much.
fn used(posting: &Posting) -> impl Iterator<Item = (&Lot, Credits)> {
    let entries = posting.entries.iter();
    let used = entries.filter(|entry| entry.to == Account::Consumed);
    used.filter_map(|entry| {
        let lot = posting.lots.iter().find(|lot| lot.id == entry.lot_id)?;
        (lot.line.kind == LineKind::Prepaid).then_some((lot, entry.amount))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::decide::Command;
    use crate::domain::line::ItemFacts;
    use crate::domain::template_emails::{OwnLowBalance, UseEmails};
    use crate::domain::testing::book::*;
    use crate::domain::testing::{at, business, credits, item, line_for};

    /// Tells of two credits or fewer, of a package that is used up, or of both.
    fn watching(low_balance: bool, used_up: bool) -> Watch {
        let mut business = business();
        let two = LowBalance::Credits(credits("2"));
        business.reminder_policy.low_balance = low_balance.then_some(two);
        business.reminder_policy.used_up = used_up;
        Watch::of(&business)
    }

    /// What is told of which package.
    fn crossed(book: &Book, watch: Watch, posting: &Posting) -> BTreeMap<PackageId, NoticeKind> {
        let ids = watch.may_have_crossed(posting).into_iter();
        let told = ids.filter_map(|id| {
            let lots = book.lots.values().filter(|lot| lot.package_id == id);
            let lots: Vec<Lot> = lots.cloned().collect();
            Some((id, watch.crossed(posting, id, &lots)?))
        });
        told.collect()
    }

    fn told(book: &Book, watch: Watch, posting: &Posting) -> Vec<NoticeKind> {
        crossed(book, watch, posting).into_values().collect()
    }

    /// What is told of each use of so many lessons, one after the other.
    fn told_of_uses(
        book: &mut Book,
        watch: Watch,
        item: &ItemFacts,
        uses: &[&str],
    ) -> Vec<Option<NoticeKind>> {
        let mut all = Vec::new();
        for used in uses {
            let posting = book.act(1, Command::Consume(units(item, used))).unwrap();
            all.push(told(book, watch, &posting).pop());
        }
        all
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
                told(&book, watching(true, true), &posting),
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
            assert_eq!(told(&book, watch, &posting), Vec::from_iter(expected));
        }
        let mut switched_off = business();
        switched_off.feature_enabled = false;
        switched_off.reminder_policy.used_up = true;
        assert_eq!(told(&book, Watch::of(&switched_off), &posting), []);
    }

    /// The same line of a template that wants this told.
    fn told_by(line: &Arc<Line>, low_balance: Option<OwnLowBalance>, used_up: bool) -> Arc<Line> {
        Arc::new(Line {
            emails: UseEmails {
                low_balance,
                used_up: Some(used_up),
            },
            ..Line::clone(line)
        })
    }

    #[test]
    fn a_template_says_itself_what_is_told_of_its_packages() {
        use NoticeKind::{LowBalance as Low, UsedUp};
        let swim = item();
        let line = line_for(&swim);
        let three = Some(OwnLowBalance::At(LowBalance::Credits(credits("3"))));
        let quiet = told_by(&line, Some(OwnLowBalance::Never), false);
        let uses = ["2", "1", "2"];
        for (line, watch, expected) in [
            (&quiet, watching(true, true), [None, None, None]),
            (&line, watching(false, false), [None, None, None]),
            (
                &told_by(&line, three, true),
                watching(false, false),
                [Some(Low), None, Some(UsedUp)],
            ),
            (
                &told_by(&line, three, false),
                watching(true, true),
                [Some(Low), None, None],
            ),
            (
                &told_by(&line, None, false),
                watching(true, true),
                [None, Some(Low), None],
            ),
        ] {
            let mut book = Book::default();
            book.sell(package(), &[(line, "5", 500)]);
            assert_eq!(told_of_uses(&mut book, watch, &swim, &uses), expected);
        }
    }

    #[test]
    fn nothing_is_told_of_a_business_that_is_switched_off_whatever_its_templates_say() {
        let swim = item();
        let line = told_by(&line_for(&swim), None, true);
        let mut book = Book::default();
        book.sell(package(), &[(&line, "5", 500)]);
        let posting = book.act(1, Command::Consume(units(&swim, "5"))).unwrap();
        let mut switched_off = business();
        switched_off.feature_enabled = false;
        assert_eq!(told(&book, Watch::of(&switched_off), &posting), []);
    }

    #[test]
    fn what_is_held_is_not_used_up() {
        let swim = item();
        let mut book = Book::default();
        book.sell(package(), &[(&line_for(&swim), "5", 500)]);
        book.act(1, hold(units(&swim, "2"), None)).unwrap();
        let posting = book.act(2, Command::Consume(units(&swim, "3"))).unwrap();
        let expected = [NoticeKind::LowBalance];
        assert_eq!(told(&book, watching(true, true), &posting), expected);
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
        let crossed = crossed(&book, watching(true, true), &posting);
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
        assert_eq!(told(&book, watching(true, true), &posting), []);
    }

    #[test]
    fn the_line_is_over_all_lots_of_a_credit_type_and_crossed_once() {
        use NoticeKind::{LowBalance as Low, UsedUp};
        let swim = item();
        let line = line_for(&swim);
        let mut book = Book::default();
        // What was sold, and a bonus of an extension.
        book.sell(package(), &[(&line, "10", 1000), (&line, "5", 0)]);
        let uses = ["8", "2", "2", "1", "1", "1"];
        let told = told_of_uses(&mut book, watching(true, true), &swim, &uses);
        assert_eq!(told, [None, None, None, Some(Low), None, Some(UsedUp)]);
    }

    #[test]
    fn the_use_that_empties_a_lot_may_leave_little_of_all() {
        let swim = item();
        let line = line_for(&swim);
        let mut book = Book::default();
        book.sell(package(), &[(&line, "10", 1000), (&line, "2", 0)]);
        let told = told_of_uses(&mut book, watching(true, true), &swim, &["10"]);
        assert_eq!(told, [Some(NoticeKind::LowBalance)]);
    }

    #[test]
    fn a_line_in_percent_is_of_all_that_was_issued() {
        let swim = item();
        let line = line_for(&swim);
        let mut business = business();
        business.reminder_policy.low_balance = Some(LowBalance::Percent(20));
        let watch = Watch::of(&business);
        let mut book = Book::default();
        book.sell(package(), &[(&line, "10", 1000), (&line, "5", 0)]);
        let told = told_of_uses(&mut book, watch, &swim, &["9", "2", "1", "1"]);
        assert_eq!(told, [None, None, Some(NoticeKind::LowBalance), None]);
    }

    #[test]
    fn credit_types_of_a_package_have_lines_of_their_own() {
        let (swim, dive) = (item(), item());
        let mut hours = Line::clone(&line_for(&dive));
        hours.credit_type_id = CreditTypeId::generate(at(0));
        let mut book = Book::default();
        let lots = [(&line_for(&swim), "10", 1000), (&Arc::new(hours), "3", 300)];
        book.sell(package(), &lots);
        let watch = watching(true, false);
        assert_eq!(told_of_uses(&mut book, watch, &swim, &["7"]), [None]);
        let low = Some(NoticeKind::LowBalance);
        assert_eq!(
            told_of_uses(&mut book, watch, &dive, &["1", "1"]),
            [low, None]
        );
        assert_eq!(told_of_uses(&mut book, watch, &swim, &["1"]), [low]);
    }
}
