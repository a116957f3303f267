//! The rules of explaining a choice (H5).

use crate::domain::decide::*;
use crate::domain::line::ItemFacts;
use crate::domain::refusal::CountedIn;
use crate::domain::selection::Rank;
use crate::domain::testing::book::*;
use crate::domain::testing::{credits, item, line_for, stamp};
use crate::ids::{LotId, PackageId};

/// Two lessons until the tenth hour, then three and, for ever, eight.
fn lessons() -> (Book, ItemFacts, [LotId; 3], [PackageId; 3]) {
    let swim = item();
    let line = line_for(&swim);
    let packages = [package_until(10), package_until(20), package()];
    let ids = [packages[0].id, packages[1].id, packages[2].id];
    let mut book = Book::default();
    let mut lots = Vec::new();
    for (package, quantity) in packages.into_iter().zip(["2", "3", "8"]) {
        lots.extend(book.sell(package, &[(&line, quantity, 100)]));
    }
    (book, swim, [lots[0], lots[1], lots[2]], ids)
}

type Said = (LotId, String, Option<Rank>, Option<LeftOut>);

fn explained(book: &Book, consume: &Consume, hours: i64) -> (Vec<Said>, Option<Refusal>) {
    let facts = book.facts(&Command::Consume(consume.clone()));
    let (looks, refusal) = explain(&facts, consume, &stamp(hours));
    let said = |look: Look| (look.lot.id, look.taken.to_string(), look.rank, look.why_not);
    (looks.into_iter().map(said).collect(), refusal)
}

fn said(lot: LotId, taken: &str, rank: Option<Rank>, why_not: Option<LeftOut>) -> Said {
    (lot, taken.to_owned(), rank, why_not)
}

#[test]
fn a_choice_says_what_is_taken_of_which_lot_and_why_it_stands_there() {
    let (book, swim, lots, _) = lessons();
    let (looks, refusal) = explained(&book, &units(&swim, "4"), 1);
    assert_eq!(refusal, None);
    let expected = [
        said(lots[0], "2", None, None),
        said(lots[1], "2", Some(Rank::Expiry), None),
        said(lots[2], "0", Some(Rank::Expiry), None),
    ];
    assert_eq!(looks, expected);
}

#[test]
fn what_cannot_pay_is_shown_settled_and_says_why_not() {
    let (mut book, swim, lots, ids) = lessons();
    book.act(15, Command::Consume(units(&swim, "3"))).unwrap();
    let (looks, refusal) = explained(&book, &units(&swim, "9"), 15);
    let insufficient = Refusal::InsufficientCredits {
        available: credits("8"),
        requested: credits("9"),
        counted_in: CountedIn::Units,
    };
    assert_eq!(refusal, Some(insufficient));
    let expired = LeftOut::Refused(Refusal::PackageExpired {
        package_id: ids[0],
        expires_at: crate::domain::testing::at(10),
    });
    let expected = [
        said(lots[0], "0", None, Some(expired)),
        said(lots[1], "0", Some(Rank::Expiry), Some(LeftOut::UsedUp)),
        said(lots[2], "0", Some(Rank::Expiry), None),
    ];
    assert_eq!(looks, expected);
}

#[test]
fn packages_that_were_not_named_say_so() {
    let (book, swim, lots, ids) = lessons();
    let named = Consume {
        package_ids: vec![ids[2], ids[1]],
        ..units(&swim, "9")
    };
    let (looks, refusal) = explained(&book, &named, 1);
    assert_eq!(refusal, None);
    let expected = [
        said(lots[2], "8", None, None),
        said(lots[1], "1", Some(Rank::Named), None),
        said(lots[0], "0", Some(Rank::Named), Some(LeftOut::NotNamed)),
    ];
    assert_eq!(looks, expected);
}

#[test]
fn only_what_the_use_itself_would_take_counts_as_taken() {
    let (mut book, swim, lots, _) = lessons();
    // What a hold gives back at its time-out, and what the end took, is no part of the use.
    book.act(1, hold(units(&swim, "5"), Some(12))).unwrap();
    let (looks, _) = explained(&book, &units(&swim, "1"), 15);
    let taken: Vec<_> = looks.iter().map(|look| (look.0, look.1.as_str())).collect();
    assert_eq!(taken, [(lots[0], "0"), (lots[1], "1"), (lots[2], "0")]);
}
