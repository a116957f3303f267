//! Who may use a package besides its owner (semantics 30).

use crate::domain::decide::*;
use crate::domain::lot::Lot;
use crate::domain::refusal::Refusal;
use crate::domain::selection::Wanted;
use crate::domain::testing::{credits, customer, ending, item, line_for, lot, stamp, start};
use crate::ids::{CustomerId, PackageId};

/// Uses one unit of the lots' item as another customer, with whom these packages are shared.
fn use_as_member(
    lots: &[Lot],
    item: &crate::domain::line::ItemFacts,
    member: CustomerId,
    (named, shared_with): (Vec<PackageId>, Vec<PackageId>),
) -> Result<Posting, Refusal> {
    let facts = Facts {
        shared_with: shared_with.into_iter().collect(),
        ..Facts::of_lots(lots.iter().cloned())
    };
    let command = Command::Consume(Consume {
        customer_id: member,
        wanted: Wanted::Item {
            item: item.clone(),
            units: credits("1"),
        },
        package_ids: named,
        delivered_at: None,
        consumed_by: None,
        past_expiry: None,
    });
    decide(&facts, &command, &stamp(1))
}

#[test]
fn a_member_uses_a_shared_package_and_the_entry_says_who() {
    let swim = item();
    let lot = lot(&line_for(&swim), "8", 800);
    let member = CustomerId::generate(start());
    for named in [Vec::new(), vec![lot.package_id]] {
        let asked = (named, vec![lot.package_id]);
        let posting = use_as_member(std::slice::from_ref(&lot), &swim, member, asked).unwrap();
        assert_eq!(posting.entries[0].about.customer_id, Some(member));
    }
    let asked = (vec![lot.package_id], Vec::new());
    let refusal = use_as_member(&[lot], &swim, member, asked).unwrap_err();
    assert_eq!(refusal.reason(), "PACKAGE_OF_OTHER_CUSTOMER");
}

#[test]
fn own_and_shared_packages_pay_in_one_order() {
    let swim = item();
    let own = ending(lot(&line_for(&swim), "8", 800), 50);
    let shared = Lot {
        customer_id: CustomerId::generate(start()),
        ..ending(lot(&line_for(&swim), "8", 800), 40)
    };
    let lots = [own, shared.clone()];
    let asked = (Vec::new(), vec![shared.package_id]);
    let posting = use_as_member(&lots, &swim, customer(), asked).unwrap();
    assert_eq!(posting.entries[0].lot_id, shared.id, "it ends first");
    let alone = use_as_member(&lots, &swim, customer(), (Vec::new(), Vec::new())).unwrap();
    assert_eq!(alone.entries[0].lot_id, lots[0].id);
}
