//! Claiming e-mails that are due, and writing how far they have come.

use std::collections::HashSet;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    Condition, DatabaseTransaction, DbBackend, QueryOrder, QueryResult, QuerySelect, Select,
    Statement,
};

use super::{ActiveModel, Column, Entity, WAITING, read, row};
use crate::domain::email::{Attempt, Email};
use crate::ids::{BusinessId, EmailId};
use crate::store::columns::micros;
use crate::store::email_attempts;
use crate::store::error::StoreError;
use crate::store::rows::{self, Rows};

/// What an e-mail is found by.
const KEY: [Column; 2] = [Column::BusinessId, Column::Id];
/// How far it has come.
const PROGRESS: [Column; 7] = [
    Column::State,
    Column::Reason,
    Column::DueAt,
    Column::Attempts,
    Column::LeaseUntil,
    Column::Fence,
    Column::FinishedAt,
];
/// What it says.
const TEXT: [Column; 7] = [
    Column::MessageId,
    Column::ToAddress,
    Column::Envelope,
    Column::Subject,
    Column::HtmlBody,
    Column::TextBody,
    Column::RenderedAt,
];

/// The businesses with e-mails that are due, in the order of their ids, without locks.
pub async fn businesses_due(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
) -> Result<Vec<BusinessId>, StoreError> {
    let sql = format!(
        "{WAITING} SELECT business_id FROM waiting WHERE first_due_at <= $1 ORDER BY business_id"
    );
    let values = [micros(now).into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let found = db.query_all_raw(statement).await?;
    found
        .iter()
        .map(|row| Ok(BusinessId::from_uuid(row.try_get_by_index(0)?)))
        .collect()
}

/// How many e-mails of any business are due and nobody has, counted up to `most`.
pub async fn count_due(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
    most: usize,
) -> Result<usize, StoreError> {
    let mut count = 0_usize;
    for business_id in businesses_due(db, now).await? {
        let missing = most.saturating_sub(count);
        if missing == 0 {
            break;
        }
        let found: Vec<Uuid> = next_due(business_id, now, missing)
            .select_only()
            .column(Column::Id)
            .into_tuple()
            .all(db)
            .await?;
        count = count.saturating_add(found.len());
    }
    Ok(count)
}

/// Locks up to `limit` e-mails of a business that nobody else has: those that have been due for longest.
pub async fn lock_due(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    now: DateTimeUtc,
    limit: usize,
) -> Result<Vec<Email>, StoreError> {
    let rows = next_due(business_id, now, limit)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Locks those of these claimed e-mails whose claims still stand and that nobody else holds; each with the number of
/// its claim.
pub async fn lock_claims(
    db: &impl ConnectionTrait,
    claimed: &[&Email],
) -> Result<HashSet<(EmailId, i64)>, StoreError> {
    let backend = db.get_database_backend();
    // SQLite has nobody else while this transaction writes.
    let lock = if backend == DbBackend::Postgres {
        "FOR UPDATE OF emails SKIP LOCKED"
    } else {
        ""
    };
    let rows = Rows::of_models(models(claimed)?, KEY.into_iter().chain([Column::Fence]))?;
    let sql = standing(&rows.table(backend), lock);
    let statement = Statement::from_sql_and_values(backend, sql, rows.values(backend));
    claims(&db.query_all_raw(statement).await?)
}

/// Finds those of the claims in `given` that still stand. Not by the condition that they are not finished: to PostgreSQL
/// that would be a reason to look for them among all that are not.
fn standing(given: &str, lock: &str) -> String {
    format!(
        "SELECT emails.id, emails.fence, emails.business_id FROM {given} JOIN emails
            ON emails.business_id = given.business_id AND emails.id = given.id
            AND emails.fence = given.fence
         WHERE coalesce(emails.finished_at, 0) = 0 {lock}"
    )
}

fn claims(found: &[QueryResult]) -> Result<HashSet<(EmailId, i64)>, StoreError> {
    let found = found.iter().map(|row| {
        let id = EmailId::from_uuid(row.try_get_by_index(0)?);
        Ok((id, row.try_get_by_index(1)?))
    });
    found.collect()
}

/// Writes how far claimed e-mails have come, and how their attempts ended, where their claims still stand and nobody
/// else holds them; says of which claims it did. On PostgreSQL one statement, which can be a transaction of its own.
pub async fn end_claims(
    db: &impl ConnectionTrait,
    ended: &[(Email, Attempt)],
) -> Result<HashSet<(EmailId, i64)>, StoreError> {
    let backend = db.get_database_backend();
    if backend != DbBackend::Postgres {
        return end_claims_by_steps(db, ended).await;
    }
    let emails: Vec<&Email> = ended.iter().map(|(email, _)| email).collect();
    let columns = KEY.into_iter().chain(PROGRESS);
    let rows = Rows::of_models(models(&emails)?, columns)?;
    let attempts = ended.iter();
    let attempts = attempts.map(|(email, attempt)| (email.business_id, email.id, attempt));
    let attempts = email_attempts::Ended::new(attempts)?;
    let parameters = rows.parameters(backend);
    let sql = format!(
        "WITH given AS (SELECT * FROM {}),
            standing AS ({}),
            attempts AS ({})
         UPDATE emails SET {} FROM given JOIN standing ON standing.business_id = given.business_id
            AND standing.id = given.id
         WHERE emails.business_id = given.business_id AND emails.id = given.id
         RETURNING emails.id, emails.fence",
        rows.table(backend),
        standing("given", "FOR UPDATE OF emails SKIP LOCKED"),
        attempts.sql(parameters, "standing", backend),
        rows::taken_from_given(&PROGRESS),
    );
    let mut values = rows.values(backend);
    values.extend(attempts.values(backend));
    let statement = Statement::from_sql_and_values(backend, sql, values);
    claims(&db.query_all_raw(statement).await?)
}

async fn end_claims_by_steps(
    db: &impl ConnectionTrait,
    ended: &[(Email, Attempt)],
) -> Result<HashSet<(EmailId, i64)>, StoreError> {
    let claimed: Vec<&Email> = ended.iter().map(|(email, _)| email).collect();
    let standing = lock_claims(db, &claimed).await?;
    let is_standing = |email: &Email| standing.contains(&(email.id, email.fence));
    let (emails, attempts): (Vec<&Email>, Vec<_>) = ended
        .iter()
        .filter(|(email, _)| is_standing(email))
        .map(|(email, attempt)| (email, (email.business_id, email.id, attempt)))
        .unzip();
    email_attempts::finish(db, attempts).await?;
    update(db, &emails).await?;
    Ok(standing)
}

/// Locks an e-mail if it is still under the claim `fence`.
pub async fn lock_claimed(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: EmailId,
    fence: i64,
) -> Result<Option<Email>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), id.uuid()))
        .filter(Column::Fence.eq(fence))
        .filter(Column::FinishedAt.is_null())
        .lock_exclusive()
        .one(txn)
        .await?;
    row.map(read).transpose()
}

/// Writes how far locked e-mails have come, and nothing of what they say, which is large and stays.
pub async fn update(db: &impl ConnectionTrait, emails: &[&Email]) -> Result<(), StoreError> {
    rows::update(db, models(emails)?, &KEY, &PROGRESS).await
}

/// Writes how far locked e-mails have come and what they say.
pub async fn update_with_text(
    txn: &DatabaseTransaction,
    emails: &[&Email],
) -> Result<(), StoreError> {
    let written = [PROGRESS, TEXT].concat();
    rows::update(txn, models(emails)?, &KEY, &written).await
}

fn models(emails: &[&Email]) -> Result<Vec<ActiveModel>, StoreError> {
    emails.iter().map(|email| row(email)).collect()
}

/// Up to `limit` e-mails of a business that are due and nobody has; those of a run that is not done are left alone.
fn next_due(business_id: BusinessId, now: DateTimeUtc, limit: usize) -> Select<Entity> {
    let is_free = Condition::any()
        .add(Column::LeaseUntil.is_null())
        .add(Column::LeaseUntil.lte(micros(now)));
    Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::FinishedAt.is_null())
        .filter(Column::DueAt.lte(micros(now)))
        .filter(is_free)
        .filter(Expr::cust(
            "(emails.mail_day IS NULL OR EXISTS (SELECT 1 FROM mail_days d \
             WHERE d.business_id = emails.business_id AND d.local_day = emails.mail_day \
             AND d.done_at IS NOT NULL))",
        ))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
}
