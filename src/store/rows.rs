//! Many rows as one table expression in a statement, however many there are: one array for each column on
//! PostgreSQL, one JSON text on SQLite. So a statement has the same text for one row and for five hundred,
//! and a batch costs one round trip (on SQLite, one hop to the thread of its connection).
//!
//! Arrays of this driver hold no NULL. An absent value travels as one that no row has: the nil UUID, the
//! smallest number, no bytes at all.

use std::borrow::Cow;
use std::fmt::Write as _;

use sea_orm::sea_query::{ArrayType, ColumnType, Value};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DatabaseTransaction, DbBackend,
    EntityName, EntityTrait, IdenStatic, Iterable, Statement,
};
use uuid::Uuid;

use crate::store::error::StoreError;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Uuid,
    Bytes,
    SmallInteger,
    Integer,
    BigInteger,
    Boolean,
    Date,
    Text,
    Json,
}

#[derive(Debug)]
struct Column {
    name: Cow<'static, str>,
    kind: Kind,
    is_optional: bool,
    cells: Vec<Value>,
}

/// Rows that a statement works on, as a table that it can name.
#[derive(Debug, Default)]
pub(super) struct Rows(Vec<Column>);

impl Rows {
    /// Rows of pairs of ids, in columns of these names.
    pub(super) fn of_pairs(
        names: [&'static str; 2],
        pairs: impl IntoIterator<Item = (Uuid, Uuid)>,
    ) -> Self {
        let (left, right): (Vec<Value>, Vec<Value>) = pairs
            .into_iter()
            .map(|(left, right)| (Value::from(left), Value::from(right)))
            .unzip();
        let columns = names.into_iter().zip([left, right]);
        Self(
            columns
                .map(|(name, cells)| Column {
                    name: Cow::Borrowed(name),
                    kind: Kind::Uuid,
                    is_optional: false,
                    cells,
                })
                .collect(),
        )
    }

    /// These columns of rows of a table.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a column of a type that no set of rows has needed yet, or without a value.
    pub(super) fn of_models<A: ActiveModelTrait>(
        mut models: Vec<A>,
        columns: impl IntoIterator<Item = <A::Entity as EntityTrait>::Column>,
    ) -> Result<Self, StoreError> {
        let mut all = Vec::new();
        for column in columns {
            let unknown = || StoreError::corrupt("a table", column.as_str());
            let definition = column.def();
            let kind = kind(definition.get_column_type()).ok_or_else(unknown)?;
            let mut cells = Vec::with_capacity(models.len());
            for model in &mut models {
                match model.take(column) {
                    ActiveValue::Set(value) | ActiveValue::Unchanged(value) => cells.push(value),
                    ActiveValue::NotSet => return Err(unknown()),
                }
            }
            all.push(Column {
                name: Cow::Borrowed(column.as_str()),
                kind,
                is_optional: definition.is_null(),
                cells,
            });
        }
        Ok(Self(all))
    }

    /// The names of the columns, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|column| column.name.as_ref())
    }

    /// The rows as a table expression with the alias `given`, whose parameters are the first ones of the
    /// statement.
    pub(super) fn table(&self, backend: DbBackend) -> String {
        self.table_after(0, backend)
    }

    /// The same where so many other parameters come before.
    pub(super) fn table_after(&self, parameters: usize, backend: DbBackend) -> String {
        if backend == DbBackend::Postgres {
            self.arrays(parameters)
        } else {
            self.json(parameters.saturating_add(1))
        }
    }

    /// The statement that finds those rows of `table` that have these values.
    pub(super) fn select(self, db: &impl ConnectionTrait, table: &str) -> Statement {
        self.select_with(db, table, "", "")
    }

    /// The same with more columns, each after a comma, from what is joined.
    pub(super) fn select_with(
        self,
        db: &impl ConnectionTrait,
        table: &str,
        columns: &str,
        joined: &str,
    ) -> Statement {
        let backend = db.get_database_backend();
        let equal = self
            .names()
            .map(|name| format!("{table}.{name} = given.{name}"));
        let equal = equal.collect::<Vec<_>>().join(" AND ");
        let given = self.table(backend);
        let sql = format!("SELECT {table}.*{columns} FROM {given} JOIN {table} ON {equal}{joined}");
        Statement::from_sql_and_values(backend, sql, self.values(backend))
    }

    /// How many parameters that takes.
    pub(super) fn parameters(&self, backend: DbBackend) -> usize {
        if backend == DbBackend::Postgres {
            self.0.len()
        } else {
            1
        }
    }

    /// Those parameters.
    pub(super) fn values(self, backend: DbBackend) -> Vec<Value> {
        if backend == DbBackend::Postgres {
            return self.0.into_iter().map(array).collect();
        }
        let length = self.0.first().map_or(0, |column| column.cells.len());
        let mut columns: Vec<_> = self
            .0
            .into_iter()
            .map(|column| column.cells.into_iter())
            .collect();
        let rows: Vec<serde_json::Value> = (0..length)
            .map(|_| {
                let cells = columns.iter_mut().map(|cells| cells.next().map(json));
                serde_json::Value::Array(cells.map(Option::unwrap_or_default).collect())
            })
            .collect();
        vec![serde_json::Value::Array(rows).to_string().into()]
    }

    fn arrays(&self, parameters: usize) -> String {
        let (mut cells, mut arrays, mut names) = (String::new(), String::new(), String::new());
        for (index, column) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let parameter = parameters.saturating_add(index).saturating_add(1);
            let name = &column.name;
            let value = match absent_in_sql(column) {
                Some(absent) => format!("NULLIF({name}, {absent})"),
                None => name.to_string(),
            };
            let cell = match column.kind {
                Kind::Json => format!("{value}::jsonb AS {name}"),
                Kind::Date => format!("{value}::date AS {name}"),
                Kind::Uuid
                | Kind::Bytes
                | Kind::SmallInteger
                | Kind::Integer
                | Kind::BigInteger
                | Kind::Boolean
                | Kind::Text => format!("{value} AS {name}"),
            };
            // Writing into a String cannot fail.
            let _ = write!(cells, "{comma}{cell}");
            let _ = write!(arrays, "{comma}${parameter}::{}[]", sql_type(column.kind));
            let _ = write!(names, "{comma}{name}");
        }
        format!("(SELECT {cells} FROM unnest({arrays}) AS array_of({names})) AS given")
    }

    fn json(&self, parameter: usize) -> String {
        let mut cells = String::new();
        for (index, column) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let name = &column.name;
            let cell = match column.kind {
                Kind::Uuid | Kind::Bytes => format!("unhex(value ->> {index})"),
                Kind::SmallInteger
                | Kind::Integer
                | Kind::BigInteger
                | Kind::Boolean
                | Kind::Date
                | Kind::Text
                | Kind::Json => format!("value ->> {index}"),
            };
            let _ = write!(cells, "{comma}{cell} AS {name}");
        }
        format!("(SELECT {cells} FROM json_each(${parameter})) AS given")
    }
}

/// Inserts rows by one statement, in their order.
///
/// # Errors
/// [`StoreError::Taken`] if a key of theirs exists already.
pub(super) async fn insert<A: ActiveModelTrait>(
    db: &impl ConnectionTrait,
    models: Vec<A>,
) -> Result<(), StoreError> {
    if models.is_empty() {
        return Ok(());
    }
    let statement = insertion(db, models, "TRUE")?;
    db.execute_raw(statement).await?;
    Ok(())
}

/// Inserts by one statement those rows that are not there yet by what they are unique by.
pub(super) async fn insert_new<A: ActiveModelTrait>(
    txn: &DatabaseTransaction,
    models: Vec<A>,
    unique_by: &[<A::Entity as EntityTrait>::Column],
) -> Result<(), StoreError> {
    if models.is_empty() {
        return Ok(());
    }
    let unique_by: Vec<&str> = unique_by.iter().map(IdenStatic::as_str).collect();
    let unique_by = unique_by.join(", ");
    // Without a condition SQLite would take ON for that of a join.
    let end = format!("TRUE ON CONFLICT ({unique_by}) DO NOTHING");
    let statement = insertion(txn, models, &end)?;
    txn.execute_raw(statement).await?;
    Ok(())
}

/// Inserts rows, as `given`, with this condition and what may follow it.
fn insertion<A: ActiveModelTrait>(
    db: &impl ConnectionTrait,
    models: Vec<A>,
    condition: &str,
) -> Result<Statement, StoreError> {
    let backend = db.get_database_backend();
    let table = A::Entity::default();
    let table = table.table_name();
    let rows = Rows::of_models(models, <A::Entity as EntityTrait>::Column::iter())?;
    let names = rows.names().collect::<Vec<_>>().join(", ");
    let given = rows.table(backend);
    let sql =
        format!("INSERT INTO {table} ({names}) SELECT {names} FROM {given} WHERE {condition}");
    Ok(Statement::from_sql_and_values(
        backend,
        sql,
        rows.values(backend),
    ))
}

/// Writes these columns of rows by one statement; each row is found by the columns of `found_by`.
///
/// # Errors
/// [`StoreError::Taken`] if one of them is not there.
pub(super) async fn update<A: ActiveModelTrait>(
    db: &impl ConnectionTrait,
    models: Vec<A>,
    found_by: &[<A::Entity as EntityTrait>::Column],
    written: &[<A::Entity as EntityTrait>::Column],
) -> Result<(), StoreError> {
    if models.is_empty() {
        return Ok(());
    }
    let count = models.len();
    let backend = db.get_database_backend();
    let table = A::Entity::default().table_name().to_owned();
    let found = found_by.iter().map(|column| {
        let name = column.as_str();
        format!("{table}.{name} = given.{name}")
    });
    let found = found.collect::<Vec<_>>().join(" AND ");
    let set = taken_from_given(written);
    let rows = Rows::of_models(models, found_by.iter().chain(written).copied())?;
    let given = rows.table(backend);
    let sql = format!("UPDATE {table} SET {set} FROM {given} WHERE {found}");
    let statement = Statement::from_sql_and_values(backend, sql, rows.values(backend));
    let result = db.execute_raw(statement).await?;
    if usize::try_from(result.rows_affected()) != Ok(count) {
        return Err(StoreError::Taken(table));
    }
    Ok(())
}

/// What an UPDATE sets these columns to: what `given` says.
pub(super) fn taken_from_given(columns: &[impl IdenStatic]) -> String {
    let set = columns.iter().map(|column| {
        let name = column.as_str();
        format!("{name} = given.{name}")
    });
    set.collect::<Vec<_>>().join(", ")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it is another crate's list of everything that databases have"
)]
fn kind(column: &ColumnType) -> Option<Kind> {
    match column {
        ColumnType::Uuid => Some(Kind::Uuid),
        ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob => Some(Kind::Bytes),
        ColumnType::SmallInteger => Some(Kind::SmallInteger),
        ColumnType::Integer => Some(Kind::Integer),
        ColumnType::BigInteger => Some(Kind::BigInteger),
        ColumnType::Boolean => Some(Kind::Boolean),
        ColumnType::Date => Some(Kind::Date),
        ColumnType::String(_) | ColumnType::Text => Some(Kind::Text),
        ColumnType::Json | ColumnType::JsonBinary => Some(Kind::Json),
        _ => None,
    }
}

fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Uuid => "uuid",
        Kind::Bytes => "bytea",
        Kind::SmallInteger => "smallint",
        Kind::Integer => "integer",
        Kind::BigInteger => "bigint",
        Kind::Boolean => "boolean",
        Kind::Date | Kind::Text | Kind::Json => "text",
    }
}

/// What stands for an absent value in an array.
fn absent(kind: Kind) -> Value {
    match kind {
        Kind::Uuid => Uuid::nil().into(),
        Kind::Bytes => Vec::<u8>::new().into(),
        Kind::SmallInteger => i16::MIN.into(),
        Kind::Integer => i32::MIN.into(),
        Kind::BigInteger => i64::MIN.into(),
        Kind::Boolean => false.into(),
        Kind::Date | Kind::Text | Kind::Json => String::new().into(),
    }
}

fn absent_in_sql(column: &Column) -> Option<String> {
    let text = match column.kind {
        Kind::Uuid => Uuid::nil().to_string(),
        Kind::Bytes | Kind::Date | Kind::Text | Kind::Json => String::new(),
        Kind::SmallInteger => i16::MIN.to_string(),
        Kind::Integer => i32::MIN.to_string(),
        Kind::BigInteger => i64::MIN.to_string(),
        Kind::Boolean => return None,
    };
    let kind = sql_type(column.kind);
    column.is_optional.then(|| format!("'{text}'::{kind}"))
}

fn array(column: Column) -> Value {
    let kind = column.kind;
    let cells = column.cells.into_iter();
    let cells = cells.map(|cell| in_array(cell, kind));
    let of = match kind {
        Kind::Uuid => ArrayType::Uuid,
        Kind::Bytes => ArrayType::Bytes,
        Kind::SmallInteger => ArrayType::SmallInt,
        Kind::Integer => ArrayType::Int,
        Kind::BigInteger => ArrayType::BigInt,
        Kind::Boolean => ArrayType::Bool,
        Kind::Date | Kind::Text | Kind::Json => ArrayType::String,
    };
    Value::Array(of, Some(Box::new(cells.collect())))
}

fn in_array(cell: Value, kind: Kind) -> Value {
    if let Value::Json(Some(json)) = cell {
        json.to_string().into()
    } else if let Value::ChronoDate(Some(date)) = cell {
        date.to_string().into()
    } else if is_some(&cell) {
        cell
    } else {
        absent(kind)
    }
}

fn is_some(cell: &Value) -> bool {
    *cell != cell.as_null()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it is another crate's list, of which a column's kind leaves these"
)]
fn json(cell: Value) -> serde_json::Value {
    match cell {
        Value::Uuid(Some(uuid)) => uuid.simple().to_string().into(),
        Value::Bytes(Some(bytes)) => hex(&bytes).into(),
        Value::SmallInt(Some(number)) => number.into(),
        Value::Int(Some(number)) => number.into(),
        Value::BigInt(Some(number)) => number.into(),
        Value::Bool(Some(flag)) => i32::from(flag).into(),
        Value::String(Some(text)) => text.into(),
        Value::Json(Some(value)) => value.to_string().into(),
        Value::ChronoDate(Some(date)) => date.to_string().into(),
        _ => serde_json::Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
