//! A lot as a row, and back.

use std::sync::Arc;

use chrono_tz::Tz;
use sea_orm::Set;

use crate::domain::credits::Credits;
use crate::domain::entry::{Balances, EntryKey};
use crate::domain::line::Line;
use crate::domain::lot::{Basis, Fold, Lot, Origin, Pools, Tail, Terms};
use crate::ids::{BusinessId, CreditTypeId, CustomerId, LotId, PackageId};
use crate::store::columns::{hash, instant, instant_opt, known, micros};
use crate::store::error::StoreError;

pub(super) const TABLE: &str = "lots";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "lots")]
    #[expect(clippy::struct_excessive_bools, reason = "it is the table's row")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub package_id: Uuid,
        pub line_id: Uuid,
        pub customer_id: Uuid,
        pub credit_type_id: Uuid,
        pub origin: i16,
        pub priority: i32,
        pub starts_at: i64,
        pub expires_at: Option<i64>,
        pub counts_from_first_use: bool,
        pub first_used_on: Option<Date>,
        pub expires_if_unused: Option<i64>,
        pub time_zone: String,
        pub frozen: bool,
        pub frozen_until_max: Option<i64>,
        pub expires_if_thawed: Option<i64>,
        pub revoked: bool,
        pub is_followed: bool,
        pub is_limited: bool,
        pub issued_quantity: i64,
        pub issued_value: i64,
        pub basis_quantity: i64,
        pub basis_value: i64,
        pub revalued: bool,
        pub issued: i64,
        pub available: i64,
        pub held: i64,
        pub consumed: i64,
        pub expired: i64,
        pub revoked_credits: i64,
        pub transferred: i64,
        pub value_unused: i64,
        pub value_consumed: i64,
        pub value_expired: i64,
        pub value_revoked: i64,
        pub value_transferred: i64,
        pub seq: i64,
        pub last_posting_id: Uuid,
        pub last_n: i32,
        pub last_hash: Vec<u8>,
        pub last_recorded_at: i64,
        pub next_timeout_at: Option<i64>,
        pub transferred_to: Option<Uuid>,
        pub is_open: bool,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use entity::{ActiveModel, Column, Entity, Model};

/// The lot of a row.
pub(super) fn lot(row: &Model, line: Arc<Line>) -> Result<Lot, StoreError> {
    let id = LotId::from_uuid(row.id);
    let zone: Option<Tz> = row.time_zone.parse().ok();
    Ok(Lot {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        package_id: PackageId::from_uuid(row.package_id),
        line,
        customer_id: CustomerId::from_uuid(row.customer_id),
        origin: known(Origin::from_code(row.origin), TABLE, id)?,
        priority: row.priority,
        terms: Terms {
            starts_at: instant(row.starts_at, TABLE, id)?,
            expires_at: instant_opt(row.expires_at, TABLE, id)?,
            counts_from_first_use: row.counts_from_first_use,
            first_used_on: row.first_used_on,
            expires_if_unused: instant_opt(row.expires_if_unused, TABLE, id)?,
            zone: known(zone, TABLE, id)?,
            frozen: row.frozen,
            frozen_until_max: instant_opt(row.frozen_until_max, TABLE, id)?,
            expires_if_thawed: instant_opt(row.expires_if_thawed, TABLE, id)?,
            revoked: row.revoked,
            is_followed: row.is_followed,
            is_limited: row.is_limited,
        },
        issued: Basis {
            value: row.issued_value,
            quantity: Credits::from_millionths(row.issued_quantity),
        },
        fold: Fold {
            balances: Balances {
                available: Credits::from_millionths(row.available),
                held: Credits::from_millionths(row.held),
                consumed: Credits::from_millionths(row.consumed),
                expired: Credits::from_millionths(row.expired),
                revoked: Credits::from_millionths(row.revoked_credits),
                transferred: Credits::from_millionths(row.transferred),
            },
            pools: Pools {
                unused: row.value_unused,
                consumed: row.value_consumed,
                expired: row.value_expired,
                revoked: row.value_revoked,
                transferred: row.value_transferred,
            },
            basis: Basis {
                value: row.basis_value,
                quantity: Credits::from_millionths(row.basis_quantity),
            },
            revalued: row.revalued,
        },
        tail: Tail {
            seq: row.seq,
            last: Some(EntryKey {
                posting_id: row.last_posting_id,
                n: row.last_n,
            }),
            hash: hash(&row.last_hash, TABLE, id)?,
            recorded_at: Some(instant(row.last_recorded_at, TABLE, id)?),
        },
        next_timeout_at: instant_opt(row.next_timeout_at, TABLE, id)?,
        transferred_to: row.transferred_to.map(LotId::from_uuid),
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

/// The row of a lot.
pub(super) fn row(lot: &Lot) -> Result<ActiveModel, StoreError> {
    let Fold {
        balances,
        pools,
        basis,
        revalued,
    } = &lot.fold;
    let total = known(balances.total(), TABLE, lot.id)?;
    let issued = known(total.checked_neg(), TABLE, lot.id)?;
    let last = known(lot.tail.last, TABLE, lot.id)?;
    let recorded_at = known(lot.tail.recorded_at, TABLE, lot.id)?;
    Ok(ActiveModel {
        business_id: Set(lot.business_id.uuid()),
        id: Set(lot.id.uuid()),
        package_id: Set(lot.package_id.uuid()),
        line_id: Set(lot.line.id.uuid()),
        customer_id: Set(lot.customer_id.uuid()),
        credit_type_id: Set(CreditTypeId::uuid(lot.line.credit_type_id)),
        origin: Set(lot.origin.code()),
        priority: Set(lot.priority),
        starts_at: Set(micros(lot.terms.starts_at)),
        expires_at: Set(lot.terms.expires_at.map(micros)),
        counts_from_first_use: Set(lot.terms.counts_from_first_use),
        first_used_on: Set(lot.terms.first_used_on),
        expires_if_unused: Set(lot.terms.expires_if_unused.map(micros)),
        time_zone: Set(lot.terms.zone.name().to_owned()),
        frozen: Set(lot.terms.frozen),
        frozen_until_max: Set(lot.terms.frozen_until_max.map(micros)),
        expires_if_thawed: Set(lot.terms.expires_if_thawed.map(micros)),
        revoked: Set(lot.terms.revoked),
        is_followed: Set(lot.terms.is_followed),
        is_limited: Set(lot.terms.is_limited),
        issued_quantity: Set(lot.issued.quantity.millionths()),
        issued_value: Set(lot.issued.value),
        basis_quantity: Set(basis.quantity.millionths()),
        basis_value: Set(basis.value),
        revalued: Set(*revalued),
        issued: Set(issued.millionths()),
        available: Set(balances.available.millionths()),
        held: Set(balances.held.millionths()),
        consumed: Set(balances.consumed.millionths()),
        expired: Set(balances.expired.millionths()),
        revoked_credits: Set(balances.revoked.millionths()),
        transferred: Set(balances.transferred.millionths()),
        value_unused: Set(pools.unused),
        value_consumed: Set(pools.consumed),
        value_expired: Set(pools.expired),
        value_revoked: Set(pools.revoked),
        value_transferred: Set(pools.transferred),
        seq: Set(lot.tail.seq),
        last_posting_id: Set(last.posting_id),
        last_n: Set(last.n),
        last_hash: Set(lot.tail.hash.to_vec()),
        last_recorded_at: Set(micros(recorded_at)),
        next_timeout_at: Set(lot.next_timeout_at.map(micros)),
        transferred_to: Set(lot.transferred_to.map(LotId::uuid)),
        is_open: Set(lot.is_open()),
        created_at: Set(micros(lot.created_at)),
        version: Set(lot.version),
    })
}
