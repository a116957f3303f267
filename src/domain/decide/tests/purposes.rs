//! The rules of what is held and used for an invoice line or a booking (semantics 10).

use crate::domain::booking_rules::BookingRules;
use crate::domain::decide::*;
use crate::domain::entry::Purpose;
use crate::domain::line::ItemFacts;
use crate::domain::part::Portion;
use crate::domain::testing::book::*;
use crate::domain::testing::{at, item, line_for};
use crate::domain::validity::JudgedAt;
use crate::ids::{BookingId, HoldId, InvoiceLineId};

const ID: Uuid = Uuid::from_u128(7);
const BOOKING: Option<Purpose> = Some(Purpose::Booking(BookingId::from_uuid(ID)));
const INVOICE_LINE: Option<Purpose> = Some(Purpose::InvoiceLine(InvoiceLineId::from_uuid(ID)));

/// What ends a hold or keeps it.
fn endings(hold_id: HoldId) -> [Command; 3] {
    [
        release(hold_id),
        capture(hold_id, Portion::All),
        Command::Keep(Keep { hold_id }),
    ]
}

/// What undoes a use.
fn undoings(posting_id: Uuid, item: &ItemFacts) -> [Command; 2] {
    let moved = Move {
        posting_id,
        package_ids: Vec::new(),
        item: Some(item.clone()),
    };
    [reverse(posting_id, Portion::All), Command::Move(moved)]
}

#[test]
fn what_is_held_and_used_for_something_is_freed_and_undone_for_that_alone() {
    let swim = item();
    let mut book = Book::default();
    book.sell(package(), &[(&line_for(&swim), "8", 800)]);
    let held = book.act_for(BOOKING, 1, hold(units(&swim, "1"), None));
    let held = hold_of(&held.unwrap());
    let refused = |book: &mut Book, command: &Command| {
        for purpose in [None, INVOICE_LINE] {
            let refusal = book.act_for(purpose, 2, command.clone()).unwrap_err();
            assert_eq!(refusal.reason(), "CREDITS_BOUND", "{command:?}");
        }
    };
    for command in endings(held) {
        refused(&mut book, &command);
        book.clone().act_for(BOOKING, 2, command).unwrap();
    }
    let used = book.act_for(BOOKING, 2, capture(held, Portion::All));
    for command in undoings(used.unwrap().id, &swim) {
        refused(&mut book, &command);
        book.clone().act_for(BOOKING, 3, command).unwrap();
    }
}

#[test]
fn each_package_judges_a_booking_by_its_own_rules_and_other_holds_by_none() {
    let swim = item();
    let mut book = Book::default();
    let when_booked = Package {
        booking_rules: Some(BookingRules {
            judged_at: JudgedAt::BookingTime,
            cancellation: None,
        }),
        ..package_until(10)
    };
    let when_served = package_until(10);
    for package in [&when_booked, &when_served] {
        book.sell(package.clone(), &[(&line_for(&swim), "8", 800)]);
    }
    for (package, purpose, refusal) in [
        (&when_booked, BOOKING, None),
        (&when_booked, INVOICE_LINE, Some("PACKAGE_EXPIRED")),
        (&when_booked, None, Some("PACKAGE_EXPIRED")),
        (&when_served, BOOKING, Some("PACKAGE_EXPIRED")),
    ] {
        let mut taking = units(&swim, "1");
        taking.package_ids = vec![package.id];
        taking.delivered_at = Some(at(20));
        let told = book.act_for(purpose, 1, hold(taking, None));
        assert_eq!(told.err().map(|it| it.reason()), refusal, "{purpose:?}");
    }
}
