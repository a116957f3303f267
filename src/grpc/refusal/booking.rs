//! The numbers and names of refusals that are about bookings.

use super::rfc3339;
use crate::domain::refusal::BookingRefusal;
use crate::grpc::status::Failure;

/// An error with the numbers and names of the refusal.
pub(super) fn with(failure: Failure, refusal: &BookingRefusal) -> Failure {
    match refusal {
        BookingRefusal::Completed {
            booking_id,
            ended_at,
        }
        | BookingRefusal::Cancelled {
            booking_id,
            ended_at,
        }
        | BookingRefusal::NoShow {
            booking_id,
            ended_at,
        } => failure
            .with("booking_id", booking_id)
            .with("ended_at", &rfc3339(*ended_at)),
        BookingRefusal::NotEnded { booking_id } => failure.with("booking_id", booking_id),
        BookingRefusal::NotBegun {
            booking_id,
            possible_from,
        } => failure
            .with("booking_id", booking_id)
            .with("possible_from", &rfc3339(*possible_from)),
        BookingRefusal::EndsBeforeStart { starts_at, ends_at } => failure
            .with("starts_at", &rfc3339(*starts_at))
            .with("ends_at", &rfc3339(*ends_at)),
    }
}
