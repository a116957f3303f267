//! Closures count each day once, in any order, and can be undone (semantics 16).

mod random;

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
    for (today, wanted, counted_until) in [
        ("2026-08-27", "2026-08-27", "2026-08-27"),
        ("2026-09-03", "2026-09-03", "2026-09-03"),
        // It has ended: nothing is taken from it.
        ("2026-09-04", "2026-09-03", "2026-09-05"),
    ] {
        let undone = on(today, last_day, &closed, &[]);
        assert_eq!(undone.last_day, date(wanted), "{today}");
        let counted = [(id(1), vec![days("2026-08-25", counted_until)])];
        assert_eq!(undone.counted, counted, "{today}");
    }
}

#[test]
fn both_the_first_and_the_last_day_are_closed() {
    assert_eq!(days("2026-08-05", "2026-08-05").count(), 1);
    assert_eq!(days("2026-08-05", "2026-08-20").count(), 16);
}

#[test]
fn days_of_an_edited_closure_that_are_over_stay_apart_from_its_new_ones() {
    let last_day = date("2026-08-31");
    let over = days("2026-08-05", "2026-08-10");
    let closed = Reckoning {
        last_day,
        counted: vec![(id(1), vec![over])],
    };
    let new = days("2026-08-20", "2026-08-22");
    let edited = on("2026-08-10", last_day, &closed, &[new]);
    assert_eq!(edited.last_day, date("2026-09-03"));
    assert_eq!(edited.counted, [(id(1), vec![over, new])]);
}

#[test]
fn a_day_of_two_closures_is_of_each_while_the_package_runs_and_later() {
    let (august, within) = (
        days("2026-08-05", "2026-08-20"),
        days("2026-08-10", "2026-08-12"),
    );
    let closed = Reckoning {
        last_day: date("2026-08-26"),
        counted: vec![(id(1), vec![august])],
    };
    for today in ["2026-08-01", "2026-09-01"] {
        let both = on(today, closed.last_day, &closed, &[august, within]);
        assert_eq!(both.last_day, closed.last_day, "{today}");
        let counted = [(id(1), vec![august]), (id(2), vec![within])];
        assert_eq!(both.counted, counted, "{today}");
    }
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
    assert!(!counted[0].waiting);
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
fn closures_of_all_packages_and_of_its_template_move_a_package() {
    let template_id = TemplateId::generate(at(0));
    for of in [None, Some(template_id)] {
        let (mut book, package_id) = sold(Package {
            template: Some((template_id, 1)),
            expires_at: through(5),
            ..package()
        });
        let closures = [Closure {
            template_id: of,
            ..two_days(at(1))
        }];
        closing(&mut book, 1, package_id, (&closures, &[])).unwrap();
        assert_eq!(book.package(package_id).expires_at, through(7), "{of:?}");
    }
}

#[test]
fn a_package_that_was_taken_away_or_moved_to_somebody_else_is_left_alone() {
    let gone: [fn(&mut Package); 2] = [
        |package| package.revoked_at = Some(at(1)),
        |package| package.transferred_at = Some(at(1)),
    ];
    for change in gone {
        let (mut book, package_id) = sold(Package {
            expires_at: through(5),
            ..package()
        });
        book.change(package_id, change);
        let closures = [two_days(at(1))];
        let counted = closing(&mut book, 2, package_id, (&closures, &[])).unwrap();
        assert_eq!(counted, None);
    }
}

#[test]
fn a_closure_within_another_one_is_written_down_and_moves_no_end() {
    let (mut book, package_id) = sold(Package {
        expires_at: through(5),
        ..package()
    });
    let repairs = two_days(at(1));
    let within = Closure {
        id: id(2),
        days: Days {
            first: day(3),
            last: day(3),
        },
        ..two_days(at(1))
    };
    let closures = [repairs, within];
    let counted = closing(&mut book, 1, package_id, (&closures[..1], &[])).unwrap();
    let again = (&closures[..], &counted.unwrap()[..]);
    let counted = closing(&mut book, 2, package_id, again).unwrap().unwrap();
    let told: Vec<_> = counted.iter().map(|it| (it.closure_id, &it.days)).collect();
    let [repairs, within] = closures.map(|it| (it.id, vec![it.days]));
    assert_eq!(told, [(repairs.0, &repairs.1), (within.0, &within.1)]);
    assert_eq!(book.package(package_id).expires_at, through(7));
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
