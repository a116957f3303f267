//! Package rates as messages.

use crate::domain::invoice::LineCredits;
use crate::domain::money::Currency;
use crate::grpc::convert::common::{amount_or_one, to_money, to_timestamp};
use crate::grpc::convert::invoice::to_credits_state;
use crate::grpc::faults::Faults;
use crate::proto::v1;
use crate::service::invoices::LineHold;
use crate::service::invoices::rates::{RateQuestion, Rates};

/// For whom, for what and when rates are asked for.
pub fn rate_question(
    request: &v1::ResolveRateRequest,
    faults: &mut Faults,
) -> Option<RateQuestion> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let item = faults.reference("item_id", &request.item_id);
    let units = amount_or_one(faults, "units", &request.units);
    let at = faults.optional_instant("delivered_at", request.delivered_at.as_ref());
    Some(RateQuestion {
        customer: customer?,
        item: item?,
        units: units?,
        at: at?,
    })
}

/// What units would cost, as a message.
pub fn to_rates(rates: &Rates, currency: Currency) -> v1::ResolveRateResponse {
    let parts = rates.parts.iter().map(|part| v1::RatePart {
        units: part.units.to_string(),
        package_rate: Some(to_money(part.rate_minor, currency)),
        package_id: part.package_id.to_string(),
        line_id: part.line_id.to_string(),
    });
    v1::ResolveRateResponse {
        parts: parts.collect(),
        standard_units: rates.standard_units.to_string(),
        standard_rate: rates
            .standard_rate_minor
            .map(|minor| to_money(minor, currency)),
    }
}

/// The package rate of an invoice's line, as a message; none if it has none.
pub fn to_line_rate(counted: &LineCredits, hold: Option<&LineHold>) -> Option<v1::LineRate> {
    let line_id = counted.rate_line_id?;
    let parts = hold.map(|hold| hold.parts.as_slice()).unwrap_or_default();
    let from = counted.package_ids.first();
    Some(v1::LineRate {
        package_id: from.map_or_else(String::new, ToString::to_string),
        line_id: line_id.to_string(),
        state: to_credits_state(counted, hold).into(),
        amount: parts
            .first()
            .map_or_else(String::new, |part| part.amount.to_string()),
        times_out_at: to_timestamp(counted.times_out_at),
    })
}
