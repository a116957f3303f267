//! The numbers and names of refusals to change a package that was sold.

use super::rfc3339;
use crate::domain::refusal::CannotAmend;
use crate::grpc::status::Failure;

/// The failure with what the refusal is about.
pub(super) fn with_package(failure: Failure, refusal: &CannotAmend) -> Failure {
    match refusal {
        CannotAmend::AlreadyRevoked {
            package_id,
            revoked_at,
        } => failure
            .with("package_id", package_id)
            .with("revoked_at", &rfc3339(*revoked_at)),
        CannotAmend::NotRevoked { package_id }
        | CannotAmend::NotFrozen { package_id }
        | CannotAmend::NotTransferable { package_id }
        | CannotAmend::NothingToTransfer { package_id } => failure.with("package_id", package_id),
        CannotAmend::Queued { package_id, behind } => failure
            .with("package_id", package_id)
            .with("queued_behind_package_id", behind),
        CannotAmend::TransferToOwner {
            package_id,
            customer_id,
        } => failure
            .with("package_id", package_id)
            .with("customer_id", customer_id),
        CannotAmend::SaleUndone { sale_id, undone_at } => failure
            .with("sale_id", sale_id)
            .with("undone_at", &rfc3339(*undone_at)),
        CannotAmend::SaleUsed {
            package_id,
            consumed,
            held,
            moved,
        } => failure
            .with("package_id", package_id)
            .with("consumed", consumed)
            .with("held", held)
            .with("moved", moved),
        CannotAmend::HoldsCredits { package_id, holds } => {
            failure.with("package_id", package_id).with("holds", holds)
        }
        CannotAmend::ExpiryNotEarlier { old, new } => failure
            .with("expires_at", &rfc3339(*new))
            .with("not_after", &rfc3339(*old)),
        CannotAmend::FreezeNotAhead { until, today } => {
            failure.with("until_date", until).with("today", today)
        }
        CannotAmend::FrozenTooOften {
            package_id,
            times_max,
        } => failure
            .with("package_id", package_id)
            .with("times_max", times_max),
        CannotAmend::FrozenTooLong {
            package_id,
            days,
            days_max,
        } => failure
            .with("package_id", package_id)
            .with("days", days)
            .with("days_max", days_max),
        CannotAmend::Transferred {
            package_id,
            transferred_at,
        } => failure
            .with("package_id", package_id)
            .with("transferred_at", &rfc3339(*transferred_at)),
        CannotAmend::ClosureUndone {
            closure_id,
            undone_at,
        } => failure
            .with("closure_id", closure_id)
            .with("undone_at", &rfc3339(*undone_at)),
    }
}
