//! `email_attempts`: one row for each attempt to hand an e-mail over, written before its first byte.

use std::collections::HashMap;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;
use sea_orm::{DatabaseTransaction, DbBackend, NotSet, QueryOrder, Set};

use crate::domain::email::{Attempt, AttemptOutcome};
use crate::ids::{BusinessId, EmailId};
use crate::store::columns::{instant, instant_opt, is_any, known, micros};
use crate::store::error::StoreError;
use crate::store::rows::{self, Rows};

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

/// What an attempt is found by.
const KEY: [Column; 3] = [Column::BusinessId, Column::EmailId, Column::Attempt];
/// How it ended.
const ENDING: [Column; 4] = [
    Column::FinishedAt,
    Column::Outcome,
    Column::SmtpCode,
    Column::Detail,
];

/// Writes that attempts begin, each by the number that its e-mail has it under.
pub async fn begin(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    numbers: &[(EmailId, i32)],
    now: DateTimeUtc,
) -> Result<(), StoreError> {
    let models = numbers.iter().map(|(email_id, number)| ActiveModel {
        business_id: Set(business_id.uuid()),
        email_id: Set(email_id.uuid()),
        attempt: Set(*number),
        started_at: Set(micros(now)),
        finished_at: Set(None),
        outcome: Set(None),
        smtp_code: Set(None),
        detail: Set(None),
    });
    rows::insert(txn, models.collect()).await
}

/// Writes how attempts ended.
pub async fn finish<'a>(
    db: &impl ConnectionTrait,
    attempts: impl IntoIterator<Item = (BusinessId, EmailId, &'a Attempt)>,
) -> Result<(), StoreError> {
    rows::update(db, all_ended(attempts), &KEY, &ENDING).await
}

/// Writes how an attempt ended, unless somebody has already.
pub async fn finish_open(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    email_id: EmailId,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    Entity::update_many()
        .set(ActiveModel {
            business_id: NotSet,
            email_id: NotSet,
            attempt: NotSet,
            ..ended(business_id, email_id, attempt)
        })
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::EmailId.eq(email_id.uuid()))
        .filter(Column::Attempt.eq(attempt.number))
        .filter(Column::Outcome.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

fn all_ended<'a>(
    attempts: impl IntoIterator<Item = (BusinessId, EmailId, &'a Attempt)>,
) -> Vec<ActiveModel> {
    let attempts = attempts.into_iter();
    let models = attempts.map(|(business_id, id, attempt)| ended(business_id, id, attempt));
    models.collect()
}

fn ended(business_id: BusinessId, email_id: EmailId, attempt: &Attempt) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        email_id: Set(email_id.uuid()),
        attempt: Set(attempt.number),
        started_at: NotSet,
        finished_at: Set(attempt.finished_at.map(micros)),
        outcome: Set(attempt.outcome.map(AttemptOutcome::code)),
        smtp_code: Set(attempt.smtp_code),
        detail: Set(Some(attempt.detail.clone())),
    }
}

/// How attempts of any businesses ended, as a part of a statement.
pub(super) struct Ended(Rows);

impl Ended {
    pub(super) fn new<'a>(
        attempts: impl IntoIterator<Item = (BusinessId, EmailId, &'a Attempt)>,
    ) -> Result<Self, StoreError> {
        let columns = KEY.into_iter().chain(ENDING);
        Ok(Self(Rows::of_models(all_ended(attempts), columns)?))
    }

    /// Writes those of the e-mails in `standing`, with so many parameters before its own.
    pub(super) fn sql(&self, parameters: usize, standing: &str, backend: DbBackend) -> String {
        format!(
            "UPDATE {TABLE} SET {} FROM {} JOIN {standing} ON {standing}.business_id = given.business_id
                AND {standing}.id = given.email_id
             WHERE {TABLE}.business_id = given.business_id AND {TABLE}.email_id = given.email_id
                AND {TABLE}.attempt = given.attempt",
            rows::taken_from_given(&ENDING),
            self.0.table_after(parameters, backend),
        )
    }

    pub(super) fn values(self, backend: DbBackend) -> Vec<Value> {
        self.0.values(backend)
    }
}

/// Takes back that an attempt was to begin, which did not.
pub async fn withdraw(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    email_id: EmailId,
    number: i32,
) -> Result<(), StoreError> {
    let key = (business_id.uuid(), email_id.uuid(), number);
    Entity::delete_by_id(key).exec(txn).await?;
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
            .filter(is_any(Column::EmailId, chunk.iter().copied()))
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

/// The last attempt to send each of these e-mails; nothing of one that was never tried.
pub async fn last(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    email_ids: &[EmailId],
) -> Result<HashMap<EmailId, Attempt>, StoreError> {
    if email_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let pairs = email_ids.iter().map(|id| (business_id.uuid(), id.uuid()));
    let last = " AND email_attempts.attempt = (SELECT max(other.attempt) FROM email_attempts other
            WHERE other.business_id = given.business_id AND other.email_id = given.email_id)";
    let statement = Rows::of_pairs(["business_id", "email_id"], pairs);
    let statement = statement.select_with(db, TABLE, "", last);
    let rows = Entity::find().from_raw_sql(statement).all(db).await?;
    rows.into_iter()
        .map(|row| Ok((EmailId::from_uuid(row.email_id), read(row)?)))
        .collect()
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
