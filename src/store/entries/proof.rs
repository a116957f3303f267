//! What the verifier reads: chains of many lots at once, undone entries, and postings in their order.
//!
//! Every answer is bounded, so that a proof needs no more memory for ten million entries than for ten
//! thousand. Nothing here locks, and nothing here writes.

use std::fmt::Write as _;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Value;
use sea_orm::{Condition, QueryOrder, QuerySelect, Statement};

use super::row::{Column, Entity, read};
use crate::domain::entry::{Account, Entry, EntryKey};
use crate::ids::{BusinessId, LotId};
use crate::store::error::StoreError;

/// What of an entry tells whether its posting holds together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its key.
    pub key: EntryKey,
    /// Its lot.
    pub lot_id: LotId,
    /// When it was written, in microseconds since 1970.
    pub recorded_at: i64,
    /// Whether time alone caused it.
    pub by_time: bool,
    /// The hash of the request, as it is stored.
    pub request_hash: Option<Vec<u8>>,
    /// The credits, in millionths, and the value that it takes out of its lot by a transfer; below zero what it
    /// brings in.
    pub moves: [i128; 2],
}

/// The columns of a [`Link`], in its order.
type LinkRow = (
    Uuid,
    i32,
    Uuid,
    i64,
    bool,
    Option<Vec<u8>>,
    i16,
    i16,
    i64,
    i64,
);

/// How many lots a business has.
pub async fn count_lots(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
) -> Result<u64, StoreError> {
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM lots WHERE business_id = $1";
    let row = db
        .query_one_raw(statement(db, sql, [business_id.uuid().into()]))
        .await?;
    let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
    Ok(count
        .and_then(|count| u64::try_from(count).ok())
        .unwrap_or(0))
}

/// The ids of a business's lots in their order, after `after`: whether or not the rows can be read.
pub async fn lot_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<LotId>,
    limit: u64,
) -> Result<Vec<LotId>, StoreError> {
    let sql = "SELECT id FROM lots WHERE business_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    let values = [
        business_id.uuid().into(),
        after.map_or(Uuid::nil(), LotId::uuid).into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    ids(db, sql, values).await
}

/// Those of these lots whose row contradicts itself or its line: columns that only the database reads.
pub async fn odd_lots(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    lot_ids: &[LotId],
) -> Result<Vec<LotId>, StoreError> {
    let (list, values) = bound(business_id, lot_ids);
    let sql = format!(
        "SELECT lots.id FROM lots
         JOIN lines ON lines.business_id = lots.business_id AND lines.id = lots.line_id
         WHERE lots.business_id = $1 AND lots.id IN ({list})
            AND (lots.credit_type_id <> lines.credit_type_id
                OR lots.is_open <> (lots.available > 0 OR lots.next_timeout_at IS NOT NULL)
                OR lots.issued + lots.available + lots.held + lots.consumed + lots.expired
                    + lots.revoked_credits + lots.transferred <> 0)"
    );
    ids(db, &sql, values).await
}

/// The chains from these entries backwards, each at most `depth` entries, in any order. A lot that was read
/// earlier says where its own begins: since then, others may have gone on with it.
pub async fn chains(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ends: &[EntryKey],
    depth: i64,
) -> Result<Vec<Entry>, StoreError> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let mut values: Vec<Value> = vec![business_id.uuid().into(), depth.into()];
    let mut list = String::new();
    for end in ends {
        values.extend([end.posting_id.into(), end.n.into()]);
        let (posting_id, n) = (values.len().saturating_sub(1), values.len());
        let comma = if list.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _done = write!(list, "{comma}(${posting_id}, ${n})");
    }
    let sql = format!(
        "WITH RECURSIVE ends (posting_id, n) AS (VALUES {list}), chain AS (
            SELECT entries.*, 1 AS depth FROM ends
            JOIN entries ON entries.business_id = $1
                AND entries.posting_id = ends.posting_id AND entries.n = ends.n
            UNION ALL
            SELECT earlier.*, chain.depth + 1 FROM chain
            JOIN entries AS earlier ON earlier.business_id = chain.business_id
                AND earlier.posting_id = chain.previous_posting_id
                AND earlier.n = chain.previous_n
            WHERE chain.depth < $2
        )
        SELECT * FROM chain"
    );
    let rows = Entity::find()
        .from_raw_sql(statement(db, &sql, values))
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Those of these entries that exist.
pub async fn by_keys(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    keys: &[EntryKey],
) -> Result<Vec<Entry>, StoreError> {
    let one = |key: &EntryKey| {
        Condition::all()
            .add(Column::PostingId.eq(key.posting_id))
            .add(Column::N.eq(key.n))
    };
    these(db, business_id, keys.iter().map(one)).await
}

/// Every entry that undoes one of these.
pub async fn undoing(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    keys: &[EntryKey],
) -> Result<Vec<Entry>, StoreError> {
    let one = |key: &EntryKey| {
        Condition::all()
            .add(Column::UndoesPostingId.eq(key.posting_id))
            .add(Column::UndoesN.eq(key.n))
    };
    these(db, business_id, keys.iter().map(one)).await
}

/// Entries in the order of their keys, after `after`: a page of a walk over all postings.
pub async fn links(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    after: Option<EntryKey>,
    limit: u64,
) -> Result<Vec<Link>, StoreError> {
    let mut query = Entity::find()
        .select_only()
        .column(Column::PostingId)
        .column(Column::N)
        .column(Column::LotId)
        .column(Column::RecordedAt)
        .column(Column::ByTime)
        .column(Column::RequestHash)
        .column(Column::FromAccount)
        .column(Column::ToAccount)
        .column(Column::Amount)
        .column(Column::Value)
        .filter(Column::BusinessId.eq(business_id.uuid()));
    if let Some(after) = after {
        // The first bound is implied, and lets the index begin at the right place.
        query = query
            .filter(Column::PostingId.gte(after.posting_id))
            .filter(
                Condition::any()
                    .add(Column::PostingId.gt(after.posting_id))
                    .add(Column::N.gt(after.n)),
            );
    }
    let rows: Vec<LinkRow> = query
        .order_by_asc(Column::PostingId)
        .order_by_asc(Column::N)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(link).collect())
}

fn link(row: LinkRow) -> Link {
    let (posting_id, n, lot_id, recorded_at, by_time, request_hash, from, to, amount, value) = row;
    let transferred = Account::Transferred.code();
    let direction = if to == transferred {
        1
    } else if from == transferred {
        -1
    } else {
        0
    };
    Link {
        key: EntryKey { posting_id, n },
        lot_id: LotId::from_uuid(lot_id),
        recorded_at,
        by_time,
        request_hash,
        moves: [amount, value].map(|moved| i128::from(moved).saturating_mul(direction)),
    }
}

async fn these(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    wanted: impl Iterator<Item = Condition>,
) -> Result<Vec<Entry>, StoreError> {
    let any = wanted.fold(Condition::any(), Condition::add);
    if any.is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(any)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The places of the lots' ids in a statement whose first value is the business, and all values.
fn bound(business_id: BusinessId, lot_ids: &[LotId]) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![business_id.uuid().into()];
    let mut list = String::new();
    for id in lot_ids {
        values.push(id.uuid().into());
        let comma = if list.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _done = write!(list, "{comma}${}", values.len());
    }
    (list, values)
}

fn statement(
    db: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Statement {
    Statement::from_sql_and_values(db.get_database_backend(), sql, values)
}

async fn ids(
    db: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<LotId>, StoreError> {
    let rows = db.query_all_raw(statement(db, sql, values)).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push(LotId::from_uuid(row.try_get_by_index(0)?));
    }
    Ok(found)
}
