//! What a sale makes of what is offered (mission A6, semantics 26).

use super::*;
use crate::domain::catalog::{Definition, TemplateState};
use crate::domain::credits::Credits;
use crate::domain::overlap::SellingRules;
use crate::domain::pricing::Pricing;
use crate::domain::template_emails::TemplateEmails;
use crate::domain::testing::{at, business, credits, customer, item, line_for, start};
use crate::domain::validity::{Anchor, Period, PeriodUnit};

/// Five massages at 60.00 and two facials at 50.00 for 320.00, given.
fn offer() -> Offer {
    let weighed = |quantity: &str, rate| {
        let mut line = Line::clone(&line_for(&item()));
        line.quantity = credits(quantity);
        let weight = LineWeight {
            quantity: line.quantity,
            dearest: Some((rate, Credits::UNIT)),
        };
        (Arc::new(line), weight)
    };
    Offer {
        customer_id: customer(),
        group_id: None,
        share_max: 1,
        external_id: Some("A-7".to_owned()),
        sale_id: None,
        template: None,
        name: "Seven treatments".to_owned(),
        list_price_minor: 40_000,
        price_minor: 39_040,
        price: Price {
            net_minor: 32_000,
            tax_minor: 7_040,
            total_minor: 39_040,
        },
        priority: None,
        quarantine_days: None,
        use_limit: None,
        booking_rules: None,
        lines: vec![weighed("5", 6_000), weighed("2", 5_000)],
        validity: None,
        defaults: Vec::new(),
        validity_override: None,
        start_date: None,
        is_paid: false,
    }
}

fn until(day: &str) -> Validity {
    Validity::Until(day.parse().unwrap())
}

fn made(offer: Offer) -> (Package, Vec<NewLot>) {
    offer.make(&business(), at(0)).unwrap()
}

/// The rule of the package, where it came from, and its last usable day.
fn ruled(offer: Offer) -> (Validity, ExpirySource, Option<String>) {
    let package = made(offer).0;
    let last_day = package.last_usable_day().map(|day| day.to_string());
    (package.validity, package.expiry_source, last_day)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is held against a day that may be missing"
)]
fn day(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn semantics_26_each_line_is_a_lot_worth_its_part_of_the_price_without_tax() {
    let (package, lots) = made(offer());
    let told: Vec<_> = lots
        .iter()
        .map(|lot| (lot.quantity, lot.value, lot.origin))
        .collect();
    let expected = [
        (credits("5"), 24_000, Origin::Given),
        (credits("2"), 8_000, Origin::Given),
    ];
    assert_eq!(told, expected);
    let prices = (package.list_price_minor, package.price_minor);
    assert_eq!(prices, (40_000, 39_040));
    assert_eq!(package.net_price_minor, 32_000);
    assert_eq!(package.external_id.as_deref(), Some("A-7"));
    assert_eq!((package.priority, package.quarantine_days), (100, None));
    assert_eq!((package.paid_at, package.starts_at), (None, at(0)));
}

#[test]
fn what_is_sold_and_paid_says_so() {
    let sale_id = Some(SaleId::generate(start()));
    let (package, lots) = made(Offer {
        sale_id,
        is_paid: true,
        priority: Some(3),
        quarantine_days: Some(9),
        ..offer()
    });
    assert!(lots.iter().all(|lot| lot.origin == Origin::Sold));
    assert_eq!((package.sale_id, package.paid_at), (sale_id, Some(at(0))));
    assert_eq!((package.priority, package.quarantine_days), (3, Some(9)));
}

#[test]
fn mission_a6_the_sale_goes_before_the_template_before_the_credit_types() {
    let defaults = Offer {
        defaults: vec![Some(until("2026-04-01"))],
        ..offer()
    };
    let expected = (
        until("2026-04-01"),
        ExpirySource::CreditType,
        day("2026-04-01"),
    );
    assert_eq!(ruled(defaults.clone()), expected);
    let template = Offer {
        validity: Some(until("2026-05-01")),
        ..defaults
    };
    let expected = (
        until("2026-05-01"),
        ExpirySource::Template,
        day("2026-05-01"),
    );
    assert_eq!(ruled(template.clone()), expected);
    let rule = Offer {
        validity_override: Some(ValidityOverride::Rule(Validity::Never)),
        ..template.clone()
    };
    assert_eq!(ruled(rule), (Validity::Never, ExpirySource::Sale, None));
    let instant = Offer {
        validity_override: Some(ValidityOverride::ExpiresAt(at(5))),
        ..template
    };
    let expected = (until("2026-03-16"), ExpirySource::Sale, day("2026-03-16"));
    assert_eq!(ruled(instant.clone()), expected);
    assert_eq!(made(instant).0.expires_at, Some(at(5)));
}

#[test]
fn of_the_credit_types_validities_the_one_that_ends_first_counts() {
    let length = Period::new(10, PeriodUnit::Day).unwrap();
    let anchor = Anchor::FirstUse {
        must_start_by: None,
    };
    let waits = Validity::Period { length, anchor };
    let thirty_days = Validity::Period {
        length: Period::new(30, PeriodUnit::Day).unwrap(),
        anchor: Anchor::Sale,
    };
    let same_end = until("2026-04-15");
    let (soon, late) = (until("2026-04-01"), until("2026-05-01"));
    for (defaults, expected) in [
        (vec![], Validity::Never),
        (vec![None], Validity::Never),
        (vec![Some(late), None, Some(soon)], soon),
        (vec![Some(soon), Some(late)], soon),
        (vec![Some(waits), Some(late)], late),
        (vec![Some(late), Some(waits)], late),
        // Of two with the same end, the first.
        (vec![Some(thirty_days), Some(same_end)], thirty_days),
        (vec![Some(same_end), Some(thirty_days)], same_end),
        // It will end some day.
        (vec![Some(Validity::Never), Some(waits)], waits),
        (vec![Some(waits), Some(Validity::Never)], waits),
    ] {
        let found = ruled(Offer {
            defaults,
            ..offer()
        });
        assert_eq!((found.0, found.1), (expected, ExpirySource::CreditType));
    }
}

#[test]
fn a_package_that_would_have_ended_already_is_refused() {
    // In Tallinn the tests begin at noon of 16 March.
    for (last_day, ended) in [("2026-03-15", true), ("2026-03-16", false)] {
        let found = Offer {
            validity: Some(until(last_day)),
            ..offer()
        };
        let refusal = found.make(&business(), at(0)).err();
        let reason = refusal.map(|refusal| refusal.reason());
        assert_eq!(reason, ended.then_some("VALIDITY_IMPOSSIBLE"), "{last_day}");
    }
}

#[test]
fn an_instant_of_expiry_lies_after_the_sale_and_after_the_start() {
    let ends = |expires_at, start_date: Option<&str>| {
        let offer = Offer {
            validity_override: Some(ValidityOverride::ExpiresAt(expires_at)),
            start_date: start_date.map(|day| day.parse().unwrap()),
            ..offer()
        };
        offer.make(&business(), at(0)).map(|(package, _)| package)
    };
    let not_later = |old, new| Refusal::ExpiryNotLater { old, new };
    assert_eq!(ends(at(0), None).unwrap_err(), not_later(at(0), at(0)));
    assert_eq!(ends(at(-1), None).unwrap_err(), not_later(at(0), at(-1)));
    assert_eq!(ends(at(1), None).unwrap().expires_at, Some(at(1)));
    // Midnight of the next day in Tallinn is twelve hours later.
    let starts_at = at(12);
    let tomorrow = Some("2026-03-17");
    let refused = ends(starts_at, tomorrow).unwrap_err();
    assert_eq!(refused, not_later(starts_at, starts_at));
    let package = ends(at(13), tomorrow).unwrap();
    assert_eq!(package.starts_at, starts_at);
    assert_eq!(package.expires_at, Some(at(13)));
}

/// The template of [`offer`], at 400.00, with this pricing.
fn template(pricing: Pricing, is_freestyle: bool) -> Template {
    let lines = offer().lines.into_iter().map(|(line, _)| line).collect();
    Template {
        id: TemplateId::generate(start()),
        external_id: None,
        state: TemplateState::Active,
        definition: Definition {
            number: 1,
            name: "Seven treatments".to_owned(),
            description: String::new(),
            price_minor: 40_000,
            tax_basis_points: 0,
            validity: None,
            priority: None,
            quarantine_days: None,
            reminder_leads: None,
            emails: TemplateEmails::default(),
            freeze: None,
            use_limit: None,
            booking_rules: None,
            transferable: None,
            lines,
            pricing,
            selling: SellingRules {
                is_freestyle,
                ..SellingRules::default()
            },
        },
        created_at: start(),
        version: 1,
    }
}

#[test]
fn so_many_units_are_each_line_as_often_on_lines_of_the_packages_own() {
    let template = template(Pricing::default(), true);
    let mut offer = offer();
    let ids: Vec<_> = offer.lines.iter().map(|(line, _)| line.id).collect();
    let own = offer.of_quantity(&template, Some(3), at(0)).unwrap();
    let told: Vec<_> = own.iter().map(|line| line.quantity).collect();
    assert_eq!(told, [credits("15"), credits("6")]);
    assert!(own.iter().all(|line| !ids.contains(&line.id)));
    let weighed = offer.lines.iter();
    let weighed: Vec<_> = weighed.map(|(_, weight)| weight.quantity).collect();
    assert_eq!(weighed, told);
    let prices = (offer.list_price_minor, offer.price_minor);
    assert_eq!(prices, (120_000, 120_000));
}

#[test]
fn one_unit_keeps_the_lines_of_the_template() {
    let template = template(Pricing::default(), false);
    let mut offer = offer();
    let lines = offer.lines.clone();
    assert_eq!(offer.of_quantity(&template, None, at(0)), Ok(Vec::new()));
    assert_eq!(offer.lines, lines);
    assert_eq!(offer.price_minor, 40_000);
    let refused = offer.of_quantity(&template, Some(2), at(0)).unwrap_err();
    assert_eq!(refused.reason(), "QUANTITY_FIXED");
}

#[test]
fn more_credits_than_the_ledger_keeps_are_refused() {
    let template = template(Pricing::default(), true);
    let mut offer = offer();
    let (line, _) = &mut offer.lines[0];
    *line = Arc::new(Line {
        quantity: CREDITS_MAX,
        ..Line::clone(line)
    });
    let refused = offer.of_quantity(&template, Some(2), at(0));
    assert_eq!(refused, Err(Refusal::AmountTooLarge));
}
