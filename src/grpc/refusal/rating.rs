//! The names of refusals that are about package rates.

use crate::domain::refusal::RateRefusal;
use crate::grpc::status::Failure;

/// An error with the names of the refusal.
pub(super) fn with(failure: Failure, refusal: &RateRefusal) -> Failure {
    match refusal {
        RateRefusal::NeverPays { package_id } => failure.with("package_id", package_id),
        RateRefusal::LineAtRate { invoice_line_id } => {
            failure.with("invoice_line_id", invoice_line_id)
        }
        RateRefusal::WorthNothing { line_id } => failure.with("line_id", line_id),
    }
}
