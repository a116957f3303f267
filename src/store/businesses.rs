//! `businesses`: the tenants. A global table.
//!
//! One that is leaving, or has not arrived whole, is not there for anybody but those who see to that
//! ([`lock_to_leave`], [`all_leaving`]).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rand::Rng;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::LockType;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::business::{Business, Sender};
use crate::domain::money::Currency;
use crate::ids::BusinessId;
use crate::store::columns::{from_json, instant_opt, is_any, known, micros, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "businesses";
/// The bytes of the key that a business's links are signed with: as many as the hash has.
const LINK_KEY_BYTES: usize = 32;

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "businesses")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub time_zone: String,
        pub locale: String,
        pub currency: String,
        pub feature_enabled: bool,
        pub account_payments_active: bool,
        pub prices_include_tax: bool,
        pub quarantine_days: i32,
        pub policies: Json,
        pub default_priority: i32,
        pub reminder_policy: Json,
        pub invoicing: Json,
        pub from_name: Option<String>,
        pub from_email: Option<String>,
        pub reply_to: Option<String>,
        pub link_base_url: Option<String>,
        pub logo_url: Option<String>,
        pub accent_colour: Option<String>,
        pub link_key: Vec<u8>,
        pub leaving_at: Option<i64>,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new business, with a key of its own for its links.
pub async fn insert(
    txn: &DatabaseTransaction,
    business: &Business,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let mut row = row(business)?;
    row.created_at = Set(micros(now));
    let mut link_key = vec![0_u8; LINK_KEY_BYTES];
    rand::rng().fill_bytes(&mut link_key);
    row.link_key = Set(link_key);
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes a locked business as it is now, and counts its version up.
pub async fn update(txn: &DatabaseTransaction, business: &mut Business) -> Result<(), StoreError> {
    business.version = business.version.saturating_add(1);
    let mut row = row(business)?;
    row.id = Unchanged(business.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One business.
pub async fn get(
    db: &impl ConnectionTrait,
    id: BusinessId,
) -> Result<Option<Business>, StoreError> {
    let row = here().filter(Column::Id.eq(id.uuid())).one(db).await?;
    row.map(read).transpose()
}

/// The key that a business's links are signed with. It is no part of the business, which answers are
/// remembered with.
pub async fn link_key(
    db: &impl ConnectionTrait,
    id: BusinessId,
) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(here()
        .filter(Column::Id.eq(id.uuid()))
        .select_only()
        .column(Column::LinkKey)
        .into_tuple()
        .one(db)
        .await?)
}

/// Locks one business and reads it. Rows that refer to it can be written meanwhile: this very command may
/// have claimed its request id, and so may another that waits here.
pub async fn lock(
    txn: &DatabaseTransaction,
    id: BusinessId,
) -> Result<Option<Business>, StoreError> {
    let row = here()
        .filter(Column::Id.eq(id.uuid()))
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await?;
    row.map(read).transpose()
}

/// Locks one business, whether it is leaving or not, and says since when it is.
pub async fn lock_to_leave(
    txn: &DatabaseTransaction,
    id: BusinessId,
) -> Result<Option<(Business, Option<DateTime<Utc>>)>, StoreError> {
    let row = Entity::find_by_id(id.uuid())
        .lock(LockType::NoKeyUpdate)
        .one(txn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let leaving_at = instant_opt(row.leaving_at, TABLE, id)?;
    Ok(Some((read(row)?, leaving_at)))
}

/// Notes since when a business is leaving; none: it is here.
pub async fn set_leaving(
    txn: &DatabaseTransaction,
    id: BusinessId,
    leaving_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Unchanged(id.uuid()),
        leaving_at: Set(leaving_at.map(micros)),
        ..<ActiveModel as Default>::default()
    };
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// Those of these businesses that exist.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    ids: impl IntoIterator<Item = BusinessId>,
) -> Result<HashMap<BusinessId, Business>, StoreError> {
    let ids = ids.into_iter().map(BusinessId::uuid);
    let rows = here().filter(is_any(Column::Id, ids)).all(db).await?;
    rows.into_iter()
        .map(|row| Ok((BusinessId::from_uuid(row.id), read(row)?)))
        .collect()
}

/// All businesses, oldest first.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Business>, StoreError> {
    let rows = here().order_by_asc(Column::Id).all(db).await?;
    rows.into_iter().map(read).collect()
}

/// Those that are leaving or have not arrived whole, oldest first.
pub async fn all_leaving(db: &impl ConnectionTrait) -> Result<Vec<Business>, StoreError> {
    let leaving = Entity::find().filter(Column::LeavingAt.is_not_null());
    let rows = leaving.order_by_asc(Column::Id).all(db).await?;
    rows.into_iter().map(read).collect()
}

fn here() -> Select<Entity> {
    Entity::find().filter(Column::LeavingAt.is_null())
}

fn read(row: Model) -> Result<Business, StoreError> {
    let id = BusinessId::from_uuid(row.id);
    let zone: Option<Tz> = row.time_zone.parse().ok();
    Ok(Business {
        id,
        name: row.name,
        zone: known(zone, TABLE, id)?,
        locale: row.locale,
        currency: known(Currency::parse(&row.currency).ok(), TABLE, id)?,
        feature_enabled: row.feature_enabled,
        account_payments_active: row.account_payments_active,
        prices_include_tax: row.prices_include_tax,
        quarantine_days: row.quarantine_days,
        policies: from_json(row.policies, TABLE, id)?,
        default_priority: row.default_priority,
        reminder_policy: from_json(row.reminder_policy, TABLE, id)?,
        invoicing: from_json(row.invoicing, TABLE, id)?,
        sender: Sender {
            from_name: row.from_name,
            from_email: row.from_email,
            reply_to: row.reply_to,
            link_base_url: row.link_base_url,
            logo_url: row.logo_url,
            accent_colour: row.accent_colour,
        },
        version: row.version,
    })
}

fn row(business: &Business) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        id: Set(business.id.uuid()),
        name: Set(business.name.clone()),
        time_zone: Set(business.zone.name().to_owned()),
        locale: Set(business.locale.clone()),
        currency: Set(business.currency.code().to_owned()),
        feature_enabled: Set(business.feature_enabled),
        account_payments_active: Set(business.account_payments_active),
        prices_include_tax: Set(business.prices_include_tax),
        quarantine_days: Set(business.quarantine_days),
        policies: Set(to_json(&business.policies, TABLE)?),
        default_priority: Set(business.default_priority),
        reminder_policy: Set(to_json(&business.reminder_policy, TABLE)?),
        invoicing: Set(to_json(&business.invoicing, TABLE)?),
        from_name: Set(business.sender.from_name.clone()),
        from_email: Set(business.sender.from_email.clone()),
        reply_to: Set(business.sender.reply_to.clone()),
        link_base_url: Set(business.sender.link_base_url.clone()),
        logo_url: Set(business.sender.logo_url.clone()),
        accent_colour: Set(business.sender.accent_colour.clone()),
        link_key: sea_orm::NotSet,
        leaving_at: sea_orm::NotSet,
        created_at: sea_orm::NotSet,
        version: Set(business.version),
    })
}
