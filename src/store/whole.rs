//! All that a business has, table by table: the one list of these tables, and their rows as lines of JSON that mean the
//! same on both databases.
//!
//! In a line numbers are numbers, truth is 1 or 0, ids and bytes are hexadecimal digits, and all else is text, also what
//! is JSON itself. Which columns a table has is asked of the database, so none is forgotten. Only `feed` is left out: it
//! is the place of a row in the history of one database.
//!
//! This is the one writer of `entries` beside their own file. What it writes was entries of this business elsewhere, of
//! which the hashes tell whether they still are.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement, Value};

use crate::ids::BusinessId;
use crate::store::error::StoreError;

/// What is not taken along.
const FEED: &str = "feed";
/// How many rows are read at a time.
const ROWS_PER_PAGE: usize = 200;
/// What reads on in the rows of a table on PostgreSQL.
const CURSOR: &str = "rows_of_business";

/// A table with rows of a business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// The column that says whose a row is.
    business: &'static str,
    /// In which order its rows are read on PostgreSQL. On SQLite it is that in which they were written.
    order: &'static str,
}

const fn table(name: &'static str, order: &'static str) -> Table {
    Table {
        name,
        business: "business_id",
        order,
    }
}

/// The tables, each behind those that its rows refer to, so that rows can be written in this order and deleted
/// in the opposite one. Lots are behind entries: without its lot nobody appends an entry.
pub const TABLES: [Table; 47] = [
    Table {
        name: "businesses",
        business: "id",
        order: "id",
    },
    table("posting_notes", "posting_id"),
    table("requests", "created_at, request_id"),
    table("audit_events", "id"),
    table("audit_subjects", "audit_event_id, subject"),
    table("roles", "id"),
    table("users", "id"),
    table("credit_types", "id"),
    table("items", "id"),
    table("templates", "id"),
    table("template_versions", "template_id, definition_version"),
    table("lines", "id"),
    table("customers", "id"),
    table("tokens", "id"),
    table("groups", "id"),
    table("group_members", "group_id, customer_id"),
    table("sales", "id"),
    table("packages", "id"),
    table("package_members", "customer_id, package_id"),
    table("changes", "recorded_at, package_id, seq"),
    table("entries", "recorded_at, lot_id, seq"),
    table("lots", "id"),
    table("holds", "id"),
    table("hold_lots", "hold_id, n"),
    table("bookings", "id"),
    table("invoice_numbers", "business_id"),
    table("invoices", "id"),
    table("invoice_lines", "invoice_id, position"),
    table("payments", "id"),
    table("charge_requests", "recorded_at, id"),
    table("subscriptions", "id"),
    table("subscription_periods", "subscription_id, starts_on"),
    table("triggers", "id"),
    table("events", "id"),
    table("trigger_runs", "trigger_id, event_id"),
    table("event_scans", "business_id"),
    table("bulk_runs", "id"),
    table("bulk_results", "run_id, package_id"),
    table("closures", "id"),
    table("closure_packages", "package_id, closure_id"),
    table("emails", "id"),
    table("notices", "id"),
    table("email_attempts", "email_id, attempt"),
    table("mail_days", "local_day"),
    table("mail_rates", "business_id"),
    table("suppressions", "address_folded"),
    table("email_templates", "kind, locale"),
];

/// A column of a table, as a database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    sql_type: String,
}

impl Column {
    /// Its value as it stands in a line.
    fn told(&self) -> String {
        let name = &self.name;
        match self.sql_type.as_str() {
            "BLOB" => format!("iif({name} IS NULL, NULL, lower(hex({name})))"),
            "uuid" => format!("replace(CAST({name} AS TEXT), '-', '')"),
            "bytea" => format!("encode({name}, 'hex')"),
            "boolean" => format!("CAST({name} AS INTEGER)"),
            "date" | "jsonb" => format!("CAST({name} AS TEXT)"),
            _ => name.clone(),
        }
    }

    /// Its value out of a line that is called `given`.
    fn read(&self, backend: DbBackend) -> String {
        let Self { name, sql_type } = self;
        match (backend, sql_type.as_str()) {
            (DbBackend::Sqlite, "BLOB") => format!("unhex(given ->> '{name}')"),
            (DbBackend::Sqlite, _) => format!("given ->> '{name}'"),
            (_, "bytea") => format!("decode(given ->> '{name}', 'hex')"),
            (_, sql_type) => format!("CAST(given ->> '{name}' AS {sql_type})"),
        }
    }
}

impl Table {
    /// Whose a line is: the column that says so.
    pub const fn business_column(self) -> &'static str {
        self.business
    }

    /// The columns that are taken along.
    pub async fn columns(self, db: &impl ConnectionTrait) -> Result<Vec<Column>, StoreError> {
        let backend = db.get_database_backend();
        let name = self.name;
        let sql = if backend == DbBackend::Postgres {
            format!(
                "SELECT CAST(attname AS TEXT), format_type(atttypid, atttypmod) FROM pg_attribute
                 WHERE attrelid = CAST('{name}' AS regclass) AND attnum > 0 AND NOT attisdropped
                 ORDER BY attnum"
            )
        } else {
            format!("SELECT name, type FROM pragma_table_info('{name}') ORDER BY cid")
        };
        let rows = db
            .query_all_raw(Statement::from_string(backend, sql))
            .await?;
        let columns = rows.iter().map(|row| {
            Ok(Column {
                name: row.try_get_by_index(0)?,
                sql_type: row.try_get_by_index(1)?,
            })
        });
        let mut columns: Vec<Column> = columns.collect::<Result<_, DbErr>>()?;
        columns.retain(|column| column.name != FEED);
        Ok(columns)
    }

    /// How many rows a business has here.
    pub async fn count(
        self,
        db: &impl ConnectionTrait,
        business_id: BusinessId,
    ) -> Result<u64, StoreError> {
        let Self { name, business, .. } = self;
        let sql = format!("SELECT COUNT(*) FROM {name} WHERE {business} = $1");
        let statement =
            Statement::from_sql_and_values(db.get_database_backend(), sql, of(business_id));
        let row = db.query_one_raw(statement).await?;
        let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    }

    /// Deletes some rows of a business, at most so many; how many it were.
    pub(super) async fn delete_some(
        self,
        txn: &DatabaseTransaction,
        business_id: BusinessId,
        rows_max: u32,
    ) -> Result<u64, StoreError> {
        let Self { name, business, .. } = self;
        let backend = txn.get_database_backend();
        let some = |place: &str| {
            format!("SELECT {place} FROM {name} WHERE {business} = $1 LIMIT {rows_max}")
        };
        let named = if backend == DbBackend::Postgres {
            // Partitions have places of the same name. As text the business is no reason to look for its rows again by
            // an index of it.
            let of_this_one = format!("CAST({business} AS TEXT) = CAST($1 AS TEXT)");
            format!("{of_this_one} AND ctid = ANY (ARRAY ({}))", some("ctid"))
        } else {
            format!("rowid IN ({})", some("rowid"))
        };
        let sql = format!("DELETE FROM {name} WHERE {named}");
        let statement = Statement::from_sql_and_values(backend, sql, of(business_id));
        Ok(txn.execute_raw(statement).await?.rows_affected())
    }

    /// Hands over the rows of a business one by one, each as a line without its end.
    ///
    /// # Errors
    /// Of the database, and whatever `take` says.
    pub async fn read<E: From<StoreError>>(
        self,
        txn: &DatabaseTransaction,
        business_id: BusinessId,
        mut take: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: DbErr| E::from(StoreError::from(error));
        let backend = txn.get_database_backend();
        let has_cursor = backend == DbBackend::Postgres;
        let columns = self.columns(txn).await?;
        if has_cursor {
            let declare = self.declare(&columns, business_id);
            txn.execute_unprepared(&declare).await.map_err(failed)?;
        }
        let mut after = i64::MIN;
        loop {
            let page = if has_cursor {
                let fetch = format!("FETCH {ROWS_PER_PAGE} FROM {CURSOR}");
                Statement::from_string(backend, fetch)
            } else {
                let values: [Value; 2] = [business_id.uuid().into(), after.into()];
                Statement::from_sql_and_values(backend, self.page(&columns), values)
            };
            let rows = txn.query_all_raw(page).await.map_err(failed)?;
            for row in &rows {
                let line: String = row.try_get_by_index(0).map_err(failed)?;
                take(&line)?;
                if !has_cursor {
                    after = row.try_get_by_index(1).map_err(failed)?;
                }
            }
            if rows.len() < ROWS_PER_PAGE {
                break;
            }
        }
        if has_cursor {
            let close = format!("CLOSE {CURSOR}");
            txn.execute_unprepared(&close).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Opens what reads on in all rows of a business.
    fn declare(self, columns: &[Column], business_id: BusinessId) -> String {
        let Self {
            name,
            business,
            order,
        } = self;
        let cells = columns
            .iter()
            .map(|column| format!("{} AS {}", column.told(), column.name));
        let cells = cells.collect::<Vec<_>>().join(", ");
        let id = business_id.uuid();
        format!(
            "DECLARE {CURSOR} NO SCROLL CURSOR FOR SELECT CAST(row_to_json(told) AS TEXT) FROM (
                SELECT {cells} FROM {name} WHERE {business} = '{id}' ORDER BY {order}) AS told"
        )
    }

    /// Reads the rows of a business `$1` behind the row `$2`, going once through the table.
    fn page(self, columns: &[Column]) -> String {
        let Self { name, business, .. } = self;
        let cells = columns
            .iter()
            .map(|column| format!("'{}', {}", column.name, column.told()));
        let cells = cells.collect::<Vec<_>>().join(", ");
        format!(
            "SELECT json_object({cells}), rowid FROM {name}
             WHERE +{business} = $1 AND rowid > $2 ORDER BY rowid LIMIT {ROWS_PER_PAGE}"
        )
    }

    /// Writes rows that were read so, in their order.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if one of them is here already, [`StoreError::Corrupt`] if not all could be read.
    pub async fn write(
        self,
        txn: &DatabaseTransaction,
        lines: &[String],
    ) -> Result<(), StoreError> {
        if lines.is_empty() {
            return Ok(());
        }
        let backend = txn.get_database_backend();
        let columns = self.columns(txn).await?;
        let names = columns.iter().map(|column| column.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let cells = columns.iter().map(|column| column.read(backend));
        let cells = cells.collect::<Vec<_>>().join(", ");
        let given = if backend == DbBackend::Postgres {
            "jsonb_array_elements(CAST($1 AS JSONB)) WITH ORDINALITY AS lines (given, nth) ORDER BY nth"
        } else {
            "(SELECT value AS given FROM json_each($1))"
        };
        let name = self.name;
        let sql = format!("INSERT INTO {name} ({names}) SELECT {cells} FROM {given}");
        let all = format!("[{}]", lines.join(","));
        let statement = Statement::from_sql_and_values(backend, sql, [Value::from(all)]);
        let written = txn.execute_raw(statement).await?.rows_affected();
        if usize::try_from(written) != Ok(lines.len()) {
            return Err(StoreError::corrupt(name, "a line"));
        }
        Ok(())
    }
}

fn of(business_id: BusinessId) -> [Value; 1] {
    [business_id.uuid().into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_as_it_was_told() {
        let column = |sql_type: &str| Column {
            name: "id".to_owned(),
            sql_type: sql_type.to_owned(),
        };
        for (backend, sql_type, told, read) in [
            (
                DbBackend::Sqlite,
                "BLOB",
                "iif(id IS NULL, NULL, lower(hex(id)))",
                "unhex(given ->> 'id')",
            ),
            (DbBackend::Sqlite, "TEXT", "id", "given ->> 'id'"),
            (
                DbBackend::Postgres,
                "bytea",
                "encode(id, 'hex')",
                "decode(given ->> 'id', 'hex')",
            ),
            (
                DbBackend::Postgres,
                "boolean",
                "CAST(id AS INTEGER)",
                "CAST(given ->> 'id' AS boolean)",
            ),
        ] {
            let column = column(sql_type);
            assert_eq!(
                (column.told().as_str(), column.read(backend).as_str()),
                (told, read)
            );
        }
    }
}
