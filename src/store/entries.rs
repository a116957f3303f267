//! `entries`: the ledger. The only file that inserts into it, by one statement for any number of entries;
//! nothing updates or deletes.

use std::collections::HashMap;

pub mod proof;
pub mod sums;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Value;
use sea_orm::{
    Condition, DatabaseTransaction, DbBackend, ExprTrait, FromQueryResult, Iterable,
    PaginatorTrait, QueryOrder, QueryResult, QuerySelect, Set, Statement,
};

use crate::domain::credits::Credits;
use crate::domain::entry::{About, Account, Actor, Balances, Entry, EntryKey, EntryKind};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CustomerId, ItemId, LotId, UserId};
use crate::store::columns::{hash, instant, known, micros};
use crate::store::error::{StoreError, is_missing_value};
use crate::store::lots;
use crate::store::rows::{self, Rows};

const TABLE: &str = "entries";

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

use entity::{ActiveModel, Column, Entity, Model};

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

/// The same for calls that keep their request id in their entries only and were not looked up, together
/// with the lots that they moved: all of it or, in one statement on PostgreSQL and else in the caller's
/// transaction, nothing.
///
/// # Errors
/// [`StoreError::Taken`] also if a command has used the id of a posting, or a lot is not as it was read.
pub async fn append_unclaimed<'a>(
    db: &impl ConnectionTrait,
    entries: impl IntoIterator<Item = (BusinessId, &'a Entry)>,
    moved: impl IntoIterator<Item = &'a Lot>,
) -> Result<(), StoreError> {
    let backend = db.get_database_backend();
    let (models, moved) = (rows_of(entries), lots::batch::Moved::new(moved)?);
    // A count and not EXISTS, which could be answered by reading the whole index.
    let unclaimed = "(SELECT count(*) FROM requests WHERE requests.business_id = given.business_id
        AND requests.request_id = given.posting_id) = 0";
    if backend != DbBackend::Postgres {
        moved.write(db).await?;
        return rows::insert_where(db, models, unclaimed).await;
    }
    let rows = Rows::of_models(models, Column::iter())?;
    let names = rows.names().collect::<Vec<_>>().join(", ");
    // Without its number an entry is refused, and with it the whole statement.
    let cells: Vec<String> = rows
        .names()
        .map(|name| match name {
            "n" => format!(
                "CASE WHEN (SELECT count(*) FROM moved) = {} AND {unclaimed} THEN n END",
                lots::batch::Moved::count_parameter(),
            ),
            name => name.to_owned(),
        })
        .collect();
    let sql = format!(
        "WITH moved AS ({} RETURNING 1) INSERT INTO entries ({names}) SELECT {} FROM {}",
        moved.sql(backend),
        cells.join(", "),
        rows.table_after(lots::batch::Moved::parameters(), backend),
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

/// What was recorded from `from` on and before `before`, newest first, after the position
/// `(recorded_at, lot, seq)` of the last one that was seen.
pub async fn recorded_between(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    (from, before): (i64, i64),
    after: Option<(i64, LotId, i64)>,
    limit: u64,
) -> Result<Vec<Entry>, StoreError> {
    let mut query = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::RecordedAt.gte(from))
        .filter(Column::RecordedAt.lt(before));
    if let Some((recorded_at, lot_id, seq)) = after {
        query = query.filter(
            Condition::any()
                .add(Column::RecordedAt.lt(recorded_at))
                .add(
                    Column::RecordedAt
                        .eq(recorded_at)
                        .and(Column::LotId.lt(lot_id.uuid())),
                )
                .add(
                    Column::RecordedAt
                        .eq(recorded_at)
                        .and(Column::LotId.eq(lot_id.uuid()))
                        .and(Column::Seq.lt(seq)),
                ),
        );
    }
    let rows = query
        .order_by_desc(Column::RecordedAt)
        .order_by_desc(Column::LotId)
        .order_by_desc(Column::Seq)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
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
/// first.
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

fn row(business_id: BusinessId, entry: &Entry) -> ActiveModel {
    let (actor_kind, actor_id) = entry.actor.parts();
    let balances = &entry.balances;
    ActiveModel {
        business_id: Set(business_id.uuid()),
        posting_id: Set(entry.key.posting_id),
        n: Set(entry.key.n),
        lot_id: Set(entry.lot_id.uuid()),
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

/// The entry of a row that has all its columns.
pub(super) fn of_row(row: &QueryResult) -> Result<Entry, StoreError> {
    read(Model::from_query_result(row, "")?)
}

fn read(row: Model) -> Result<Entry, StoreError> {
    let id = format!("{} {}", row.posting_id, row.n);
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
        seq: row.seq,
        previous: key(row.previous_posting_id, row.previous_n),
        hash: hash(&row.hash, TABLE, &id)?,
        kind: known(EntryKind::from_code(row.kind), TABLE, &id)?,
        from: known(Account::from_code(row.from_account), TABLE, &id)?,
        to: known(Account::from_code(row.to_account), TABLE, &id)?,
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
        effective_at: instant(row.effective_at, TABLE, &id)?,
        recorded_at: instant(row.recorded_at, TABLE, &id)?,
        by_time: row.by_time,
        undoes: key(row.undoes_posting_id, row.undoes_n),
        request_hash: row
            .request_hash
            .map(|bytes| hash(&bytes, TABLE, &id))
            .transpose()?,
        actor: known(Actor::from_parts(row.actor_kind, row.actor_id), TABLE, &id)?,
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
