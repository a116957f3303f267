//! What was refused for want of a token or a permission (J3): the first of a kind is written at once, those
//! that follow are counted and written together, so that a flood of them cannot fill the disk.
//!
//! A kind is a token, a method and a reason. A business has a bounded number of kinds at a time; what is
//! beyond them is counted as calls of any method. What a crash loses are counts, never the first of a kind.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::audit::AuditEvent;
use crate::domain::refusal::{AccessRefusal, Refusal};
use crate::ids::{AuditEventId, BusinessId, TokenId, UserId};
use crate::service::audit;
use crate::service::call::{Call, Caller};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::audit_events;
use crate::store::error::StoreError;

/// How long those of a kind are counted before they are written.
pub const COUNTED_FOR: Duration = Duration::from_mins(10);
/// How many kinds a business has at a time.
const KINDS_MAX: usize = 64;
/// Stands for any method once there are too many kinds.
const ANY_METHOD: &str = "*";

/// Refusals of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Denial {
    /// Whose token it was.
    pub business_id: BusinessId,
    /// The token.
    pub token_id: Option<TokenId>,
    /// The member of staff that it belongs to.
    pub user_id: Option<UserId>,
    /// The method that was called.
    pub method: String,
    /// The published reason.
    pub reason: &'static str,
}

/// The kinds of the present while, each with how many were not written yet.
#[derive(Clone, Debug, Default)]
pub struct Denials(Arc<Mutex<HashMap<Denial, i64>>>);

impl Denials {
    /// Counts a refusal; the answer is the kind to be written if this was the first of it.
    fn count(&self, denial: Denial) -> Option<Denial> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds = counts
            .keys()
            .filter(|known| known.business_id == denial.business_id)
            .count();
        let kind = if kinds < KINDS_MAX || counts.contains_key(&denial) {
            denial
        } else {
            Denial {
                token_id: None,
                user_id: None,
                method: ANY_METHOD.to_owned(),
                ..denial
            }
        };
        match counts.entry(kind) {
            Entry::Occupied(mut counted) => {
                let count = counted.get_mut();
                *count = count.saturating_add(1);
                None
            }
            Entry::Vacant(first) => {
                let kind = first.key().clone();
                first.insert(0);
                Some(kind)
            }
        }
    }

    fn take(&self) -> HashMap<Denial, i64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes down that a call was refused, or counts it.
pub async fn note(ctx: &Context, denial: Denial) {
    if let Some(first) = ctx.denials.count(denial) {
        write(ctx, first, 1).await;
    }
}

/// Writes down that a use case refused its caller for want of a permission; nothing for other failures.
pub async fn note_refused(ctx: &Context, call: &Call, error: &ServiceError) {
    if let ServiceError::Refused(refusal) = error
        && is_denial(refusal)
    {
        note(ctx, of(&call.caller, call.method, refusal.reason())).await;
    }
}

/// The kind of a refusal of a caller.
pub fn of(caller: &Caller, method: &str, reason: &'static str) -> Denial {
    Denial {
        business_id: caller.business.id,
        token_id: Some(caller.token_id),
        user_id: audit::user(caller.actor),
        method: method.to_owned(),
        reason,
    }
}

fn is_denial(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::PermissionDenied { .. }
            | Refusal::Access(AccessRefusal::PermissionsExceedCaller { .. })
    )
}

/// Writes the counts of the while that ends now, and begins another one.
pub async fn write_counts(ctx: Context) {
    let counts = ctx.denials.take().into_iter();
    for (denial, times) in counts.filter(|(_, times)| *times > 0) {
        write(&ctx, denial, times).await;
    }
}

/// Writes an event; in a task of its own, since a client that hangs up must not cut it. What cannot be written
/// is in the log instead.
async fn write(ctx: &Context, denial: Denial, times: i64) {
    let (db, now) = (ctx.db.clone(), ctx.clock.now());
    let business_id = denial.business_id;
    let (method, reason) = (denial.method.clone(), denial.reason);
    let event = AuditEvent {
        id: AuditEventId::generate(now),
        method: denial.method,
        token_id: denial.token_id,
        user_id: denial.user_id,
        request_id: None,
        subjects: Vec::new(),
        fields: Vec::new(),
        denied_reason: Some(denial.reason.to_owned()),
        times,
        recorded_at: now,
    };
    let written = tokio::spawn(async move {
        let txn = db.begin().await?;
        audit_events::insert(&txn, business_id, &event).await?;
        Ok::<_, StoreError>(txn.commit().await?)
    });
    if let Ok(Err(error)) = written.await {
        tracing::warn!(
            %business_id, %method, reason, times, %error,
            "{times} refusals of {method} were not written down: {error}"
        );
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn denial(method: &str) -> Denial {
        Denial {
            business_id: BusinessId::from_uuid(uuid::Uuid::from_u128(1)),
            token_id: Some(TokenId::generate(DateTime::UNIX_EPOCH)),
            user_id: None,
            method: method.to_owned(),
            reason: "PERMISSION_DENIED",
        }
    }

    #[test]
    fn a_flood_of_refusals_is_one_event_and_one_count() {
        let denials = Denials::default();
        let kind = denial("Consume");
        let first: Vec<_> = (0..1_000)
            .filter_map(|_| denials.count(kind.clone()))
            .collect();
        assert_eq!(first, std::slice::from_ref(&kind));
        assert_eq!(denials.take(), HashMap::from([(kind, 999)]));
    }

    #[test]
    fn a_flood_of_kinds_is_counted_as_one() {
        let denials = Denials::default();
        let written = (0..1_000).filter_map(|index| denials.count(denial(&index.to_string())));
        assert_eq!(written.count(), KINDS_MAX + 1);
        let counts = denials.take();
        let any = counts.iter().find(|(kind, _)| kind.method == ANY_METHOD);
        let beyond = i64::try_from(1_000 - KINDS_MAX - 1).unwrap();
        assert_eq!(any.map(|(_, count)| *count), Some(beyond));
    }
}
