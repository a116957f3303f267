//! `hold_lots`: what each hold took from which lot, and how much of it is still held.

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, ExprTrait, QueryOrder, QuerySelect, Set};

use crate::domain::credits::Credits;
use crate::domain::entry::EntryKey;
use crate::domain::hold::Hold;
use crate::domain::part::Part;
use crate::ids::{BusinessId, LotId};
use crate::store::columns::{IDS_PER_STATEMENT_MAX, is_any};
use crate::store::error::StoreError;

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "hold_lots")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub hold_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub n: i32,
        pub lot_id: Uuid,
        pub amount: i64,
        pub units: Option<i64>,
        pub held: i64,
        pub captured_posting_id: Option<Uuid>,
        pub captured_n: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes the parts of a new hold.
pub(super) async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    hold: &Hold,
) -> Result<(), StoreError> {
    let rows = hold.parts.iter().map(|part| ActiveModel {
        business_id: Set(business_id.uuid()),
        hold_id: Set(hold.id.uuid()),
        n: Set(part.n),
        lot_id: Set(part.lot_id.uuid()),
        amount: Set(part.amount.millionths()),
        units: Set(part.units.map(Credits::millionths)),
        held: Set(part.left.millionths()),
        captured_posting_id: Set(None),
        captured_n: Set(None),
    });
    Entity::insert_many(rows)
        .exec_without_returning(txn)
        .await?;
    Ok(())
}

/// Writes what the parts of a hold still hold, all that they took or nothing, and by which entries its
/// time-out captured them.
pub(super) async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    hold: &Hold,
) -> Result<(), StoreError> {
    let ended = hold.parts.iter().filter(|part| part.left == Credits::ZERO);
    Entity::update_many()
        .col_expr(Column::Held, Expr::value(0_i64))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::HoldId.eq(hold.id.uuid()))
        .filter(Column::N.is_in(ended.map(|part| part.n)))
        .exec(txn)
        .await?;
    for (n, key) in &hold.captured_by_time {
        Entity::update_many()
            .col_expr(Column::CapturedPostingId, Expr::value(key.posting_id))
            .col_expr(Column::CapturedN, Expr::value(key.n))
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(Column::HoldId.eq(hold.id.uuid()))
            .filter(Column::N.eq(*n))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// The holds that still hold something in these lots.
pub(super) async fn holding_in(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    lot_ids: &[LotId],
) -> Result<Vec<Uuid>, StoreError> {
    let mut ids: Vec<Uuid> = Vec::new();
    for chunk in lot_ids.chunks(IDS_PER_STATEMENT_MAX) {
        let found: Vec<Uuid> = Entity::find()
            .select_only()
            .column(Column::HoldId)
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::LotId, chunk.iter().map(|id| id.uuid())))
            .filter(Expr::col(Column::Held).equals(Column::Amount))
            .into_tuple()
            .all(db)
            .await?;
        ids.extend(found);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The parts of these holds, each hold's in the order in which they were taken, with the entry by which its
/// time-out captured it.
pub(super) async fn of_holds(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    hold_ids: &[Uuid],
) -> Result<Vec<(Uuid, Part, Option<EntryKey>)>, StoreError> {
    let mut rows: Vec<Model> = Vec::new();
    for chunk in hold_ids.chunks(IDS_PER_STATEMENT_MAX) {
        let found = Entity::find()
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::HoldId, chunk.iter().copied()))
            .order_by_asc(Column::HoldId)
            .order_by_asc(Column::N)
            .all(db)
            .await?;
        rows.extend(found);
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let part = Part {
                n: row.n,
                lot_id: LotId::from_uuid(row.lot_id),
                amount: Credits::from_millionths(row.amount),
                left: Credits::from_millionths(row.held),
                units: row.units.map(Credits::from_millionths),
            };
            let captured = row.captured_posting_id.zip(row.captured_n);
            let captured = captured.map(|(posting_id, n)| EntryKey { posting_id, n });
            (row.hold_id, part, captured)
        })
        .collect())
}
