//! `entries`: the ledger. The only file that inserts into it, by one statement for any number of entries;
//! nothing updates or deletes.

use std::collections::HashMap;

pub mod proof;
mod row;
pub mod sums;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Value;
use sea_orm::{
    DatabaseTransaction, DbBackend, Iterable, PaginatorTrait, QueryOrder, QuerySelect, Statement,
};

use crate::domain::entry::{Entry, EntryKey, EntryKind, IMPORT};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, LotId};
use crate::store::columns::{instant, known, micros};
use crate::store::error::{StoreError, is_missing_value};
use crate::store::rows::{self, Rows};
use crate::store::{lots, requests};
pub(super) use row::of_row;
use row::{ActiveModel, COLUMNS, Column, Entity, TABLE, model, read, row};

/// Appends entries, of any businesses, by one statement.
///
/// # Errors
/// [`StoreError::Taken`] if a posting exists already.
pub async fn append<'a>(
    txn: &DatabaseTransaction,
    entries: impl IntoIterator<Item = (BusinessId, &'a Entry)>,
) -> Result<(), StoreError> {
    rows::insert(txn, rows_of(entries)).await
}

/// The same for calls of the ledger that were not looked up: claims their request ids as well and writes the lots that
/// they moved; all of it or, in one statement on PostgreSQL and else in the caller's transaction, nothing.
///
/// # Errors
/// [`StoreError::Taken`] also if one of the ids is claimed, or a lot is not as it was read.
pub async fn append_claiming<'a>(
    db: &impl ConnectionTrait,
    entries: impl IntoIterator<Item = (BusinessId, &'a Entry)>,
    moved: impl IntoIterator<Item = &'a Lot>,
) -> Result<(), StoreError> {
    let backend = db.get_database_backend();
    let moved = lots::batch::Moved::new(moved)?;
    if backend != DbBackend::Postgres {
        let entries: Vec<_> = entries.into_iter().collect();
        let firsts = entries.iter().filter(|(_, entry)| entry.key.n == 0);
        let claims = firsts.map(|(of, it)| (*of, it.key.posting_id, it.recorded_at));
        requests::claim_all_bare(db, claims).await?;
        moved.write(db).await?;
        return rows::insert(db, rows_of(entries)).await;
    }
    let rows = Rows::of_models(rows_of(entries), Column::iter())?;
    let names = rows.names().collect::<Vec<_>>().join(", ");
    // Without its number an entry is refused, and with it the whole statement. The ids are asked for first, so that
    // nothing is locked while somebody else's claim is waited for.
    let cells: Vec<String> = rows
        .names()
        .map(|name| match name {
            "n" => format!(
                "CASE WHEN (SELECT count(*) FROM claimed) > 0
                    AND (SELECT count(*) FROM moved) = {} THEN n END",
                lots::batch::Moved::count_parameter(),
            ),
            name => name.to_owned(),
        })
        .collect();
    let sql = format!(
        "WITH moved AS ({} RETURNING 1),
        new AS (SELECT * FROM {}),
        claimed AS (
            INSERT INTO requests (business_id, request_id, created_at)
            SELECT business_id, posting_id, recorded_at FROM new WHERE n = 0 RETURNING 1
        )
        INSERT INTO entries ({names}) SELECT {} FROM new",
        moved.sql(backend),
        rows.table_after(lots::batch::Moved::parameters(), backend),
        cells.join(", "),
    );
    let mut values = moved.values(backend);
    values.extend(rows.values(backend));
    let statement = Statement::from_sql_and_values(backend, sql, values);
    match db.execute_raw(statement).await {
        Ok(_) => Ok(()),
        Err(error) if is_missing_value(&error) => Err(StoreError::Taken(TABLE.to_owned())),
        Err(error) => Err(error.into()),
    }
}

/// The entries of those of these postings that exist, each posting's in the order of `n`.
pub async fn of_postings(
    db: &impl ConnectionTrait,
    postings: impl IntoIterator<Item = (BusinessId, Uuid)>,
) -> Result<HashMap<(BusinessId, Uuid), Vec<Entry>>, StoreError> {
    let backend = db.get_database_backend();
    let pairs = postings
        .into_iter()
        .map(|(business_id, id)| (business_id.uuid(), id));
    let wanted = Rows::of_pairs(["business_id", "posting_id"], pairs);
    let sql = format!(
        "SELECT entries.* FROM {} JOIN entries ON entries.business_id = given.business_id
            AND entries.posting_id = given.posting_id
        ORDER BY entries.n",
        wanted.table(backend)
    );
    let statement = Statement::from_sql_and_values(backend, sql, wanted.values(backend));
    let mut found: HashMap<_, Vec<Entry>> = HashMap::new();
    for row in Entity::find().from_raw_sql(statement).all(db).await? {
        let key = (BusinessId::from_uuid(row.business_id), row.posting_id);
        found.entry(key).or_default().push(read(row)?);
    }
    Ok(found)
}

/// The entries of a posting, in the order of `n`; none if there is no such posting.
pub async fn of_posting(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    posting_id: Uuid,
) -> Result<Vec<Entry>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::PostingId.eq(posting_id))
        .order_by_asc(Column::N)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The entries that undo some of a posting, in no order that matters.
pub async fn undoing(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    posting_id: Uuid,
) -> Result<Vec<Entry>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::UndoesPostingId.eq(posting_id))
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// One entry by its key.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    key: EntryKey,
) -> Result<Option<Entry>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), key.posting_id, key.n))
        .one(db)
        .await?;
    row.map(read).transpose()
}

/// The chain of a lot's entries from `from` backwards, at most `limit` of them: the history, newest
/// first. There is no index for history; an entry names the one before it.
pub async fn chain(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    from: EntryKey,
    limit: u64,
) -> Result<Vec<Entry>, StoreError> {
    let values: [Value; 4] = [
        business_id.uuid().into(),
        from.posting_id.into(),
        from.n.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let statement = Statement::from_sql_and_values(
        db.get_database_backend(),
        "WITH RECURSIVE chain AS (
            SELECT entries.*, 1 AS depth FROM entries
            WHERE business_id = $1 AND posting_id = $2 AND n = $3
            UNION ALL
            SELECT earlier.*, chain.depth + 1 FROM chain
            JOIN entries AS earlier ON earlier.business_id = chain.business_id
                AND earlier.posting_id = chain.previous_posting_id
                AND earlier.n = chain.previous_n
            WHERE chain.depth < $4
        )
        SELECT * FROM chain ORDER BY depth",
        values,
    );
    let rows = Entity::find().from_raw_sql(statement).all(db).await?;
    rows.into_iter().map(read).collect()
}

/// How many entries a business has.
pub async fn count(db: &impl ConnectionTrait, business_id: BusinessId) -> Result<u64, StoreError> {
    Ok(Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .count(db)
        .await?)
}

/// What was recorded from the first instant on and before the second, newest first, after the position
/// `(recorded_at, lot, seq)` of the last one that was seen.
pub async fn recorded_between(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    (from, before): (i64, i64),
    after: Option<(i64, LotId, i64)>,
    limit: u64,
) -> Result<Vec<Entry>, StoreError> {
    let end = (before, LotId::from_uuid(Uuid::nil()), i64::MIN);
    let (recorded_at, lot_id, seq) = after.filter(|after| after.0 < before).unwrap_or(end);
    // The limit is written into the statement: its plan is one for any values that are bound, and that there are few
    // rows is what it has to know.
    let sql = format!(
        "SELECT {} FROM entries
         WHERE business_id = $1 AND recorded_at >= $2 AND (recorded_at, lot_id, seq) < ($3, $4, $5)
         ORDER BY recorded_at DESC, lot_id DESC, seq DESC LIMIT {limit}",
        COLUMNS.join(", "),
    );
    let values: [Value; 5] = [
        business_id.uuid().into(),
        from.into(),
        recorded_at.into(),
        lot_id.uuid().into(),
        seq.into(),
    ];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = db.query_all_raw(statement).await?;
    rows.iter().map(|row| read(model(row)?)).collect()
}

/// An entry, as far as one needs to know that it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its lot.
    pub lot_id: LotId,
    /// What kind.
    pub kind: EntryKind,
    /// True since.
    pub effective_at: DateTimeUtc,
    /// When it was written.
    pub recorded_at: DateTimeUtc,
}

/// The entries of these kinds that were recorded from the first instant through the second, the oldest
/// first; without those of imports, which say what happened elsewhere.
pub async fn written(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    (from, through): (DateTimeUtc, DateTimeUtc),
    kinds: &[EntryKind],
    limit: u64,
) -> Result<Vec<Written>, StoreError> {
    let rows: Vec<(Uuid, i16, i64, i64)> = Entity::find()
        .select_only()
        .columns([
            Column::LotId,
            Column::Kind,
            Column::EffectiveAt,
            Column::RecordedAt,
        ])
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::RecordedAt.gte(micros(from)))
        .filter(Column::RecordedAt.lte(micros(through)))
        .filter(Column::Kind.is_in(kinds.iter().map(|kind| kind.code())))
        .filter(Column::Method.ne(IMPORT))
        .order_by_asc(Column::RecordedAt)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    rows.into_iter()
        .map(|(lot_id, kind, effective_at, recorded_at)| {
            Ok(Written {
                lot_id: LotId::from_uuid(lot_id),
                kind: known(EntryKind::from_code(kind), TABLE, lot_id)?,
                effective_at: instant(effective_at, TABLE, lot_id)?,
                recorded_at: instant(recorded_at, TABLE, lot_id)?,
            })
        })
        .collect()
}

fn rows_of<'a>(entries: impl IntoIterator<Item = (BusinessId, &'a Entry)>) -> Vec<ActiveModel> {
    let mut entries: Vec<_> = entries.into_iter().collect();
    // Those of a lot in their order, which is then that of the feed.
    entries.sort_by_key(|(_, entry)| entry.seq);
    let entries = entries.into_iter();
    entries
        .map(|(business_id, entry)| row(business_id, entry))
        .collect()
}
