//! Which lots can pay, and in which order they are looked at.

use std::sync::Arc;

use chrono::TimeDelta;

use super::*;
use crate::domain::line::{Line, Subject};
use crate::domain::testing::{at, credits, ending, item, line, line_for, lot};
use crate::ids::LotId;

fn unit_of(item: &ItemFacts) -> Wanted {
    Wanted::Item {
        item: item.clone(),
        units: Credits::UNIT,
    }
}

#[test]
fn semantics_7_a_lot_is_usable_from_its_start_on_and_before_its_end() {
    let swim = item();
    let mut lot = ending(lot(&line_for(&swim), "8", 800), 20);
    lot.terms.starts_at = at(10);
    let judged = |service, now| judge(&lot, &unit_of(&swim), service, now);
    let just_before = |hours| at(hours) - TimeDelta::microseconds(1);
    let early = Err(WhyNot::NotStarted(at(10)));
    assert_eq!(judged(just_before(10), at(15)), early);
    assert_eq!(judged(at(10), at(10)), Ok(Credits::UNIT));
    assert_eq!(judged(just_before(20), just_before(20)), Ok(Credits::UNIT));
    let over = Err(WhyNot::Expired(at(20)));
    assert_eq!(judged(at(20), at(19)), over);
    assert_eq!(judged(at(19), at(20)), over);
}

#[test]
fn semantics_3_a_lot_pays_for_no_service_before_it_was_made() {
    let swim = item();
    let mut lot = lot(&line_for(&swim), "8", 800);
    lot.created_at = at(5);
    let judged = |hours| judge(&lot, &unit_of(&swim), at(hours), at(9));
    assert_eq!(judged(4), Err(WhyNot::NotStarted(at(5))));
    assert_eq!(judged(5), Ok(Credits::UNIT));
}

#[test]
fn the_first_reason_that_holds_is_said() {
    let swim = item();
    let mut lot = ending(lot(&line_for(&swim), "8", 800), 5);
    let judged = |lot: &Lot| judge(lot, &unit_of(&swim), at(6), at(6));
    lot.fold.balances.available = Credits::ZERO;
    assert_eq!(judged(&lot), Err(WhyNot::Expired(at(5))));
    lot.terms.starts_at = at(7);
    assert_eq!(judged(&lot), Err(WhyNot::NotStarted(at(7))));
    lot.terms.frozen = true;
    assert_eq!(judged(&lot), Err(WhyNot::Frozen));
    lot.terms.revoked = true;
    assert_eq!(judged(&lot), Err(WhyNot::Revoked));
    let other = judge(&lot, &unit_of(&item()), at(6), at(6));
    assert_eq!(other, Err(WhyNot::NotCovered));
    lot = self::lot(&line_for(&swim), "8", 800);
    lot.fold.balances.available = Credits::ZERO;
    assert_eq!(judged(&lot), Err(WhyNot::UsedUp));
    lot.fold.balances.available = Credits::from_millionths(1);
    assert_eq!(judged(&lot), Ok(Credits::UNIT));
}

#[test]
fn credits_by_hand_are_paid_by_any_line_of_their_type() {
    let swim = item();
    let lot = lot(&line(&[(Subject::Item(swim.id), "2")]), "8", 800);
    let by_hand = |credit_type_id| Wanted::Credits {
        credit_type_id,
        amount: credits("3"),
    };
    let judged = |wanted: &Wanted| judge(&lot, wanted, at(1), at(1));
    assert_eq!(judged(&unit_of(&swim)), Ok(credits("2")));
    let own = by_hand(lot.line.credit_type_id);
    assert_eq!(judged(&own), Ok(Credits::UNIT));
    let other = by_hand(CreditTypeId::generate(at(0)));
    assert_eq!(judged(&other), Err(WhyNot::NotCovered));
}

#[test]
fn rate_lines_never_pay() {
    let swim = item();
    let mut line = Line::clone(&line_for(&swim));
    line.kind = LineKind::Rate { rate_minor: 1_500 };
    let lot = lot(&Arc::new(line), "8", 800);
    let by_hand = Wanted::Credits {
        credit_type_id: lot.line.credit_type_id,
        amount: credits("3"),
    };
    for wanted in [unit_of(&swim), by_hand] {
        let judged = judge(&lot, &wanted, at(1), at(1));
        assert_eq!(judged, Err(WhyNot::AtRate));
    }
    let at_rate = |line_id| Wanted::AtRate {
        item: swim.clone(),
        units: Credits::UNIT,
        line_id,
    };
    let judged = |line_id| judge(&lot, &at_rate(line_id), at(1), at(1));
    assert_eq!(judged(None), Ok(Credits::UNIT));
    assert_eq!(judged(Some(lot.line.id)), Ok(Credits::UNIT));
    let other = Some(LineId::generate(at(0)));
    assert_eq!(judged(other), Err(WhyNot::NotCovered));
}

#[test]
fn prepaid_lines_have_no_rate() {
    let swim = item();
    let lot = lot(&line_for(&swim), "8", 800);
    let wanted = Wanted::AtRate {
        item: swim,
        units: Credits::UNIT,
        line_id: None,
    };
    let judged = judge(&lot, &wanted, at(1), at(1));
    assert_eq!(judged, Err(WhyNot::NotCovered));
}

/// Lots of which each stands before the next, and by what.
fn ranked() -> Vec<(Lot, Rank)> {
    let swim = item();
    let narrow = line_for(&swim);
    let wide = line(&[(Subject::Category("lessons".to_owned()), "1")]);
    let base = Lot {
        priority: 1,
        ..ending(lot(&narrow, "8", 800), 50)
    };
    let of = |change: &dyn Fn(&mut Lot)| {
        let mut lot = base.clone();
        lot.id = LotId::generate(at(9));
        change(&mut lot);
        lot
    };
    vec![
        (of(&|lot| lot.priority = 0), Rank::Priority),
        (of(&|lot| lot.terms.expires_at = Some(at(49))), Rank::Expiry),
        // 7.99 for eight is less a credit than 1.00 for one.
        (of(&|lot| lot.issued.value = 799), Rank::UnitValue),
        (base.clone(), Rank::Age),
        (of(&|lot| lot.created_at = at(1)), Rank::UnitValue),
        (of(&|lot| lot.issued.value = 801), Rank::Narrowness),
        (of(&|lot| lot.line = Arc::clone(&wide)), Rank::Expiry),
        (of(&|lot| lot.terms.expires_at = None), Rank::Expiry),
    ]
}

#[test]
fn lots_pay_by_priority_end_narrowness_unit_value_and_age() {
    let lots = ranked();
    for (place, (a, _)) in lots.iter().enumerate() {
        for (other, (b, _)) in lots.iter().enumerate() {
            assert_eq!(pay_order(a, b), place.cmp(&other), "{place} {other}");
        }
    }
    for pair in lots.windows(2) {
        let ((before, by), (after, _)) = (&pair[0], &pair[1]);
        assert_eq!(rank(before, after, &[]), *by);
        let has_own_turn = matches!(by, Rank::Priority | Rank::Expiry);
        assert_eq!(Turn::of(before) < Turn::of(after), has_own_turn);
        assert!(Turn::of(before) <= Turn::of(after));
    }
}

#[test]
fn unit_values_are_compared_and_not_values() {
    let line = line_for(&item());
    let dear = lot(&line, "1", 101);
    let cheap = lot(&line, "8", 800);
    assert_eq!(rank(&cheap, &dear, &[]), Rank::UnitValue);
    assert_eq!(pay_order(&cheap, &dear), Ordering::Less);
    let same = lot(&line, "2", 200);
    assert_eq!(rank(&cheap, &same, &[]), Rank::Id);
    assert_eq!(pay_order(&cheap, &same), cheap.id.cmp(&same.id));
}

#[test]
fn named_packages_come_in_the_order_named_and_before_all_others() {
    let line = line_for(&item());
    let [first, second, other] = [0, 1, 2].map(|_| lot(&line, "8", 800));
    let named = [first.package_id, second.package_id];
    assert_eq!(named_order(&named, &first, &second), Ordering::Less);
    assert_eq!(named_order(&named, &second, &first), Ordering::Greater);
    assert_eq!(named_order(&named, &second, &other), Ordering::Less);
    assert_eq!(named_order(&named, &other, &other), Ordering::Equal);
    assert_eq!(rank(&first, &second, &named), Rank::Named);
    assert_eq!(rank(&second, &other, &named), Rank::Named);
}
