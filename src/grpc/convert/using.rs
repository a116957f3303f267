//! Requests that use credits or ask what could be used, and what they are answered with.

use prost_types::Timestamp;

use crate::domain::credits::Credits;
use crate::domain::entry::{Account, Entry, EntryKind};
use crate::domain::lot::Lot;
use crate::domain::money::Currency;
use crate::grpc::convert::common::{amount, to_money, to_timestamp};
use crate::grpc::convert::line::{to_kind, to_rate};
use crate::grpc::convert::package::{to_balances, to_status};
use crate::grpc::convert::selling::NOTE_LENGTH_MAX;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::refusal;
use crate::ids::{ItemId, PackageId, Reference};
use crate::proto::v1;
use crate::service::balances::{BalanceQuery, BalanceScope, BalanceSheet};
use crate::service::consume::{Use, What};
use crate::service::posted::Posted;
use crate::service::usable::{NotUsable, UsableLine, UsablePackage, UsableQuery};
use crate::service::{Answer, Call};

/// The most packages that one call can name.
const PACKAGES_MAX: usize = 20;
/// The most items that one question can name.
const ITEMS_MAX: usize = 50;

/// Credits to be used.
pub fn consumption(request: &v1::ConsumeRequest, faults: &mut Faults) -> Option<Use> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let what = what(request.what.as_ref().map(WhatMessage::from), faults);
    let packages = packages(&request.package_ids, faults);
    let delivered_at = faults.optional_instant("delivered_at", request.delivered_at.as_ref());
    let consumed_by = faults.optional_reference("consumed_by", &request.consumed_by);
    let note = faults.long_text("note", &request.note, NOTE_LENGTH_MAX);
    Some(Use {
        customer: customer?,
        what: what?,
        packages: packages?,
        delivered_at: delivered_at?,
        consumed_by: consumed_by?,
        note: note?,
    })
}

/// What a request asks for, in the messages that say it.
#[derive(Clone, Copy)]
pub enum WhatMessage<'a> {
    /// Units of an item.
    Item(&'a v1::ItemUnits),
    /// An amount of credits.
    Credits(&'a v1::CreditAmount),
}

macro_rules! what_messages {
    ($($request:ident),+) => {$(
        impl<'a> From<&'a v1::$request::What> for WhatMessage<'a> {
            fn from(what: &'a v1::$request::What) -> Self {
                match what {
                    v1::$request::What::Item(item) => Self::Item(item),
                    v1::$request::What::Credits(credits) => Self::Credits(credits),
                }
            }
        }
    )+};
}

what_messages!(consume_request, hold_request, use_question);

/// What credits are used for.
pub fn what(message: Option<WhatMessage<'_>>, faults: &mut Faults) -> Option<What> {
    match message {
        None => {
            faults.add("what", "must be given: item or credits");
            None
        }
        Some(WhatMessage::Item(item)) => {
            let (id, units) = faults.within("item", |faults| item_units(item, faults))?;
            Some(What::Item(id, units))
        }
        Some(WhatMessage::Credits(credits)) => faults.within("credits", |faults| {
            let id = faults.reference("credit_type_id", &credits.credit_type_id);
            let amount = amount(faults, "amount", &credits.amount);
            Some(What::Credits(id?, amount?))
        }),
    }
}

fn item_units(item: &v1::ItemUnits, faults: &mut Faults) -> Option<(Reference<ItemId>, Credits)> {
    let id = faults.reference("item_id", &item.item_id);
    let units = match item.units.as_str() {
        "" => Some(Credits::UNIT),
        units => amount(faults, "units", units),
    };
    id.zip(units)
}

/// Packages that are named, each once.
pub fn packages(ids: &[String], faults: &mut Faults) -> Option<Vec<Reference<PackageId>>> {
    faults.count("package_ids", ids.len(), 0..=PACKAGES_MAX)?;
    let mut packages = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let field = format!("package_ids[{index}]");
        let package = faults.reference(&field, id);
        if package.is_some() && packages.contains(&package) {
            faults.add(&field, "must not be named twice");
            packages.push(None);
        } else {
            packages.push(package);
        }
    }
    packages.into_iter().collect()
}

/// The id of the posting that a call writes: its request id.
pub fn to_posting_id(call: &Call) -> String {
    call.request_id.unwrap_or_default().to_string()
}

/// What was used, as an answer.
pub fn to_consumed(answer: &Answer<Posted>, call: &Call) -> v1::ConsumeResponse {
    let posted = &answer.value;
    let used = used(posted);
    v1::ConsumeResponse {
        posting_id: posted.posting_id.to_string(),
        total: total(used.iter().map(|(entry, _)| entry.amount)),
        effective_at: used.first().map(|(entry, _)| timestamp(entry.effective_at)),
        parts: to_parts(&used, call.currency()),
        recorded_at: recorded_at(posted),
        replayed: answer.replayed,
    }
}

/// The entries of a posting that used credits, each with its lot.
pub fn used(posted: &Posted) -> Vec<&(Entry, Lot)> {
    let parts = posted.parts.iter();
    parts
        .filter(|(entry, _)| entry.to == Account::Consumed)
        .collect()
}

/// All credits that a posting moved by entries of one kind.
pub fn total_of(posted: &Posted, kind: EntryKind) -> String {
    let parts = posted.parts.iter();
    total(
        parts
            .filter(|(entry, _)| entry.kind == kind)
            .map(|(entry, _)| entry.amount),
    )
}

/// When a posting was recorded.
pub fn recorded_at(posted: &Posted) -> Option<Timestamp> {
    let entries = posted.parts.iter();
    to_timestamp(entries.map(|(entry, _)| entry.recorded_at).max())
}

/// A sum of credits as text.
pub fn total(amounts: impl IntoIterator<Item = Credits>) -> String {
    let sum = amounts
        .into_iter()
        .try_fold(Credits::ZERO, Credits::checked_add);
    sum.unwrap_or(Credits::ZERO).to_string()
}

/// What was used of each lot.
pub fn to_parts(used: &[&(Entry, Lot)], currency: Currency) -> Vec<v1::ConsumedPart> {
    let part = |(entry, lot): &&(Entry, Lot)| v1::ConsumedPart {
        package_id: lot.package_id.to_string(),
        line_id: lot.line.id.to_string(),
        lot_id: lot.id.to_string(),
        credit_type_id: lot.line.credit_type_id.to_string(),
        amount: entry.amount.to_string(),
        units: to_units(entry),
        value: Some(to_money(entry.value, currency)),
        balances: Some(to_balances(&entry.balances)),
    };
    used.iter().map(part).collect()
}

/// The units that an entry is for; empty where that cannot be told.
pub fn to_units(entry: &Entry) -> String {
    let units = entry.about.units.map(|units| units.to_string());
    units.unwrap_or_default()
}

/// Whose balance is asked for.
pub fn balance_query(request: &v1::GetBalanceRequest, faults: &mut Faults) -> Option<BalanceQuery> {
    let scope = match &request.scope {
        None => {
            faults.add("scope", "must be given: customer_id or package_id");
            None
        }
        Some(v1::get_balance_request::Scope::CustomerId(id)) => faults
            .reference("customer_id", id)
            .map(BalanceScope::Customer),
        Some(v1::get_balance_request::Scope::PackageId(id)) => faults
            .reference("package_id", id)
            .map(BalanceScope::Package),
    };
    let credit_type = faults.optional_reference("credit_type_id", &request.credit_type_id);
    Some(BalanceQuery {
        scope: scope?,
        credit_type: credit_type?,
    })
}

/// Balances as an answer.
pub fn to_balance_sheet(sheet: BalanceSheet) -> v1::GetBalanceResponse {
    v1::GetBalanceResponse {
        balances: sheet
            .balances
            .into_iter()
            .map(|balance| v1::CreditTypeBalance {
                credit_type_id: balance.credit_type_id.to_string(),
                balances: Some(to_balances(&balance.balances)),
                usable: balance.usable.to_string(),
            })
            .collect(),
        as_of: Some(timestamp(sheet.as_of)),
    }
}

/// Which packages could pay is asked.
pub fn usable_query(
    request: &v1::ListUsablePackagesRequest,
    faults: &mut Faults,
) -> Option<UsableQuery> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let at = faults.optional_instant("at", request.at.as_ref());
    faults.count("items", request.items.len(), 0..=ITEMS_MAX)?;
    let items: Vec<Option<_>> = request
        .items
        .iter()
        .enumerate()
        .map(|(index, item)| faults.within_item("items", index, |faults| item_units(item, faults)))
        .collect();
    Some(UsableQuery {
        customer: customer?,
        items: items.into_iter().collect::<Option<_>>()?,
        at: at?,
        hide_unusable: request.hide_unusable,
    })
}

/// A package that could pay, or not, as a message.
pub fn to_usable(package: UsablePackage, currency: Currency) -> v1::UsablePackage {
    let (reason, explanation) = match &package.why_not {
        None => (v1::Reason::Unspecified, String::new()),
        Some(NotUsable::UsedUp) => (
            v1::Reason::PackageUsedUp,
            "nothing is available in it".to_owned(),
        ),
        Some(NotUsable::Refused(refusal)) => (refusal::reason(refusal), refusal.to_string()),
    };
    v1::UsablePackage {
        package_id: package.package_id.to_string(),
        name: package.name,
        status: to_status(package.status).into(),
        expires_at: to_timestamp(package.expires_at),
        last_usable_date: package
            .last_usable_day
            .map(|day| day.to_string())
            .unwrap_or_default(),
        lines: package
            .lines
            .into_iter()
            .map(|line| to_usable_line(line, currency))
            .collect(),
        usable: package.why_not.is_none(),
        recommended: package.recommended,
        reason: reason.into(),
        explanation,
    }
}

fn to_usable_line(line: UsableLine, currency: Currency) -> v1::UsableLine {
    v1::UsableLine {
        kind: to_kind(line.line.kind).into(),
        package_rate: to_rate(line.line.kind, currency),
        line_id: line.line.id.to_string(),
        credit_type_id: line.line.credit_type_id.to_string(),
        available: line.available.to_string(),
        affordable: line
            .affordable
            .into_iter()
            .map(|(item_id, units)| v1::ItemUnits {
                item_id: item_id.to_string(),
                units: units.to_string(),
            })
            .collect(),
    }
}
