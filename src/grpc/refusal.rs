//! How a use case's failure looks on the wire: one exhaustive match.

mod access;
mod amending;
mod booking;
mod charging;
mod database;
mod emailing;
mod invoicing;
mod rating;
mod selling;
mod subscribing;
mod triggering;

use chrono::{DateTime, SecondsFormat, Utc};
use tonic::{Code, Status};

use crate::domain::queue::UNKNOWN_START;
use crate::domain::refusal::Refusal;
use crate::grpc::layers::panic::internal;
use crate::grpc::layers::shed::overloaded;
use crate::grpc::status::Failure;
use crate::proto::v1::Reason;
use crate::service::ServiceError;

/// The most refused entries that an error lists: errors travel in headers, of which common clients take
/// 8 KiB, and as base64.
const REFUSED_ENTRIES_MAX: usize = 40;
/// The most bytes that such an error says of one entry.
const REFUSED_TEXT_MAX: usize = 120;
/// The most bytes that such an error says of all its entries.
const REFUSED_TEXTS_MAX: usize = 3_200;

/// The status of a failed use case. What a person must look at is logged here, once.
pub fn status(error: &ServiceError) -> Status {
    match error {
        ServiceError::Refused(refusal) => failure(refusal).into_status(),
        ServiceError::EntriesRefused { refusals, .. } => {
            let text = "of the entries are refused, so nothing was sold";
            all_refused(Reason::SaleRefused, (text, "entries"), refusals)
        }
        ServiceError::OccurrencesRefused(refusals) => {
            let text = "of the occurrences are refused, so nothing was booked";
            all_refused(
                Reason::BookingSeriesRefused,
                (text, "occurrences"),
                refusals,
            )
        }
        ServiceError::Overloaded => overloaded(),
        ServiceError::Unavailable(_) => database::unavailable(error),
        ServiceError::Contention(_) => database::contended(),
        ServiceError::Broken(error) => {
            tracing::error!(%error, "a call failed: {error}");
            internal()
        }
        ServiceError::Templates(error) => {
            tracing::error!(%error, "the e-mail templates cannot be used: {error}");
            internal()
        }
    }
}

/// The published reason of a refusal.
pub fn reason(refusal: &Refusal) -> Reason {
    Reason::from_str_name(&format!("REASON_{}", refusal.reason())).unwrap_or(Reason::Internal)
}

/// The error of several refused things: so many, and each by its index in `field`.
fn all_refused(
    refused: Reason,
    (text, field): (&str, &str),
    refusals: &[(usize, Refusal)],
) -> Status {
    let mut failure = Failure::new(
        Code::FailedPrecondition,
        refused,
        format!("{} {text}", refusals.len()),
    )
    .with("refused", &refusals.len());
    let listed = refusals.len().min(REFUSED_ENTRIES_MAX);
    let room = REFUSED_TEXTS_MAX.checked_div(listed).unwrap_or_default();
    for (index, refusal) in refusals.iter().take(listed) {
        let subject = format!("{field}[{index}]");
        let mut text = refusal.to_string();
        text.truncate(text.floor_char_boundary(room.min(REFUSED_TEXT_MAX)));
        failure = failure.with_unmet(reason(refusal), &subject, &text);
    }
    failure.into_status()
}

/// An error with the numbers and names of the refusal.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others follow in `with_the_rest`"
)]
pub fn failure(refusal: &Refusal) -> Failure {
    let failure = Failure::new(code(refusal), reason(refusal), refusal.to_string());
    match refusal {
        Refusal::InsufficientCredits {
            available,
            requested,
            counted_in,
        } => failure
            .with("available", available)
            .with("requested", requested)
            .with("counted_in", counted_in),
        Refusal::AmountTooFine {
            amount,
            decimal_places,
            credit_type_id,
        } => failure
            .with("amount", amount)
            .with("decimal_places", decimal_places)
            .with("credit_type_id", credit_type_id),
        Refusal::PackageExpired {
            package_id,
            expires_at,
        } => failure
            .with("package_id", package_id)
            .with("expires_at", &rfc3339(*expires_at)),
        Refusal::PackageNotStarted {
            package_id,
            starts_at,
        } => {
            let failure = failure.with("package_id", package_id);
            if *starts_at == UNKNOWN_START {
                failure
            } else {
                failure.with("starts_at", &rfc3339(*starts_at))
            }
        }
        Refusal::PackageFrozen { package_id }
        | Refusal::PackageRevoked { package_id }
        | Refusal::PackageNeverExpires { package_id } => failure.with("package_id", package_id),
        Refusal::QuarantineOver {
            package_id,
            restorable_until,
        } => failure
            .with("package_id", package_id)
            .with("restorable_until", &rfc3339(*restorable_until)),
        Refusal::ItemNotCovered {
            package_id,
            item_id,
        } => failure
            .with("package_id", package_id)
            .with("item_id", item_id),
        Refusal::CreditTypeNotInPackage {
            package_id,
            credit_type_id,
        } => failure
            .with("package_id", package_id)
            .with("credit_type_id", credit_type_id),
        Refusal::PackageOfOtherCustomer {
            package_id,
            customer_id,
        } => failure
            .with("package_id", package_id)
            .with("customer_id", customer_id),
        _ => with_the_rest(failure, refusal),
    }
}

/// The refusals that are not about using or extending a package.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the others were before, or follow in `with_what_is_offered`"
)]
fn with_the_rest(failure: Failure, refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::LineNotInPackage {
            package_id,
            line_id,
        } => failure
            .with("package_id", package_id)
            .with("line_id", line_id),
        Refusal::HoldAlreadyCaptured { .. }
        | Refusal::HoldAlreadyReleased { .. }
        | Refusal::HoldTimedOut { .. }
        | Refusal::CaptureExceedsHold { .. }
        | Refusal::TimeOutNotLater { .. }
        | Refusal::NothingToReverse { .. }
        | Refusal::ReversalExceedsUse { .. }
        | Refusal::NothingToRevalue { .. } => with_what_was_posted(failure, refusal),
        Refusal::DeliveredInFuture { delivered_at } => {
            failure.with("delivered_at", &rfc3339(*delivered_at))
        }
        Refusal::CustomerInactive { customer_id }
        | Refusal::CustomerMayNotPurchaseOnAccount { customer_id } => {
            failure.with("customer_id", customer_id)
        }
        Refusal::ValidityImpossible { problem } => failure.with("problem", problem),
        Refusal::PaymentExceedsPrice {
            paid_minor,
            total_minor,
        } => failure
            .with("paid_minor_units", paid_minor)
            .with("total_minor_units", total_minor),
        Refusal::ExpiryNotLater { old, new } => failure
            .with("expires_at", &rfc3339(*new))
            .with("not_before", &rfc3339(*old)),
        Refusal::EtagMismatch { kind, id } => failure.with("kind", *kind).with("id", id),
        Refusal::RequestIdReused { request_id } => failure.with("request_id", request_id),
        Refusal::AnswerCleared {
            request_id,
            method,
            requested_at,
        } => failure
            .with("request_id", request_id)
            .with("method", method)
            .with("requested_at", &rfc3339(*requested_at)),
        Refusal::ExternalIdTaken { kind, external_id } => {
            failure.with("kind", *kind).with("external_id", external_id)
        }
        Refusal::NotFound { kind, id } => failure.about(kind, id),
        Refusal::PermissionDenied { permission } => failure.with("permission", *permission),
        Refusal::CannotAmend(refusal) => amending::with_package(failure, refusal),
        Refusal::Holder(refusal) => {
            let details = refusal.details().into_iter();
            details.fold(failure, |failure, (key, value)| failure.with(key, &value))
        }
        Refusal::Selling(refusal) => selling::with(failure, refusal),
        Refusal::Subscribing(refusal) => subscribing::with(failure, refusal),
        Refusal::Triggering(refusal) => triggering::with(failure, refusal),
        Refusal::Invoicing(refusal) => invoicing::with(failure, refusal),
        Refusal::Rating(refusal) => rating::with(failure, refusal),
        Refusal::Booking(refusal) => booking::with(failure, refusal),
        Refusal::Emailing(refusal) => emailing::with(failure, refusal),
        Refusal::Charging(refusal) => charging::with(failure, refusal),
        Refusal::Access(refusal) => access::with(failure, refusal),
        Refusal::LotCorrupt(lot_id) => {
            tracing::error!(%lot_id, "lot {lot_id} does not add up: run `carnet verify`");
            failure.with("lot_id", lot_id)
        }
        _ => with_what_is_offered(failure, refusal),
    }
}

/// The refusals that are about the catalogue.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all others have nothing to tell but their message"
)]
fn with_what_is_offered(failure: Failure, refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::CreditTypeArchived { credit_type_id } => {
            failure.with("credit_type_id", credit_type_id)
        }
        Refusal::CreditTypeInUse {
            credit_type_id,
            template_id,
        } => failure
            .with("credit_type_id", credit_type_id)
            .with("template_id", template_id),
        Refusal::ItemInactive { item_id } => failure.with("item_id", item_id),
        Refusal::TemplateArchived { template_id } | Refusal::TemplateIncomplete { template_id } => {
            failure.with("template_id", template_id)
        }
        Refusal::TemplateNotActive { template_id, state } => failure
            .with("template_id", template_id)
            .with("state", *state),
        Refusal::CoverageAmbiguous {
            credit_type_id,
            target,
        } => failure
            .with("credit_type_id", credit_type_id)
            .with("target", target),
        Refusal::CoverageRepeated { line, target } => {
            failure.with("line", line).with("target", target)
        }
        _ => failure,
    }
}

/// The refusals of ending a hold, undoing a use and changing a value.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller names those that are told here"
)]
fn with_what_was_posted(failure: Failure, refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::HoldAlreadyCaptured {
            hold_id,
            posting_id,
        }
        | Refusal::HoldAlreadyReleased {
            hold_id,
            posting_id,
        } => failure
            .with("hold_id", hold_id)
            .with("posting_id", posting_id),
        Refusal::HoldTimedOut {
            hold_id,
            timed_out_at,
            outcome,
        } => failure
            .with("hold_id", hold_id)
            .with("timed_out_at", &rfc3339(*timed_out_at))
            .with("outcome", outcome.as_str()),
        Refusal::CaptureExceedsHold {
            held,
            requested,
            counted_in,
        } => failure
            .with("held", held)
            .with("requested", requested)
            .with("counted_in", counted_in),
        Refusal::TimeOutNotLater { times_out_at } => {
            failure.with("times_out_at", &rfc3339(*times_out_at))
        }
        Refusal::NothingToReverse { posting_id } => failure.with("posting_id", posting_id),
        Refusal::ReversalExceedsUse {
            left,
            requested,
            counted_in,
        } => failure
            .with("left", left)
            .with("requested", requested)
            .with("counted_in", counted_in),
        Refusal::NothingToRevalue {
            unused_minor,
            change_minor,
        } => failure
            .with("unused_minor_units", unused_minor)
            .with("change_minor_units", change_minor),
        _ => failure,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most refusals are conditions that do not hold; the exceptions are named"
)]
fn code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::AmountTooFine { .. } | Refusal::CoverageRepeated { .. } => Code::InvalidArgument,
        Refusal::AmountTooLarge => Code::OutOfRange,
        Refusal::EtagMismatch { .. } => Code::Aborted,
        Refusal::RequestIdReused { .. } | Refusal::ExternalIdTaken { .. } => Code::AlreadyExists,
        Refusal::NotFound { .. } => Code::NotFound,
        Refusal::PermissionDenied { .. } => Code::PermissionDenied,
        Refusal::Access(refusal) => access::code(refusal),
        Refusal::LotCorrupt(_) => Code::DataLoss,
        Refusal::Emailing(refusal) => emailing::code(refusal),
        _ => Code::FailedPrecondition,
    }
}

fn rfc3339(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    /// The reasons that refusals have, from the text of the match that gives them.
    fn reasons_of_refusals() -> Vec<&'static str> {
        let sources = [
            include_str!("../domain/refusal/reason.rs"),
            include_str!("../domain/refusal/holder.rs"),
            include_str!("../domain/refusal/amending.rs"),
            include_str!("../domain/refusal/selling.rs"),
            include_str!("../domain/refusal/subscribing.rs"),
            include_str!("../domain/refusal/triggering.rs"),
            include_str!("../domain/refusal/invoice.rs"),
            include_str!("../domain/refusal/rate.rs"),
            include_str!("../domain/refusal/booking.rs"),
            include_str!("../domain/refusal/emailing.rs"),
            include_str!("../domain/refusal/charging.rs"),
            include_str!("../domain/refusal/access.rs"),
        ];
        let sources = sources.map(|source| source.split_once("fn reason(").unwrap().1);
        let lines = sources.into_iter().flat_map(str::lines);
        let arms = lines.filter_map(|line| line.split_once("=> \""));
        arms.filter_map(|(_, rest)| rest.strip_suffix("\","))
            .collect()
    }

    #[test]
    fn every_refusal_has_a_published_reason() {
        let reasons = reasons_of_refusals();
        assert!(reasons.contains(&"INSUFFICIENT_CREDITS"), "{reasons:?}");
        assert!(reasons.contains(&"PACKAGE_ALREADY_REVOKED"), "{reasons:?}");
        for reason in reasons {
            let published = Reason::from_str_name(&format!("REASON_{reason}"));
            assert!(published.is_some(), "{reason} is not in reasons.proto");
        }
    }

    #[test]
    fn a_sale_of_which_all_is_refused_fits_into_headers() {
        let refusal = Refusal::ExternalIdTaken {
            kind: "package",
            external_id: "é".repeat(128),
        };
        let refusals = (0..200).map(|index| (index, refusal.clone())).collect();
        let status = status(&ServiceError::of_entries(refusals).unwrap());
        assert!(status.details().len() < 6_000, "{}", status.details().len());
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["refused"], "200");
        let listed = &details.precondition_failure().unwrap().violations;
        assert_eq!(listed.len(), 40);
        assert_eq!(listed[39].subject, "entries[39]");
    }

    #[test]
    fn a_refusal_keeps_its_published_reason() {
        let refusal = Refusal::FeatureOff;
        assert_eq!(reason(&refusal), Reason::FeatureOff);
        assert_eq!(status(&refusal.into()).code(), Code::FailedPrecondition);
    }
}
