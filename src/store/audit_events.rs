//! `audit_events` and `audit_subjects`: what commands did and what was refused, and the ids that each event
//! names.

use std::collections::BTreeSet;

use chrono::SubsecRound;
use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::domain::audit::{About, AuditEvent};
use crate::ids::{AuditEventId, BusinessId, TokenId, UserId, first_uuid};
use crate::store::columns::{from_json, instant, is_any, micros, to_json};
use crate::store::error::StoreError;
use crate::store::rows;

const TABLE: &str = "audit_events";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_events")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub method: String,
        pub token_id: Option<Uuid>,
        pub user_id: Option<Uuid>,
        pub request_id: Option<Uuid>,
        pub subjects: Json,
        pub fields: Json,
        pub denied_reason: Option<String>,
        pub times: i64,
        pub recorded_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod subject {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_subjects")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub subject: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub audit_event_id: Uuid,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which events a list has.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// What they are about.
    pub about: About,
    /// Only those from this instant on.
    pub from: Option<DateTimeUtc>,
    /// Only those before this instant.
    pub until: Option<DateTimeUtc>,
}

/// Writes an event and by which subjects it is found: all that it is about, of which it tells a bounded number.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    event: &AuditEvent,
    subjects: &BTreeSet<String>,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(event.id.uuid()),
        method: Set(event.method.clone()),
        token_id: Set(event.token_id.map(TokenId::uuid)),
        user_id: Set(event.user_id.map(UserId::uuid)),
        request_id: Set(event.request_id),
        subjects: Set(to_json(&event.subjects, TABLE)?),
        fields: Set(to_json(&event.fields, TABLE)?),
        denied_reason: Set(event.denied_reason.clone()),
        times: Set(event.times),
        // As fine as ids tell it, so that a range of ids is one of times.
        recorded_at: Set(micros(event.recorded_at.trunc_subsecs(3))),
    };
    Entity::insert(row).exec_without_returning(txn).await?;
    let subjects = subjects.iter().map(|name| subject::ActiveModel {
        business_id: Set(business_id.uuid()),
        subject: Set(name.clone()),
        audit_event_id: Set(event.id.uuid()),
    });
    rows::insert(txn, subjects.collect()).await
}

/// A page of events, the latest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: &Filter,
    before: Option<AuditEventId>,
    limit: u64,
) -> Result<Vec<AuditEvent>, StoreError> {
    if let About::Subject(name) = &filter.about {
        return about(db, business_id, (filter, name), before, limit).await;
    }
    let about = match &filter.about {
        About::All | About::Subject(_) => None,
        About::User(id) => Some(Column::UserId.eq(id.uuid())),
        About::Token(id) => Some(Column::TokenId.eq(id.uuid())),
        About::Method(name) => Some(Column::Method.eq(name.as_str())),
        About::Denied => Some(Column::DeniedReason.is_not_null()),
    };
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option(about)
        .add_option(before.map(|id| Column::Id.lt(id.uuid())))
        .add(of_time(filter, Column::Id));
    let query = Entity::find().filter(condition);
    let rows = query.order_by_desc(Column::Id).limit(limit).all(db).await?;
    rows.into_iter().map(read).collect()
}

/// A page of the events that name a subject.
async fn about(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    (filter, name): (&Filter, &str),
    before: Option<AuditEventId>,
    limit: u64,
) -> Result<Vec<AuditEvent>, StoreError> {
    let at = subject::Column::AuditEventId;
    let condition = Condition::all()
        .add(subject::Column::BusinessId.eq(business_id.uuid()))
        .add(subject::Column::Subject.eq(name))
        .add_option(before.map(|id| at.lt(id.uuid())))
        .add(of_time(filter, at));
    let named = subject::Entity::find().filter(condition);
    let named = named.order_by_desc(at).limit(limit).all(db).await?;
    let ids: Vec<Uuid> = named.into_iter().map(|row| row.audit_event_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .all(db)
        .await?;
    let events: Result<Vec<_>, _> = rows.into_iter().map(read).collect();
    let mut events = events?;
    events.sort_unstable_by_key(|event| std::cmp::Reverse(event.id));
    Ok(events)
}

/// The times of a filter as bounds of ids, which indexes know.
fn of_time(filter: &Filter, id: impl ColumnTrait) -> Condition {
    Condition::all()
        .add_option(filter.from.map(|at| id.gte(first_uuid(at))))
        .add_option(filter.until.map(|at| id.lt(first_uuid(at))))
}

fn read(row: Model) -> Result<AuditEvent, StoreError> {
    let id = AuditEventId::from_uuid(row.id);
    Ok(AuditEvent {
        id,
        method: row.method,
        token_id: row.token_id.map(TokenId::from_uuid),
        user_id: row.user_id.map(UserId::from_uuid),
        request_id: row.request_id,
        subjects: from_json(row.subjects, TABLE, id)?,
        fields: from_json(row.fields, TABLE, id)?,
        denied_reason: row.denied_reason,
        times: row.times,
        recorded_at: instant(row.recorded_at, TABLE, id)?,
    })
}
