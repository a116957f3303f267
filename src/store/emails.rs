//! `emails`: messages to customers, and what became of them.

use std::collections::HashMap;

use chrono::NaiveDate;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Query;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Statement};

use crate::domain::email::{Email, EmailState, Envelope, Text};
use crate::domain::notice::NoticeKind;
use crate::ids::{BusinessId, CustomerId, EmailId, PackageId};
use crate::store::by_id;
use crate::store::columns::{from_json, instant, instant_opt, is_one_of, known, micros, to_json};
use crate::store::error::StoreError;
use crate::store::notices;
use crate::store::rows::{self, Rows};

mod claim;
mod overview;

pub use claim::{
    businesses_due, count_due, end_claims, lock_claimed, lock_claims, lock_due, update,
    update_with_text,
};
pub use overview::{count_waiting, get_of_any_business, newest, oldest_due};

const TABLE: &str = "emails";
/// The businesses with e-mails that wait, and when the first one of each is due: by going from each business to the
/// next one, since most that wait may be those of a few.
const WAITING: &str = "
    WITH RECURSIVE walk (business_id) AS (
        SELECT * FROM (
            SELECT business_id FROM emails WHERE finished_at IS NULL ORDER BY business_id LIMIT 1
        ) AS beginning
        UNION ALL
        SELECT (
            SELECT behind.business_id FROM emails AS behind
            WHERE behind.finished_at IS NULL AND behind.business_id > walk.business_id
            ORDER BY behind.business_id LIMIT 1
        ) FROM walk WHERE walk.business_id IS NOT NULL
    ), waiting AS (
        SELECT business_id, (
            SELECT due_at FROM emails AS first
            WHERE first.business_id = walk.business_id AND first.finished_at IS NULL
            ORDER BY due_at, id LIMIT 1
        ) AS first_due_at
        FROM walk WHERE business_id IS NOT NULL
    )";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "emails")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub customer_id: Option<Uuid>,
        pub is_test: bool,
        pub kind: i16,
        pub occasion: String,
        pub state: i16,
        pub reason: Option<String>,
        pub mail_day: Option<Date>,
        pub due_at: i64,
        pub attempts: i32,
        pub lease_until: Option<i64>,
        pub fence: i64,
        pub message_id: Option<String>,
        pub to_address: Option<String>,
        pub envelope: Option<Json>,
        pub subject: Option<String>,
        pub html_body: Option<String>,
        pub text_body: Option<String>,
        pub rendered_at: Option<i64>,
        pub created_at: i64,
        pub finished_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which e-mails a list shows; all that are given must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// To this customer.
    pub customer_id: Option<CustomerId>,
    /// That tell, or were to tell, of this package.
    pub package_id: Option<PackageId>,
    /// In one of these states; empty: in any.
    pub states: Vec<EmailState>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<NoticeKind>,
}

/// The e-mails of these customers, kinds and occasions, in the order of `new`: those that are there already, or
/// the new ones.
pub async fn ensure(txn: &DatabaseTransaction, new: &[Email]) -> Result<Vec<EmailId>, StoreError> {
    let models = new.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    rows::insert_new(txn, models.clone(), &KEY).await?;
    let there = of_occasions(txn, models).await?;
    let ids = new.iter();
    let ids = ids.map(|email| known(there.get(&key(email)).copied(), TABLE, email.id));
    ids.collect()
}

/// What an e-mail is unique by.
const KEY: [Column; 4] = [
    Column::BusinessId,
    Column::CustomerId,
    Column::Kind,
    Column::Occasion,
];

/// The values of [`KEY`].
type Key = (Uuid, Option<Uuid>, i16, String);

fn key(email: &Email) -> Key {
    (
        email.business_id.uuid(),
        email.customer_id.map(CustomerId::uuid),
        email.kind.code(),
        email.occasion.clone(),
    )
}

/// Those e-mails that exist by what these are unique by: each is looked up by its own key, since a customer may
/// have had many.
async fn of_occasions(
    txn: &DatabaseTransaction,
    sought: Vec<ActiveModel>,
) -> Result<HashMap<Key, EmailId>, StoreError> {
    let sought = Rows::of_models(sought, KEY)?;
    let backend = txn.get_database_backend();
    let sql = format!(
        "SELECT emails.business_id, emails.customer_id, emails.kind, emails.occasion, emails.id
         FROM {} JOIN emails ON emails.business_id = given.business_id
            AND emails.customer_id = given.customer_id
            AND emails.kind = given.kind AND emails.occasion = given.occasion",
        sought.table(backend)
    );
    let statement = Statement::from_sql_and_values(backend, sql, sought.values(backend));
    let found = txn.query_all_raw(statement).await?;
    let found = found.iter().map(|row| {
        let key = (
            row.try_get_by_index(0)?,
            row.try_get_by_index(1)?,
            row.try_get_by_index(2)?,
            row.try_get_by_index(3)?,
        );
        Ok((key, EmailId::from_uuid(row.try_get_by_index(4)?)))
    });
    found.collect()
}

/// Writes a trial.
pub async fn insert_test(txn: &DatabaseTransaction, email: &Email) -> Result<(), StoreError> {
    Entity::insert(row(email)?)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// When the trials since an instant were made, the oldest first; at most `limit`.
pub async fn tests_since(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    since: DateTimeUtc,
    limit: u64,
) -> Result<Vec<DateTimeUtc>, StoreError> {
    let made: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::CreatedAt)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Expr::cust("is_test"))
        .filter(Column::CreatedAt.gt(micros(since)))
        .order_by_asc(Column::CreatedAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    made.into_iter()
        .map(|at| instant(at, TABLE, business_id))
        .collect()
}

/// Makes the e-mails of a run that was never finished part of the run of `to`: none of them can have
/// been claimed.
pub async fn adopt(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<(), StoreError> {
    Entity::update_many()
        .set(ActiveModel {
            mail_day: Set(Some(to)),
            occasion: Set(to.to_string()),
            ..Default::default()
        })
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::MailDay.eq(from))
        .filter(Column::FinishedAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

/// One e-mail.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: EmailId,
) -> Result<Option<Email>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one e-mail and reads it, whoever has it claimed.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: EmailId,
) -> Result<Option<Email>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// A page of a business's e-mails, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: &Filter,
    before: Option<EmailId>,
    limit: u64,
) -> Result<Vec<Email>, StoreError> {
    let states = filter.states.iter().map(|state| state.code());
    let kinds = filter.kinds.iter().map(|kind| kind.code());
    let customer = filter.customer_id;
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(customer.map(|id| Column::CustomerId.eq(id.uuid())))
        .add_option((!filter.states.is_empty()).then(|| is_one_of(Column::State, states)))
        .add_option((!filter.kinds.is_empty()).then(|| is_one_of(Column::Kind, kinds)))
        .add_option(filter.package_id.map(|id| {
            let mut ids = Query::select();
            notices::select_email_ids(&mut ids, business_id, id);
            Column::Id.in_subquery(ids)
        }))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// E-mails of a business that have not come to their end, in the order in which they are due, after a position.
pub async fn waiting(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<(DateTimeUtc, EmailId)>,
    limit: u64,
) -> Result<Vec<Email>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add(Column::FinishedAt.is_null())
        .add_option(after.map(|(due_at, id)| {
            let due_at = micros(due_at);
            let same = Condition::all()
                .add(Column::DueAt.eq(due_at))
                .add(Column::Id.gt(id.uuid()));
            Condition::any().add(Column::DueAt.gt(due_at)).add(same)
        }));
    let rows = Entity::find()
        .filter(condition)
        .order_by_asc(Column::DueAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<Email, StoreError> {
    let id = EmailId::from_uuid(row.id);
    Ok(Email {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        customer_id: row.customer_id.map(CustomerId::from_uuid),
        is_test: row.is_test,
        kind: known(NoticeKind::from_code(row.kind), TABLE, id)?,
        occasion: row.occasion.clone(),
        state: known(EmailState::from_code(row.state), TABLE, id)?,
        reason: row.reason.clone(),
        mail_day: row.mail_day,
        due_at: instant(row.due_at, TABLE, id)?,
        attempts: row.attempts,
        lease_until: instant_opt(row.lease_until, TABLE, id)?,
        fence: row.fence,
        created_at: instant(row.created_at, TABLE, id)?,
        finished_at: instant_opt(row.finished_at, TABLE, id)?,
        text: text(row, id)?,
    })
}

/// What an e-mail says; it is written all at once.
fn text(row: Model, id: EmailId) -> Result<Option<Text>, StoreError> {
    let Some(rendered_at) = instant_opt(row.rendered_at, TABLE, id)? else {
        return Ok(None);
    };
    Ok(Some(Text {
        message_id: known(row.message_id, TABLE, id)?,
        to_address: row.to_address.unwrap_or_default(),
        envelope: match row.envelope {
            Some(json) => from_json(json, TABLE, id)?,
            None => Envelope::default(),
        },
        subject: row.subject.unwrap_or_default(),
        html: row.html_body.unwrap_or_default(),
        plain: row.text_body.unwrap_or_default(),
        rendered_at,
    }))
}

fn row(email: &Email) -> Result<ActiveModel, StoreError> {
    let text = email.text.as_ref();
    let envelope = text
        .map(|text| to_json(&text.envelope, TABLE))
        .transpose()?;
    Ok(ActiveModel {
        business_id: Set(email.business_id.uuid()),
        id: Set(email.id.uuid()),
        customer_id: Set(email.customer_id.map(CustomerId::uuid)),
        is_test: Set(email.is_test),
        kind: Set(email.kind.code()),
        occasion: Set(email.occasion.clone()),
        state: Set(email.state.code()),
        reason: Set(email.reason.clone()),
        mail_day: Set(email.mail_day),
        due_at: Set(micros(email.due_at)),
        attempts: Set(email.attempts),
        lease_until: Set(email.lease_until.map(micros)),
        fence: Set(email.fence),
        message_id: Set(text.map(|text| text.message_id.clone())),
        to_address: Set(text.map(|text| text.to_address.clone())),
        envelope: Set(envelope),
        subject: Set(text.map(|text| text.subject.clone())),
        html_body: Set(text.map(|text| text.html.clone())),
        text_body: Set(text.map(|text| text.plain.clone())),
        rendered_at: Set(text.map(|text| micros(text.rendered_at))),
        created_at: Set(micros(email.created_at)),
        finished_at: Set(email.finished_at.map(micros)),
    })
}
