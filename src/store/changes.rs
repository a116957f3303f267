//! `changes`: what changed on a package and is not an entry. Append-only, like the ledger.

use std::collections::HashMap;

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, FromQueryResult, QueryOrder, QueryResult, QuerySelect, Set};

use crate::domain::change::{Change, ChangeKind};
use crate::domain::entry::Actor;
use crate::ids::{BusinessId, PackageId};
use crate::store::columns::{from_json, instant, is_any, known, micros, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "changes";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "changes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub package_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i32,
        pub kind: i16,
        pub old_value: Json,
        pub new_value: Json,
        pub request_id: Uuid,
        pub actor_kind: i16,
        pub actor_id: Option<Uuid>,
        pub effective_at: i64,
        pub recorded_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Appends a change.
pub async fn append(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    change: &Change,
) -> Result<(), StoreError> {
    let (actor_kind, actor_id) = change.actor.parts();
    Entity::insert(ActiveModel {
        business_id: Set(business_id.uuid()),
        package_id: Set(change.package_id.uuid()),
        seq: Set(change.seq),
        kind: Set(change.kind.code()),
        old_value: Set(to_json(&change.old, TABLE)?),
        new_value: Set(to_json(&change.new, TABLE)?),
        request_id: Set(change.request_id),
        actor_kind: Set(actor_kind),
        actor_id: Set(actor_id),
        effective_at: Set(micros(change.effective_at)),
        recorded_at: Set(micros(change.recorded_at)),
    })
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// The changes of a package, newest first, before the number `before`.
pub async fn of_package(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    package_id: PackageId,
    before: Option<i32>,
    limit: u64,
) -> Result<Vec<Change>, StoreError> {
    let mut query = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::PackageId.eq(package_id.uuid()));
    if let Some(before) = before {
        query = query.filter(Column::Seq.lt(before));
    }
    let rows = query
        .order_by_desc(Column::Seq)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// When the expiry of these packages was changed last; those that never were are left out.
pub async fn last_recorded_at(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<HashMap<PackageId, DateTimeUtc>, StoreError> {
    let ids = package_ids.iter().copied().map(PackageId::uuid);
    let kinds = ChangeKind::ALL.iter().filter(|kind| kind.moves_expiry());
    let rows: Vec<(Uuid, i64)> = Entity::find()
        .select_only()
        .column(Column::PackageId)
        .column_as(Column::RecordedAt.max(), "last_recorded_at")
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::PackageId, ids))
        .filter(Column::Kind.is_in(kinds.map(|kind| kind.code())))
        .group_by(Column::PackageId)
        .into_tuple()
        .all(db)
        .await?;
    rows.into_iter()
        .map(|(id, at)| {
            let id = PackageId::from_uuid(id);
            Ok((id, instant(at, TABLE, id)?))
        })
        .collect()
}

/// The change of a row that has all its columns.
pub(super) fn of_row(row: &QueryResult) -> Result<Change, StoreError> {
    read(Model::from_query_result(row, "")?)
}

fn read(row: Model) -> Result<Change, StoreError> {
    let package_id = PackageId::from_uuid(row.package_id);
    Ok(Change {
        package_id,
        seq: row.seq,
        kind: known(ChangeKind::from_code(row.kind), TABLE, package_id)?,
        old: from_json(row.old_value, TABLE, package_id)?,
        new: from_json(row.new_value, TABLE, package_id)?,
        request_id: row.request_id,
        actor: known(
            Actor::from_parts(row.actor_kind, row.actor_id),
            TABLE,
            package_id,
        )?,
        effective_at: instant(row.effective_at, TABLE, package_id)?,
        recorded_at: instant(row.recorded_at, TABLE, package_id)?,
    })
}
