//! What PostgreSQL counts of the sessions of a database.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use tokio::time::{sleep, timeout};

use crate::support::postgres;

/// How long sessions are waited for whose clients are gone: some run a statement to its end first.
const ENDED_BY: Duration = Duration::from_secs(5);

async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = connection.query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

/// How many times transactions waited for each other in a circle, as far as their sessions have told.
pub(crate) async fn deadlocks(connection: &DatabaseConnection) -> i64 {
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    number(connection, sql).await
}

/// No transactions waited for each other in a circle. A session tells at its end at the latest.
pub(crate) async fn prove_no_deadlock(url: &str) {
    let onlooker = postgres::connect(url).await;
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let ending = async {
        while number(&onlooker, others).await > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    // Those of a pooler do not end.
    let _ = timeout(ENDED_BY, ending).await;
    assert_eq!(deadlocks(&onlooker).await, 0, "there were deadlocks");
    onlooker.close().await.unwrap();
}
