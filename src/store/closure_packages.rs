//! `closure_packages`: which days of which closure a package got back. One row for each closure and package.

use std::collections::HashMap;

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set};

use crate::domain::closure::Counted;
use crate::ids::{BusinessId, ClosureId, PackageId};
use crate::store::columns::{from_json, is_any, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "closure_packages";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "closure_packages")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub package_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub closure_id: Uuid,
        pub days: Json,
        pub waiting: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// Writes which days a package got back in all, instead of what was written of it before.
pub async fn replace(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    package_id: PackageId,
    counted: &[Counted],
) -> Result<(), StoreError> {
    Entity::delete_many()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::PackageId.eq(package_id.uuid()))
        .exec(txn)
        .await?;
    let mut rows = Vec::with_capacity(counted.len());
    for counted in counted {
        rows.push(ActiveModel {
            business_id: Set(business_id.uuid()),
            package_id: Set(package_id.uuid()),
            closure_id: Set(counted.closure_id.uuid()),
            days: Set(to_json(&counted.days, TABLE)?),
            waiting: Set(counted.waiting),
        });
    }
    if !rows.is_empty() {
        Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// Which days these packages got back; those that got none are left out.
pub async fn of_packages(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<HashMap<PackageId, Vec<Counted>>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(
            Column::PackageId,
            package_ids.iter().map(|id| id.uuid()),
        ))
        .order_by_asc(Column::ClosureId)
        .all(db)
        .await?;
    let mut by_package: HashMap<PackageId, Vec<Counted>> = HashMap::new();
    for row in rows {
        let package_id = PackageId::from_uuid(row.package_id);
        let counted = Counted {
            closure_id: ClosureId::from_uuid(row.closure_id),
            days: from_json(row.days, TABLE, package_id)?,
            waiting: row.waiting,
        };
        by_package.entry(package_id).or_default().push(counted);
    }
    Ok(by_package)
}

/// Packages that got days of this closure back, the newest first, below the id `before`.
pub async fn of_closure(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    closure_id: ClosureId,
    before: Option<PackageId>,
    limit: u64,
) -> Result<Vec<PackageId>, StoreError> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::PackageId)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::ClosureId.eq(closure_id.uuid()));
    if let Some(before) = before {
        query = query.filter(Column::PackageId.lt(before.uuid()));
    }
    let ids: Vec<Uuid> = query
        .order_by_desc(Column::PackageId)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(PackageId::from_uuid).collect())
}
