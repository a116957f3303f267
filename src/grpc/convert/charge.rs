//! Charge requests as messages.

use crate::domain::charge::{ChargeRequest, ChargeState, ChargeStatus};
use crate::grpc::convert::common::{to_money, to_timestamp};
use crate::grpc::convert::package::Detail;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::ids::ChargeRequestId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::charges::{ChargeFailure, ChargeList};

/// The longest cause of a failure, in characters.
const CAUSE_LENGTH_MAX: usize = 500;

/// That something was not charged.
pub fn failure(
    request: &v1::FailChargeRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<ChargeFailure> {
    let id = faults.id("charge_request_id", &request.charge_request_id);
    let cause = faults.required_text("cause", &request.cause, CAUSE_LENGTH_MAX);
    Some(ChargeFailure {
        id: id?,
        cause: cause?,
    })
}

/// A page of charge requests.
pub fn charge_list(
    request: &v1::ListChargeRequestsRequest,
    page: &Page<(i16, ChargeRequestId)>,
    faults: &mut Faults,
) -> Option<ChargeList> {
    if !request.sale_id.is_empty() && !request.invoice_id.is_empty() {
        faults.add("invoice_id", "must be empty where sale_id is given");
    }
    let sale_id = match request.sale_id.as_str() {
        "" => Some(None),
        id => faults.id("sale_id", id).map(Some),
    };
    let invoice = faults.optional_reference("invoice_id", &request.invoice_id);
    let state = match request.state {
        0 => Some(None),
        state => faults.choice("state", state).map(of_state),
    };
    Some(ChargeList {
        state: state?,
        sale_id: sale_id?,
        invoice: invoice?,
        after: page.after,
        limit: page.limit(),
    })
}

fn of_state(state: v1::ChargeState) -> Option<ChargeState> {
    match state {
        v1::ChargeState::Unspecified => None,
        v1::ChargeState::Pending => Some(ChargeState::Pending),
        v1::ChargeState::TimedOut => Some(ChargeState::TimedOut),
        v1::ChargeState::Paid => Some(ChargeState::Paid),
        v1::ChargeState::Failed => Some(ChargeState::Failed),
    }
}

fn to_state(state: ChargeState) -> v1::ChargeState {
    match state {
        ChargeState::Pending => v1::ChargeState::Pending,
        ChargeState::TimedOut => v1::ChargeState::TimedOut,
        ChargeState::Paid => v1::ChargeState::Paid,
        ChargeState::Failed => v1::ChargeState::Failed,
    }
}

/// A charge request as a message; what was not kept has no ids.
pub fn to_charge_request(request: &ChargeRequest, detail: Detail) -> v1::ChargeRequest {
    let kept = |id: String| {
        if detail == Detail::Unkept {
            String::new()
        } else {
            id
        }
    };
    let named = |id: Option<String>| kept(id.unwrap_or_default());
    let (sale_id, invoice_id) = request.of.ids();
    let (payment_id, answered_at, cause) = match &request.status {
        ChargeStatus::Pending | ChargeStatus::TimedOut => (None, None, String::new()),
        ChargeStatus::Paid { payment_id, at } => {
            (Some(payment_id.to_string()), Some(*at), String::new())
        }
        ChargeStatus::Failed { cause, at } => (None, Some(*at), cause.clone()),
    };
    v1::ChargeRequest {
        id: kept(request.id.to_string()),
        sale_id: named(sale_id.map(|id| id.to_string())),
        invoice_id: named(invoice_id.map(|id| id.to_string())),
        customer_id: request.customer_id.to_string(),
        amount: Some(to_money(request.amount_minor, request.currency)),
        state: to_state(request.status.state()).into(),
        times_out_at: Some(timestamp(request.times_out_at)),
        created_at: Some(timestamp(request.recorded_at)),
        answered_at: to_timestamp(answered_at),
        payment_id: named(payment_id),
        cause,
    }
}

/// Charge requests as messages.
pub fn to_charge_requests(requests: &[ChargeRequest], detail: Detail) -> Vec<v1::ChargeRequest> {
    let messages = requests.iter().map(|it| to_charge_request(it, detail));
    messages.collect()
}
