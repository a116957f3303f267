//! Closures count each day once, in any order, and can be undone (semantics 16).

use proptest::prelude::*;

use super::*;

const TODAY: &str = "2026-07-01";

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn days(first: &str, last: &str) -> Days {
    Days {
        first: date(first),
        last: date(last),
    }
}

fn id(number: u128) -> ClosureId {
    ClosureId::from_uuid(uuid::Uuid::from_u128(number))
}

/// Counts again on `today` for a package that is valid from 1 January.
fn on(today: &str, last_day: NaiveDate, before: &Reckoning, closures: &[Days]) -> Reckoning {
    let closures: Vec<_> = (1..).map(id).zip(closures.iter().copied()).collect();
    let stay = Stay {
        first_day: date("2026-01-01"),
        last_day,
        counted: &before.counted,
    };
    reckon(stay, date(today), &closures)
}

fn untouched(last_day: NaiveDate) -> Reckoning {
    Reckoning {
        last_day,
        counted: Vec::new(),
    }
}

/// Where a package ends that ended on this day before these closures.
fn moved(last_day: &str, closures: &[Days]) -> String {
    let last_day = date(last_day);
    let reckoning = on(TODAY, last_day, &untouched(last_day), closures);
    reckoning.last_day.to_string()
}

#[test]
fn a_package_gets_the_closed_days_back_that_it_had() {
    let august = days("2026-08-05", "2026-08-20");
    for (last_day, wanted) in [
        ("2026-08-04", "2026-08-04"),
        ("2026-08-05", "2026-08-21"),
        ("2026-08-10", "2026-08-26"),
        ("2026-08-20", "2026-09-05"),
        ("2026-08-31", "2026-09-16"),
    ] {
        assert_eq!(moved(last_day, &[august]), wanted, "{last_day}");
    }
}

#[test]
fn several_closures_count_each_day_once() {
    let (first, second) = (
        days("2026-08-05", "2026-08-20"),
        days("2026-08-10", "2026-08-25"),
    );
    assert_eq!(moved("2026-08-31", &[first, second]), "2026-09-21");
    assert_eq!(moved("2026-08-31", &[first, first]), "2026-09-16");
    // It is moved into the second, whose days it had then.
    let later = days("2026-08-25", "2026-09-01");
    assert_eq!(moved("2026-08-10", &[first, later]), "2026-09-03");
}

#[test]
fn a_package_that_begins_in_a_closure_gets_the_rest_of_it() {
    let stay = Stay {
        first_day: date("2026-08-08"),
        last_day: date("2026-08-10"),
        counted: &[],
    };
    let closures = [(id(1), days("2026-08-05", "2026-08-20"))];
    let reckoning = reckon(stay, date(TODAY), &closures);
    assert_eq!(reckoning.last_day, date("2026-08-23"));
    let counted = vec![(id(1), vec![days("2026-08-08", "2026-08-20")])];
    assert_eq!(reckoning.counted, counted);
}

#[test]
fn undoing_takes_back_only_days_that_are_ahead() {
    let last_day = date("2026-08-10");
    let august = days("2026-08-05", "2026-08-20");
    let closed = on(TODAY, last_day, &untouched(last_day), &[august]);
    for (today, wanted) in [
        ("2026-08-04", "2026-08-10"),
        // Closed from the 5th to the 12th: eight days.
        ("2026-08-12", "2026-08-18"),
        ("2026-08-20", "2026-08-26"),
        ("2026-08-27", "2026-08-26"),
    ] {
        let undone = on(today, closed.last_day, &closed, &[]);
        assert_eq!(undone.last_day, date(wanted), "{today}");
    }
}

#[test]
fn an_undo_ends_no_package_before_today() {
    // By hand it was put to an end within the closure.
    let last_day = date("2026-09-03");
    let closed = Reckoning {
        last_day,
        counted: vec![(id(1), vec![days("2026-08-25", "2026-09-05")])],
    };
    let undone = on("2026-08-27", last_day, &closed, &[]);
    assert_eq!(undone.last_day, date("2026-08-27"));
}

fn any_days() -> impl Strategy<Value = Days> {
    (0_u64..400, 0_u64..60).prop_map(|(first, more)| {
        let first = date(TODAY) + Many::new(first + 1);
        Days {
            first,
            last: first + Many::new(more),
        }
    })
}

fn closed_until(last_day: NaiveDate, closures: &[Days]) -> usize {
    let all = closures.iter().copied().flat_map(Days::iter);
    let all: BTreeSet<NaiveDate> = all.filter(|day| *day <= last_day).collect();
    all.len()
}

proptest! {
    #[test]
    fn a_package_is_moved_by_the_different_closed_days_that_it_then_has(
        last in 0_u64..400,
        closures in prop::collection::vec(any_days(), 0..5),
    ) {
        let last_day = date(TODAY) + Many::new(last);
        let closed = on(TODAY, last_day, &untouched(last_day), &closures);
        let shift = calendar::days_between(last_day, closed.last_day);
        let had = closed_until(closed.last_day, &closures);
        prop_assert_eq!(usize::try_from(shift).unwrap(), had);
        // And by no more: its last day is one on which it can be used, unless it was not moved.
        let is_open = closures.iter().all(|days| days.iter().all(|day| day != closed.last_day));
        prop_assert!(is_open || shift == 0);
        // Counting again changes nothing.
        prop_assert_eq!(&on(TODAY, closed.last_day, &closed, &closures), &closed);
    }

    #[test]
    fn the_order_of_closures_does_not_matter(
        last in 0_u64..400,
        closures in prop::collection::vec(any_days(), 0..5),
    ) {
        let last_day = date(TODAY) + Many::new(last);
        let at_once = on(TODAY, last_day, &untouched(last_day), &closures);
        let mut one_by_one = untouched(last_day);
        for count in 1..=closures.len() {
            one_by_one = on(TODAY, one_by_one.last_day, &one_by_one, &closures[..count]);
        }
        prop_assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn an_undo_gives_the_old_end_and_an_edit_is_an_undo_and_a_new_closure(
        last in 0_u64..400,
        others in prop::collection::vec(any_days(), 0..4),
        (old, new) in (any_days(), any_days()),
    ) {
        let last_day = date(TODAY) + Many::new(last);
        let with = |days| {
            let mut all = others.clone();
            all.push(days);
            all
        };
        let before = on(TODAY, last_day, &untouched(last_day), &others);
        let closed = on(TODAY, before.last_day, &before, &with(old));
        let undone = on(TODAY, closed.last_day, &closed, &others);
        prop_assert_eq!(&undone, &before);
        let edited = on(TODAY, closed.last_day, &closed, &with(new));
        prop_assert_eq!(edited, on(TODAY, undone.last_day, &undone, &with(new)));
    }

    #[test]
    fn an_undo_at_any_time_leaves_what_is_over_and_never_ends_a_package_before_today(
        last in 0_u64..400,
        closures in prop::collection::vec(any_days(), 1..4),
        passed in 0_u64..500,
    ) {
        let last_day = date(TODAY) + Many::new(last);
        let closed = on(TODAY, last_day, &untouched(last_day), &closures);
        let today = date(TODAY) + Many::new(passed);
        let undone = on(&today.to_string(), closed.last_day, &closed, &[]);
        prop_assert!(undone.last_day <= closed.last_day);
        prop_assert!(undone.last_day >= last_day);
        prop_assert!(undone.last_day >= closed.last_day.min(today));
        if closed.last_day >= today {
            let over = closed_until(today.min(closed.last_day), &closures);
            let kept = calendar::days_between(last_day, undone.last_day);
            prop_assert!(usize::try_from(kept).unwrap() >= over);
        }
    }
}
