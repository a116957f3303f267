//! Claiming e-mails that are due, and writing how far they have come.

use std::collections::HashSet;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{Condition, DatabaseTransaction, DbBackend, QueryOrder, QuerySelect, Statement};

use super::{ActiveModel, Column, Entity, read, row};
use crate::domain::email::Email;
use crate::ids::{BusinessId, EmailId};
use crate::store::columns::micros;
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

/// Finds the businesses with e-mails that are due by going from each business to the next one: most e-mails that
/// are due may be those of a few.
const BUSINESSES_DUE: &str = "
    WITH RECURSIVE waiting (business_id) AS (
        SELECT * FROM (
            SELECT business_id FROM emails WHERE finished_at IS NULL ORDER BY business_id LIMIT 1
        ) AS beginning
        UNION ALL
        SELECT (
            SELECT behind.business_id FROM emails AS behind
            WHERE behind.finished_at IS NULL AND behind.business_id > waiting.business_id
            ORDER BY behind.business_id LIMIT 1
        ) FROM waiting WHERE waiting.business_id IS NOT NULL
    )
    SELECT business_id FROM waiting
    WHERE business_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM emails AS due WHERE due.business_id = waiting.business_id
            AND due.finished_at IS NULL AND due.due_at <= $1
    )
    ORDER BY business_id";

/// The businesses with e-mails that are due, in the order of their ids, without locks.
pub async fn businesses_due(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
) -> Result<Vec<BusinessId>, StoreError> {
    let values = [micros(now).into()];
    let backend = db.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, BUSINESSES_DUE, values);
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
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(to_claim(now))
        .limit(u64::try_from(most).unwrap_or(u64::MAX))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.len())
}

/// Locks up to `limit` e-mails of a business that nobody else has: those that have been due for longest.
pub async fn lock_due(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    now: DateTimeUtc,
    limit: usize,
) -> Result<Vec<Email>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(to_claim(now))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(u64::try_from(limit).unwrap_or(u64::MAX))
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Locks those of these claimed e-mails whose claims still stand and that nobody else holds; each with the number of
/// its claim.
pub async fn lock_claims(
    txn: &DatabaseTransaction,
    claimed: &[&Email],
) -> Result<HashSet<(EmailId, i64)>, StoreError> {
    let backend = txn.get_database_backend();
    // SQLite has nobody else while this transaction writes.
    let lock = if backend == DbBackend::Postgres {
        "FOR UPDATE OF emails SKIP LOCKED"
    } else {
        ""
    };
    let rows = Rows::of_models(models(claimed)?, KEY.into_iter().chain([Column::Fence]))?;
    let sql = format!(
        "SELECT emails.id, emails.fence FROM {} JOIN emails ON emails.business_id = given.business_id
            AND emails.id = given.id AND emails.fence = given.fence
         WHERE emails.finished_at IS NULL ORDER BY emails.id {lock}",
        rows.table(backend)
    );
    let statement = Statement::from_sql_and_values(backend, sql, rows.values(backend));
    let found = txn.query_all_raw(statement).await?;
    found
        .iter()
        .map(|row| {
            let id = EmailId::from_uuid(row.try_get_by_index(0)?);
            Ok((id, row.try_get_by_index(1)?))
        })
        .collect()
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
pub async fn update(txn: &DatabaseTransaction, emails: &[&Email]) -> Result<(), StoreError> {
    rows::update(txn, models(emails)?, &KEY, &PROGRESS).await
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

/// What is due and nobody has; those of a run that is not done are left alone.
fn to_claim(now: DateTimeUtc) -> Condition {
    let is_free = Condition::any()
        .add(Column::LeaseUntil.is_null())
        .add(Column::LeaseUntil.lte(micros(now)));
    Condition::all()
        .add(Column::FinishedAt.is_null())
        .add(Column::DueAt.lte(micros(now)))
        .add(is_free)
        .add(Expr::cust(
            "(emails.mail_day IS NULL OR EXISTS (SELECT 1 FROM mail_days d \
             WHERE d.business_id = emails.business_id AND d.local_day = emails.mail_day \
             AND d.done_at IS NOT NULL))",
        ))
}
