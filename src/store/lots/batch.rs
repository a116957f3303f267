//! Lots of many calls at once: found, locked and written by one statement each, whatever business they
//! are of.

use std::collections::{BTreeSet, HashMap};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, FromQueryResult, IdenStatic, Statement, Value,
};
use uuid::Uuid;

use super::row::{Column, Model, TABLE, lot, row};
use super::{CANDIDATES_MAX, shared};
use crate::domain::lot::Lot;
use crate::domain::selection::Turn;
use crate::ids::{BusinessId, CustomerId, LineId, LotId, PackageId};
use crate::store::columns::{in_order, known};
use crate::store::error::StoreError;
use crate::store::lines::LineCache;
use crate::store::rows::Rows;

/// A lot of some business.
pub type LotKey = (BusinessId, LotId);

/// What a use of credits changes of its lots, the expiry that it settles included. The columns that an
/// index is over are not among them but for `is_open`, which flips when a lot is used up: all other updates
/// stay within the page.
const WRITTEN: [Column; 12] = [
    Column::Available,
    Column::Consumed,
    Column::Expired,
    Column::ValueUnused,
    Column::ValueConsumed,
    Column::ValueExpired,
    Column::Seq,
    Column::LastPostingId,
    Column::LastN,
    Column::LastHash,
    Column::LastRecordedAt,
    Column::IsOpen,
];

/// By what a written row is found: it must be the one that was read.
const FOUND_BY: [Column; 3] = [Column::BusinessId, Column::Id, Column::Version];

#[derive(FromQueryResult)]
#[expect(clippy::struct_field_names, reason = "they are the columns of a query")]
struct Found {
    business_id: Uuid,
    asked_id: Uuid,
    lot_id: Uuid,
}

/// The ids of all lots of each of these packages, without locks.
pub async fn of_packages(
    db: &impl ConnectionTrait,
    packages: impl IntoIterator<Item = (BusinessId, PackageId)>,
) -> Result<HashMap<(BusinessId, PackageId), Vec<LotId>>, StoreError> {
    let pairs = packages.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let packages = Rows::of_pairs(["business_id", "asked_id"], pairs);
    let sql = format!(
        "SELECT given.business_id, given.asked_id, lots.id AS lot_id FROM {}
         JOIN lots ON lots.business_id = given.business_id AND lots.package_id = given.asked_id",
        packages.table(db.get_database_backend())
    );
    let found = found(db, sql, packages).await?;
    Ok(grouped(found, PackageId::from_uuid))
}

/// All lots that each of these customers owns or may use, if there are any, in the order of their ids.
pub async fn of_customers(
    db: &impl ConnectionTrait,
    customers: impl IntoIterator<Item = (BusinessId, CustomerId)>,
    lines: &LineCache,
) -> Result<HashMap<(BusinessId, CustomerId), Vec<Lot>>, StoreError> {
    let backend = db.get_database_backend();
    let pairs = customers.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let customers = Rows::of_pairs(["business_id", "asked_id"], pairs);
    let (columns, given) = (columns_of("lots"), customers.table(backend));
    let sql = format!(
        "SELECT given.asked_id, {columns} FROM {given} JOIN lots
            ON lots.business_id = given.business_id AND lots.customer_id = given.asked_id
         UNION ALL {} ORDER BY id",
        shared::all_lots(&columns, &given)
    );
    let statement = Statement::from_sql_and_values(backend, sql, customers.values(backend));
    let found = db.query_all_raw(statement).await?;
    let rows: Vec<Model> = found.iter().map(model).collect::<Result<_, _>>()?;
    let mut lots: HashMap<_, Vec<Lot>> = HashMap::new();
    for (lot, result) in with_lines(db, &rows, lines).await?.into_iter().zip(&found) {
        let asked_id = CustomerId::from_uuid(result.try_get_by_index(0)?);
        let key = (lot.business_id, asked_id);
        lots.entry(key).or_default().push(lot);
    }
    Ok(lots)
}

/// Locks those of these lots that nobody else holds, in the order of their ids, and reads them.
pub async fn lock_free(
    txn: &DatabaseTransaction,
    keys: impl IntoIterator<Item = LotKey>,
    lines: &LineCache,
) -> Result<Vec<Lot>, StoreError> {
    // SQLite has nobody else while this transaction writes.
    let lock = if txn.get_database_backend() == DbBackend::Postgres {
        "FOR UPDATE OF lots SKIP LOCKED"
    } else {
        ""
    };
    select(txn, keys, lines, lock).await
}

/// Those of these lots that exist.
pub async fn by_keys(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = LotKey>,
    lines: &LineCache,
) -> Result<Vec<Lot>, StoreError> {
    select(db, keys, lines, "").await
}

/// Open lots of customers, and lots of packages.
#[derive(Debug, Default)]
pub struct Payers {
    /// Those of each customer that could pay first, at most [`CANDIDATES_MAX`] of its own and as many of
    /// others.
    pub of_customers: HashMap<(BusinessId, CustomerId), Vec<LotId>>,
    /// The packages of others that a customer may use, of which something was found here.
    pub shared_with: HashMap<(BusinessId, CustomerId), BTreeSet<PackageId>>,
    /// Where the look at a customer's lots ended that may have more: those whose turn comes before are all
    /// there.
    pub ends: HashMap<(BusinessId, CustomerId), Turn>,
    /// All of each package.
    pub of_packages: HashMap<(BusinessId, PackageId), Vec<LotId>>,
    /// All of them, some perhaps twice.
    pub lots: Vec<Lot>,
}

/// The lots that could pay for uses by customers and from packages, as they are at one moment, by one
/// statement and without locks; `everyone` is who uses those packages, and the customers.
pub async fn payers(
    db: &impl ConnectionTrait,
    customers: &[(BusinessId, CustomerId)],
    packages: &[(BusinessId, PackageId)],
    everyone: &[(BusinessId, CustomerId)],
    lines: &LineCache,
) -> Result<Payers, StoreError> {
    let backend = db.get_database_backend();
    let [customers, everyone] = [customers, everyone].map(|asked| {
        let pairs = asked.iter().map(|(id, asked)| (id.uuid(), asked.uuid()));
        Rows::of_pairs(["business_id", "asked_id"], pairs)
    });
    let packages = packages.iter().map(|(id, asked)| (id.uuid(), asked.uuid()));
    let packages = Rows::of_pairs(["business_id", "asked_id"], packages);
    let columns = columns_of("lots");
    let of_customers = open_lots(&columns, &customers.table(backend), backend);
    let before_packages = customers.parameters(backend);
    let before_everyone = before_packages.saturating_add(packages.parameters(backend));
    let given = everyone.table_after(before_everyone, backend);
    let sql = format!(
        "{of_customers} UNION ALL
         SELECT NULL, {columns} FROM {} JOIN lots ON lots.business_id = given.business_id
            AND lots.package_id = given.asked_id
         UNION ALL SELECT * FROM ({}) AS others",
        packages.table_after(before_packages, backend),
        shared::open_lots(
            &columns,
            &given,
            "lots.priority, lots.expires_at NULLS LAST, lots.id",
            backend
        )
    );
    let mut values = customers.values(backend);
    values.extend(packages.values(backend));
    values.extend(everyone.values(backend));
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let found = db.query_all_raw(statement).await?;
    let mut payers = Payers::default();
    let mut rows = Vec::with_capacity(found.len());
    for result in &found {
        let row = model(result)?;
        let (business_id, id) = (
            BusinessId::from_uuid(row.business_id),
            LotId::from_uuid(row.id),
        );
        let package_id = PackageId::from_uuid(row.package_id);
        if let Some(asked_id) = result.try_get_by_index(0)? {
            let key = (business_id, CustomerId::from_uuid(asked_id));
            payers.of_customers.entry(key).or_default().push(id);
            if asked_id != row.customer_id {
                payers
                    .shared_with
                    .entry(key)
                    .or_default()
                    .insert(package_id);
            }
        } else {
            let key = (business_id, package_id);
            payers.of_packages.entry(key).or_default().push(id);
        }
        rows.push(row);
    }
    payers.lots = with_lines(db, &rows, lines).await?;
    payers.ends = ends(&payers);
    Ok(payers)
}

/// Where the look at those customers ended of whose lots, or of what they share, the most were found.
fn ends(payers: &Payers) -> HashMap<(BusinessId, CustomerId), Turn> {
    let is_full = |ids: &Vec<LotId>| ids.len() >= CANDIDATES_MAX;
    if !payers.of_customers.values().any(is_full) {
        return HashMap::new();
    }
    let lots: HashMap<LotKey, &Lot> = payers
        .lots
        .iter()
        .map(|lot| ((lot.business_id, lot.id), lot))
        .collect();
    let full = payers.of_customers.iter().filter(|(_, ids)| is_full(ids));
    full.filter_map(|((business_id, customer_id), ids)| {
        let found = ids.iter().filter_map(|id| lots.get(&(*business_id, *id)));
        let (own, shared): (Vec<&Lot>, Vec<&Lot>) =
            found.partition(|lot| lot.customer_id == *customer_id);
        let last = |lots: &Vec<&Lot>| lots.iter().map(|lot| Turn::of(lot)).max();
        let cut_off = [own, shared]
            .into_iter()
            .filter(|lots| lots.len() >= CANDIDATES_MAX);
        let end = cut_off.filter_map(|lots| last(&lots)).min()?;
        Some(((*business_id, *customer_id), end))
    })
    .collect()
}

/// The query that finds the open lots of the customers in `given`, at most [`CANDIDATES_MAX`] of each: the
/// asked customer, then the columns.
fn open_lots(columns: &str, given: &str, backend: DbBackend) -> String {
    let order = "priority, expires_at NULLS LAST, id";
    if backend == DbBackend::Postgres {
        format!(
            "SELECT given.asked_id, {columns} FROM {given} CROSS JOIN LATERAL (
                SELECT * FROM lots
                WHERE lots.business_id = given.business_id AND lots.customer_id = given.asked_id
                    AND lots.is_open
                ORDER BY {order} LIMIT {CANDIDATES_MAX}
            ) AS lots"
        )
    } else {
        format!(
            "SELECT lots.customer_id, {columns} FROM (
                SELECT lots.*, row_number() OVER (
                    PARTITION BY lots.business_id, lots.customer_id ORDER BY {order}
                ) AS place
                FROM {given} JOIN lots ON lots.business_id = given.business_id
                    AND lots.customer_id = given.asked_id AND lots.is_open
            ) AS lots WHERE place <= {CANDIDATES_MAX}"
        )
    }
}

/// What uses of credits changed in lots, to be written if they are as they were read; each one's version
/// goes up by one.
#[derive(Debug)]
pub(in crate::store) struct Moved {
    rows: Rows,
    count: usize,
}

impl Moved {
    pub(in crate::store) fn new<'a>(
        moved: impl IntoIterator<Item = &'a Lot>,
    ) -> Result<Self, StoreError> {
        let models: Vec<_> = moved.into_iter().map(row).collect::<Result<_, _>>()?;
        Ok(Self {
            count: models.len(),
            rows: Rows::of_models(models, FOUND_BY.into_iter().chain(WRITTEN))?,
        })
    }

    /// The statement without an end, whose parameters are the first ones.
    pub(in crate::store) fn sql(&self, backend: DbBackend) -> String {
        let written = WRITTEN.map(|column| {
            let name = column.as_str();
            format!("{name} = given.{name}")
        });
        let found_by = FOUND_BY.map(|column| {
            let name = column.as_str();
            format!("lots.{name} = given.{name}")
        });
        format!(
            "UPDATE lots SET {}, version = lots.version + 1 FROM {} WHERE {}",
            written.join(", "),
            self.rows.table(backend),
            found_by.join(" AND ")
        )
    }

    /// On PostgreSQL, the number of its parameters, the last of which is how many lots there are.
    pub(in crate::store) fn parameters() -> usize {
        FOUND_BY
            .len()
            .saturating_add(WRITTEN.len())
            .saturating_add(1)
    }

    /// That last parameter.
    pub(in crate::store) fn count_parameter() -> String {
        format!("${}::bigint", Self::parameters())
    }

    /// Those parameters.
    pub(in crate::store) fn values(self, backend: DbBackend) -> Vec<Value> {
        let count = i64::try_from(self.count).unwrap_or(i64::MAX);
        let mut values = self.rows.values(backend);
        values.push(count.into());
        values
    }

    /// Writes them in a transaction.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if a row is not the one that was read.
    pub(in crate::store) async fn write(self, db: &impl ConnectionTrait) -> Result<(), StoreError> {
        let (backend, count) = (db.get_database_backend(), self.count);
        let sql = self.sql(backend);
        let values = self.rows.values(backend);
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let result = db.execute_raw(statement).await?;
        if usize::try_from(result.rows_affected()) != Ok(count) {
            return Err(StoreError::Taken(TABLE.to_owned()));
        }
        Ok(())
    }
}

async fn found(
    db: &impl ConnectionTrait,
    sql: String,
    asked: Rows,
) -> Result<Vec<Found>, StoreError> {
    let backend = db.get_database_backend();
    let statement = Statement::from_sql_and_values(backend, sql, asked.values(backend));
    Ok(Found::find_by_statement(statement).all(db).await?)
}

fn grouped<Id: Eq + std::hash::Hash>(
    found: Vec<Found>,
    asked: impl Fn(Uuid) -> Id,
) -> HashMap<(BusinessId, Id), Vec<LotId>> {
    let mut groups: HashMap<_, Vec<LotId>> = HashMap::new();
    for row in found {
        let key = (BusinessId::from_uuid(row.business_id), asked(row.asked_id));
        let group = groups.entry(key).or_default();
        group.push(LotId::from_uuid(row.lot_id));
    }
    groups
}

async fn select(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = LotKey>,
    lines: &LineCache,
    lock: &str,
) -> Result<Vec<Lot>, StoreError> {
    let backend = db.get_database_backend();
    let pairs = keys.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let wanted = Rows::of_pairs(["business_id", "id"], pairs);
    let sql = format!(
        "SELECT TRUE, {} FROM {}
         JOIN lots ON lots.business_id = given.business_id AND lots.id = given.id
         ORDER BY lots.id {lock}",
        columns_of("lots"),
        wanted.table(backend)
    );
    let statement = Statement::from_sql_and_values(backend, sql, wanted.values(backend));
    let found = db.query_all_raw(statement).await?;
    let rows: Vec<Model> = found.iter().map(model).collect::<Result<_, _>>()?;
    with_lines(db, &rows, lines).await
}

async fn with_lines(
    db: &impl ConnectionTrait,
    rows: &[Model],
    lines: &LineCache,
) -> Result<Vec<Lot>, StoreError> {
    let line = |row: &Model| {
        let business_id = BusinessId::from_uuid(row.business_id);
        (business_id, LineId::from_uuid(row.line_id))
    };
    let lines = lines.get(db, rows.iter().map(line)).await?;
    rows.iter()
        .map(|row| {
            let known = known(lines.get(&line(row)), TABLE, LotId::from_uuid(row.id))?;
            lot(row, known.clone())
        })
        .collect()
}

in_order! { Model from 1:
    business_id id package_id line_id customer_id credit_type_id origin priority starts_at expires_at
    counts_from_first_use first_used_on expires_if_unused time_zone frozen frozen_until_max
    expires_if_thawed revoked is_followed is_limited issued_quantity
    issued_value basis_quantity basis_value revalued issued available held consumed expired
    revoked_credits transferred value_unused value_consumed value_expired value_revoked
    value_transferred seq last_posting_id last_n last_hash last_recorded_at next_timeout_at
    transferred_to is_open created_at version
}

fn columns_of(table: &str) -> String {
    let columns = COLUMNS.iter().map(|name| format!("{table}.{name}"));
    columns.collect::<Vec<_>>().join(", ")
}
