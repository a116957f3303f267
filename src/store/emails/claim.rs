//! Claiming e-mails that are due, and writing how far they have come.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect};

use super::{ActiveModel, Column, Entity, read, row};
use crate::domain::email::Email;
use crate::ids::{BusinessId, EmailId};
use crate::store::columns::micros;
use crate::store::error::StoreError;

/// The businesses with e-mails that are due, in the order of their ids, without locks.
pub async fn businesses_due(
    db: &impl ConnectionTrait,
    now: DateTimeUtc,
) -> Result<Vec<BusinessId>, StoreError> {
    let ids: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::BusinessId)
        .distinct()
        .filter(Column::FinishedAt.is_null())
        .filter(Column::DueAt.lte(micros(now)))
        .order_by_asc(Column::BusinessId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(BusinessId::from_uuid).collect())
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

/// Locks the e-mail of a business that has been due for longest and that nobody else has.
pub async fn lock_due(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    now: DateTimeUtc,
) -> Result<Option<Email>, StoreError> {
    let row = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(to_claim(now))
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(1)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .one(txn)
        .await?;
    row.map(read).transpose()
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

/// Writes how far a locked e-mail has come, and nothing of what it says, which is large and stays.
pub async fn update(txn: &DatabaseTransaction, email: &Email) -> Result<(), StoreError> {
    let row = row(email)?;
    let progress = ActiveModel {
        state: row.state,
        reason: row.reason,
        due_at: row.due_at,
        attempts: row.attempts,
        lease_until: row.lease_until,
        fence: row.fence,
        finished_at: row.finished_at,
        ..Default::default()
    };
    write(txn, email, progress).await
}

/// Writes what a locked e-mail says.
pub async fn update_text(txn: &DatabaseTransaction, email: &Email) -> Result<(), StoreError> {
    let row = row(email)?;
    let text = ActiveModel {
        message_id: row.message_id,
        to_address: row.to_address,
        envelope: row.envelope,
        subject: row.subject,
        html_body: row.html_body,
        text_body: row.text_body,
        rendered_at: row.rendered_at,
        ..Default::default()
    };
    write(txn, email, text).await
}

async fn write(
    txn: &DatabaseTransaction,
    email: &Email,
    columns: ActiveModel,
) -> Result<(), StoreError> {
    Entity::update_many()
        .set(columns)
        .filter(Column::BusinessId.eq(email.business_id.uuid()))
        .filter(Column::Id.eq(email.id.uuid()))
        .exec(txn)
        .await?;
    Ok(())
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
