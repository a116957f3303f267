//! The numbers and names of refusals that are about charge requests.

use super::rfc3339;
use crate::domain::refusal::ChargeRefusal;
use crate::grpc::status::Failure;

/// An error with the numbers and names of the refusal.
pub(super) fn with(failure: Failure, refusal: &ChargeRefusal) -> Failure {
    match refusal {
        ChargeRefusal::TimedOut {
            charge_request_id,
            timed_out_at,
        } => failure
            .with("charge_request_id", charge_request_id)
            .with("timed_out_at", &rfc3339(*timed_out_at)),
        ChargeRefusal::Paid {
            charge_request_id,
            payment_id,
        } => failure
            .with("charge_request_id", charge_request_id)
            .with("payment_id", payment_id),
        ChargeRefusal::Failed {
            charge_request_id,
            failed_at,
        } => failure
            .with("charge_request_id", charge_request_id)
            .with("failed_at", &rfc3339(*failed_at)),
        ChargeRefusal::AmountDiffers {
            charge_request_id,
            given_minor,
            asked_minor,
        } => failure
            .with("charge_request_id", charge_request_id)
            .with("given_minor_units", given_minor)
            .with("asked_minor_units", asked_minor),
    }
}
