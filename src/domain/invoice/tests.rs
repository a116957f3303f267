//! What invoices allow in which state, and what they come to.

use super::*;
use crate::domain::payment::PaymentMethod;
use crate::ids::{SaleId, TemplateId};

const UNPAID: Owed = Owed {
    total_minor: 1_000,
    paid_minor: 0,
};
const HALF: Owed = Owed {
    paid_minor: 500,
    ..UNPAID
};
const ALL: Owed = Owed {
    paid_minor: 1_000,
    ..UNPAID
};

/// What a transition comes to: the name of the next state, or the reason of the refusal.
fn told(next: Result<InvoiceState, InvoiceRefusal>) -> &'static str {
    match next {
        Ok(state) => state.as_str(),
        Err(refusal) => refusal.reason(),
    }
}

/// What every state says to a verb, in the order of the states.
fn check(verb: fn(InvoiceState) -> Result<InvoiceState, InvoiceRefusal>, expected: [&str; 5]) {
    let said = InvoiceState::ALL.iter().map(|state| told(verb(*state)));
    assert_eq!(said.collect::<Vec<_>>(), expected);
}

#[test]
fn every_state_says_to_every_verb_what_it_becomes_or_why_not() {
    const FIXED: &str = "INVOICE_NOT_DRAFT";
    const ISSUED: &str = "INVOICE_ALREADY_ISSUED";
    const DRAFT: &str = "INVOICE_NOT_ISSUED";
    const PAID: &str = "INVOICE_ALREADY_PAID";
    const VOID: &str = "INVOICE_VOID";
    const PARTLY: &str = "partly_paid";
    check(InvoiceState::changed, ["draft", FIXED, FIXED, FIXED, VOID]);
    check(
        |it| it.issued(UNPAID),
        ["issued", ISSUED, ISSUED, ISSUED, VOID],
    );
    check(|it| it.issued(ALL), ["paid", ISSUED, ISSUED, ISSUED, VOID]);
    check(
        |it| it.priced_again(UNPAID),
        ["draft", "issued", "issued", PAID, VOID],
    );
    check(
        |it| it.priced_again(HALF),
        ["draft", PARTLY, PARTLY, PAID, VOID],
    );
    check(
        |it| it.priced_again(ALL),
        ["draft", "paid", "paid", PAID, VOID],
    );
    check(|it| it.paid(HALF), [DRAFT, PARTLY, PARTLY, PAID, VOID]);
    check(|it| it.paid(ALL), [DRAFT, "paid", "paid", PAID, VOID]);
    check(
        |it| it.bounced(UNPAID),
        [DRAFT, "issued", "issued", "issued", "void"],
    );
    check(
        |it| it.bounced(HALF),
        [DRAFT, PARTLY, PARTLY, PARTLY, "void"],
    );
    check(
        InvoiceState::refunded,
        [DRAFT, "issued", PARTLY, "paid", "void"],
    );
    check(|it| it.reduced(HALF), [DRAFT, PARTLY, PARTLY, PARTLY, VOID]);
    check(|it| it.reduced(ALL), [DRAFT, "paid", "paid", "paid", VOID]);
    check(InvoiceState::voided, ["void", "void", "void", "void", VOID]);
}

fn line(quantity: &str, unit_price_minor: i64, tax_basis_points: i32) -> InvoiceLine {
    InvoiceLine {
        id: InvoiceLineId::generate(DateTime::UNIX_EPOCH),
        of: LineOf::Item(ItemId::generate(DateTime::UNIX_EPOCH)),
        description: String::new(),
        quantity: Credits::parse(quantity).unwrap(),
        unit_price_minor,
        tax_basis_points,
        delivered_at: None,
        credits: None,
        kept_minor: None,
    }
}

fn parts(price: Option<Price>) -> (i64, i64, i64) {
    let price = price.unwrap();
    (price.net_minor, price.tax_minor, price.total_minor)
}

#[test]
fn a_line_is_rounded_half_up_first_its_price_then_its_tax() {
    // 1.5 at 3.33 is 4.995.
    assert_eq!(parts(line("1.5", 333, 0).price(false)), (500, 0, 500));
    // 4.985 stays below.
    assert_eq!(parts(line("0.4985", 1_000, 0).price(false)), (499, 0, 499));
    // 10 % of 0.05 is half a cent.
    assert_eq!(parts(line("1", 5, 1_000).price(false)), (5, 1, 6));
    // 22 % in 1.00: 0.8197 without.
    assert_eq!(parts(line("1", 100, 2_200).price(true)), (82, 18, 100));
    assert_eq!(line("1000000000", i64::MAX, 0).price(false), None);
}

fn draft(lines: Vec<InvoiceLine>) -> Invoice {
    Invoice {
        id: InvoiceId::generate(DateTime::UNIX_EPOCH),
        business_id: BusinessId::generate(DateTime::UNIX_EPOCH),
        external_id: None,
        customer_id: CustomerId::generate(DateTime::UNIX_EPOCH),
        state: InvoiceState::Draft,
        number: None,
        prices_include_tax: false,
        lines,
        money: Takings::default(),
        created_at: DateTime::UNIX_EPOCH,
        issued_at: None,
        voided_at: None,
        version: 1,
    }
}

fn credits(units: &str) -> LineCredits {
    LineCredits {
        hold_id: HoldId::generate(DateTime::UNIX_EPOCH),
        units: Credits::parse(units).unwrap(),
        package_ids: Vec::new(),
        rate_line_id: None,
        times_out_at: None,
        used_by: None,
        returned_at: None,
    }
}

fn payment(amount_minor: i64) -> Payment {
    Payment {
        id: PaymentId::generate(DateTime::UNIX_EPOCH),
        method: PaymentMethod::Cash,
        amount_minor,
        reference: String::new(),
        recorded_at: DateTime::UNIX_EPOCH,
    }
}

#[test]
fn totals_are_the_sums_of_lines_that_were_rounded_one_by_one() {
    let odd = || line("1", 5, 1_000);
    let price = draft(vec![odd(), odd(), odd()]).price().unwrap();
    assert_eq!((price.tax_minor, price.total_minor), (3, 18));
}

#[test]
fn units_that_credits_pay_cost_no_money_and_are_paid_once() {
    let mut invoice = draft(vec![line("2", 500, 0)]);
    let id = invoice.lines[0].id;
    let refusal = invoice.apply(id, credits("3")).unwrap_err();
    assert_eq!(refusal.reason(), "UNITS_EXCEED_LINE");
    invoice.apply(id, credits("1")).unwrap();
    assert_eq!(
        invoice.owed().unwrap(),
        Owed {
            total_minor: 500,
            paid_minor: 0
        }
    );
    let refusal = invoice.apply(id, credits("1")).unwrap_err();
    assert_eq!(refusal.reason(), "CREDITS_ALREADY_APPLIED");
    invoice.unapply(id).unwrap();
    assert_eq!(invoice.owed().unwrap(), UNPAID);
    let refusal = invoice.unapply(id).unwrap_err();
    assert_eq!(refusal.reason(), "NO_CREDITS_APPLIED");
    invoice.apply(id, credits("2")).unwrap();
    assert_eq!(invoice.owed().unwrap().total_minor, 0);
}

#[test]
fn credits_of_a_line_are_unused_then_used_then_given_back() {
    let now = DateTime::UNIX_EPOCH;
    let posting_id = Some(Uuid::nil());
    for (used_by, returned_at, expected) in [
        (None, None, (false, true)),
        (posting_id, None, (true, false)),
        (posting_id, Some(now), (false, false)),
        (None, Some(now), (false, false)),
    ] {
        let mut line = line("2", 500, 0);
        line.credits = Some(LineCredits {
            used_by,
            returned_at,
            ..credits("1")
        });
        let told = (line.used().is_some(), line.unused_mut().is_some());
        assert_eq!(told, expected);
    }
}

#[test]
fn what_was_used_of_an_issued_invoice_is_unpaid_while_it_is() {
    let mut paying = line("2", 500, 0);
    let used = LineCredits {
        used_by: Some(Uuid::nil()),
        ..credits("1")
    };
    paying.credits = Some(used.clone());
    let mut invoice = draft(vec![paying, line("1", 500, 0)]);
    for (state, unpaid) in [
        (InvoiceState::Draft, vec![]),
        (InvoiceState::Issued, vec![used.hold_id]),
        (InvoiceState::PartlyPaid, vec![used.hold_id]),
        (InvoiceState::Paid, vec![]),
        (InvoiceState::Void, vec![]),
    ] {
        invoice.state = state;
        assert_eq!(invoice.used_unpaid(), unpaid, "{}", state.as_str());
    }
}

#[test]
fn a_line_is_of_an_item_or_of_a_package() {
    for (line, expected) in [
        (line("2", 500, 0), (true, false)),
        (package_line(IssueWhen::Issued, 500), (false, true)),
    ] {
        let told = (line.item_id().is_some(), line.package().is_some());
        assert_eq!(told, expected);
    }
}

#[test]
fn no_more_is_paid_than_is_due_and_no_more_refunded_than_was_paid() {
    let mut invoice = draft(vec![line("2", 500, 0)]);
    let line_id = invoice.lines[0].id;
    invoice.state = invoice.state.issued(UNPAID).unwrap();
    let refusal = invoice.pay(payment(1_001)).unwrap_err();
    assert_eq!(refusal.reason(), "PAYMENT_EXCEEDS_PRICE");
    let bouncing = payment(600);
    invoice.pay(bouncing.clone()).unwrap();
    assert_eq!(invoice.state, InvoiceState::PartlyPaid);
    let refusal = invoice.apply(line_id, credits("1")).unwrap_err();
    assert_eq!(refusal.reason(), "INVOICE_OVERPAID");
}

#[test]
fn credits_may_pay_exactly_what_no_money_has_paid() {
    let mut invoice = draft(vec![line("2", 500, 0)]);
    let line_id = invoice.lines[0].id;
    invoice.state = InvoiceState::Issued;
    invoice.pay(payment(500)).unwrap();
    invoice.apply(line_id, credits("1")).unwrap();
    assert_eq!(invoice.state, InvoiceState::Paid);
}

#[test]
fn a_payment_bounces_once() {
    let mut invoice = draft(vec![line("2", 500, 0)]);
    invoice.state = InvoiceState::Issued;
    let bouncing = payment(1_000);
    invoice.pay(bouncing.clone()).unwrap();
    assert_eq!(invoice.state, InvoiceState::Paid);
    let now = DateTime::UNIX_EPOCH;
    invoice.reverse(bouncing.id, now).unwrap();
    assert_eq!(invoice.state, InvoiceState::Issued);
    let refusal = invoice.reverse(bouncing.id, now).unwrap_err();
    assert_eq!(refusal.reason(), "PAYMENT_ALREADY_REVERSED");
    let refusal = invoice.refund(payment(1)).unwrap_err();
    assert_eq!(refusal.reason(), "REFUND_EXCEEDS_PAID");
}

/// A line that sells a package at so much.
fn package_line(issue_when: IssueWhen, unit_price_minor: i64) -> InvoiceLine {
    InvoiceLine {
        of: LineOf::Package(PackageLine {
            template: (TemplateId::generate(DateTime::UNIX_EPOCH), 1),
            issue_when,
            sold: None,
        }),
        ..line("1", unit_price_minor, 0)
    }
}

#[test]
fn packages_are_due_as_their_lines_say_and_once() {
    let lines = IssueWhen::ALL.iter().map(|it| package_line(*it, 100));
    let mut invoice = draft(lines.collect());
    let ids: Vec<InvoiceLineId> = invoice.lines.iter().map(|line| line.id).collect();
    for (state, paid_minor, due) in [
        (InvoiceState::Draft, 0, 0),
        (InvoiceState::Issued, 0, 1),
        (InvoiceState::PartlyPaid, 100, 2),
        (InvoiceState::Void, 0, 0),
        (InvoiceState::Paid, 200, 3),
    ] {
        invoice.state = state;
        if paid_minor > 0 {
            invoice.money.add(MoneyKind::Payment, payment(paid_minor));
        }
        let found = invoice.packages_due().unwrap();
        let found: Vec<_> = found.iter().map(|it| it.id).collect();
        assert_eq!(found, ids[..due], "{}", state.as_str());
    }
    let sold = LineSale {
        sale_id: SaleId::generate(DateTime::UNIX_EPOCH),
        package_id: PackageId::generate(DateTime::UNIX_EPOCH),
    };
    assert_eq!(invoice.sold().count(), 0);
    invoice.issued_for(ids[0], sold).unwrap();
    let all: Vec<_> = invoice.sold().map(|(line, sold)| (line.id, sold)).collect();
    assert_eq!(all, [(ids[0], sold)]);
    assert_eq!(invoice.packages_due().unwrap().len(), 2);
    assert_eq!(invoice.paid_of_sales(), [(sold.sale_id, 100)]);
}

#[test]
fn what_is_kept_of_a_voided_invoice_is_all_that_it_asks_for() {
    let mut invoice = draft(vec![
        line("2", 500, 0),
        InvoiceLine {
            tax_basis_points: 2_200,
            ..package_line(IssueWhen::Issued, 1_000)
        },
    ]);
    let [lesson, package] = [invoice.lines[0].id, invoice.lines[1].id];
    invoice.state = InvoiceState::Issued;
    invoice.keep_only(&[(package, 300)]).unwrap();
    assert_eq!(parts(Some(invoice.price().unwrap())), (300, 66, 366));
    for line in [lesson, package] {
        let refusal = invoice.apply(line, credits("1")).unwrap_err();
        assert_eq!(refusal.reason(), "INVOICE_LINE_VOIDED");
    }
    invoice.pay(payment(366)).unwrap();
    assert_eq!(invoice.state, InvoiceState::Paid);
}

#[test]
fn credits_do_not_pay_for_packages() {
    let mut invoice = draft(vec![package_line(IssueWhen::Issued, 1_000)]);
    let id = invoice.lines[0].id;
    let refusal = invoice.apply(id, credits("1")).unwrap_err();
    assert_eq!(refusal.reason(), "LINE_SELLS_PACKAGE");
}

#[test]
fn semantics_32_a_line_at_a_package_rate_is_paid_in_money_and_by_no_credits() {
    let mut rated = line("2", 500, 0);
    rated.credits = Some(LineCredits {
        rate_line_id: Some(LineId::generate(DateTime::UNIX_EPOCH)),
        ..credits("2")
    });
    let id = rated.id;
    let mut invoice = draft(vec![rated]);
    assert_eq!(invoice.owed().unwrap(), UNPAID);
    let refusal = invoice.apply(id, credits("1")).unwrap_err();
    assert_eq!(refusal.reason(), "LINE_AT_PACKAGE_RATE");
    let refusal = invoice.unapply(id).unwrap_err();
    assert_eq!(refusal.reason(), "LINE_AT_PACKAGE_RATE");
    assert_eq!(invoice.owed().unwrap(), UNPAID);
}
