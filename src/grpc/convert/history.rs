//! Requests for the ledger's entries, and entries as messages.

use chrono::TimeDelta;

use crate::domain::entry::EntryKind;
use crate::domain::money::Currency;
use crate::grpc::convert::common::to_money;
use crate::grpc::convert::package::{to_account, to_actor, to_balances};
use crate::grpc::convert::using::to_units;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::ids::{BookingId, HoldId, InvoiceLineId};
use crate::proto::v1;
use crate::service::history::{Amount, EntryFilter, EntryList, EntryRow, EntryScope, Position};

/// The longest range of time that one question can ask for.
const RANGE_MAX: TimeDelta = TimeDelta::days(92);

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
        filter: EntryFilter {
            item: item?,
            user: user?,
            kinds: kinds?.into_iter().filter_map(entry_kind).collect(),
            ..EntryFilter::default()
        },
        after: page.after,
        amount: Amount::Page(page.size.into()),
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

const KINDS: [(EntryKind, v1::EntryKind); 14] = [
    (EntryKind::Issue, v1::EntryKind::Issue),
    (EntryKind::Consume, v1::EntryKind::Consume),
    (EntryKind::Hold, v1::EntryKind::Hold),
    (EntryKind::Capture, v1::EntryKind::Capture),
    (EntryKind::Release, v1::EntryKind::Release),
    (EntryKind::TimeOut, v1::EntryKind::TimeOut),
    (EntryKind::Reverse, v1::EntryKind::Reverse),
    (EntryKind::Expire, v1::EntryKind::Expire),
    (EntryKind::Restore, v1::EntryKind::Restore),
    (EntryKind::Revoke, v1::EntryKind::Revoke),
    (EntryKind::Reinstate, v1::EntryKind::Reinstate),
    (EntryKind::Transfer, v1::EntryKind::Transfer),
    (EntryKind::Adjust, v1::EntryKind::Adjust),
    (EntryKind::Revalue, v1::EntryKind::Revalue),
];

/// The kind that a message names.
pub fn entry_kind(kind: v1::EntryKind) -> Option<EntryKind> {
    KINDS
        .iter()
        .find(|(_, known)| *known == kind)
        .map(|(kind, _)| *kind)
}

/// A kind of entry as a message.
pub fn to_entry_kind(kind: EntryKind) -> v1::EntryKind {
    KINDS
        .iter()
        .find(|(known, _)| *known == kind)
        .map_or(v1::EntryKind::Unspecified, |(_, kind)| *kind)
}

/// An entry as a message.
pub fn to_entry(row: EntryRow, currency: Currency) -> v1::Entry {
    let EntryRow { entry, home, note } = row;
    let by_call = |text: String| if entry.by_time { String::new() } else { text };
    v1::Entry {
        posting_id: entry.key.posting_id.to_string(),
        number: entry.key.n,
        package_id: home.package_id.to_string(),
        line_id: home.line_id.to_string(),
        lot_id: entry.lot_id.to_string(),
        credit_type_id: home.credit_type_id.to_string(),
        sequence: entry.seq,
        kind: to_entry_kind(entry.kind).into(),
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
        invoice_line_id: entry
            .about
            .invoice_line_id
            .map(|id| InvoiceLineId::from_uuid(id).to_string())
            .unwrap_or_default(),
        booking_id: entry
            .about
            .booking_id
            .map(|id| BookingId::from_uuid(id).to_string())
            .unwrap_or_default(),
        hold_id: entry
            .about
            .hold_id
            .map(|id| HoldId::from_uuid(id).to_string())
            .unwrap_or_default(),
        units: to_units(&entry),
    }
}
