//! An import that was killed is done again by the same command, and nothing is doubled.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use carnet::store::db::Database as Connection;
use rstest::rstest;
use sea_orm::{ConnectionTrait, Statement};
use tokio::process::Command;

use super::{Move, Told};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::process::until;

/// Enough for several transactions of customers and of packages.
const CUSTOMERS: usize = 1_000;
const PACKAGES: usize = 3_000;
/// Longer than a check of so many rows takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(2);

async fn count(connection: &Connection, table: &str) -> usize {
    let sql = format!("SELECT count(*) FROM {table}");
    let statement = Statement::from_string(connection.backend(), sql);
    let row = connection.reader().query_one_raw(statement).await.unwrap();
    let count: i64 = row.unwrap().try_get_by_index(0).unwrap();
    usize::try_from(count).unwrap()
}

/// Starts the import and kills it once a table has more than so many rows.
async fn kill_after(it: &Move<'_>, files: &[String], table: &str, rows: usize) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_carnet"))
        .args(["import", "--cut-over", "2026-01-10"])
        .args(files)
        .env_clear()
        .env("CARNET_DATABASE_URL", it.app.database_url())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let db = &it.app.context().db;
    until(LIMIT, "a part", async || count(db, table).await > rows).await;
    child.kill().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn an_import_that_is_killed_is_resumed_and_doubles_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        let mut customers = "external_id,name\n".to_owned();
        for row in 0..CUSTOMERS {
            writeln!(customers, "c{row},Customer {row}").unwrap();
        }
        let mut packages = "external_id,customer,template,quantity,used,price,expires\n".to_owned();
        for row in 0..PACKAGES {
            let (customer, used) = (row % CUSTOMERS, row % 11);
            writeln!(packages, "p{row},c{customer},Standard,10,{used},120,never").unwrap();
        }
        let files = it.files(&customers, &packages);
        let db = &app.context().db;
        kill_after(&it, &files, "customers", 1).await;
        let customers = count(db, "customers").await;
        assert!(customers < CUSTOMERS + 1, "it was killed in the middle");
        kill_after(&it, &files, "packages", 0).await;
        assert_eq!(count(db, "customers").await, CUSTOMERS + 1);
        let packages = count(db, "packages").await;
        assert!(packages < PACKAGES, "it was killed in the middle");
        kill_after(&it, &files, "packages", packages).await;

        let left = packages_left(&it.done(&files).await);
        assert!(
            left < PACKAGES - packages,
            "{left} were left after two parts"
        );
        assert_eq!(packages_left(&it.done(&files).await), 0);
        assert_eq!(count(db, "customers").await, CUSTOMERS + 1);
        for table in ["packages", "sales", "lots", "payments"] {
            assert_eq!(count(db, table).await, PACKAGES, "{table}");
        }
        let used = (0..PACKAGES).filter(|row| row % 11 > 0).count();
        assert_eq!(count(db, "entries").await, PACKAGES + used);
    })
    .await;
}

/// How many packages a run found to be new.
fn packages_left(told: &Told) -> usize {
    let sentence = told.out.lines().last().unwrap();
    let (before, _) = sentence.split_once(" packages are new").unwrap();
    before.rsplit(' ').next().unwrap().parse().unwrap()
}
