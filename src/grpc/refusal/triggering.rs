//! The numbers and names of refusals that are about triggers and events.

use super::rfc3339;
use crate::domain::refusal::TriggeringRefusal;
use crate::grpc::status::Failure;

/// An error with the names of the refusal.
pub(super) fn with(failure: Failure, refusal: &TriggeringRefusal) -> Failure {
    match refusal {
        TriggeringRefusal::EventIdReused {
            name,
            event_id,
            customer_id,
        } => failure
            .with("event_name", name)
            .with("event_id", event_id)
            .with("customer_id", customer_id),
        TriggeringRefusal::TriggerArchived {
            trigger_id,
            archived_at,
        } => failure
            .with("trigger_id", trigger_id)
            .with("archived_at", &rfc3339(*archived_at)),
    }
}
