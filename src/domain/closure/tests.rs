//! Closures count each day once, in any order, and can be undone (semantics 16).

use proptest::prelude::*;

use super::*;
use crate::domain::decide::Command;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, item, line_for};
use crate::ids::PackageId;

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

/// How many hours a day has.
const DAY: i64 = 24;

fn day(days: i64) -> NaiveDate {
    at(days * DAY).date_naive()
}

/// Through this day.
fn through(days: i64) -> Option<DateTime<Utc>> {
    calendar::end_of(day(days), chrono_tz::Tz::Europe__Tallinn)
}

/// Closed from the second to the third day after the start.
fn two_days(created_at: DateTime<Utc>) -> Closure {
    Closure {
        id: id(1),
        name: "Repairs".to_owned(),
        days: Days {
            first: day(2),
            last: day(3),
        },
        template_id: None,
        run_id: BulkRunId::generate(created_at),
        undone_at: None,
        created_at,
        version: 1,
    }
}

/// What a package got back with these closures in force.
fn closing(
    book: &mut Book,
    hours: i64,
    package_id: PackageId,
    (closures, counted): (&[Closure], &[Counted]),
) -> Result<Option<Vec<Counted>>, Refusal> {
    let mut counted_now = None;
    book.amend(hours, package_id, |amendment| {
        counted_now = close(amendment, closures, counted, 30)?;
        Ok(())
    })?;
    Ok(counted_now)
}

fn sold(package: Package) -> (Book, PackageId) {
    let mut book = Book::default();
    let package_id = package.id;
    book.sell(package, &[(&line_for(&item()), "3", 1_000)]);
    (book, package_id)
}

#[test]
fn a_closure_is_applied_once_and_undone_to_the_old_end() {
    let (mut book, package_id) = sold(Package {
        expires_at: through(5),
        ..package()
    });
    let closures = [two_days(at(1))];
    let counted = closing(&mut book, 1, package_id, (&closures, &[])).unwrap();
    let counted = counted.unwrap();
    assert_eq!(book.package(package_id).expires_at, through(7));
    assert_eq!(counted[0].days, [closures[0].days]);
    let again = closing(&mut book, 2, package_id, (&closures, &counted)).unwrap();
    assert_eq!(again, None);
    let none = closing(&mut book, 3, package_id, (&[], &counted)).unwrap();
    assert_eq!(none, Some(Vec::new()));
    assert_eq!(book.package(package_id).expires_at, through(5));
    assert_eq!(book.package(package_id).expiry_epoch, 2);
}

#[test]
fn what_was_sold_later_or_never_ends_or_is_of_another_template_is_left_alone() {
    let short = || Package {
        expires_at: through(5),
        ..package()
    };
    let mut before_the_sale = two_days(at(-1));
    let other_template = Closure {
        template_id: Some(TemplateId::generate(at(0))),
        ..two_days(at(1))
    };
    for (package, closure) in [
        (short(), before_the_sale.clone()),
        (short(), other_template),
        (package(), two_days(at(1))),
    ] {
        let (mut book, package_id) = sold(package);
        let closures = [closure];
        let counted = closing(&mut book, 1, package_id, (&closures, &[])).unwrap();
        assert_eq!(counted, None);
    }
    before_the_sale.undone_at = Some(at(3));
    let refusal = before_the_sale.refuse_undone().unwrap_err();
    assert_eq!(refusal.reason(), "CLOSURE_UNDONE");
}

#[test]
fn an_expired_package_is_restored_or_refused() {
    let short = || Package {
        expires_at: through(2),
        ..package()
    };
    let closures = [two_days(at(3 * DAY))];
    let (mut book, package_id) = sold(short());
    let in_time = closing(&mut book, 3 * DAY, package_id, (&closures, &[])).unwrap();
    assert!(in_time.is_some());
    assert_eq!(book.package(package_id).expires_at, through(4));
    let (mut book, package_id) = sold(short());
    let late = closing(&mut book, 6 * DAY, package_id, (&closures, &[]));
    assert_eq!(late.unwrap_err().reason(), "EXPIRY_NOT_LATER");
}

#[test]
fn a_package_waits_longer_for_its_first_use_which_then_sets_its_own_end() {
    let swim = item();
    let package = package_from_first_use(10, Some(day(5)));
    let package_id = package.id;
    let mut book = Book::default();
    book.sell(package, &[(&line_for(&swim), "3", 1_000)]);
    let closures = [two_days(at(1))];
    let counted = closing(&mut book, 1, package_id, (&closures, &[])).unwrap();
    let counted = counted.unwrap();
    assert!(counted[0].waiting);
    assert_eq!(book.package(package_id).expires_at, through(7));
    book.act(6 * DAY, Command::Consume(units(&swim, "1")))
        .unwrap();
    assert_eq!(book.package(package_id).expires_at, through(16));
    // What it waited longer is no part of that end, so an undo takes nothing from it.
    let undone = closing(&mut book, 6 * DAY + 1, package_id, (&[], &counted)).unwrap();
    assert_eq!(undone, None);
    assert_eq!(book.package(package_id).expires_at, through(16));
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
