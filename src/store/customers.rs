//! `customers`: the people who own and use packages. Personal data lies here and nowhere else.

use std::collections::{BTreeSet, HashMap};

use chrono_tz::Tz;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Expr, LikeExpr, LockType, SelectStatement};
use sea_orm::{
    Condition, DatabaseTransaction, QueryOrder, QuerySelect, QueryTrait, Set, Unchanged,
};

use crate::domain::customer::{Customer, fold};
use crate::ids::{BusinessId, CustomerId};
use crate::store::by_id;
use crate::store::columns::{instant, instant_opt, is_any, known, micros};
use crate::store::error::StoreError;
use crate::store::external_ids;

const TABLE: &str = "customers";
/// What makes the next character of a pattern stand for itself.
pub(super) const ESCAPE: char = '!';

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
        pub email_folded: Option<String>,
        pub email_verified: bool,
        pub phone: Option<String>,
        pub locale: Option<String>,
        pub time_zone: Option<String>,
        pub active: bool,
        pub may_purchase_on_account: bool,
        pub unsubscribed_at: Option<i64>,
        pub merged_into: Option<Uuid>,
        pub erased_at: Option<i64>,
        pub search_text: String,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Which customers a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Inactive ones too.
    pub include_inactive: bool,
    /// Only those that a search for this finds; empty: all.
    pub query: String,
}

/// Writes a new customer.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer: &Customer,
) -> Result<(), StoreError> {
    let row = row(business_id, customer);
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes new customers.
pub async fn insert_all(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customers: &[Customer],
) -> Result<(), StoreError> {
    let rows = customers.iter().map(|it| row(business_id, it));
    Entity::insert_many(rows)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Writes a locked customer as it is now, and counts its version up.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer: &mut Customer,
) -> Result<(), StoreError> {
    customer.version = customer.version.saturating_add(1);
    let mut row = row(business_id, customer);
    row.business_id = Unchanged(business_id.uuid());
    row.id = Unchanged(customer.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One customer.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<Option<Customer>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one customer and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<Option<Customer>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one customer against being changed, and reads it: many sales may hold it at once.
pub async fn share(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<Option<Customer>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), id.uuid()))
        .lock_shared()
        .one(txn)
        .await?;
    row.map(read).transpose()
}

/// Locks many customers in the order of their ids, and reads them.
pub async fn lock_all(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = CustomerId>,
) -> Result<Vec<Customer>, StoreError> {
    let ids: BTreeSet<Uuid> = ids.into_iter().map(CustomerId::uuid).collect();
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .order_by_asc(Column::Id)
        .lock(LockType::NoKeyUpdate)
        .all(txn)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Those of these customers that exist.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = CustomerId>,
) -> Result<Vec<Customer>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(CustomerId::uuid).collect();
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids))
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Those who were merged into a customer follow it into another one.
pub async fn follow(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    merged: CustomerId,
    survivor: CustomerId,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::MergedInto, Expr::value(survivor.uuid()))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::MergedInto.eq(merged.uuid()))
        .exec(txn)
        .await?;
    Ok(())
}

/// The customers whose place this one took, in the order of their ids.
pub async fn merged_into(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<Vec<CustomerId>, StoreError> {
    let found: Vec<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::MergedInto.eq(id.uuid()))
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(CustomerId::from_uuid).collect())
}

/// The subquery that finds this customer's id if it is active.
pub(super) fn active(business_id: BusinessId, id: CustomerId) -> SelectStatement {
    Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .filter(Column::Active.eq(true))
        .into_query()
}

/// The customer that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<CustomerId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(CustomerId::from_uuid))
}

/// The customers to whom this address is known to belong, the oldest first.
pub async fn by_verified_email(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    email: &str,
    limit: u64,
) -> Result<Vec<Customer>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::EmailFolded.eq(fold(email)))
        .filter(Column::EmailVerified.eq(true))
        .filter(Column::MergedInto.is_null())
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The customers to whom these addresses are known to belong, in no order that matters.
pub async fn by_verified_emails(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    emails: impl IntoIterator<Item = &str>,
) -> Result<Vec<Customer>, StoreError> {
    let folded: BTreeSet<String> = emails.into_iter().map(fold).collect();
    if folded.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::EmailFolded, folded))
        .filter(Column::EmailVerified.eq(true))
        .filter(Column::MergedInto.is_null())
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The customers that the caller knows by these ids, by them.
pub async fn by_external_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_ids: impl IntoIterator<Item = &str>,
) -> Result<HashMap<String, CustomerId>, StoreError> {
    let external_ids: BTreeSet<&str> = external_ids.into_iter().collect();
    if external_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<(String, Uuid)> = Entity::find()
        .select_only()
        .columns([Column::ExternalId, Column::Id])
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::ExternalId, external_ids))
        .into_tuple()
        .all(db)
        .await?;
    let found = found.into_iter();
    Ok(found
        .map(|(external_id, id)| (external_id, CustomerId::from_uuid(id)))
        .collect())
}

/// A page of customers, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: &Filter,
    before: Option<CustomerId>,
    limit: u64,
) -> Result<Vec<Customer>, StoreError> {
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option((!filter.include_inactive).then(|| Column::Active.eq(true)))
        .add_option((!filter.query.is_empty()).then(|| {
            let pattern = LikeExpr::new(containing(&filter.query)).escape(ESCAPE);
            Column::SearchText.like(pattern)
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

/// The pattern of the texts that contain `query`, folded, where no character of it is special.
pub(super) fn containing(query: &str) -> String {
    let mut pattern = String::from("%");
    for character in fold(query).chars() {
        if matches!(character, '%' | '_' | ESCAPE) {
            pattern.push(ESCAPE);
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn read(row: Model) -> Result<Customer, StoreError> {
    let id = CustomerId::from_uuid(row.id);
    let zone = |name: String| known(name.parse::<Tz>().ok(), TABLE, id);
    Ok(Customer {
        id,
        external_id: row.external_id,
        name: row.name,
        email: row.email,
        email_verified: row.email_verified,
        phone: row.phone,
        locale: row.locale,
        time_zone: row.time_zone.map(zone).transpose()?,
        active: row.active,
        may_purchase_on_account: row.may_purchase_on_account,
        unsubscribed_at: instant_opt(row.unsubscribed_at, TABLE, id)?,
        merged_into: row.merged_into.map(CustomerId::from_uuid),
        erased_at: instant_opt(row.erased_at, TABLE, id)?,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(business_id: BusinessId, customer: &Customer) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(customer.id.uuid()),
        external_id: Set(customer.external_id.clone()),
        name: Set(customer.name.clone()),
        email: Set(customer.email.clone()),
        email_folded: Set(customer.email.as_deref().map(fold)),
        email_verified: Set(customer.email_verified),
        phone: Set(customer.phone.clone()),
        locale: Set(customer.locale.clone()),
        time_zone: Set(customer.time_zone.map(|zone| zone.name().to_owned())),
        active: Set(customer.active),
        may_purchase_on_account: Set(customer.may_purchase_on_account),
        unsubscribed_at: Set(customer.unsubscribed_at.map(micros)),
        merged_into: Set(customer.merged_into.map(CustomerId::uuid)),
        erased_at: Set(customer.erased_at.map(micros)),
        search_text: Set(customer.search_text()),
        created_at: Set(micros(customer.created_at)),
        version: Set(customer.version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_takes_every_character_for_itself() {
        assert_eq!(containing(" Mari "), "%mari%");
        assert_eq!(containing("100%_!"), "%100!%!_!!%");
    }
}
