//! What is kept for a while only, in parts: stored answers, texts of e-mails, events of the audit.
//!
//! Every row that keeps something from happening twice stays: the request, the e-mail, and all of the ledger.

use sea_orm::prelude::DateTimeUtc;
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, Value};

use crate::ids::{BusinessId, first_uuid};
use crate::store::columns::micros;
use crate::store::error::StoreError;

/// What has its time. `$1` is the business, `$2` the instant before which it is over, `$3` how many rows there are
/// in a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The answers of requests.
    Answers,
    /// What e-mails say and to which address they went, once they are done.
    EmailTexts,
    /// What commands did, and what was refused to whom.
    AuditEvents,
}

const ANSWERS: &str = "UPDATE requests SET answer = NULL WHERE business_id = $1 AND request_id IN (
        SELECT request_id FROM requests WHERE business_id = $1 AND answer IS NOT NULL AND created_at < $2
        ORDER BY created_at LIMIT $3)";

const ATTEMPTS: &str =
    "UPDATE email_attempts SET detail = NULL WHERE business_id = $1 AND email_id IN (
        SELECT id FROM emails WHERE business_id = $1 AND to_address IS NOT NULL AND finished_at < $2
        ORDER BY finished_at, id LIMIT $3)";

const EMAIL_TEXTS: &str = "UPDATE emails
     SET to_address = NULL, envelope = NULL, subject = NULL, html_body = NULL, text_body = NULL
     WHERE business_id = $1 AND id IN (
        SELECT id FROM emails WHERE business_id = $1 AND to_address IS NOT NULL AND finished_at < $2
        ORDER BY finished_at, id LIMIT $3)";

const AUDIT_SUBJECTS: &str =
    "DELETE FROM audit_subjects WHERE business_id = $1 AND audit_event_id IN (
        SELECT id FROM audit_events WHERE business_id = $1 AND id < $2 ORDER BY id LIMIT $3)";

const AUDIT_EVENTS: &str = "DELETE FROM audit_events WHERE business_id = $1 AND id IN (
        SELECT id FROM audit_events WHERE business_id = $1 AND id < $2 ORDER BY id LIMIT $3)";

/// Removes the oldest of what is older than `before`, at most `limit`; how much it was.
pub async fn remove(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    kept: Kept,
    before: DateTimeUtc,
    limit: u32,
) -> Result<u64, StoreError> {
    let at: Value = match kept {
        Kept::Answers | Kept::EmailTexts => micros(before).into(),
        // The ids of events tell their time.
        Kept::AuditEvents => first_uuid(before).into(),
    };
    let statements: &[&str] = match kept {
        Kept::Answers => &[ANSWERS],
        Kept::EmailTexts => &[ATTEMPTS, EMAIL_TEXTS],
        Kept::AuditEvents => &[AUDIT_SUBJECTS, AUDIT_EVENTS],
    };
    let backend = txn.get_database_backend();
    let mut removed = 0;
    for sql in statements {
        let values = [
            business_id.uuid().into(),
            at.clone(),
            i64::from(limit).into(),
        ];
        let statement = Statement::from_sql_and_values(backend, *sql, values);
        removed = txn.execute_raw(statement).await?.rows_affected();
    }
    Ok(removed)
}
