//! Who did what (J3): every command whose effects are not a posting of its own leaves an event in its
//! transaction; a use of credits is recorded by its entries. What was refused is [`crate::service::denials`].
//!
//! [`Call::remember`] writes it, which each of those commands calls, so none can forget it; a test calls every
//! method that writes and looks for the event or the posting.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseTransaction, JsonValue};

use crate::domain::audit::{About, AuditEvent, SUBJECTS_MAX};
use crate::domain::entry::Actor;
use crate::ids::{AuditEventId, UserId, is_id};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::audit_events::{self, Filter};

/// Which page of events.
#[derive(Clone, Debug)]
pub struct AuditList {
    /// What they are about.
    pub about: About,
    /// Only those from this instant on.
    pub from: Option<DateTime<Utc>>,
    /// Only those before this instant.
    pub until: Option<DateTime<Utc>>,
    /// Below this one.
    pub before: Option<AuditEventId>,
    /// How many at most.
    pub limit: u64,
}

/// Writes down that a command was done, which answered so.
pub(super) async fn record(
    txn: &DatabaseTransaction,
    call: &Call,
    answer: &JsonValue,
) -> Result<(), ServiceError> {
    let now = call.caller.called_at;
    let named = call.touched.ids.iter().filter(|text| is_id(text));
    let mut subjects: BTreeSet<String> = named.cloned().collect();
    subjects.extend(made(answer).map(str::to_owned));
    let event = AuditEvent {
        id: AuditEventId::generate(now),
        method: call.method.to_owned(),
        token_id: Some(call.caller.token_id),
        user_id: user(call.caller.actor),
        request_id: call.request_id,
        subjects: subjects.into_iter().take(SUBJECTS_MAX).collect(),
        fields: call
            .touched
            .fields
            .iter()
            .map(ToString::to_string)
            .collect(),
        denied_reason: None,
        times: 1,
        recorded_at: now,
    };
    Ok(audit_events::insert(txn, call.business_id(), &event).await?)
}

/// The user among actors.
pub(super) fn user(actor: Actor) -> Option<UserId> {
    match actor {
        Actor::User(id) => Some(id),
        Actor::System | Actor::Token(_) => None,
    }
}

/// Our ids of what an answer is about: its own, or those of the things in it.
fn made(answer: &JsonValue) -> impl Iterator<Item = &str> {
    let fields = answer.as_object().into_iter().flatten();
    let inner = fields.filter_map(|(_, value)| value.get("id"));
    let ids = [Some(answer), answer.get("id")].into_iter().flatten();
    let texts = ids.chain(inner).filter_map(JsonValue::as_str);
    texts.filter(|text| is_id(text))
}

/// A page of events, the latest first.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &AuditList,
) -> Result<Vec<AuditEvent>, ServiceError> {
    let filter = Filter {
        about: input.about.clone(),
        from: input.from,
        until: input.until,
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    Ok(audit_events::list(reader, business_id, &filter, input.before, input.limit).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_about_itself_or_the_things_in_it_and_never_about_texts() {
        let id = AuditEventId::generate(DateTime::UNIX_EPOCH).to_string();
        let about = |answer: &JsonValue| made(answer).map(str::to_owned).collect::<Vec<_>>();
        for answer in [
            serde_json::json!(id),
            serde_json::json!({"id": id, "name": "Mari"}),
            serde_json::json!({"group": {"id": id}, "members": []}),
        ] {
            assert_eq!(about(&answer), [id.as_str()], "{answer}");
        }
        assert_eq!(
            about(&serde_json::json!({"id": "mari@example.com"})),
            [""; 0]
        );
        assert_eq!(about(&serde_json::json!(null)), [""; 0]);
    }
}
