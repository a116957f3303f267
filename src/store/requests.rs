//! `requests`: the commands that did something, by the caller's request id.
//!
//! Whoever claims an id first takes effect; concurrent copies wait on the key and then read the answer.

use std::collections::HashSet;

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, Set, TryInsertResult, Unchanged};

use crate::domain::entry::Hash;
use crate::ids::BusinessId;
use crate::store::columns::{hash, instant, micros};
use crate::store::error::StoreError;
use crate::store::rows::Rows;

const TABLE: &str = "requests";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "requests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub request_id: Uuid,
        pub method: String,
        pub hash: Vec<u8>,
        pub answer: Option<Json>,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// A request that took effect earlier.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// The method that was called.
    pub method: String,
    /// The hash of the request.
    pub hash: Hash,
    /// What was answered; none once it was cleared.
    pub answer: Option<Json>,
    /// When it took effect.
    pub created_at: DateTimeUtc,
}

/// Claims an id for this transaction; false if it is taken.
pub async fn claim(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    method: &str,
    request_hash: &Hash,
    now: DateTimeUtc,
) -> Result<bool, StoreError> {
    let result = Entity::insert(ActiveModel {
        business_id: Set(business_id.uuid()),
        request_id: Set(request_id),
        method: Set(method.to_owned()),
        hash: Set(request_hash.to_vec()),
        answer: Set(None),
        created_at: Set(micros(now)),
    })
    .on_conflict_do_nothing_on([Column::BusinessId, Column::RequestId])
    .exec_without_returning(txn)
    .await?;
    // Without RETURNING a conflict is an insertion of no rows.
    Ok(matches!(result, TryInsertResult::Inserted(1..)))
}

/// Keeps the answer of a claimed id.
pub async fn answer(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    answer: Json,
) -> Result<(), StoreError> {
    Entity::update(ActiveModel {
        business_id: Unchanged(business_id.uuid()),
        request_id: Unchanged(request_id),
        answer: Set(Some(answer)),
        ..Default::default()
    })
    .exec(txn)
    .await?;
    Ok(())
}

/// What this id was used for, if it was.
pub async fn earlier(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    request_id: Uuid,
) -> Result<Option<Earlier>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), request_id))
        .one(db)
        .await?;
    row.map(|row| {
        Ok(Earlier {
            method: row.method,
            hash: hash(&row.hash, TABLE, request_id)?,
            answer: row.answer,
            created_at: instant(row.created_at, TABLE, request_id)?,
        })
    })
    .transpose()
}

/// Those of these ids that commands have used.
pub async fn used(
    db: &impl ConnectionTrait,
    requests: impl IntoIterator<Item = (BusinessId, Uuid)>,
) -> Result<HashSet<(BusinessId, Uuid)>, StoreError> {
    let pairs = requests.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id));
    let statement = Rows::of_pairs(["business_id", "request_id"], pairs).select(db, TABLE);
    let rows = Entity::find().from_raw_sql(statement).all(db).await?;
    let keys = rows.into_iter();
    Ok(keys
        .map(|row| (BusinessId::from_uuid(row.business_id), row.request_id))
        .collect())
}
