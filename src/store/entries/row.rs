//! An entry as a row, and back.

use std::fmt;

use sea_orm::{FromQueryResult, QueryResult, Set};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::{About, Account, Actor, Balances, Entry, EntryKey, EntryKind};
use crate::ids::{BusinessId, CustomerId, ItemId, LineId, LotId, UserId};
use crate::store::columns::{hash, in_order, instant, known, micros};
use crate::store::error::StoreError;

pub(super) const TABLE: &str = "entries";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "entries")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub posting_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub n: i32,
        pub lot_id: Uuid,
        pub line_id: Uuid,
        pub seq: i64,
        pub previous_posting_id: Option<Uuid>,
        pub previous_n: Option<i32>,
        pub hash: Vec<u8>,
        pub kind: i16,
        pub from_account: i16,
        pub to_account: i16,
        pub amount: i64,
        pub value: i64,
        pub available: i64,
        pub held: i64,
        pub consumed: i64,
        pub expired: i64,
        pub revoked: i64,
        pub transferred: i64,
        pub effective_at: i64,
        pub recorded_at: i64,
        pub by_time: bool,
        pub undoes_posting_id: Option<Uuid>,
        pub undoes_n: Option<i32>,
        pub request_hash: Option<Vec<u8>>,
        pub method: String,
        pub actor_kind: i16,
        pub actor_id: Option<Uuid>,
        pub consumed_by: Option<Uuid>,
        pub customer_id: Option<Uuid>,
        pub item_id: Option<Uuid>,
        pub units: Option<i64>,
        pub invoice_line_id: Option<Uuid>,
        pub booking_id: Option<Uuid>,
        pub hold_id: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) use entity::{ActiveModel, Column, Entity, Model};

/// The row of an entry.
pub(super) fn row(business_id: BusinessId, entry: &Entry) -> ActiveModel {
    let (actor_kind, actor_id) = entry.actor.parts();
    let balances = &entry.balances;
    ActiveModel {
        business_id: Set(business_id.uuid()),
        posting_id: Set(entry.key.posting_id),
        n: Set(entry.key.n),
        lot_id: Set(entry.lot_id.uuid()),
        line_id: Set(entry.line_id.uuid()),
        seq: Set(entry.seq),
        previous_posting_id: Set(entry.previous.map(|key| key.posting_id)),
        previous_n: Set(entry.previous.map(|key| key.n)),
        hash: Set(entry.hash.to_vec()),
        kind: Set(entry.kind.code()),
        from_account: Set(entry.from.code()),
        to_account: Set(entry.to.code()),
        amount: Set(entry.amount.millionths()),
        value: Set(entry.value),
        available: Set(balances.available.millionths()),
        held: Set(balances.held.millionths()),
        consumed: Set(balances.consumed.millionths()),
        expired: Set(balances.expired.millionths()),
        revoked: Set(balances.revoked.millionths()),
        transferred: Set(balances.transferred.millionths()),
        effective_at: Set(micros(entry.effective_at)),
        recorded_at: Set(micros(entry.recorded_at)),
        by_time: Set(entry.by_time),
        undoes_posting_id: Set(entry.undoes.map(|key| key.posting_id)),
        undoes_n: Set(entry.undoes.map(|key| key.n)),
        request_hash: Set(entry.request_hash.map(|hash| hash.to_vec())),
        method: Set(entry.method.clone()),
        actor_kind: Set(actor_kind),
        actor_id: Set(actor_id),
        consumed_by: Set(entry.about.consumed_by.map(UserId::uuid)),
        customer_id: Set(entry.about.customer_id.map(CustomerId::uuid)),
        item_id: Set(entry.about.item_id.map(ItemId::uuid)),
        units: Set(entry.about.units.map(Credits::millionths)),
        invoice_line_id: Set(entry.about.invoice_line_id),
        booking_id: Set(entry.about.booking_id),
        hold_id: Set(entry.about.hold_id),
    }
}

/// An entry's key as it is told where a row makes no sense.
#[derive(Clone, Copy, Debug)]
struct Key(Uuid, i32);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

/// The entry of a row that has all its columns.
pub(in crate::store) fn of_row(row: &QueryResult) -> Result<Entry, StoreError> {
    read(Model::from_query_result(row, "")?)
}

in_order! { Model from 0:
    business_id posting_id n lot_id line_id seq previous_posting_id previous_n hash kind from_account to_account amount value
    available held consumed expired revoked transferred effective_at recorded_at by_time undoes_posting_id undoes_n
    request_hash method actor_kind actor_id consumed_by customer_id item_id units invoice_line_id booking_id hold_id
}

/// The entry of a row.
pub(super) fn read(row: Model) -> Result<Entry, StoreError> {
    let id = Key(row.posting_id, row.n);
    let key = |posting_id: Option<Uuid>, n: Option<i32>| {
        posting_id
            .zip(n)
            .map(|(posting_id, n)| EntryKey { posting_id, n })
    };
    Ok(Entry {
        key: EntryKey {
            posting_id: row.posting_id,
            n: row.n,
        },
        lot_id: LotId::from_uuid(row.lot_id),
        line_id: LineId::from_uuid(row.line_id),
        seq: row.seq,
        previous: key(row.previous_posting_id, row.previous_n),
        hash: hash(&row.hash, TABLE, id)?,
        kind: known(EntryKind::from_code(row.kind), TABLE, id)?,
        from: known(Account::from_code(row.from_account), TABLE, id)?,
        to: known(Account::from_code(row.to_account), TABLE, id)?,
        amount: Credits::from_millionths(row.amount),
        value: row.value,
        balances: Balances {
            available: Credits::from_millionths(row.available),
            held: Credits::from_millionths(row.held),
            consumed: Credits::from_millionths(row.consumed),
            expired: Credits::from_millionths(row.expired),
            revoked: Credits::from_millionths(row.revoked),
            transferred: Credits::from_millionths(row.transferred),
        },
        effective_at: instant(row.effective_at, TABLE, id)?,
        recorded_at: instant(row.recorded_at, TABLE, id)?,
        by_time: row.by_time,
        undoes: key(row.undoes_posting_id, row.undoes_n),
        request_hash: row
            .request_hash
            .map(|bytes| hash(&bytes, TABLE, id))
            .transpose()?,
        actor: known(Actor::from_parts(row.actor_kind, row.actor_id), TABLE, id)?,
        about: About {
            consumed_by: row.consumed_by.map(UserId::from_uuid),
            customer_id: row.customer_id.map(CustomerId::from_uuid),
            item_id: row.item_id.map(ItemId::from_uuid),
            units: row.units.map(Credits::from_millionths),
            invoice_line_id: row.invoice_line_id,
            booking_id: row.booking_id,
            hold_id: row.hold_id,
        },
        method: row.method,
    })
}
