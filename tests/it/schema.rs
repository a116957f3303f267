//! Migrations: replicas may start together, a schema that is too new or too old is refused, and the
//! database itself keeps history as it was written.

use std::process::Output;

use carnet::app::App;
use carnet::clock::Clock;
use carnet::store::migrate::known_version;
use rstest::rstest;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use crate::support::app::{Database, Postgres, Sqlite, channel, settings};
use crate::support::fresh::Fresh;
use crate::support::postgres;
use crate::support::program::carnet;
use crate::support::shop::{Shop, never};
use crate::support::tenant::Tenant;

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{out}{err}")
}

async fn number(database: &DatabaseConnection, sql: &str) -> i64 {
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[rstest]
#[tokio::test]
async fn eight_processes_migrate_one_empty_database_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let fresh = Fresh::empty(database).await;
    let runs = (0..8).map(|_| carnet(&["migrate"], &fresh.url));
    let outputs = futures_util::future::join_all(runs).await;
    for output in &outputs {
        assert!(output.status.success(), "{}", told(output));
    }
    let made = outputs.iter().filter(|it| told(it).contains("went from"));
    assert_eq!(made.count(), 1);
    let connection = fresh.connect().await;
    let count = "SELECT CAST(count(*) AS BIGINT) FROM schema_state";
    assert_eq!(number(connection.reader(), count).await, 1);
    connection.close().await.unwrap();
    fresh.remove().await;
}

#[rstest]
#[tokio::test]
async fn a_schema_made_by_a_newer_program_is_refused(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let fresh = Fresh::migrated(database).await;
    let connection = fresh.connect().await;
    let txn = connection.begin().await.unwrap();
    txn.execute_unprepared("UPDATE schema_state SET version = 1000, compatible_from = 999")
        .await
        .unwrap();
    txn.commit().await.unwrap();
    connection.close().await.unwrap();
    for arguments in [&["migrate"][..], &["serve"], &["verify"]] {
        let output = carnet(arguments, &fresh.url).await;
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        let wanted = "the schema is at version 1000 and needs a binary that knows 999";
        assert!(told(&output).contains(wanted), "{}", told(&output));
    }
    fresh.remove().await;
}

/// What a newer program might add that this one can work beside.
const ADDED: &str = "ALTER TABLE customers ADD COLUMN nickname TEXT;
    CREATE TABLE nicknames (business_id INTEGER, nickname TEXT)";

#[rstest]
#[tokio::test]
async fn a_newer_schema_that_this_program_can_work_beside_is_served_with_its_data(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let fresh = Fresh::migrated(database).await;
    let app = App::build(settings(&fresh.url), Clock::System).await;
    let running = app.unwrap().bind().await.unwrap();
    let tenant = Tenant::create(running.context(), "Swim school", channel(&running)).await;
    let shop = Shop::open(&tenant).await;
    let package = shop.sell_lessons("8", never()).await;
    let used = shop.use_lessons_of(&package.id, "3");
    shop.consume(used.clone()).await.unwrap();
    running.stop().await;

    let connection = fresh.connect().await;
    let txn = connection.begin().await.unwrap();
    txn.execute_unprepared(ADDED).await.unwrap();
    let known = known_version();
    let newer = format!("UPDATE schema_state SET version = 1000, compatible_from = {known}");
    txn.execute_unprepared(&newer).await.unwrap();
    txn.commit().await.unwrap();
    connection.close().await.unwrap();

    let output = carnet(&["migrate"], &fresh.url).await;
    assert!(output.status.success(), "{}", told(&output));
    let app = App::build(settings(&fresh.url), Clock::System).await;
    let running = app.unwrap().bind().await.unwrap();
    let shop = Shop {
        tenant: tenant.through(channel(&running)),
        ..shop
    };
    assert!(shop.consume(used).await.unwrap().replayed);
    shop.customer("Jaan Kask").await;
    shop.consume(shop.use_lessons_of(&package.id, "1"))
        .await
        .unwrap();
    assert_eq!(shop.left(&package.id).await, "4");
    running.stop().await;
    let connection = fresh.connect().await;
    let version = "SELECT CAST(version AS BIGINT) FROM schema_state";
    assert_eq!(number(connection.reader(), version).await, 1_000);
    connection.close().await.unwrap();
    fresh.remove().await;
}

#[tokio::test]
async fn a_server_does_not_migrate_postgres_unasked() {
    let fresh = Fresh::empty(Postgres).await;
    let output = carnet(&["serve"], &fresh.url).await;
    let wanted = format!(
        "the schema is at version 0, this binary needs {}",
        known_version()
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains(&wanted), "{}", told(&output));

    let mut asked = settings(&fresh.url);
    asked.server.migrate = true;
    let app = App::build(asked, Clock::System).await.unwrap();
    app.bind().await.unwrap().stop().await;
    fresh.remove().await;
}

#[tokio::test]
async fn tls_to_postgres_proves_the_server_or_there_is_no_connection() {
    let server = postgres::shared();
    let fresh = Fresh::empty(Postgres).await;
    let url = server.tls_url(&fresh.url);
    let output = carnet(&["migrate"], &url).await;
    assert!(output.status.success(), "{}", told(&output));

    let stranger = fresh.folder.path().join("stranger.pem");
    let authority = crate::support::tls::PrivateCa::new();
    std::fs::write(&stranger, authority.pem).unwrap();
    let own = server.certificate_authority().display().to_string();
    let wrong = url.replace(&own, &stranger.display().to_string());
    let output = carnet(&["migrate"], &wrong).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    fresh.remove().await;
}

/// One row of each kind of history, about a lot and a package that need not exist.
const HISTORY: [&str; 2] = [
    "INSERT INTO entries (business_id, posting_id, n, lot_id, line_id, seq, hash, kind, from_account, to_account,
        amount, value, available, held, consumed, expired, revoked, transferred, effective_at,
        recorded_at, by_time, method, actor_kind)
     VALUES ({id}, {id}, 0, {id}, {id}, 1, {hash}, 1, 1, 2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, {no}, 'Issue', 0)",
    "INSERT INTO changes (business_id, package_id, seq, kind, old_value, new_value, request_id,
        actor_kind, effective_at, recorded_at)
     VALUES ({id}, {id}, 1, 1, '{}', '{}', {id}, 0, 0, 0)",
];

/// What a person with the application's own connection might try.
const ATTEMPTS: [&str; 6] = [
    "UPDATE entries SET amount = 2",
    "UPDATE changes SET seq = 2",
    "DELETE FROM entries",
    "DELETE FROM changes",
    "INSERT OR REPLACE INTO entries SELECT * FROM entries",
    "INSERT OR REPLACE INTO changes SELECT * FROM changes",
];

async fn refusal(database: &DatabaseConnection, sql: &str) -> String {
    let result: Result<_, DbErr> = database.execute_unprepared(sql).await;
    result.expect_err(sql).to_string()
}

#[tokio::test]
async fn sqlite_refuses_to_rewrite_history() {
    let fresh = Fresh::migrated(Sqlite).await;
    let connection = fresh.connect().await;
    // The rows stand alone, so their references are not looked at.
    let history = HISTORY.map(|sql| {
        sql.replace("{id}", "x'00112233445566778899aabbccddeeff'")
            .replace("{hash}", "zeroblob(32)")
            .replace("{no}", "0")
    });
    let without_references = format!("{}?mode=rwc", fresh.url);
    let plain = sea_orm::Database::connect(without_references)
        .await
        .unwrap();
    for sql in &history {
        let sql = format!("PRAGMA foreign_keys = OFF; {sql}");
        plain.execute_unprepared(&sql).await.unwrap();
    }
    plain.close().await.unwrap();
    for sql in ATTEMPTS {
        let refusal = refusal(connection.reader(), sql).await;
        assert!(refusal.contains("append-only"), "{sql}: {refusal}");
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn postgres_refuses_to_rewrite_history() {
    let fresh = Fresh::migrated(Postgres).await;
    let connection = postgres::connect(&fresh.url).await;
    for sql in HISTORY {
        let sql = sql
            .replace("{id}", "'00112233-4455-6677-8899-aabbccddeeff'")
            .replace("{hash}", "''")
            .replace("{no}", "false");
        // As a replica, so that references are not looked at: the rows stand alone.
        let sql = format!(
            "SET session_replication_role = replica; {sql}; RESET session_replication_role"
        );
        connection.execute_unprepared(&sql).await.unwrap();
    }
    let plain = ATTEMPTS.iter().filter(|sql| !sql.contains("REPLACE"));
    for sql in plain.chain(&["TRUNCATE entries", "TRUNCATE changes"]) {
        let refusal = refusal(&connection, sql).await;
        assert!(refusal.contains("append-only"), "{sql}: {refusal}");
    }
    connection.close().await.unwrap();
    fresh.remove().await;
}
