//! How values of the domain lie in columns, alike on both databases.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, JsonValue, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::entry::Hash;
use crate::store::error::StoreError;

/// The most ids that one statement names: a bound on the parameters that databases take.
pub const IDS_PER_STATEMENT_MAX: usize = 10_000;

/// Whether a column has one of these codes of a closed list. They are written into the statement: its plan is one for
/// any values that are bound, and which of the codes are rare is what it has to know.
pub fn is_one_of(column: impl ColumnTrait, codes: impl IntoIterator<Item = i16>) -> Expr {
    let codes = codes.into_iter().map(|code| Expr::Constant(code.into()));
    column.into_expr().is_in(codes)
}

/// Whether a column has one of these values. Up to a power of two the last one is repeated: a connection keeps and
/// plans a statement for each number of parameters that it meets, and these are few.
pub fn is_any<V>(column: impl ColumnTrait, values: impl IntoIterator<Item = V>) -> Expr
where
    V: Into<Value> + Clone,
{
    let mut values: Vec<V> = values.into_iter().collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    column.is_in(values)
}

/// An instant as microseconds since 1970, UTC.
pub fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

/// The instant that a column of `table` holds.
///
/// # Errors
/// [`StoreError::Corrupt`] if no calendar reaches it.
pub fn instant(
    micros: i64,
    table: &'static str,
    id: impl ToString,
) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| StoreError::corrupt(table, id))
}

/// The same for a column that may be empty.
pub fn instant_opt(
    micros: Option<i64>,
    table: &'static str,
    id: impl ToString,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    micros.map(|micros| instant(micros, table, id)).transpose()
}

/// A value as a JSON column.
pub fn to_json<T: Serialize>(value: &T, table: &'static str) -> Result<JsonValue, StoreError> {
    serde_json::to_value(value).map_err(|_| StoreError::corrupt(table, "a value to be written"))
}

/// What a JSON column of `table` says.
pub fn from_json<T: DeserializeOwned>(
    json: JsonValue,
    table: &'static str,
    id: impl ToString,
) -> Result<T, StoreError> {
    serde_json::from_value(json).map_err(|_| StoreError::corrupt(table, id))
}

/// A stored hash.
pub fn hash(bytes: &[u8], table: &'static str, id: impl ToString) -> Result<Hash, StoreError> {
    bytes.try_into().map_err(|_| StoreError::corrupt(table, id))
}

/// The value that a code or text of a row stands for.
pub fn known<T>(value: Option<T>, table: &'static str, id: impl ToString) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::corrupt(table, id))
}

/// Gives the columns of a query an order, and reads its rows by it: to find each cell by its name would take longer than
/// all the rest of reading it.
macro_rules! in_order {
    ($model:ident from $first:literal: $($field:ident)+) => {
        pub(super) const COLUMNS: &[&str] = &[$(stringify!($field)),+];

        /// A row whose cells are [`COLUMNS`], from this place on.
        pub(super) fn model(row: &sea_orm::QueryResult) -> Result<$model, sea_orm::DbErr> {
            let mut places = $first..usize::MAX;
            let mut next = || places.next().unwrap_or_default();
            Ok($model { $($field: row.try_get_by_index(next())?),+ })
        }
    };
}
pub(super) use in_order;
