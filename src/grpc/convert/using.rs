//! Requests that give and use credits, and what they are answered with.

use chrono::TimeDelta;

use crate::domain::credits::Credits;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::lot::Lot;
use crate::domain::money::Currency;
use crate::grpc::convert::common::{amount, optional_validity, to_money, to_timestamp};
use crate::grpc::convert::package::{to_account, to_actor, to_balances, to_status};
use crate::grpc::convert::selling::NOTE_LENGTH_MAX;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::grpc::refusal;
use crate::ids::{ItemId, PackageId, Reference};
use crate::proto::v1;
use crate::service::balances::{BalanceQuery, BalanceScope, BalanceSheet};
use crate::service::consume::{Use, Used, What};
use crate::service::history::{EntryList, EntryRow, EntryScope, Position};
use crate::service::issue::{Gift, GiftCoverage, GiftOf, GiftSubject};
use crate::service::usable::{NotUsable, UsableLine, UsablePackage, UsableQuery};
use crate::service::{Answer, Call};

/// The most packages that one call can name.
const PACKAGES_MAX: usize = 20;
/// The most items that one question can name.
const ITEMS_MAX: usize = 50;
/// The most things that given credits can be for.
const COVERS_MAX: usize = 200;
/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// The longest category, in characters.
const CATEGORY_LENGTH_MAX: usize = 100;
/// The longest range of time that one question can ask for.
const RANGE_MAX: TimeDelta = TimeDelta::days(92);

/// Credits to be used.
pub fn consumption(request: &v1::ConsumeRequest, faults: &mut Faults) -> Option<Use> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let what = what(request, faults);
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

fn what(request: &v1::ConsumeRequest, faults: &mut Faults) -> Option<What> {
    match &request.what {
        None => {
            faults.add("what", "must be given: item or credits");
            None
        }
        Some(v1::consume_request::What::Item(item)) => {
            let (id, units) = faults.within("item", |faults| item_units(item, faults))?;
            Some(What::Item(id, units))
        }
        Some(v1::consume_request::What::Credits(credits)) => faults.within("credits", |faults| {
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

fn packages(ids: &[String], faults: &mut Faults) -> Option<Vec<Reference<PackageId>>> {
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

/// What was used, as an answer. It is told from entries alone, so a repeat gets an equal one.
pub fn to_consumed(answer: &Answer<Used>, call: &Call) -> v1::ConsumeResponse {
    let used = &answer.value;
    let currency = call.currency();
    let total = used
        .parts
        .iter()
        .try_fold(Credits::ZERO, |sum, (entry, _)| {
            sum.checked_add(entry.amount)
        });
    let first = used.parts.first().map(|(entry, _)| entry);
    let last = used.parts.iter().map(|(entry, _)| entry.recorded_at).max();
    v1::ConsumeResponse {
        posting_id: to_posting_id(call),
        parts: used
            .parts
            .iter()
            .map(|(entry, lot)| to_part(entry, lot, currency))
            .collect(),
        total: total.unwrap_or(Credits::ZERO).to_string(),
        effective_at: first.map(|entry| timestamp(entry.effective_at)),
        recorded_at: to_timestamp(last),
        replayed: answer.replayed,
    }
}

fn to_part(entry: &Entry, lot: &Lot, currency: Currency) -> v1::ConsumedPart {
    v1::ConsumedPart {
        package_id: lot.package_id.to_string(),
        line_id: lot.line.id.to_string(),
        lot_id: lot.id.to_string(),
        credit_type_id: lot.line.credit_type_id.to_string(),
        amount: entry.amount.to_string(),
        units: entry
            .about
            .units
            .map(|units| units.to_string())
            .unwrap_or_default(),
        value: Some(to_money(entry.value, currency)),
        balances: Some(to_balances(&entry.balances)),
    }
}

/// Credits to be given.
pub fn gift(request: &v1::IssueRequest, faults: &mut Faults) -> Option<Gift> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let what = match &request.gift {
        None => {
            faults.add("gift", "must be given: template_id or credits");
            None
        }
        Some(v1::issue_request::Gift::TemplateId(id)) => {
            faults.reference("template_id", id).map(GiftOf::Template)
        }
        Some(v1::issue_request::Gift::Credits(credits)) => {
            faults.within("credits", |faults| credit_gift(credits, faults))
        }
    };
    let name = faults.text("name", &request.name, NAME_LENGTH_MAX);
    let external_id = faults.external_id("external_id", &request.external_id);
    let start_date = faults.optional_date("start_date", &request.start_date);
    let validity = optional_validity(faults, "validity", request.validity.as_ref());
    let reason = faults.required_text("reason", &request.reason, NOTE_LENGTH_MAX);
    Some(Gift {
        customer: customer?,
        what: what?,
        name: Some(name?).filter(|name| !name.is_empty()),
        external_id: external_id?,
        start_date: start_date?,
        validity: validity?,
        reason: reason?,
    })
}

fn credit_gift(credits: &v1::CreditGift, faults: &mut Faults) -> Option<GiftOf> {
    let credit_type = faults.reference("credit_type_id", &credits.credit_type_id);
    let amount = amount(faults, "amount", &credits.amount);
    faults.count("covers", credits.covers.len(), 0..=COVERS_MAX)?;
    let covers: Vec<Option<GiftCoverage>> = credits
        .covers
        .iter()
        .enumerate()
        .map(|(index, coverage)| {
            faults.within_item("covers", index, |faults| gift_coverage(coverage, faults))
        })
        .collect();
    Some(GiftOf::Credits {
        credit_type: credit_type?,
        amount: amount?,
        covers: covers.into_iter().collect::<Option<_>>()?,
    })
}

fn gift_coverage(coverage: &v1::Coverage, faults: &mut Faults) -> Option<GiftCoverage> {
    let subject = match &coverage.target {
        None => {
            faults.add("target", "must be given: item_id or category");
            None
        }
        Some(v1::coverage::Target::ItemId(id)) => {
            faults.reference("item_id", id).map(GiftSubject::Item)
        }
        Some(v1::coverage::Target::Category(category)) => faults
            .required_text("category", category, CATEGORY_LENGTH_MAX)
            .map(GiftSubject::Category),
    };
    let credits_per_unit = match coverage.credits_per_unit.as_str() {
        "" => Some(Credits::UNIT),
        text => amount(faults, "credits_per_unit", text),
    };
    Some(GiftCoverage {
        subject: subject?,
        credits_per_unit: credits_per_unit?,
    })
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
pub fn to_usable(package: UsablePackage) -> v1::UsablePackage {
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
        lines: package.lines.into_iter().map(to_usable_line).collect(),
        usable: package.why_not.is_none(),
        recommended: package.recommended,
        reason: reason.into(),
        explanation,
    }
}

fn to_usable_line(line: UsableLine) -> v1::UsableLine {
    v1::UsableLine {
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

/// A page of entries.
pub fn entry_list(
    request: &v1::ListEntriesRequest,
    faults: &mut Faults,
) -> Option<(EntryList, Page<Position>)> {
    let page = Page::<Position>::read(request, faults);
    let scope = entry_scope(request, faults);
    let item = faults.optional_reference("item_id", &request.item_id);
    let user = faults.optional_reference("user_id", &request.user_id);
    let kinds = faults.choices::<v1::EntryKind>("kinds", &request.kinds);
    let page = page?;
    let list = EntryList {
        scope: scope?,
        item: item?,
        user: user?,
        kinds: kinds?.into_iter().filter_map(entry_kind).collect(),
        after: page.after,
        size: page.size.into(),
    };
    Some((list, page))
}

fn entry_scope(request: &v1::ListEntriesRequest, faults: &mut Faults) -> Option<EntryScope> {
    match &request.scope {
        None => {
            faults.add(
                "scope",
                "must be given: package_id, customer_id, posting_id or recorded",
            );
            None
        }
        Some(v1::list_entries_request::Scope::PackageId(id)) => {
            faults.reference("package_id", id).map(EntryScope::Package)
        }
        Some(v1::list_entries_request::Scope::CustomerId(id)) => faults
            .reference("customer_id", id)
            .map(EntryScope::Customer),
        Some(v1::list_entries_request::Scope::PostingId(id)) => {
            faults.uuid("posting_id", id).map(EntryScope::Posting)
        }
        Some(v1::list_entries_request::Scope::Recorded(range)) => {
            faults.within("recorded", |faults| {
                let from = faults.required_instant("from", range.from.as_ref());
                let before = faults.required_instant("before", range.before.as_ref());
                let (from, before) = (from?, before?);
                let length = before.signed_duration_since(from);
                if length <= TimeDelta::zero() || length > RANGE_MAX {
                    faults.add("before", "must be later than from, by at most 92 days");
                    return None;
                }
                Some(EntryScope::Recorded(from, before))
            })
        }
    }
}

const KINDS: [(EntryKind, v1::EntryKind); 4] = [
    (EntryKind::Issue, v1::EntryKind::Issue),
    (EntryKind::Consume, v1::EntryKind::Consume),
    (EntryKind::Expire, v1::EntryKind::Expire),
    (EntryKind::Restore, v1::EntryKind::Restore),
];

fn entry_kind(kind: v1::EntryKind) -> Option<EntryKind> {
    KINDS
        .iter()
        .find(|(_, known)| *known == kind)
        .map(|(kind, _)| *kind)
}

/// An entry as a message.
pub fn to_entry(row: EntryRow, currency: Currency) -> v1::Entry {
    let EntryRow { entry, lot, note } = row;
    let kind = KINDS
        .iter()
        .find(|(kind, _)| *kind == entry.kind)
        .map_or(v1::EntryKind::Unspecified, |(_, kind)| *kind);
    let by_call = |text: String| if entry.by_time { String::new() } else { text };
    v1::Entry {
        posting_id: entry.key.posting_id.to_string(),
        number: entry.key.n,
        package_id: lot.package_id.to_string(),
        line_id: lot.line.id.to_string(),
        lot_id: lot.id.to_string(),
        credit_type_id: lot.line.credit_type_id.to_string(),
        sequence: entry.seq,
        kind: kind.into(),
        from_account: to_account(entry.from).into(),
        to_account: to_account(entry.to).into(),
        amount: entry.amount.to_string(),
        value: Some(to_money(entry.value, currency)),
        balances: Some(to_balances(&entry.balances)),
        effective_at: Some(timestamp(entry.effective_at)),
        recorded_at: Some(timestamp(entry.recorded_at)),
        by_time: entry.by_time,
        undoes: entry.undoes.map(|key| v1::EntryRef {
            posting_id: key.posting_id.to_string(),
            number: key.n,
        }),
        method: by_call(entry.method.clone()),
        actor_id: by_call(to_actor(entry.actor)),
        consumed_by: entry
            .about
            .consumed_by
            .map(|id| id.to_string())
            .unwrap_or_default(),
        customer_id: entry
            .about
            .customer_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        item_id: entry
            .about
            .item_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        note,
        hash: entry.hash.to_vec(),
    }
}
