//! Every kind of movement has its column, and nothing is counted twice or not at all.

use super::*;
use crate::domain::testing::at;

fn worth(credits: i64, value: i64) -> Worth {
    Worth {
        credits: Credits::from_millionths(credits),
        value,
    }
}

fn all_movements() -> Vec<Moved> {
    let of_kind = |kind: &EntryKind| {
        let kind = *kind;
        let movements = kind.movements().iter();
        movements.map(move |(from, to)| Moved {
            kind,
            from: *from,
            to: *to,
            worth: worth(if kind.is_value_only() { 0 } else { 3_000_000 }, 500),
        })
    };
    EntryKind::ALL.iter().flat_map(of_kind).collect()
}

#[test]
fn semantics_28_a_movement_changes_the_closing_by_what_it_changes_in_the_lots() {
    for moved in all_movements() {
        let mut report = RollForward {
            opening: worth(7_000_000, 9_000),
            ..RollForward::default()
        };
        report.count(&moved, Phase::Within).unwrap();
        let change = moved.change().unwrap();
        let closing = report.closing().unwrap();
        assert_eq!(closing, report.opening.plus(change).unwrap(), "{moved:?}");
        assert_eq!(
            moved.column().is_some(),
            change != Worth::default(),
            "{moved:?}"
        );
        let mut standing = Standing::default();
        standing.count(&moved).unwrap();
        let unused = standing.pools().unwrap().unused;
        assert_eq!(unused, change.value, "{moved:?}");
        standing.discount(&moved).unwrap();
        assert_eq!(standing.balances(), Balances::default(), "{moved:?}");
        assert_eq!(standing.pools(), Some(Pools::default()), "{moved:?}");
    }
}

#[test]
fn what_is_taken_off_is_written_without_a_sign() {
    let signed = [EntryKind::Adjust, EntryKind::Revalue];
    for moved in all_movements() {
        let Some(column) = moved.column() else {
            continue;
        };
        let mut report = RollForward::default();
        report.count(&moved, Phase::Within).unwrap();
        let told = report.column(column);
        let is_plain = told == moved.worth;
        assert!(is_plain || signed.contains(&moved.kind), "{moved:?}");
    }
}

#[test]
fn semantics_28_wherever_a_period_is_split_it_adds_up() {
    let phases = [Phase::Before, Phase::Within, Phase::After];
    let movements = all_movements();
    let total = |phases: &dyn Fn(usize) -> Phase| {
        let mut report = RollForward::default();
        for (index, moved) in movements.iter().enumerate() {
            report.count(moved, phases(index)).unwrap();
        }
        report
    };
    let all = total(&|_| Phase::Within).closing().unwrap();
    for split in 0..movements.len() {
        let report = total(&|index| phases[usize::from(index >= split)]);
        assert_eq!(report.closing().unwrap(), all);
        assert_eq!(report.difference(all).unwrap(), Worth::default());
        let early = total(&|index| phases[1 + usize::from(index >= split)]);
        assert_eq!(early.closing().unwrap(), report.opening);
        assert_eq!(early.difference(all).unwrap(), Worth::default());
    }
}

#[test]
fn the_breakage_is_what_expired_less_what_was_brought_back() {
    let mut report = RollForward::default();
    for (kind, value) in [(EntryKind::Expire, 900), (EntryKind::Restore, 400)] {
        let (from, to) = kind.movements()[0];
        let worth = worth(value * 1_000, value);
        let moved = Moved {
            kind,
            from,
            to,
            worth,
        };
        report.count(&moved, Phase::Within).unwrap();
    }
    assert_eq!(report.breakage(), Some(worth(500_000, 500)));
}

#[test]
fn credits_of_different_types_are_not_added_but_their_money_is() {
    let mut one = RollForward::default();
    for moved in all_movements() {
        one.count(&moved, Phase::Within).unwrap();
    }
    let mut total = RollForward::default();
    total.add_money(&one).unwrap();
    total.add_money(&one).unwrap();
    let (sum, part) = (total.closing().unwrap(), one.closing().unwrap());
    assert_eq!((sum.credits, sum.value), (Credits::ZERO, part.value * 2));
}

#[test]
fn a_sum_beyond_what_is_kept_is_none_and_no_other_number() {
    let mut report = RollForward::default();
    let (from, to) = EntryKind::Issue.movements()[0];
    let moved = Moved {
        kind: EntryKind::Issue,
        from,
        to,
        worth: worth(1, i64::MAX),
    };
    report.count(&moved, Phase::Before).unwrap();
    report.count(&moved, Phase::Within).unwrap();
    assert_eq!(report.closing(), None);
    assert_eq!(report.count(&moved, Phase::Within), None);
}

#[test]
fn a_period_is_from_its_first_instant_to_before_its_end() {
    for (hours, phase) in [
        (0, Phase::Before),
        (1, Phase::Within),
        (2, Phase::Within),
        (3, Phase::After),
        (4, Phase::After),
    ] {
        assert_eq!(Phase::of(at(hours), (at(1), at(3))), phase, "{hours}");
    }
}

#[test]
fn what_stands_in_two_lots_is_added_by_account() {
    let (mut one, mut both) = (Standing::default(), Standing::default());
    for moved in all_movements() {
        one.count(&moved).unwrap();
        both.count(&moved).unwrap();
        both.count(&moved).unwrap();
    }
    let mut sum = one.clone();
    sum.add(&one).unwrap();
    assert_eq!(sum, both);
    let most = Standing([(Account::Available, worth(1, i64::MAX))].into());
    assert_eq!(most.clone().add(&most), None);
}

#[test]
fn what_stands_is_told_by_account() {
    let mut standing = Standing::default();
    for moved in all_movements() {
        standing.count(&moved).unwrap();
    }
    let accounts = [
        (standing.balances().available, Account::Available),
        (standing.balances().held, Account::Held),
        (standing.balances().consumed, Account::Consumed),
        (standing.balances().expired, Account::Expired),
        (standing.balances().revoked, Account::Revoked),
        (standing.balances().transferred, Account::Transferred),
    ];
    for (credits, account) in accounts {
        assert_eq!(credits, standing.worth(account).credits, "{account:?}");
    }
    assert_ne!(standing.balances(), Balances::default());
}
