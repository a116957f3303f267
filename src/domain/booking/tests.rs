//! All states and all verbs of bookings.

use super::*;
use crate::domain::testing::{at, customer, item};

const POSTING: Uuid = Uuid::from_u128(7);

fn id() -> BookingId {
    BookingId::from_uuid(Uuid::from_u128(1))
}

fn ended() -> Ended {
    Ended {
        at: DateTime::UNIX_EPOCH,
        used_by: Some(POSTING),
    }
}

fn held() -> HoldId {
    HoldId::from_uuid(POSTING)
}

fn status(state: BookingState) -> BookingStatus {
    match state {
        BookingState::Booked => BookingStatus::Booked {
            hold_id: Some(held()),
        },
        BookingState::Completed => BookingStatus::Completed(ended()),
        BookingState::Cancelled => BookingStatus::Cancelled {
            ended: ended(),
            by_business: false,
        },
        BookingState::NoShow => BookingStatus::NoShow(ended()),
    }
}

/// Where each verb leads from this state, or the reason why it does not.
fn verbs(state: BookingState) -> Vec<Result<BookingState, &'static str>> {
    let from = || status(state);
    let told = |result: Result<BookingStatus, BookingRefusal>| match result {
        Ok(status) => Ok(status.state()),
        Err(refusal) => Err(refusal.reason()),
    };
    vec![
        told(from().complete(id(), ended())),
        told(from().cancel(id(), ended(), Canceller::Customer)),
        told(from().cancel(id(), ended(), Canceller::Business)),
        told(from().mark_no_show(id(), ended())),
        told(from().hold(id()).map(|_| from())),
        told(from().reopen(id()).map(|(status, _)| status)),
        told(from().unpay(id()).map(|(status, _)| status)),
    ]
}

#[test]
fn each_verb_leads_from_each_state_to_one_state_or_to_one_refusal() {
    use BookingState::{Booked, Cancelled, Completed, NoShow};
    let completed = Err("BOOKING_COMPLETED");
    let cancelled = Err("BOOKING_CANCELLED");
    let no_show = Err("BOOKING_NO_SHOW");
    // complete, cancel, cancel by the business, no-show, move, reopen, change what pays.
    let table = [
        (
            Booked,
            vec![
                Ok(Completed),
                Ok(Cancelled),
                Ok(Cancelled),
                Ok(NoShow),
                Ok(Booked),
                Err("BOOKING_NOT_ENDED"),
                Ok(Booked),
            ],
        ),
        (
            Completed,
            vec![
                completed,
                completed,
                completed,
                completed,
                completed,
                Ok(Booked),
                Ok(Completed),
            ],
        ),
        (Cancelled, vec![cancelled; 7]),
        (
            NoShow,
            vec![
                no_show,
                no_show,
                no_show,
                no_show,
                no_show,
                Ok(Booked),
                Ok(NoShow),
            ],
        ),
    ];
    assert_eq!(table.len(), BookingState::ALL.len());
    for (state, expected) in table {
        assert_eq!(verbs(state), expected, "{}", state.as_str());
    }
}

#[test]
fn what_pays_is_handed_out_once_and_named_again_when_something_else_does() {
    let (booked, paid) = status(BookingState::Booked).unpay(id()).unwrap();
    assert_eq!(paid, Paid::Held(Some(held())));
    assert_eq!(
        booked.clone().unpay(id()).unwrap().1,
        Paid::Held(None),
        "a hold is freed once"
    );
    assert_eq!(booked.paid_by(POSTING), status(BookingState::Booked));
    for state in [BookingState::Completed, BookingState::NoShow] {
        let (unpaid, paid) = status(state).unpay(id()).unwrap();
        assert_eq!(paid, Paid::Used(Some(POSTING)));
        assert_eq!(unpaid.ended().unwrap().used_by, None);
        assert_eq!(unpaid.paid_by(POSTING), status(state));
        assert_eq!(status(state).reopen(id()).unwrap().1, Some(POSTING));
    }
}

/// An hour at ten that nothing pays.
fn booking() -> Booking {
    Booking {
        id: id(),
        business_id: BusinessId::from_uuid(Uuid::nil()),
        external_id: None,
        customer_id: customer(),
        item_id: item().id,
        units: Credits::UNIT,
        starts_at: at(10),
        ends_at: Some(at(11)),
        note: String::new(),
        series: None,
        status: BookingStatus::Booked { hold_id: None },
        applied: Vec::new(),
        created_at: at(0),
        version: 1,
    }
}

#[test]
fn a_cancelled_booking_says_who_cancelled_it() {
    for (by, expected) in [(Canceller::Customer, false), (Canceller::Business, true)] {
        let cancelled = status(BookingState::Booked).cancel(id(), ended(), by);
        let expected = BookingStatus::Cancelled {
            ended: ended(),
            by_business: expected,
        };
        assert_eq!(cancelled, Ok(expected));
    }
}

#[test]
fn a_booking_ends_after_its_start_or_says_no_end() {
    for (ends_at, refusal) in [
        (Some(at(9)), Some("BOOKING_ENDS_BEFORE_START")),
        (Some(at(10)), Some("BOOKING_ENDS_BEFORE_START")),
        (Some(at(11)), None),
        (None, None),
    ] {
        let booking = Booking {
            ends_at,
            ..booking()
        };
        let told = booking.check_times().err().map(|it| it.reason());
        assert_eq!(told, refusal, "{ends_at:?}");
    }
}

#[test]
fn how_a_booking_went_can_be_said_from_an_instant_on() {
    for (hours, refusal) in [(9, Some("BOOKING_NOT_BEGUN")), (10, None), (11, None)] {
        let told = booking().check_begun(at(10), at(hours));
        assert_eq!(told.err().map(|it| it.reason()), refusal, "{hours}");
    }
}

#[test]
fn packages_that_pay_a_booking_with_several_lots_are_named_once_in_their_order() {
    let package_id = |number| PackageId::from_uuid(Uuid::from_u128(number));
    let applied = |number| Applied {
        package_id: package_id(number),
        lot_id: LotId::generate(at(0)),
        credits: Credits::UNIT,
    };
    let booking = Booking {
        applied: [2, 1, 2].map(applied).to_vec(),
        ..booking()
    };
    assert_eq!(booking.package_ids(), [2, 1].map(package_id));
}
