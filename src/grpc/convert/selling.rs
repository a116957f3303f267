//! Requests that sell, extend and list packages.

use std::collections::BTreeSet;

use crate::domain::offer::ValidityOverride;
use crate::grpc::convert::amending::target;
use crate::grpc::convert::common::{amount, money, period, validity};
use crate::grpc::convert::line::new_lines;
use crate::grpc::convert::package::status;
use crate::grpc::convert::payment::{charge, payment};
use crate::grpc::convert::pricing::optional_units;
use crate::grpc::faults::Faults;
use crate::grpc::page::Page;
use crate::ids::{CustomerId, PackageId, Reference};
use crate::proto::v1;
use crate::service::Caller;
use crate::service::extension::{ExtensionEntry, Until};
use crate::service::packages::{ChangeList, PackageList, Scope};
use crate::service::sales::{Buyer, SaleEntry};
use crate::service::undo_sale::UndoEntry;

/// The most entries of one sale.
const ENTRIES_MAX: usize = 500;
/// The most bonuses of one extension.
pub(super) const BONUSES_MAX: usize = 50;
/// The most members of one entry.
const MEMBERS_MAX: usize = 50;
/// The most customers who may share one package.
const SHARE_MAX_MAX: i32 = 1_000;
/// The longest note, in characters.
pub(super) const NOTE_LENGTH_MAX: usize = 2_000;

/// What is to be sold.
pub fn sale_entries(
    request: &v1::SellPackagesRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<Vec<SaleEntry>> {
    faults.count("entries", request.entries.len(), 1..=ENTRIES_MAX)?;
    let read: Vec<Option<SaleEntry>> = request
        .entries
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            faults.within_item("entries", index, |faults| sale_entry(entry, caller, faults))
        })
        .collect();
    let entries: Vec<SaleEntry> = read.into_iter().collect::<Option<_>>()?;
    let mut seen = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        if let Some(external_id) = &entry.external_id
            && !seen.insert(external_id)
        {
            faults.add(
                &format!("entries[{index}].external_id"),
                "must not be that of an earlier entry",
            );
            return None;
        }
    }
    Some(entries)
}

fn sale_entry(entry: &v1::SaleEntry, caller: &Caller, faults: &mut Faults) -> Option<SaleEntry> {
    let parties = parties(entry, faults);
    let template = faults.reference("template_id", &entry.template_id);
    let external_id = faults.external_id("external_id", &entry.external_id);
    let start_date = faults.optional_date("start_date", &entry.start_date);
    let validity_override = match &entry.validity_override {
        None => Some(None),
        Some(v1::sale_entry::ValidityOverride::Validity(rule)) => {
            validity(faults, "validity", rule).map(|rule| Some(ValidityOverride::Rule(rule)))
        }
        Some(v1::sale_entry::ValidityOverride::ExpiresAt(at)) => faults
            .instant("expires_at", at)
            .map(|at| Some(ValidityOverride::ExpiresAt(at))),
    };
    let price_minor = match &entry.price {
        None => Some(None),
        Some(price) => money(faults, "price", price, caller.business.currency).map(Some),
    };
    let paid = match &entry.payment {
        None | Some(v1::sale_entry::Payment::None(_)) => Some((None, None)),
        Some(v1::sale_entry::Payment::Recorded(recorded)) => faults
            .within("recorded", |faults| payment(recorded, caller, faults))
            .map(|payment| (Some(payment), None)),
        Some(v1::sale_entry::Payment::Charged(charged)) => faults
            .within("charged", |faults| charge(charged, caller, faults))
            .map(|charge| (None, Some(charge))),
    };
    let note = faults.long_text("note", &entry.note, NOTE_LENGTH_MAX);
    let quantity = optional_units(faults, "quantity", entry.quantity);
    let lines = new_lines("lines", &entry.lines, caller.business.currency, faults);
    if entry.quantity != 0 && !entry.lines.is_empty() {
        faults.add("quantity", "does not fit lines: these say how much is sold");
    }
    let (buyer, members, share_max) = parties?;
    let (payment, charge) = paid?;
    Some(SaleEntry {
        buyer,
        members,
        share_max,
        template: template?,
        external_id: external_id?,
        start_date: start_date?,
        validity_override: validity_override?,
        price_minor: price_minor?,
        quantity: quantity?,
        lines: lines?,
        payment,
        charge,
        note: note?,
        agreed: None,
    })
}

/// Who buys, who shares it, and how many may.
fn parties(
    entry: &v1::SaleEntry,
    faults: &mut Faults,
) -> Option<(Buyer, Vec<Reference<CustomerId>>, Option<i32>)> {
    let buyer = if entry.group_id.is_empty() {
        let customer = faults.reference("customer_id", &entry.customer_id);
        customer.map(Buyer::Customer)
    } else {
        for (field, given) in [
            ("customer_id", !entry.customer_id.is_empty()),
            ("member_ids", !entry.member_ids.is_empty()),
            ("share_max", entry.share_max != 0),
        ] {
            if given {
                faults.add(field, "must be empty where group_id is given");
            }
        }
        faults
            .reference("group_id", &entry.group_id)
            .map(Buyer::Group)
    };
    faults.count("member_ids", entry.member_ids.len(), 0..=MEMBERS_MAX)?;
    let members: Vec<Option<_>> = entry
        .member_ids
        .iter()
        .enumerate()
        .map(|(index, id)| faults.reference(&format!("member_ids[{index}]"), id))
        .collect();
    let share_max = match entry.share_max {
        0 => Some(None),
        given => faults
            .number("share_max", given, 1..=SHARE_MAX_MAX)
            .map(Some),
    };
    Some((
        buyer?,
        members.into_iter().collect::<Option<_>>()?,
        share_max?,
    ))
}

/// A package to be extended.
pub fn extension(
    request: &v1::ExtendPackageRequest,
    faults: &mut Faults,
) -> Option<ExtensionEntry> {
    let target = target(request, faults);
    let until = match &request.new_expiry {
        None => {
            faults.add(
                "new_expiry",
                "must be given: last_usable_date, expires_at or by",
            );
            None
        }
        Some(v1::extend_package_request::NewExpiry::LastUsableDate(date)) => faults
            .date("last_usable_date", date)
            .map(Until::LastUsableDay),
        Some(v1::extend_package_request::NewExpiry::ExpiresAt(at)) => {
            faults.instant("expires_at", at).map(Until::Instant)
        }
        Some(v1::extend_package_request::NewExpiry::By(by)) => faults
            .within("by", |faults| period(faults, by.count, by.unit))
            .map(Until::By),
    };
    faults.count("bonuses", request.bonuses.len(), 0..=BONUSES_MAX)?;
    let bonuses: Vec<Option<_>> = request
        .bonuses
        .iter()
        .enumerate()
        .map(|(index, bonus)| {
            faults.within_item("bonuses", index, |faults| {
                let line_id = faults.id("line_id", &bonus.line_id);
                let amount = amount(faults, "amount", &bonus.amount);
                line_id.zip(amount)
            })
        })
        .collect();
    Some(ExtensionEntry {
        target: target?,
        until: until?,
        bonuses: bonuses.into_iter().collect::<Option<_>>()?,
        force: request.force_restore,
    })
}

/// A page of packages.
pub fn package_list(
    request: &v1::ListPackagesRequest,
    faults: &mut Faults,
) -> Option<(PackageList, Page<PackageId>)> {
    let page = Page::<PackageId>::read(request, faults);
    let customer = faults.optional_reference("customer_id", &request.customer_id);
    let group = faults.optional_reference("group_id", &request.group_id);
    let template = faults.optional_reference("template_id", &request.template_id);
    let statuses = faults.choices::<v1::PackageStatus>("statuses", &request.statuses);
    let expires_from = faults.optional_instant("expires_from", request.expires_from.as_ref());
    let expires_before = faults.optional_instant("expires_before", request.expires_before.as_ref());
    let page = page?;
    let list = PackageList {
        scope: Scope {
            customer: customer?,
            group: group?,
            template: template?,
        },
        statuses: statuses?.into_iter().filter_map(status).collect(),
        expires_from: expires_from?,
        expires_before: expires_before?,
        before: page.after,
        size: page.size.into(),
    };
    Some((list, page))
}

/// A page of a package's changes.
pub fn change_list(
    request: &v1::ListChangesRequest,
    page: &Page<i32>,
    faults: &mut Faults,
) -> Option<ChangeList> {
    Some(ChangeList {
        package: faults.reference("package_id", &request.package_id)?,
        before: page.after,
        limit: page.limit(),
    })
}

/// A sale to be undone.
pub fn undone_sale(request: &v1::UndoSaleRequest, faults: &mut Faults) -> Option<UndoEntry> {
    let sale_id = faults.id("sale_id", &request.sale_id);
    let reason = faults.long_text("reason", &request.reason, NOTE_LENGTH_MAX);
    Some(UndoEntry {
        sale_id: sale_id?,
        reason: reason?,
    })
}
