//! `requests`: what did something, by the caller's request id.
//!
//! Whoever claims an id first takes effect; concurrent copies, and other requests with the same id, wait on the key.
//! Commands keep their answer here. Calls of the ledger keep the id alone, in the transaction of their entries: those
//! tell what it did.

use std::collections::HashSet;

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, Set, TryInsertResult, Unchanged};

use crate::domain::entry::Hash;
use crate::ids::BusinessId;
use crate::store::columns::{hash, instant, micros};
use crate::store::error::StoreError;
use crate::store::rows::{self, Rows};

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
        pub method: Option<String>,
        pub hash: Option<Vec<u8>>,
        pub answer: Option<Json>,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// A command that took effect earlier.
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

/// Claims an id for a command in this transaction; false if it is taken.
pub async fn claim(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    method: &str,
    request_hash: &Hash,
    now: DateTimeUtc,
) -> Result<bool, StoreError> {
    let claim = ActiveModel {
        method: Set(Some(method.to_owned())),
        hash: Set(Some(request_hash.to_vec())),
        ..bare(business_id, request_id, now)
    };
    insert(txn, claim).await
}

/// Claims an id for a call of the ledger in this transaction; false if it is taken.
pub async fn claim_bare(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    request_id: Uuid,
    now: DateTimeUtc,
) -> Result<bool, StoreError> {
    insert(txn, bare(business_id, request_id, now)).await
}

/// Claims the ids of many calls of the ledger, all of them or none.
///
/// # Errors
/// [`StoreError::Taken`] if one is taken.
pub(super) async fn claim_all_bare(
    db: &impl ConnectionTrait,
    requests: impl IntoIterator<Item = (BusinessId, Uuid, DateTimeUtc)>,
) -> Result<(), StoreError> {
    let requests = requests.into_iter();
    let models = requests.map(|(business_id, id, now)| bare(business_id, id, now));
    rows::insert(db, models.collect()).await
}

fn bare(business_id: BusinessId, request_id: Uuid, now: DateTimeUtc) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        request_id: Set(request_id),
        method: Set(None),
        hash: Set(None),
        answer: Set(None),
        created_at: Set(micros(now)),
    }
}

async fn insert(txn: &DatabaseTransaction, claim: ActiveModel) -> Result<bool, StoreError> {
    let result = Entity::insert(claim)
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

/// The command that claimed this id, if one did.
pub async fn earlier(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    request_id: Uuid,
) -> Result<Option<Earlier>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), request_id))
        .one(db)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let Some((method, known)) = row.method.zip(row.hash) else {
        return Ok(None);
    };
    Ok(Some(Earlier {
        method,
        hash: hash(&known, TABLE, request_id)?,
        answer: row.answer,
        created_at: instant(row.created_at, TABLE, request_id)?,
    }))
}

/// Those of these ids that commands have claimed.
pub async fn of_commands(
    db: &impl ConnectionTrait,
    requests: impl IntoIterator<Item = (BusinessId, Uuid)>,
) -> Result<HashSet<(BusinessId, Uuid)>, StoreError> {
    let pairs = requests.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id));
    let statement = Rows::of_pairs(["business_id", "request_id"], pairs).select(db, TABLE);
    let rows = Entity::find().from_raw_sql(statement).all(db).await?;
    let commands = rows.into_iter().filter(|row| row.hash.is_some());
    Ok(commands
        .map(|row| (BusinessId::from_uuid(row.business_id), row.request_id))
        .collect())
}
