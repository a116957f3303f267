//! Invoices, their lines and what is paid of them, as messages.

use crate::domain::invoice::{self, InvoiceState, LineCredits};
use crate::domain::money::Currency;
use crate::domain::payment::MoneyKind;
use crate::domain::sale::Price;
use crate::domain::unsell::UsedPart;
use crate::grpc::convert::charge::to_charge_requests;
use crate::grpc::convert::common::{amount, etag, optional_etag, to_money, to_timestamp};
use crate::grpc::convert::invoice_line::lines;
use crate::grpc::convert::package::Detail;
use crate::grpc::convert::payment::{charge, to_money_records};
use crate::grpc::convert::pricing::to_issue_when;
use crate::grpc::convert::rate::to_line_rate;
use crate::grpc::convert::using::packages;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::InvoiceId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::invoices::counting::{Issuing, Voiding};
use crate::service::invoices::crediting::{Application, Removal};
use crate::service::invoices::{
    InvoiceEdit, InvoiceList, InvoiceTarget, InvoiceView, LineHold, NewInvoice,
};

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
    caller: &Caller,
    faults: &mut Faults,
) -> Option<Issuing> {
    let target = target(&request.invoice_id, &request.etag, faults);
    let charge = match &request.charge {
        None => Some(None),
        Some(message) => faults
            .within("charge", |faults| charge(message, caller, faults))
            .map(Some),
    };
    Some(Issuing {
        target: target?,
        charge: charge?,
    })
}

/// An invoice to be voided.
pub fn void(request: &v1::VoidInvoiceRequest, _: &Caller, faults: &mut Faults) -> Option<Voiding> {
    Some(Voiding {
        target: target(&request.invoice_id, &request.etag, faults)?,
        used: if request.keep_used {
            UsedPart::Charged
        } else {
            UsedPart::Refused
        },
    })
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
    let paid_minor = invoice.money.sum(MoneyKind::Payment);
    let due_minor = if invoice.state == InvoiceState::Void {
        0
    } else {
        price.total_minor.saturating_sub(paid_minor).max(0)
    };
    let lines = invoice.lines.iter().map(|line| {
        let price = line.price(invoice.prices_include_tax).unwrap_or_default();
        let mut message = to_line(line, price, currency);
        message.id = kept(message.id);
        if let Some(package) = &mut message.package {
            package.sale_id = kept(std::mem::take(&mut package.sale_id));
            package.package_id = kept(std::mem::take(&mut package.package_id));
        }
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
        refunded: Some(to_money(invoice.money.sum(MoneyKind::Refund), currency)),
        due: Some(to_money(due_minor, currency)),
        money: to_money_records(&invoice.money, currency, detail),
        created_at: Some(timestamp(invoice.created_at)),
        issued_at: to_timestamp(invoice.issued_at),
        voided_at: to_timestamp(invoice.voided_at),
        etag: etag(invoice.version),
        charge_requests: to_charge_requests(&view.charges, detail),
    }
}

fn to_line(line: &invoice::InvoiceLine, price: Price, currency: Currency) -> v1::InvoiceLine {
    v1::InvoiceLine {
        id: line.id.to_string(),
        item_id: line.item_id().map(|id| id.to_string()).unwrap_or_default(),
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
        package: line.package().map(to_line_package),
        kept: line.kept_minor.map(|kept| to_money(kept, currency)),
    }
}

fn to_line_package(package: &invoice::PackageLine) -> v1::LinePackage {
    let (template_id, version) = package.template;
    v1::LinePackage {
        template_id: template_id.to_string(),
        template_version: version,
        issue_when: to_issue_when(Some(package.issue_when)).into(),
        sale_id: package
            .sold
            .map(|it| it.sale_id.to_string())
            .unwrap_or_default(),
        package_id: package
            .sold
            .map(|it| it.package_id.to_string())
            .unwrap_or_default(),
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
