//! Whether what a notice says of what is left, used or lost still holds (G6).

use std::sync::Arc;

use super::{AFTER, BEFORE, notice_of, shift, truths};
use crate::domain::business::LowBalance;
use crate::domain::entry::{Account, Balances, EntryKind};
use crate::domain::line::{Line, LineKind};
use crate::domain::lot::Lot;
use crate::domain::notice::*;
use crate::domain::package::Package;
use crate::domain::testing::book::package;
use crate::domain::testing::{at, credits, item, line_for, lot};
use crate::ids::CreditTypeId;

/// Ten credits that pay, with these balances: available, held, consumed, expired.
fn paying([available, held, consumed, expired]: [&str; 4]) -> Lot {
    let mut lot = lot(&line_for(&item()), "10", 0);
    lot.fold.balances = Balances {
        available: credits(available),
        held: credits(held),
        consumed: credits(consumed),
        expired: credits(expired),
        ..Balances::default()
    };
    lot
}

/// Ten units at a package rate, of which so many are left.
fn at_rate(left: &str) -> Lot {
    let mut lot = paying([left, "0", "0", "0"]);
    lot.line = Arc::new(Line {
        kind: LineKind::Rate { rate_minor: 100 },
        ..Line::clone(&lot.line)
    });
    lot
}

/// Ten credits of another type that pay, of which so many are left.
fn of_another_type(left: &str) -> Lot {
    let mut lot = paying([left, "0", "0", "0"]);
    lot.line = Arc::new(Line {
        credit_type_id: CreditTypeId::generate(at(7)),
        ..Line::clone(&lot.line)
    });
    lot
}

/// Why a notice of uses is dropped, if little is at most this.
fn dropped(
    kind: NoticeKind,
    low_balance: Option<LowBalance>,
    settled: &[Lot],
) -> Option<DropReason> {
    let package = package();
    let notice = notice_of(&package, kind, at(0));
    let policy = ReminderPolicy {
        low_balance,
        ..ReminderPolicy::default()
    };
    let facts = Facts {
        package: &package,
        lots: settled,
        policy: &policy,
        others: &[],
    };
    still_true(&notice, &facts, at(1)).err()
}

#[test]
fn a_package_is_used_up_when_nothing_that_pays_is_left_or_held_or_was_lost() {
    let all_used = || paying(["0", "0", "10", "0"]);
    for (lots, expected) in [
        (vec![all_used()], None),
        (vec![all_used(), at_rate("10")], None),
        (
            vec![all_used(), paying(["1", "0", "9", "0"])],
            Some(DropReason::NotUsedUp),
        ),
        (
            vec![paying(["0", "1", "9", "0"])],
            Some(DropReason::NotUsedUp),
        ),
        (
            vec![paying(["0", "0", "9", "1"])],
            Some(DropReason::NotUsedUp),
        ),
    ] {
        assert_eq!(dropped(NoticeKind::UsedUp, None, &lots), expected);
    }
}

#[test]
fn little_is_left_when_the_lots_of_a_credit_type_have_so_much_or_less_but_not_nothing() {
    let two = Some(LowBalance::Credits(credits("2")));
    let half = Some(LowBalance::Percent(50));
    let full = || paying(["10", "0", "0", "0"]);
    let not_low = Some(DropReason::NotLow);
    for (line, lots, expected) in [
        (two, vec![paying(["2", "0", "8", "0"])], None),
        (two, vec![full(), of_another_type("1")], None),
        (two, vec![full(), paying(["1", "0", "9", "0"])], not_low),
        (
            two,
            vec![paying(["1", "0", "9", "0"]), paying(["1", "0", "9", "0"])],
            None,
        ),
        (
            two,
            vec![paying(["0", "0", "10", "0"]), paying(["0", "2", "8", "0"])],
            Some(DropReason::UsedUp),
        ),
        (half, vec![paying(["0", "0", "10", "0"]), full()], None),
        (half, vec![paying(["1", "0", "9", "0"]), full()], not_low),
        (two, vec![paying(["2.1", "0", "7.9", "0"])], not_low),
        (two, vec![paying(["1", "2", "7", "0"])], not_low),
        (two, vec![full(), paying(["0", "0", "10", "0"])], not_low),
        (two, vec![full(), at_rate("1")], not_low),
        (
            two,
            vec![paying(["0", "0", "10", "0"]), of_another_type("10")],
            not_low,
        ),
        (None, vec![paying(["2", "0", "8", "0"])], not_low),
    ] {
        assert_eq!(dropped(NoticeKind::LowBalance, line, &lots), expected);
    }
}

#[test]
fn nothing_is_told_if_nothing_would_be_lost_or_was_lost() {
    use DropReason::{AlreadyExpired, NotExpired, NothingLost, UsedUp};
    let use_up = |_: &mut Package, lot: &mut Lot| {
        let (from, to) = (Account::Available, Account::Consumed);
        shift(lot, EntryKind::Consume, from, to);
    };
    assert_eq!(
        truths(BEFORE, BEFORE, use_up),
        [None, Some(UsedUp), Some(NotExpired)]
    );
    assert_eq!(
        truths(AFTER, AFTER, use_up),
        [None, Some(AlreadyExpired), Some(NothingLost)]
    );
    let hold = |_: &mut Package, lot: &mut Lot| {
        shift(lot, EntryKind::Hold, Account::Available, Account::Held);
    };
    assert_eq!(
        truths(BEFORE, BEFORE, hold),
        [None, Some(UsedUp), Some(NotExpired)]
    );
}
