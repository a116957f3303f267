//! Requests that set credits aside and end that, and what they are answered with.

use crate::domain::credits::Credits;
use crate::domain::entry::EntryKind;
use crate::domain::hold::OnTimeOut;
use crate::domain::part::Portion;
use crate::grpc::convert::common::{amount, to_timestamp};
use crate::grpc::convert::package::to_balances;
use crate::grpc::convert::returning::to_returned;
use crate::grpc::convert::selling::NOTE_LENGTH_MAX;
use crate::grpc::convert::using::{
    WhatMessage, packages, recorded_at, to_parts, to_units, total, total_of, used, what,
};
use crate::grpc::faults::{Faults, timestamp};
use crate::proto::v1;
use crate::service::consume::Use;
use crate::service::holds::{CaptureInput, HoldInput, ReleaseInput};
use crate::service::posted::Posted;
use crate::service::{Answer, Call};

/// Credits to be set aside.
pub fn hold(request: &v1::HoldRequest, faults: &mut Faults) -> Option<HoldInput> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let what = what(request.what.as_ref().map(WhatMessage::from), faults);
    let packages = packages(&request.package_ids, faults);
    let service_at = faults.optional_instant("service_at", request.service_at.as_ref());
    let times_out_at = faults.optional_instant("times_out_at", request.times_out_at.as_ref());
    let on_time_out = match request.on_time_out {
        0 => Some(OnTimeOut::Release),
        number => faults
            .choice::<v1::OnTimeOut>("on_time_out", number)
            .map(on_time_out),
    };
    let consumed_by = faults.optional_reference("consumed_by", &request.consumed_by);
    let note = faults.long_text("note", &request.note, NOTE_LENGTH_MAX);
    Some(HoldInput {
        taking: Use {
            customer: customer?,
            what: what?,
            packages: packages?,
            delivered_at: service_at?,
            consumed_by: consumed_by?,
            note: note?,
        },
        times_out_at: times_out_at?,
        on_time_out: on_time_out?,
    })
}

fn on_time_out(choice: v1::OnTimeOut) -> OnTimeOut {
    match choice {
        v1::OnTimeOut::Capture => OnTimeOut::Capture,
        v1::OnTimeOut::Release | v1::OnTimeOut::Unspecified => OnTimeOut::Release,
    }
}

fn to_on_time_out(on_time_out: OnTimeOut) -> v1::OnTimeOut {
    match on_time_out {
        OnTimeOut::Release => v1::OnTimeOut::Release,
        OnTimeOut::Capture => v1::OnTimeOut::Capture,
    }
}

/// What is held, as an answer. What is only checked has no hold.
pub fn to_held(answer: &Answer<Posted>, call: &Call) -> v1::HoldResponse {
    let posted = &answer.value;
    let placed = posted
        .parts
        .iter()
        .filter(|(entry, _)| entry.kind == EntryKind::Hold);
    let hold = posted.hold.as_ref();
    v1::HoldResponse {
        hold_id: hold
            .filter(|_| !call.validate_only || answer.replayed)
            .map(|hold| hold.id.to_string())
            .unwrap_or_default(),
        posting_id: posted.posting_id.to_string(),
        total: total(placed.clone().map(|(entry, _)| entry.amount)),
        parts: placed
            .map(|(entry, lot)| v1::HeldPart {
                package_id: lot.package_id.to_string(),
                line_id: lot.line.id.to_string(),
                lot_id: lot.id.to_string(),
                credit_type_id: lot.line.credit_type_id.to_string(),
                amount: entry.amount.to_string(),
                units: to_units(entry),
                balances: Some(to_balances(&entry.balances)),
            })
            .collect(),
        times_out_at: to_timestamp(hold.and_then(|hold| hold.times_out_at)),
        on_time_out: hold
            .map_or(v1::OnTimeOut::Unspecified, |hold| {
                to_on_time_out(hold.on_time_out)
            })
            .into(),
        recorded_at: recorded_at(posted),
        replayed: answer.replayed,
    }
}

/// Held credits to be used.
pub fn capture(request: &v1::CaptureRequest, faults: &mut Faults) -> Option<CaptureInput> {
    let hold_id = faults.id("hold_id", &request.hold_id);
    let portion = portion(
        request.portion.as_ref().map(|portion| match portion {
            v1::capture_request::Portion::Units(units) => PortionText::Units(units),
            v1::capture_request::Portion::Credits(credits) => PortionText::Credits(credits),
        }),
        faults,
    );
    let delivered_at = faults.optional_instant("delivered_at", request.delivered_at.as_ref());
    let note = faults.long_text("note", &request.note, NOTE_LENGTH_MAX);
    Some(CaptureInput {
        hold_id: hold_id?,
        portion: portion?,
        delivered_at: delivered_at?,
        allow_excess: request.allow_excess,
        note: note?,
    })
}

/// How much, as requests say it.
#[derive(Clone, Copy)]
pub enum PortionText<'a> {
    /// So many units.
    Units(&'a str),
    /// So many credits.
    Credits(&'a str),
}

/// How much of a hold or of a use.
pub fn portion(text: Option<PortionText<'_>>, faults: &mut Faults) -> Option<Portion> {
    let read: (fn(Credits) -> Portion, Option<Credits>) = match text {
        None => return Some(Portion::All),
        Some(PortionText::Units(units)) => (Portion::Units, amount(faults, "units", units)),
        Some(PortionText::Credits(credits)) => {
            (Portion::Credits, amount(faults, "credits", credits))
        }
    };
    let (portion, amount) = read;
    amount.map(portion)
}

/// What was captured, as an answer.
pub fn to_captured(answer: &Answer<Posted>, call: &Call) -> v1::CaptureResponse {
    let posted = &answer.value;
    let used = used(posted);
    v1::CaptureResponse {
        posting_id: posted.posting_id.to_string(),
        total: total(used.iter().map(|(entry, _)| entry.amount)),
        effective_at: used.first().map(|(entry, _)| timestamp(entry.effective_at)),
        parts: to_parts(&used, call.currency()),
        returned: to_returned(answer, call),
        recorded_at: recorded_at(posted),
        replayed: answer.replayed,
    }
}

/// Held credits to be freed.
pub fn release(request: &v1::ReleaseRequest, faults: &mut Faults) -> Option<ReleaseInput> {
    let hold_id = faults.id("hold_id", &request.hold_id);
    let note = faults.long_text("note", &request.note, NOTE_LENGTH_MAX);
    Some(ReleaseInput {
        hold_id: hold_id?,
        note: note?,
    })
}

/// What was freed, as an answer.
pub fn to_released(answer: &Answer<Posted>, call: &Call) -> v1::ReleaseResponse {
    let posted = &answer.value;
    v1::ReleaseResponse {
        posting_id: posted.posting_id.to_string(),
        total: total_of(posted, EntryKind::Release),
        returned: to_returned(answer, call),
        recorded_at: recorded_at(posted),
        replayed: answer.replayed,
    }
}
