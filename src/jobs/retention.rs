//! Removes what is kept for a while only (J7): stored answers, texts and addresses of e-mails, events of the audit.
//!
//! It removes in small parts, each in a transaction of its own, so that nobody waits for it. It never touches the
//! ledger, nor the row that keeps a request or an e-mail from happening twice.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config::RetentionSettings;
use crate::ids::BusinessId;
use crate::service::{Context, ServiceError};
use crate::store::businesses;
use crate::store::retention::{self, Kept};

/// How many rows one part has.
const ROWS_PER_PART_MAX: u32 = 500;
/// How many parts of a kind one step removes of a business; the rest waits for the next.
const PARTS_MAX: usize = 100;

/// What a step removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// How many answers.
    pub answers: u64,
    /// The texts of how many e-mails.
    pub email_texts: u64,
    /// How many events of the audit.
    pub audit_events: u64,
}

/// Removes what is over, of each business up to a bound.
///
/// # Errors
/// Failures of the database.
pub async fn step(ctx: &Context, keep: &RetentionSettings) -> Result<Removed, ServiceError> {
    let mut removed = Removed::default();
    let now = ctx.clock.now();
    let before = |age: TimeDelta| now.checked_sub_signed(age).unwrap_or(DateTime::UNIX_EPOCH);
    for business in businesses::all(ctx.db.reader()).await? {
        for (kept, age, count) in [
            (Kept::Answers, keep.answers(), &mut removed.answers),
            (
                Kept::EmailTexts,
                keep.email_texts(),
                &mut removed.email_texts,
            ),
            (Kept::AuditEvents, keep.audit(), &mut removed.audit_events),
        ] {
            let parts = remove(ctx, business.id, kept, before(age)).await?;
            *count = count.saturating_add(parts);
        }
    }
    let Removed {
        answers,
        email_texts,
        audit_events,
    } = removed;
    if removed != Removed::default() {
        tracing::info!(
            answers,
            email_texts,
            audit_events,
            "{answers} stored answers, {email_texts} texts of e-mails and {audit_events} audit events were removed"
        );
    }
    Ok(removed)
}

async fn remove(
    ctx: &Context,
    business_id: BusinessId,
    kept: Kept,
    before: DateTime<Utc>,
) -> Result<u64, ServiceError> {
    let mut removed = 0_u64;
    for _ in 0..PARTS_MAX {
        let txn = ctx.db.begin().await?;
        let rows = retention::remove(&txn, business_id, kept, before, ROWS_PER_PART_MAX).await?;
        txn.commit().await?;
        removed = removed.saturating_add(rows);
        if rows < ROWS_PER_PART_MAX.into() {
            break;
        }
    }
    Ok(removed)
}
