//! Events of the audit as messages.

use crate::domain::audit::{About, AuditEvent};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::ids::{AuditEventId, is_id};
use crate::proto::v1;
use crate::proto::v1::list_audit_events_request::About as Asked;
use crate::service::audit::AuditList;

/// The longest name of a method, in characters.
const METHOD_LENGTH_MAX: usize = 100;

/// Which events to list.
pub fn audit_list(
    request: &v1::ListAuditEventsRequest,
    page: &Page<AuditEventId>,
    faults: &mut Faults,
) -> Option<AuditList> {
    let about = about(request.about.as_ref(), faults);
    let from = faults.optional_instant("recorded_from", request.recorded_from.as_ref());
    let until = faults.optional_instant("recorded_before", request.recorded_before.as_ref());
    let (from, until) = (from?, until?);
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        faults.add("recorded_before", "must be later than recorded_from");
        return None;
    }
    Some(AuditList {
        about: about?,
        from,
        until,
        before: page.after,
        limit: page.limit(),
    })
}

fn about(asked: Option<&Asked>, faults: &mut Faults) -> Option<About> {
    match asked {
        None => Some(About::All),
        Some(Asked::SubjectId(id)) if is_id(id) => Some(About::Subject(id.clone())),
        Some(Asked::SubjectId(_)) => {
            faults.add("subject_id", "must be an id of ours, not of the client's");
            None
        }
        Some(Asked::UserId(id)) => faults.id("user_id", id).map(About::User),
        Some(Asked::TokenId(id)) => faults.id("token_id", id).map(About::Token),
        Some(Asked::Method(name)) => {
            let name = faults.required_text("method", name, METHOD_LENGTH_MAX)?;
            Some(About::Method(name))
        }
        Some(Asked::Denied(true)) => Some(About::Denied),
        Some(Asked::Denied(false)) => {
            faults.add("denied", "must be true, or left out");
            None
        }
    }
}

/// An event as a message.
pub fn to_audit_event(event: AuditEvent) -> v1::AuditEvent {
    v1::AuditEvent {
        id: event.id.to_string(),
        method: event.method,
        token_id: event.token_id.map(|id| id.to_string()).unwrap_or_default(),
        user_id: event.user_id.map(|id| id.to_string()).unwrap_or_default(),
        request_id: event
            .request_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        subject_ids: event.subjects,
        fields: event.fields,
        denied_reason: event.denied_reason.unwrap_or_default(),
        times: event.times,
        recorded_at: Some(timestamp(event.recorded_at)),
    }
}
