//! What is kept for a while only, in parts: stored answers, texts of e-mails, events of the audit.
//!
//! Every row that keeps something from happening twice stays: the request, the e-mail, and all of the ledger. What
//! is over is looked for by an index and then named, so that no table is read from one end to the other.

use std::fmt::Write as _;

use sea_orm::prelude::{DateTimeUtc, Uuid};
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement, Value};

use crate::ids::{BusinessId, first_uuid};
use crate::store::columns::micros;
use crate::store::email_attempts;
use crate::store::error::StoreError;

/// What has its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The answers of requests.
    Answers,
    /// What e-mails say and to which address they went, once they are done.
    EmailTexts,
    /// What commands did, and what was refused to whom.
    AuditEvents,
}

impl Kept {
    /// Finds the oldest: `$1` is the business, `$2` the instant or id before which it is over, `$3` how many.
    const fn oldest(self) -> &'static str {
        match self {
            Self::Answers => {
                "SELECT request_id FROM requests WHERE business_id = $1 AND answer IS NOT NULL
                    AND created_at < $2 ORDER BY created_at LIMIT $3"
            }
            Self::EmailTexts => {
                "SELECT id FROM emails WHERE business_id = $1 AND to_address IS NOT NULL
                    AND finished_at < $2 ORDER BY finished_at, id LIMIT $3"
            }
            Self::AuditEvents => {
                "SELECT id FROM audit_events WHERE business_id = $1 AND id < $2 ORDER BY id LIMIT $3"
            }
        }
    }

    /// Removes it: `$1` is the business; the ids follow.
    const fn removals(self) -> &'static [&'static str] {
        match self {
            Self::Answers => {
                &["UPDATE requests SET answer = NULL WHERE business_id = $1 AND request_id IN"]
            }
            Self::EmailTexts => &[
                "UPDATE emails SET to_address = NULL, envelope = NULL, subject = NULL, html_body = NULL,
                    text_body = NULL WHERE business_id = $1 AND id IN",
            ],
            Self::AuditEvents => &[
                "DELETE FROM audit_subjects WHERE business_id = $1 AND audit_event_id IN",
                "DELETE FROM audit_events WHERE business_id = $1 AND id IN",
            ],
        }
    }
}

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
    let values = [business_id.uuid().into(), at, i64::from(limit).into()];
    let backend = txn.get_database_backend();
    let oldest = Statement::from_sql_and_values(backend, kept.oldest(), values);
    let oldest = txn.query_all_raw(oldest).await?;
    let ids: Result<Vec<Uuid>, _> = oldest.iter().map(|row| row.try_get_by_index(0)).collect();
    let ids = ids?;
    if ids.is_empty() {
        return Ok(0);
    }
    if kept == Kept::EmailTexts {
        email_attempts::clear_details(txn, business_id, &ids).await?;
    }
    for removal in kept.removals() {
        let sql = format!("{removal} ({})", places(ids.len()));
        let business = std::iter::once(business_id.uuid());
        let values = business.chain(ids.iter().copied()).map(Value::from);
        let removal = Statement::from_sql_and_values(backend, sql, values);
        txn.execute_raw(removal).await?;
    }
    Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
}

/// The places of so many parameters, from the second on.
fn places(count: usize) -> String {
    let mut places = String::from("$2");
    for place in 3..count.saturating_add(2) {
        // Writing into a text cannot fail.
        let _ = write!(places, ", ${place}");
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_its_place_behind_the_business() {
        assert_eq!(places(1), "$2");
        assert_eq!(places(3), "$2, $3, $4");
    }
}
