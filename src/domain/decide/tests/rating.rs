//! The rules of package rates (semantics 32).

use std::sync::Arc;

use crate::domain::decide::*;
use crate::domain::line::{ItemFacts, Line, LineKind, Subject};
use crate::domain::lot::Lot;
use crate::domain::selection::Wanted;
use crate::domain::testing::{at, credits, customer, ending, item, line, lot, stamp};

/// A line that prices units of `item` at 15.00, each of so many credits of one decimal place.
fn rate_line(item: &ItemFacts, per_unit: &str) -> Arc<Line> {
    Arc::new(Line {
        kind: LineKind::Rate { rate_minor: 1_500 },
        ..Line::clone(&line(&[(Subject::Item(item.id), per_unit)]))
    })
}

fn query(item: &ItemFacts, units: &str) -> RateQuery {
    RateQuery {
        customer_id: customer(),
        item: item.clone(),
        units: credits(units),
        at: None,
        past_expiry: None,
    }
}

/// The units that the lots price, in order.
fn priced(lots: &[&Lot], query: &RateQuery) -> Vec<String> {
    let facts = Facts::of_lots(lots.iter().map(|lot| (*lot).clone()));
    let parts = rate(&facts, query, &stamp(1)).unwrap();
    parts.iter().map(|part| part.units.to_string()).collect()
}

#[test]
fn units_are_priced_in_the_order_in_which_lots_pay_and_the_rest_is_not() {
    let hour = item();
    let line = rate_line(&hour, "1");
    let (later, sooner) = (
        ending(lot(&line, "2", 0), 9),
        ending(lot(&line, "3.5", 0), 5),
    );
    let both = [&later, &sooner];
    assert_eq!(priced(&both, &query(&hour, "3")), ["3"]);
    assert_eq!(priced(&both, &query(&hour, "4.5")), ["3.5", "1"]);
    assert_eq!(priced(&both, &query(&hour, "9")), ["3.5", "2"]);
    assert!(priced(&both, &query(&item(), "9")).is_empty());
    let at_six = RateQuery {
        at: Some(at(6)),
        ..query(&hour, "9")
    };
    assert_eq!(priced(&both, &at_six), ["2"], "one has ended by then");
}

#[test]
fn lots_of_one_line_of_a_package_price_together() {
    let hour = item();
    let line = rate_line(&hour, "1");
    let first = lot(&line, "0.5", 0);
    let added = Lot {
        package_id: first.package_id,
        ..lot(&line, "2", 0)
    };
    assert_eq!(priced(&[&first, &added], &query(&hour, "4")), ["2.5"]);
}

#[test]
fn as_many_units_are_priced_as_the_credits_count_exactly() {
    let hour = item();
    for (per_unit, left, wanted, units) in [
        ("1", "5", "2.25", "2.2"),
        ("2", "5", "4", "2.5"),
        ("3", "5", "4", "1"),
        ("0.5", "1", "9", "2"),
        ("3", "2", "4", ""),
    ] {
        let lot = lot(&rate_line(&hour, per_unit), left, 0);
        let told = priced(&[&lot], &query(&hour, wanted)).concat();
        assert_eq!(told, units, "{wanted} of {left} at {per_unit} each");
    }
}

#[test]
fn what_is_priced_can_be_held_and_nothing_else_can() {
    let hour = item();
    let line = rate_line(&hour, "1");
    let first = lot(&line, "0.5", 0);
    let added = Lot {
        package_id: first.package_id,
        ..lot(&line, "2", 0)
    };
    let facts = Facts::of_lots([first.clone(), added]);
    let hold = |wanted| {
        let place = PlaceHold {
            taking: Consume {
                wanted,
                package_ids: vec![first.package_id],
                ..query(&hour, "1").taking()
            },
            times_out_at: None,
            on_time_out: crate::domain::hold::OnTimeOut::Release,
        };
        decide(&facts, &Command::Hold(place), &stamp(1))
    };
    let units = |units| Wanted::AtRate {
        item: hour.clone(),
        units: credits(units),
        line_id: Some(line.id),
    };
    let posting = hold(units("2.5")).unwrap();
    let amounts = posting.entries.iter().map(|entry| entry.amount);
    let sum = amounts.fold(credits("0"), |sum, it| sum.checked_add(it).unwrap());
    assert_eq!(sum, credits("2.5"));
    let more = hold(units("2.6")).unwrap_err();
    assert_eq!(more.reason(), "INSUFFICIENT_CREDITS");
    let as_credits = hold(Wanted::Item {
        item: hour.clone(),
        units: credits("1"),
    });
    assert_eq!(as_credits.unwrap_err().reason(), "RATE_NEVER_PAYS");
}

#[test]
fn an_item_that_is_no_longer_offered_has_no_rate() {
    let hour = ItemFacts {
        active: false,
        ..item()
    };
    let lot = lot(&rate_line(&hour, "1"), "5", 0);
    let refusal = rate(&Facts::of_lots([lot]), &query(&hour, "1"), &stamp(1));
    assert_eq!(refusal.unwrap_err().reason(), "ITEM_INACTIVE");
}
