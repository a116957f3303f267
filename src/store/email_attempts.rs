//! `email_attempts`: one row for each attempt to hand an e-mail over, written before its first byte.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::domain::email::{Attempt, AttemptOutcome};
use crate::ids::{BusinessId, EmailId};
use crate::store::columns::{instant, instant_opt, known, micros};
use crate::store::error::StoreError;

const TABLE: &str = "email_attempts";
/// The most e-mails of one statement: a bound on the parameters that databases take.
const EMAILS_PER_STATEMENT_MAX: usize = 400;

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "email_attempts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub email_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub attempt: i32,
        pub started_at: i64,
        pub finished_at: Option<i64>,
        pub outcome: Option<i16>,
        pub smtp_code: Option<i32>,
        pub detail: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes that an attempt begins.
pub async fn begin(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    email_id: EmailId,
    number: i32,
    now: DateTimeUtc,
) -> Result<(), StoreError> {
    Entity::insert(ActiveModel {
        business_id: Set(business_id.uuid()),
        email_id: Set(email_id.uuid()),
        attempt: Set(number),
        started_at: Set(micros(now)),
        finished_at: Set(None),
        outcome: Set(None),
        smtp_code: Set(None),
        detail: Set(None),
    })
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// Writes how an attempt ended.
pub async fn finish(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    email_id: EmailId,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    Entity::update_many()
        .set(ActiveModel {
            finished_at: Set(attempt.finished_at.map(micros)),
            outcome: Set(attempt.outcome.map(AttemptOutcome::code)),
            smtp_code: Set(attempt.smtp_code),
            detail: Set(Some(attempt.detail.clone())),
            ..Default::default()
        })
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::EmailId.eq(email_id.uuid()))
        .filter(Column::Attempt.eq(attempt.number))
        .exec(txn)
        .await?;
    Ok(())
}

/// Clears what mail servers said of these e-mails, which may name an address.
pub async fn clear_details(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    email_ids: &[Uuid],
) -> Result<(), StoreError> {
    for chunk in email_ids.chunks(EMAILS_PER_STATEMENT_MAX) {
        Entity::update_many()
            .col_expr(Column::Detail, Expr::value(None::<String>))
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(Column::EmailId.is_in(chunk.iter().copied()))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// The attempts to send an e-mail, the oldest first.
pub async fn of_email(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    email_id: EmailId,
) -> Result<Vec<Attempt>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::EmailId.eq(email_id.uuid()))
        .order_by_asc(Column::Attempt)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The last attempt to send an e-mail.
pub async fn last(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    email_id: EmailId,
) -> Result<Option<Attempt>, StoreError> {
    let row = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::EmailId.eq(email_id.uuid()))
        .order_by_desc(Column::Attempt)
        .limit(1)
        .one(db)
        .await?;
    row.map(read).transpose()
}

fn read(row: Model) -> Result<Attempt, StoreError> {
    let id = EmailId::from_uuid(row.email_id);
    let outcome = row
        .outcome
        .map(|code| known(AttemptOutcome::from_code(code), TABLE, id))
        .transpose()?;
    Ok(Attempt {
        number: row.attempt,
        started_at: instant(row.started_at, TABLE, id)?,
        finished_at: instant_opt(row.finished_at, TABLE, id)?,
        outcome,
        smtp_code: row.smtp_code,
        detail: row.detail.unwrap_or_default(),
    })
}
