//! What quantities are offered and what they cost (mission A7, A8).

use super::*;
use crate::domain::testing::start;

/// Simplero's credits: at least 2, at 50.00 each, from 10 on at 40.00 each.
fn simplero() -> Pricing {
    Pricing {
        quantity: Some(QuantityChoice {
            minimum: 2,
            maximum: None,
            step: 1,
        }),
        tiers: vec![Tier {
            minimum_quantity: 10,
            unit_price_minor: 4_000,
        }],
        ..Pricing::default()
    }
}

fn template_id() -> TemplateId {
    TemplateId::generate(start())
}

#[test]
fn the_whole_quantity_is_at_the_price_of_the_tier_that_it_reaches() {
    let price = |quantity| simplero().priced(5_000, quantity).unwrap();
    for (quantity, unit, total) in [
        (2, 5_000, 10_000),
        (9, 5_000, 45_000),
        (10, 4_000, 40_000),
        (11, 4_000, 44_000),
    ] {
        let priced = price(quantity);
        assert_eq!(
            (priced.unit_price_minor, priced.price_minor),
            (unit, total),
            "{quantity}"
        );
        assert_eq!(priced.tier.is_some(), quantity >= 10, "{quantity}");
    }
    let too_many = simplero().priced(i64::MAX, 2);
    assert_eq!(too_many, Err(Refusal::AmountTooLarge));
}

#[test]
fn the_next_cheaper_tier_is_told_with_the_quantity_that_reaches_it() {
    let mut pricing = simplero();
    let next = |pricing: &Pricing, quantity| {
        let priced = pricing.priced(5_000, quantity).unwrap();
        let cheaper = pricing.cheaper(&priced).unwrap();
        cheaper.map(|cheaper| (cheaper.quantity, cheaper.price_minor))
    };
    assert_eq!(next(&pricing, 2), Some((10, 40_000)));
    assert_eq!(next(&pricing, 10), None, "it is reached");
    // By threes from 2 on, 11 is the first that reaches 10.
    pricing.quantity = Some(QuantityChoice {
        minimum: 2,
        maximum: Some(11),
        step: 3,
    });
    assert_eq!(next(&pricing, 8), Some((11, 44_000)));
    pricing.quantity = Some(QuantityChoice {
        minimum: 2,
        maximum: Some(10),
        step: 3,
    });
    assert_eq!(next(&pricing, 8), None, "11 cannot be chosen");
    // A dearer tier is passed over.
    pricing = simplero();
    pricing.tiers.insert(
        0,
        Tier {
            minimum_quantity: 5,
            unit_price_minor: 6_000,
        },
    );
    assert_eq!(next(&pricing, 2), Some((10, 40_000)));
    pricing.quantity = None;
    assert_eq!(next(&pricing, 1), None, "nothing is chosen");
}

#[test]
fn what_is_not_offered_is_refused_with_the_numbers() {
    let pricing = Pricing {
        quantity: Some(QuantityChoice {
            minimum: 2,
            maximum: Some(8),
            step: 3,
        }),
        ..Pricing::default()
    };
    let id = template_id();
    for quantity in [2, 5, 8] {
        assert_eq!(pricing.check(id, quantity), Ok(()), "{quantity}");
    }
    let refusals = [
        (
            1,
            SellingRefusal::QuantityBelowMinimum {
                quantity: 1,
                minimum: 2,
            },
        ),
        (
            9,
            SellingRefusal::QuantityAboveMaximum {
                quantity: 9,
                maximum: 8,
            },
        ),
        (
            4,
            SellingRefusal::QuantityOffStep {
                quantity: 4,
                minimum: 2,
                step: 3,
            },
        ),
    ];
    for (quantity, refusal) in refusals {
        assert_eq!(pricing.check(id, quantity), Err(refusal.into()));
    }
    assert_eq!(pricing.least(), 2);
}

#[test]
fn a_fixed_quantity_is_sold_once() {
    let pricing = Pricing::default();
    let id = template_id();
    assert_eq!(pricing.least(), 1);
    assert_eq!(pricing.check(id, 1), Ok(()));
    let refusal = SellingRefusal::QuantityFixed {
        template_id: id,
        quantity: 2,
    };
    assert_eq!(pricing.check(id, 2), Err(refusal.into()));
}

#[test]
fn a_chosen_quantity_is_of_one_line() {
    assert_eq!(simplero().check_lines(0), Ok(()), "a draft has none yet");
    assert_eq!(simplero().check_lines(1), Ok(()));
    let refusal = SellingRefusal::ChosenQuantityNeedsOneLine { lines: 2 };
    assert_eq!(simplero().check_lines(2), Err(refusal.into()));
    assert_eq!(Pricing::default().check_lines(2), Ok(()));
}
