//! Everything that a database holds, as text.

use carnet::store::db::Database as Connection;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// The first column of what a query finds.
pub(crate) async fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.backend(), sql);
    let rows = connection.reader().query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// The names of all tables.
pub(crate) async fn tables(connection: &Connection) -> Vec<String> {
    let sql = if connection.backend() == DbBackend::Sqlite {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    } else {
        "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()"
    };
    texts(connection, sql).await
}

/// The rows of a table, each as a text of all its columns.
async fn rows(connection: &Connection, table: &str) -> Vec<String> {
    if connection.backend() != DbBackend::Sqlite {
        return texts(
            connection,
            &format!("SELECT CAST({table} AS TEXT) FROM {table}"),
        )
        .await;
    }
    let columns = format!("SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}')");
    let columns = texts(connection, &columns).await.join(" || '|' || ");
    texts(connection, &format!("SELECT {columns} FROM {table}")).await
}

/// Every row of every table, after the table's name.
pub(crate) async fn dump(connection: &Connection) -> Vec<String> {
    let mut dumped = Vec::new();
    for table in tables(connection).await {
        let rows = rows(connection, &table).await.into_iter();
        dumped.extend(rows.map(|row| format!("{table}: {row}")));
    }
    dumped
}
