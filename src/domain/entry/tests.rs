//! What an entry's hash is over, and the numbers of accounts and actors.

use super::*;
use crate::domain::testing::start;

/// An entry of which every column says something.
fn full() -> Entry {
    let id = Uuid::from_u128;
    let effective_at: DateTime<Utc> = "2026-03-16T10:00:00Z".parse().unwrap();
    let credits = Credits::from_millionths;
    Entry {
        key: EntryKey {
            posting_id: id(1),
            n: 2,
        },
        lot_id: LotId::from_uuid(id(3)),
        line_id: LineId::from_uuid(id(18)),
        seq: 4,
        previous: Some(EntryKey {
            posting_id: id(5),
            n: 6,
        }),
        hash: [0; 32],
        kind: EntryKind::Reverse,
        from: Account::Consumed,
        to: Account::Available,
        amount: credits(1_500_000),
        value: -7,
        balances: Balances {
            available: credits(1),
            held: credits(2),
            consumed: credits(3),
            expired: credits(4),
            revoked: credits(5),
            transferred: credits(-6),
        },
        effective_at,
        recorded_at: effective_at + chrono::TimeDelta::microseconds(1),
        by_time: true,
        undoes: Some(EntryKey {
            posting_id: id(7),
            n: 8,
        }),
        request_hash: Some([10; 32]),
        method: "Reverse".to_owned(),
        actor: Actor::Token(TokenId::from_uuid(id(11))),
        about: About {
            consumed_by: Some(UserId::from_uuid(id(12))),
            customer_id: Some(CustomerId::from_uuid(id(13))),
            item_id: Some(ItemId::from_uuid(id(14))),
            units: Some(credits(1_500_000)),
            invoice_line_id: Some(id(15)),
            booking_id: Some(id(16)),
            hold_id: Some(id(17)),
        },
    }
}

/// An entry that says as little as one can.
fn bare() -> Entry {
    let full = full();
    Entry {
        key: EntryKey {
            posting_id: Uuid::from_u128(1),
            n: 0,
        },
        lot_id: LotId::from_uuid(Uuid::from_u128(2)),
        seq: 1,
        previous: None,
        kind: EntryKind::Issue,
        from: Account::Issued,
        amount: Credits::from_millionths(8_000_000),
        value: 12_000,
        balances: Balances {
            available: Credits::from_millionths(8_000_000),
            ..Balances::default()
        },
        recorded_at: full.effective_at,
        by_time: false,
        undoes: None,
        request_hash: None,
        method: "Sell".to_owned(),
        actor: Actor::System,
        about: About::default(),
        ..full
    }
}

/// Both hashes were computed apart from this code, from the documented order of the columns: stored
/// ledgers depend on them.
#[test]
fn the_hash_of_an_entry_never_changes() {
    let hex = |hash: Hash| -> String {
        let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.map(|digit| char::from_digit(digit.into(), 16));
        digits.map(Option::unwrap).collect()
    };
    assert_eq!(
        hex(bare().digest(&[0; 32])),
        "83c757181997c9fac317846c34161c3f09a4b6a15899bb6ba3b90f66f268fd7d"
    );
    assert_eq!(
        hex(full().digest(&[9; 32])),
        "f91383bc27f86dd4b970fb201d4dc32506cb49ba191f74ffa183e0eb7a27fa61"
    );
}

#[test]
fn an_actor_survives_its_number_and_id() {
    let id = Uuid::from_u128(7);
    for (actor, parts) in [
        (Actor::System, (0, None)),
        (Actor::User(UserId::from_uuid(id)), (1, Some(id))),
        (Actor::Token(TokenId::from_uuid(id)), (2, Some(id))),
    ] {
        assert_eq!(actor.parts(), parts);
        assert_eq!(Actor::from_parts(parts.0, parts.1), Some(actor));
    }
    for (kind, id) in [(0, Some(id)), (1, None), (2, None), (3, Some(id))] {
        assert_eq!(Actor::from_parts(kind, id), None, "{kind}");
    }
}

#[test]
fn each_account_but_issued_has_a_balance() {
    let balances = full().balances;
    let of_all: Vec<_> = Account::ALL
        .iter()
        .filter_map(|account| balances.of(*account))
        .collect();
    assert_eq!(of_all, balances.all());
    assert_eq!(balances.of(Account::Issued), None);
}

#[test]
fn every_number_stands_for_one_kind_and_one_account() {
    for kind in EntryKind::ALL {
        assert_eq!(EntryKind::from_code(kind.code()), Some(*kind));
    }
    for account in Account::ALL {
        assert_eq!(Account::from_code(account.code()), Some(*account));
    }
    assert_eq!(EntryKind::from_code(0), None);
    assert_eq!(Account::from_code(8), None);
}

#[test]
fn a_purpose_survives_the_ids_that_it_is_kept_as() {
    let id = Uuid::from_u128(7);
    for (ids, purpose) in [
        (
            (Some(id), None),
            Some(Purpose::InvoiceLine(InvoiceLineId::from_uuid(id))),
        ),
        (
            (None, Some(id)),
            Some(Purpose::Booking(BookingId::from_uuid(id))),
        ),
        ((None, None), None),
    ] {
        assert_eq!(Purpose::from_ids(ids.0, ids.1), purpose);
        let about = full().about.for_purpose(purpose);
        assert_eq!((about.invoice_line_id, about.booking_id), ids);
        assert_eq!(about.purpose(), purpose);
    }
}

#[test]
fn a_purpose_is_told_with_its_id() {
    let (line, booking) = (
        InvoiceLineId::generate(start()),
        BookingId::generate(start()),
    );
    let told = [Purpose::InvoiceLine(line), Purpose::Booking(booking)].map(|it| it.to_string());
    assert_eq!(
        told,
        [format!("invoice line {line}"), format!("booking {booking}")]
    );
}
