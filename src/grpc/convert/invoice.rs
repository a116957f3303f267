//! Invoices, their lines and what is paid of them, as messages.

use std::collections::BTreeSet;

use crate::domain::invoice::{self, Invoice, InvoiceMoney, InvoiceState, LineCredits, MoneyKind};
use crate::domain::money::Currency;
use crate::domain::sale::Price;
use crate::grpc::convert::common::{
    amount, amount_or_one, etag, money, optional_etag, to_money, to_timestamp,
};
use crate::grpc::convert::package::{Detail, to_payment};
use crate::grpc::convert::rate::to_line_rate;
use crate::grpc::convert::selling::payment;
use crate::grpc::convert::using::packages;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::InvoiceId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::invoices::crediting::{Application, Removal};
use crate::service::invoices::paying::MoneyEntry;
use crate::service::invoices::{
    InvoiceEdit, InvoiceList, InvoiceTarget, InvoiceView, LineHold, LinePricing, NewInvoice,
    NewInvoiceLine,
};

/// The most lines of an invoice.
const LINES_MAX: usize = 200;
/// The longest description of a line, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 500;
/// The highest tax, in hundredths of a percent.
const TAX_BASIS_POINTS_MAX: i32 = 10_000;

/// What is to be an invoice.
pub fn new_invoice(
    request: &v1::CreateInvoiceRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<NewInvoice> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let external_id = faults.external_id("external_id", &request.external_id);
    for (index, line) in request.lines.iter().enumerate() {
        if !line.id.is_empty() {
            faults.add(&format!("lines[{index}].id"), "must be empty");
        }
    }
    let lines = lines(&request.lines, caller, faults);
    Some(NewInvoice {
        customer: customer?,
        external_id: external_id?,
        lines: lines?,
    })
}

fn lines(
    messages: &[v1::InvoiceLineInput],
    caller: &Caller,
    faults: &mut Faults,
) -> Option<Vec<NewInvoiceLine>> {
    faults.count("lines", messages.len(), 0..=LINES_MAX)?;
    let mut named = BTreeSet::new();
    let read: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| {
            faults.within_item("lines", index, |faults| {
                if !message.id.is_empty() && !named.insert(&message.id) {
                    faults.add("id", "must not be named twice");
                }
                line(message, caller, faults)
            })
        })
        .collect();
    read.into_iter().collect()
}

fn line(
    message: &v1::InvoiceLineInput,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<NewInvoiceLine> {
    let id = match message.id.as_str() {
        "" => Some(None),
        id => faults.id("id", id).map(Some),
    };
    let item = faults.reference("item_id", &message.item_id);
    let description = faults.text("description", &message.description, DESCRIPTION_LENGTH_MAX);
    let quantity = amount_or_one(faults, "quantity", &message.quantity);
    let unit_price_minor = match &message.unit_price {
        None => Some(None),
        Some(price) => money(faults, "unit_price", price, caller.business.currency).map(Some),
    };
    let tax = 0..=TAX_BASIS_POINTS_MAX;
    let tax_basis_points = faults.number("tax_basis_points", message.tax_basis_points, tax);
    let delivered_at = faults.optional_instant("delivered_at", message.delivered_at.as_ref());
    Some(NewInvoiceLine {
        id: id?,
        item: item?,
        description: description?,
        quantity: quantity?,
        unit_price_minor: unit_price_minor?,
        tax_basis_points: tax_basis_points?,
        delivered_at: delivered_at?,
        pricing: if message.at_package_rate {
            LinePricing::PackageRate
        } else {
            LinePricing::Standard
        },
    })
}

fn target(invoice_id: &str, etag: &str, faults: &mut Faults) -> Option<InvoiceTarget> {
    Some(InvoiceTarget {
        invoice: faults.reference("invoice_id", invoice_id)?,
        etag: optional_etag(etag),
    })
}

fn fields(edit: &v1::InvoiceEdit) -> [Writable; 2] {
    writable([
        ("external_id", !edit.external_id.is_empty()),
        ("lines", !edit.lines.is_empty()),
    ])
}

/// A draft to be changed.
pub fn edit(
    request: &v1::UpdateInvoiceRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<InvoiceEdit> {
    let target = target(&request.invoice_id, &request.etag, faults);
    let message = faults.required("edit", request.edit.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    faults.within("edit", |faults| {
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let lines = mask.field("lines", || lines(&message.lines, caller, faults));
        Some(InvoiceEdit {
            target: target?,
            external_id: external_id?,
            lines: lines?,
        })
    })
}

/// A draft to be issued.
pub fn issue(
    request: &v1::IssueInvoiceRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<InvoiceTarget> {
    target(&request.invoice_id, &request.etag, faults)
}

/// An invoice to be voided.
pub fn void(
    request: &v1::VoidInvoiceRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<InvoiceTarget> {
    target(&request.invoice_id, &request.etag, faults)
}

/// Credits to pay for units of a line.
pub fn application(
    request: &v1::ApplyCreditsRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<Application> {
    let target = target(&request.invoice_id, &request.etag, faults);
    let line_id = faults.id("invoice_line_id", &request.invoice_line_id);
    let units = match request.units.as_str() {
        "" => Some(None),
        units => amount(faults, "units", units).map(Some),
    };
    let packages = packages(&request.package_ids, faults);
    Some(Application {
        target: target?,
        line_id: line_id?,
        units: units?,
        packages: packages?,
    })
}

/// A line to be paid in money again.
pub fn removal(
    request: &v1::RemoveCreditsRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<Removal> {
    let target = target(&request.invoice_id, &request.etag, faults);
    let line_id = faults.id("invoice_line_id", &request.invoice_line_id);
    Some(Removal {
        target: target?,
        line_id: line_id?,
    })
}

/// Money of an invoice, told in `field`.
pub fn money_entry(
    invoice_id: &str,
    (field, recorded): (&str, Option<&v1::RecordedPayment>),
    caller: &Caller,
    faults: &mut Faults,
) -> Option<MoneyEntry> {
    let invoice = faults.reference("invoice_id", invoice_id);
    let payment = faults
        .required(field, recorded)
        .and_then(|recorded| faults.within(field, |faults| payment(recorded, caller, faults)));
    let (invoice, payment) = (invoice?, payment?);
    Some(MoneyEntry {
        invoice,
        method: payment.method,
        amount_minor: payment.amount_minor,
        reference: payment.reference,
    })
}

/// A refund to be written down.
pub fn refund(
    request: &v1::RecordRefundRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<MoneyEntry> {
    let recorded = ("refund", request.refund.as_ref());
    money_entry(&request.invoice_id, recorded, caller, faults)
}

/// A page of invoices.
pub fn invoice_list(
    request: &v1::ListInvoicesRequest,
    page: &Page<InvoiceId>,
    faults: &mut Faults,
) -> Option<InvoiceList> {
    let customer = faults.optional_reference("customer_id", &request.customer_id);
    let state = match request.state {
        0 => Some(None),
        state => faults.choice("state", state).map(of_state),
    };
    Some(InvoiceList {
        customer: customer?,
        state: state?,
        before: page.after,
        limit: page.limit(),
    })
}

fn of_state(state: v1::InvoiceState) -> Option<InvoiceState> {
    match state {
        v1::InvoiceState::Unspecified => None,
        v1::InvoiceState::Draft => Some(InvoiceState::Draft),
        v1::InvoiceState::Issued => Some(InvoiceState::Issued),
        v1::InvoiceState::PartlyPaid => Some(InvoiceState::PartlyPaid),
        v1::InvoiceState::Paid => Some(InvoiceState::Paid),
        v1::InvoiceState::Void => Some(InvoiceState::Void),
    }
}

fn to_state(state: InvoiceState) -> v1::InvoiceState {
    match state {
        InvoiceState::Draft => v1::InvoiceState::Draft,
        InvoiceState::Issued => v1::InvoiceState::Issued,
        InvoiceState::PartlyPaid => v1::InvoiceState::PartlyPaid,
        InvoiceState::Paid => v1::InvoiceState::Paid,
        InvoiceState::Void => v1::InvoiceState::Void,
    }
}

/// An invoice as a message; what was not kept has no ids.
pub fn to_invoice(view: &InvoiceView, currency: Currency, detail: Detail) -> v1::Invoice {
    let invoice = &view.invoice;
    let kept = |id: String| {
        if detail == Detail::Unkept {
            String::new()
        } else {
            id
        }
    };
    let price = invoice.price().unwrap_or_default();
    let paid_minor = invoice.sum(MoneyKind::Payment);
    let due_minor = if invoice.state == InvoiceState::Void {
        0
    } else {
        price.total_minor.saturating_sub(paid_minor).max(0)
    };
    let lines = invoice.lines.iter().map(|line| {
        let price = line.price(invoice.prices_include_tax).unwrap_or_default();
        let message = to_line(line, kept(line.id.to_string()), price, currency);
        let Some(credits) = &line.credits else {
            return message;
        };
        let hold = view.credits.iter().find(|it| it.hold_id == credits.hold_id);
        let package_rate = to_line_rate(credits, hold);
        let paying = package_rate.is_none().then(|| {
            let mut message = to_credits(credits, hold);
            message.hold_id = kept(message.hold_id);
            message.used_by = kept(message.used_by);
            message
        });
        v1::InvoiceLine {
            credits: paying,
            package_rate,
            ..message
        }
    });
    v1::Invoice {
        id: kept(invoice.id.to_string()),
        external_id: invoice.external_id.clone().unwrap_or_default(),
        customer_id: invoice.customer_id.to_string(),
        number: invoice
            .number
            .filter(|_| detail != Detail::Unkept)
            .unwrap_or_default(),
        state: to_state(invoice.state).into(),
        lines: lines.collect(),
        net: Some(to_money(price.net_minor, currency)),
        tax: Some(to_money(price.tax_minor, currency)),
        total: Some(to_money(price.total_minor, currency)),
        paid: Some(to_money(paid_minor, currency)),
        refunded: Some(to_money(invoice.sum(MoneyKind::Refund), currency)),
        due: Some(to_money(due_minor, currency)),
        money: to_moneys(invoice, currency, kept),
        created_at: Some(timestamp(invoice.created_at)),
        issued_at: to_timestamp(invoice.issued_at),
        voided_at: to_timestamp(invoice.voided_at),
        etag: etag(invoice.version),
    }
}

fn to_line(
    line: &invoice::InvoiceLine,
    id: String,
    price: Price,
    currency: Currency,
) -> v1::InvoiceLine {
    v1::InvoiceLine {
        id,
        item_id: line.item_id.to_string(),
        description: line.description.clone(),
        quantity: line.quantity.to_string(),
        unit_price: Some(to_money(line.unit_price_minor, currency)),
        tax_basis_points: line.tax_basis_points,
        net: Some(to_money(price.net_minor, currency)),
        tax: Some(to_money(price.tax_minor, currency)),
        total: Some(to_money(price.total_minor, currency)),
        delivered_at: to_timestamp(line.delivered_at),
        credits: None,
        package_rate: None,
    }
}

/// What became of what a line holds.
pub(super) fn to_credits_state(
    credits: &LineCredits,
    hold: Option<&LineHold>,
) -> v1::LineCreditsState {
    if credits.returned_at.is_some() {
        v1::LineCreditsState::Returned
    } else if credits.used_by.is_some() {
        v1::LineCreditsState::Used
    } else if hold.is_some_and(|hold| hold.is_open) {
        v1::LineCreditsState::Held
    } else {
        v1::LineCreditsState::Lost
    }
}

fn to_credits(credits: &LineCredits, hold: Option<&LineHold>) -> v1::LineCredits {
    let parts = hold.map(|hold| hold.parts.as_slice()).unwrap_or_default();
    v1::LineCredits {
        units: credits.units.to_string(),
        state: to_credits_state(credits, hold).into(),
        parts: parts
            .iter()
            .map(|part| v1::LineCreditsPart {
                package_id: part.package_id.to_string(),
                amount: part.amount.to_string(),
            })
            .collect(),
        times_out_at: to_timestamp(credits.times_out_at),
        hold_id: credits.hold_id.to_string(),
        used_by: credits
            .used_by
            .map_or_else(String::new, |id| id.to_string()),
    }
}

fn to_moneys(
    invoice: &Invoice,
    currency: Currency,
    kept: impl Fn(String) -> String,
) -> Vec<v1::InvoiceMoney> {
    let message = |money: &InvoiceMoney| {
        let direction = match money.kind {
            MoneyKind::Payment => v1::MoneyDirection::In,
            MoneyKind::Refund => v1::MoneyDirection::Out,
        };
        v1::InvoiceMoney {
            id: kept(money.payment.id.to_string()),
            direction: direction.into(),
            payment: Some(to_payment(&money.payment, currency)),
            recorded_at: Some(timestamp(money.payment.recorded_at)),
            reversed_at: to_timestamp(money.reversed_at),
        }
    };
    invoice.money.iter().map(message).collect()
}
