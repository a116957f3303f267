//! Requests that undo uses or correct amounts, and what they are answered with.

use crate::domain::entry::{Account, Entry, EntryKind};
use crate::domain::lot::Lot;
use crate::grpc::convert::common::{amount, money, to_money};
use crate::grpc::convert::holding::{PortionText, portion};
use crate::grpc::convert::package::{to_account, to_balances};
use crate::grpc::convert::selling::NOTE_LENGTH_MAX;
use crate::grpc::convert::using::{packages, recorded_at, to_parts, to_units, total_of, used};
use crate::grpc::faults::{Faults, timestamp};
use crate::proto::v1;
use crate::service::adjust::{AdjustInput, Change};
use crate::service::posted::Posted;
use crate::service::undo::{MoveInput, ReverseInput};
use crate::service::{Answer, Call, Caller};

/// A use to be undone.
pub fn reversal(request: &v1::ReverseRequest, faults: &mut Faults) -> Option<ReverseInput> {
    let posting_id = faults.uuid("posting_id", &request.posting_id);
    let portion = portion(
        request.portion.as_ref().map(|portion| match portion {
            v1::reverse_request::Portion::Units(units) => PortionText::Units(units),
            v1::reverse_request::Portion::Credits(credits) => PortionText::Credits(credits),
        }),
        faults,
    );
    let restore_through = faults.optional_date("restore_through", &request.restore_through);
    let note = faults.long_text("note", &request.note, NOTE_LENGTH_MAX);
    Some(ReverseInput {
        posting_id: posting_id?,
        portion: portion?,
        restore_through: restore_through?,
        note: note?,
    })
}

/// A use to be moved.
pub fn relocation(request: &v1::MoveConsumptionRequest, faults: &mut Faults) -> Option<MoveInput> {
    let posting_id = faults.uuid("posting_id", &request.posting_id);
    let packages = packages(&request.package_ids, faults);
    if request.package_ids.is_empty() {
        faults.add("package_ids", "must name at least one package");
        return None;
    }
    let note = faults.long_text("note", &request.note, NOTE_LENGTH_MAX);
    Some(MoveInput {
        posting_id: posting_id?,
        packages: packages?,
        note: note?,
    })
}

/// A correction.
pub fn adjustment(
    request: &v1::AdjustRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<AdjustInput> {
    let package = faults.reference("package_id", &request.package_id);
    let line_id = faults.id("line_id", &request.line_id);
    let value = match &request.value {
        None => Some(0),
        Some(value) => money(faults, "value", value, caller.business.currency),
    };
    let change = match &request.change {
        None => {
            faults.add("change", "must be given: remove or add");
            None
        }
        Some(v1::adjust_request::Change::Remove(text)) => {
            if request.value.is_some() {
                faults.add("value", "fits only credits that are added");
            }
            amount(faults, "remove", text).map(Change::Remove)
        }
        Some(v1::adjust_request::Change::Add(text)) => amount(faults, "add", text)
            .zip(value)
            .map(|(amount, value)| Change::Add(amount, value)),
    };
    let reason = faults.required_text("reason", &request.reason, NOTE_LENGTH_MAX);
    Some(AdjustInput {
        package: package?,
        line_id: line_id?,
        change: change?,
        reason: reason?,
    })
}

/// What came back into each lot, in its order.
pub fn to_returned(answer: &Answer<Posted>, call: &Call) -> Vec<v1::ReturnedPart> {
    let parts = &answer.value.parts;
    let returned = parts
        .iter()
        .filter(|(entry, _)| matches!(entry.kind, EntryKind::Release | EntryKind::Reverse));
    let part = |(entry, lot): &(Entry, Lot)| {
        let last = parts.iter().rev().find(|(other, _)| other.lot_id == lot.id);
        let (account, moved_to) = fate(parts, lot, answer.replayed || !call.validate_only);
        v1::ReturnedPart {
            package_id: lot.package_id.to_string(),
            line_id: lot.line.id.to_string(),
            lot_id: lot.id.to_string(),
            credit_type_id: lot.line.credit_type_id.to_string(),
            amount: entry.amount.to_string(),
            units: to_units(entry),
            value: Some(to_money(entry.value, call.currency())),
            account: to_account(account).into(),
            moved_to_package_id: moved_to,
            balances: last.map(|(last, _)| to_balances(&last.balances)),
        }
    };
    returned.map(part).collect()
}

/// Where the credits of a lot went on to in the same posting, and into which package in the end.
fn fate(parts: &[(Entry, Lot)], lot: &Lot, is_kept: bool) -> (Account, String) {
    let Some(first) = onward(parts, lot) else {
        return (Account::Available, String::new());
    };
    let account = parts
        .get(first)
        .map_or(Account::Available, |(entry, _)| entry.to);
    let mut moved_to = receiver(parts, first);
    // A lot is moved to a newer one, so this ends.
    while let Some(next) = moved_to
        .and_then(|lot| onward(parts, lot))
        .and_then(|place| receiver(parts, place))
    {
        moved_to = Some(next);
    }
    let moved_to = moved_to.filter(|_| is_kept);
    let moved_to = moved_to.map(|lot| lot.package_id.to_string());
    (account, moved_to.unwrap_or_default())
}

/// The place of the entry by which the credits of a lot went on.
fn onward(parts: &[(Entry, Lot)], lot: &Lot) -> Option<usize> {
    parts.iter().position(|(entry, _)| {
        let goes_on = matches!(
            entry.kind,
            EntryKind::Expire | EntryKind::Revoke | EntryKind::Transfer
        );
        entry.lot_id == lot.id && entry.from == Account::Available && goes_on
    })
}

/// The lot that got what the entry at `place` moved: its entry follows that of the giving one.
fn receiver(parts: &[(Entry, Lot)], place: usize) -> Option<&Lot> {
    let (entry, lot) = parts.get(place.saturating_add(1))?;
    (entry.from == Account::Transferred).then_some(lot)
}

/// What was undone, as an answer.
pub fn to_reversed(answer: &Answer<Posted>, call: &Call) -> v1::ReverseResponse {
    let posted = &answer.value;
    v1::ReverseResponse {
        posting_id: posted.posting_id.to_string(),
        total: total_of(posted, EntryKind::Reverse),
        returned: to_returned(answer, call),
        recorded_at: recorded_at(posted),
        replayed: answer.replayed,
    }
}

/// What was moved, as an answer.
pub fn to_moved(answer: &Answer<Posted>, call: &Call) -> v1::MoveConsumptionResponse {
    let posted = &answer.value;
    let used = used(posted);
    v1::MoveConsumptionResponse {
        posting_id: posted.posting_id.to_string(),
        returned: to_returned(answer, call),
        effective_at: used.first().map(|(entry, _)| timestamp(entry.effective_at)),
        parts: to_parts(&used, call.currency()),
        recorded_at: recorded_at(posted),
        replayed: answer.replayed,
    }
}

/// What was corrected, as an answer. What is only checked makes no lot.
pub fn to_adjusted(answer: &Answer<Posted>, call: &Call) -> v1::AdjustResponse {
    let posted = &answer.value;
    let is_kept = answer.replayed || !call.validate_only;
    v1::AdjustResponse {
        posting_id: posted.posting_id.to_string(),
        parts: posted
            .parts
            .iter()
            .map(|(entry, lot)| v1::AdjustedPart {
                lot_id: if entry.kind == EntryKind::Issue && !is_kept {
                    String::new()
                } else {
                    lot.id.to_string()
                },
                amount: entry.amount.to_string(),
                value: Some(to_money(entry.value, call.currency())),
                balances: Some(to_balances(&entry.balances)),
            })
            .collect(),
        recorded_at: recorded_at(posted),
        replayed: answer.replayed,
    }
}
