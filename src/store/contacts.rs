//! The columns of `customers` that e-mails need. Read only.

use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

use crate::ids::{BusinessId, CustomerId};
use crate::store::error::StoreError;

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "customers")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub name: String,
        pub email: Option<String>,
        pub locale: Option<String>,
        pub active: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{Column, Entity};

/// How a customer is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The name.
    pub name: String,
    /// The address.
    pub email: Option<String>,
    /// The language; none: the business's.
    pub locale: Option<String>,
    /// Whether the customer is active.
    pub active: bool,
}

/// How a customer is written to.
pub async fn contact(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<Option<Contact>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), id.uuid()))
        .one(db)
        .await?;
    Ok(row.map(|row| Contact {
        name: row.name,
        email: row.email,
        locale: row.locale,
        active: row.active,
    }))
}

/// The id of the customer that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<CustomerId>, StoreError> {
    let id: Option<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::ExternalId.eq(external_id))
        .into_tuple()
        .one(db)
        .await?;
    Ok(id.map(CustomerId::from_uuid))
}
