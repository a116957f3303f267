//! `credit_types`: the units that credits are counted in.

use sea_orm::entity::prelude::*;
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::catalog::CreditType;
use crate::ids::{BusinessId, CreditTypeId};
use crate::store::by_id;
use crate::store::columns::{from_json, instant, instant_opt, is_any, micros, to_json};
use crate::store::error::StoreError;
use crate::store::external_ids;

const TABLE: &str = "credit_types";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "credit_types")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub name: String,
        pub name_plural: String,
        pub description: String,
        pub decimal_places: i16,
        pub default_validity: Option<Json>,
        pub archived_at: Option<i64>,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new credit type.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    credit_type: &CreditType,
) -> Result<(), StoreError> {
    let row = row(business_id, credit_type)?;
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes a locked credit type as it is now, and counts its version up.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    credit_type: &mut CreditType,
) -> Result<(), StoreError> {
    credit_type.version = credit_type.version.saturating_add(1);
    let mut row = row(business_id, credit_type)?;
    row.business_id = Unchanged(business_id.uuid());
    row.id = Unchanged(credit_type.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One credit type.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: CreditTypeId,
) -> Result<Option<CreditType>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one credit type and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: CreditTypeId,
) -> Result<Option<CreditType>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks those of these credit types that exist against being changed, and reads them: many templates may
/// be written with them at once.
pub async fn share_all(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = CreditTypeId>,
) -> Result<Vec<CreditType>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(CreditTypeId::uuid).collect();
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .order_by_asc(Column::Id)
        .lock_shared()
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Those of these credit types that exist.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = CreditTypeId>,
) -> Result<Vec<CreditType>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(CreditTypeId::uuid).collect();
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The credit type that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<CreditTypeId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(CreditTypeId::from_uuid))
}

/// A page of credit types, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    include_archived: bool,
    before: Option<CreditTypeId>,
    limit: u64,
) -> Result<Vec<CreditType>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option((!include_archived).then(|| Column::ArchivedAt.is_null()))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<CreditType, StoreError> {
    let id = CreditTypeId::from_uuid(row.id);
    Ok(CreditType {
        id,
        external_id: row.external_id,
        name: row.name,
        name_plural: row.name_plural,
        description: row.description,
        decimal_places: u32::try_from(row.decimal_places)
            .map_err(|_| StoreError::corrupt(TABLE, id))?,
        default_validity: row
            .default_validity
            .map(|json| from_json(json, TABLE, id))
            .transpose()?,
        archived_at: instant_opt(row.archived_at, TABLE, id)?,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(business_id: BusinessId, credit_type: &CreditType) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(credit_type.id.uuid()),
        external_id: Set(credit_type.external_id.clone()),
        name: Set(credit_type.name.clone()),
        name_plural: Set(credit_type.name_plural.clone()),
        description: Set(credit_type.description.clone()),
        decimal_places: Set(i16::try_from(credit_type.decimal_places)
            .map_err(|_| StoreError::corrupt(TABLE, credit_type.id))?),
        default_validity: Set(credit_type
            .default_validity
            .as_ref()
            .map(|validity| to_json(validity, TABLE))
            .transpose()?),
        archived_at: Set(credit_type.archived_at.map(micros)),
        created_at: Set(micros(credit_type.created_at)),
        version: Set(credit_type.version),
    })
}
