//! Lines of invoices, as requests tell them.

use std::collections::BTreeSet;

use crate::grpc::convert::common::{amount_or_one, money};
use crate::grpc::convert::pricing::whole_units;
use crate::grpc::faults::Faults;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::invoices::{LinePricing, NewInvoiceLine, NewItem, NewLineOf};

/// The most lines of an invoice.
const LINES_MAX: usize = 200;
/// The longest description of a line, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 500;
/// The highest tax, in hundredths of a percent.
const TAX_BASIS_POINTS_MAX: i32 = 10_000;

/// All lines of an invoice.
pub(super) fn lines(
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
    let of = line_of(message, faults);
    let description = faults.text("description", &message.description, DESCRIPTION_LENGTH_MAX);
    let unit_price_minor = match &message.unit_price {
        None => Some(None),
        Some(price) => money(faults, "unit_price", price, caller.business.currency).map(Some),
    };
    Some(NewInvoiceLine {
        id: id?,
        of: of?,
        description: description?,
        unit_price_minor: unit_price_minor?,
    })
}

/// What a line asks money for.
fn line_of(message: &v1::InvoiceLineInput, faults: &mut Faults) -> Option<NewLineOf> {
    if message.template_id.is_empty() {
        let item = faults.reference("item_id", &message.item_id);
        let quantity = amount_or_one(faults, "quantity", &message.quantity);
        let tax = 0..=TAX_BASIS_POINTS_MAX;
        let tax_basis_points = faults.number("tax_basis_points", message.tax_basis_points, tax);
        let delivered_at = faults.optional_instant("delivered_at", message.delivered_at.as_ref());
        return Some(NewLineOf::Item(NewItem {
            item: item?,
            quantity: quantity?,
            tax_basis_points: tax_basis_points?,
            delivered_at: delivered_at?,
            pricing: if message.at_package_rate {
                LinePricing::PackageRate
            } else {
                LinePricing::Standard
            },
        }));
    }
    for (field, given) in [
        ("item_id", !message.item_id.is_empty()),
        ("tax_basis_points", message.tax_basis_points != 0),
        ("delivered_at", message.delivered_at.is_some()),
        ("at_package_rate", message.at_package_rate),
    ] {
        if given {
            faults.add(field, "must be empty where template_id is given");
        }
    }
    let template = faults.reference("template_id", &message.template_id);
    let quantity = whole_units(faults, "quantity", &message.quantity);
    Some(NewLineOf::Package {
        template: template?,
        quantity: quantity?,
    })
}
