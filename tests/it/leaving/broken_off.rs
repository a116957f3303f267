//! An import of a business that was killed has left nothing, and is done again by the same command.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rstest::rstest;
use tokio::process::Command;

use super::{done, execute, export, fails, fill, import};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::dump::{dump, texts};
use crate::support::fresh::Fresh;
use crate::support::process::until;

/// Longer than anything here takes on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_mins(2);

/// Starts a command and kills it once something is so.
pub(super) async fn kill_when(arguments: &[&str], url: &str, is_so: impl AsyncFn() -> bool) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .args(arguments)
        .env_clear()
        .env("CARNET_DATABASE_URL", url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    until(LIMIT, "what it is to be killed at", is_so).await;
    child.kill().await.unwrap();
}

/// Whether an import into this database is in the middle of its transaction.
async fn is_writing(target: &Fresh) -> bool {
    if let Some(path) = target.url.strip_prefix("sqlite://") {
        // What does not fit into memory is in the log before it is committed.
        let log = std::fs::metadata(format!("{path}-wal"));
        return log.is_ok_and(|log| log.len() > 0);
    }
    let connection = target.connect().await;
    let writing = "SELECT query FROM pg_stat_activity WHERE datname = current_database()
        AND backend_xid IS NOT NULL AND query LIKE 'INSERT INTO%'";
    let found = texts(&connection, writing).await;
    connection.close().await.unwrap();
    !found.is_empty()
}

async fn rows_of(target: &Fresh) -> Vec<String> {
    let connection = target.connect().await;
    let rows = dump(&connection).await;
    connection.close().await.unwrap();
    rows
}

#[rstest]
#[tokio::test]
async fn an_import_that_is_killed_leaves_nothing_and_is_done_again(
    #[values(Sqlite, Postgres)] database: Database,
) {
    Box::pin(on(Sqlite, async |app| {
        fill(app).await;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("export");
        export(app.database_url(), app.business_id, &folder).await;
        let target = Fresh::migrated(database).await;
        let before = rows_of(&target).await;
        kill_when(&import(&folder), &target.url, async || {
            is_writing(&target).await
        })
        .await;
        assert_eq!(rows_of(&target).await, before);
        done(&import(&folder), &target.url).await;
        assert!(rows_of(&target).await.len() > 5 * super::PACKAGES);
        target.remove().await;
    }))
    .await;
}

/// What is left if an import is killed between its two transactions.
async fn between(app: &TestApp) {
    execute(app, "UPDATE businesses SET leaving_at = 1").await;
    execute(app, "DELETE FROM tokens").await;
}

#[rstest]
#[tokio::test]
async fn what_never_arrived_whole_is_deleted_before_it_is_imported_again(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let folder = tempfile::tempdir().unwrap();
        let folder: &Path = &folder.path().join("export");
        let url = app.database_url();
        export(url, app.business_id, folder).await;
        between(app).await;
        fails(&import(folder), url, "never arrived whole").await;
        let business = app.business_id.to_string();
        let delete = ["business", "delete", &business, "--confirm", "Swim school"];
        done(&delete, url).await;
        done(&import(folder), url).await;
        let request = carnet::proto::v1::GetSettingsRequest {};
        app.business().get_settings(request).await.unwrap();
    })
    .await;
}
