//! A package as a row, and back.

use chrono_tz::Tz;
use sea_orm::Set;

use crate::domain::package::Package;
use crate::domain::validity::ExpirySource;
use crate::ids::{BusinessId, CustomerId, GroupId, InvoiceLineId, PackageId, SaleId, TemplateId};
use crate::store::columns::{from_json, instant, instant_opt, known, micros, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "packages";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "packages")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub sale_id: Option<Uuid>,
        pub came_from: Option<Uuid>,
        pub customer_id: Uuid,
        pub group_id: Option<Uuid>,
        pub share_max: i32,
        pub template_id: Option<Uuid>,
        pub definition_version: Option<i32>,
        pub name: String,
        pub list_price_minor: i64,
        pub price_minor: i64,
        pub net_price_minor: i64,
        pub priority: i32,
        pub quarantine_days: Option<i32>,
        pub validity: Json,
        pub expiry_source: i16,
        pub time_zone: String,
        pub starts_at: i64,
        pub expires_at: Option<i64>,
        pub counts_from_first_use: bool,
        pub first_used_on: Option<Date>,
        pub expiry_epoch: i32,
        pub frozen_at: Option<i64>,
        pub frozen_until_max: Option<i64>,
        pub expires_if_thawed: Option<i64>,
        pub freezes: i32,
        pub frozen_days: i32,
        pub revoked_at: Option<i64>,
        pub transferred_at: Option<i64>,
        pub transferred_to: Option<Uuid>,
        pub queued_behind: Option<Uuid>,
        pub is_followed: bool,
        pub use_limit: Option<Json>,
        pub booking_rules: Option<Json>,
        pub paid_at: Option<i64>,
        pub invoice_line_id: Option<Uuid>,
        pub unpaid_uses: i32,
        pub change_seq: i32,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use entity::{ActiveModel, Column, Entity, Model};

const SOURCES: [(i16, ExpirySource); 3] = [
    (1, ExpirySource::Sale),
    (2, ExpirySource::Template),
    (3, ExpirySource::CreditType),
];

/// The package of a row.
pub(super) fn read(row: Model) -> Result<Package, StoreError> {
    let id = PackageId::from_uuid(row.id);
    let zone: Option<Tz> = row.time_zone.parse().ok();
    let source = SOURCES
        .iter()
        .find(|(code, _)| *code == row.expiry_source)
        .map(|(_, source)| *source);
    Ok(Package {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        external_id: row.external_id,
        sale_id: row.sale_id.map(SaleId::from_uuid),
        came_from: row.came_from.map(PackageId::from_uuid),
        customer_id: CustomerId::from_uuid(row.customer_id),
        group_id: row.group_id.map(GroupId::from_uuid),
        share_max: row.share_max,
        template: row
            .template_id
            .map(TemplateId::from_uuid)
            .zip(row.definition_version),
        name: row.name,
        list_price_minor: row.list_price_minor,
        price_minor: row.price_minor,
        net_price_minor: row.net_price_minor,
        priority: row.priority,
        quarantine_days: row.quarantine_days,
        validity: from_json(row.validity, TABLE, id)?,
        expiry_source: known(source, TABLE, id)?,
        zone: known(zone, TABLE, id)?,
        starts_at: instant(row.starts_at, TABLE, id)?,
        expires_at: instant_opt(row.expires_at, TABLE, id)?,
        counts_from_first_use: row.counts_from_first_use,
        first_used_on: row.first_used_on,
        expiry_epoch: row.expiry_epoch,
        frozen_at: instant_opt(row.frozen_at, TABLE, id)?,
        frozen_until_max: instant_opt(row.frozen_until_max, TABLE, id)?,
        expires_if_thawed: instant_opt(row.expires_if_thawed, TABLE, id)?,
        freezes: row.freezes,
        frozen_days: row.frozen_days,
        revoked_at: instant_opt(row.revoked_at, TABLE, id)?,
        transferred_at: instant_opt(row.transferred_at, TABLE, id)?,
        transferred_to: row.transferred_to.map(PackageId::from_uuid),
        queued_behind: row.queued_behind.map(PackageId::from_uuid),
        is_followed: row.is_followed,
        use_limit: row
            .use_limit
            .map(|limit| from_json(limit, TABLE, id))
            .transpose()?,
        booking_rules: row
            .booking_rules
            .map(|rules| from_json(rules, TABLE, id))
            .transpose()?,
        paid_at: instant_opt(row.paid_at, TABLE, id)?,
        invoice_line_id: row.invoice_line_id.map(InvoiceLineId::from_uuid),
        unpaid_uses: row.unpaid_uses,
        change_seq: row.change_seq,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

/// The row of a package.
pub(super) fn row(package: &Package) -> Result<ActiveModel, StoreError> {
    let source = SOURCES
        .iter()
        .find(|(_, source)| *source == package.expiry_source)
        .map(|(code, _)| *code);
    Ok(ActiveModel {
        business_id: Set(package.business_id.uuid()),
        id: Set(package.id.uuid()),
        external_id: Set(package.external_id.clone()),
        sale_id: Set(package.sale_id.map(SaleId::uuid)),
        came_from: Set(package.came_from.map(PackageId::uuid)),
        customer_id: Set(package.customer_id.uuid()),
        group_id: Set(package.group_id.map(GroupId::uuid)),
        share_max: Set(package.share_max),
        template_id: Set(package.template.map(|(id, _)| id.uuid())),
        definition_version: Set(package.template.map(|(_, version)| version)),
        name: Set(package.name.clone()),
        list_price_minor: Set(package.list_price_minor),
        price_minor: Set(package.price_minor),
        net_price_minor: Set(package.net_price_minor),
        priority: Set(package.priority),
        quarantine_days: Set(package.quarantine_days),
        validity: Set(to_json(&package.validity, TABLE)?),
        expiry_source: Set(known(source, TABLE, package.id)?),
        time_zone: Set(package.zone.name().to_owned()),
        starts_at: Set(micros(package.starts_at)),
        expires_at: Set(package.expires_at.map(micros)),
        counts_from_first_use: Set(package.counts_from_first_use),
        first_used_on: Set(package.first_used_on),
        expiry_epoch: Set(package.expiry_epoch),
        frozen_at: Set(package.frozen_at.map(micros)),
        frozen_until_max: Set(package.frozen_until_max.map(micros)),
        expires_if_thawed: Set(package.expires_if_thawed.map(micros)),
        freezes: Set(package.freezes),
        frozen_days: Set(package.frozen_days),
        revoked_at: Set(package.revoked_at.map(micros)),
        transferred_at: Set(package.transferred_at.map(micros)),
        transferred_to: Set(package.transferred_to.map(PackageId::uuid)),
        queued_behind: Set(package.queued_behind.map(PackageId::uuid)),
        is_followed: Set(package.is_followed),
        use_limit: Set(package
            .use_limit
            .map(|limit| to_json(&limit, TABLE))
            .transpose()?),
        booking_rules: Set(package
            .booking_rules
            .map(|rules| to_json(&rules, TABLE))
            .transpose()?),
        paid_at: Set(package.paid_at.map(micros)),
        invoice_line_id: Set(package.invoice_line_id.map(InvoiceLineId::uuid)),
        unpaid_uses: Set(package.unpaid_uses),
        change_seq: Set(package.change_seq),
        created_at: Set(micros(package.created_at)),
        version: Set(package.version),
    })
}
