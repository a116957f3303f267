//! All states and all verbs of bookings.

use super::*;

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
