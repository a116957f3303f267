//! Any closures of any packages: each day counts once, and an undo is exact.

use proptest::prelude::*;

use super::*;

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
    let all = closures.iter().copied().flat_map(Days::each);
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
        let is_open = closures.iter().all(|days| days.each().all(|day| day != closed.last_day));
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
