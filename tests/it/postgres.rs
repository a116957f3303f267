//! The private PostgreSQL keeps its promises: databases apart, TLS, and no trace afterwards.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

use crate::support::postgres::{self, Durability, Server};

/// Set in the child whose server has to die with it.
const CHILD: &str = "CARNET_TEST_POSTGRES_CHILD";

async fn text(database: &DatabaseConnection, sql: &str) -> Result<String, DbErr> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = database.query_one_raw(statement).await?.unwrap();
    row.try_get_by_index(0)
}

#[tokio::test]
async fn two_databases_are_apart_and_a_copy_has_what_its_template_had() {
    let server = postgres::shared();
    let template = server.create_database(None).await;
    let database = postgres::connect(&template).await;
    database
        .execute_unprepared("CREATE TABLE note AS SELECT 'kept' AS body")
        .await
        .unwrap();
    database.close().await.unwrap();
    let (first, second) = (
        server.create_database(Some(&template)).await,
        server.create_database(Some(&template)).await,
    );
    let changed = postgres::connect(&first).await;
    changed
        .execute_unprepared("UPDATE note SET body = 'changed'")
        .await
        .unwrap();
    changed.close().await.unwrap();
    let copy = postgres::connect(&second).await;
    assert_eq!(text(&copy, "SELECT body FROM note").await.unwrap(), "kept");
    copy.close().await.unwrap();
    for url in [template, first, second] {
        server.drop_database(&url).await;
    }
}

#[tokio::test]
async fn a_connection_over_tls_proves_the_server() {
    let server = postgres::shared();
    let url = server.create_database(None).await;
    let used = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let plain = postgres::connect(&url).await;
    assert_eq!(text(&plain, used).await.unwrap(), "false");
    plain.close().await.unwrap();
    let secret = postgres::connect(&server.tls_url(&url)).await;
    assert_eq!(text(&secret, used).await.unwrap(), "true");
    secret.close().await.unwrap();
    server.drop_database(&url).await;
}

#[tokio::test]
async fn a_durable_server_waits_for_the_disk_and_leaves_nothing_behind() {
    let server = Server::start(Durability::Full);
    let directory = server.directory().to_owned();
    assert!(server.certificate_authority().exists());
    let url = server.create_database(None).await;
    let database = postgres::connect(&url).await;
    assert_eq!(text(&database, "SHOW fsync").await.unwrap(), "on");
    assert_eq!(
        text(&database, "SHOW synchronous_commit").await.unwrap(),
        "on"
    );
    database.close().await.unwrap();
    drop(server);
    assert!(!directory.exists());
}

/// Not a test of its own: what the next one starts and kills.
#[test]
fn a_child_that_holds_a_server() {
    if env::var_os(CHILD).is_none() {
        return;
    }
    let server = Server::start(Durability::Off);
    println!("directory={}", server.directory().display());
    // Waits for the end of a pipe that its parent never closes.
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn the_server_dies_with_its_process_even_by_kill_9() {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "postgres::a_child_that_holds_a_server",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let directory = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("directory=").map(str::to_owned))
        .unwrap();
    let status = Path::new(&directory).join("data/postmaster.pid");
    let status = std::fs::read_to_string(status).unwrap();
    let port: u16 = status.lines().nth(3).unwrap().parse().unwrap();
    let answers = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    assert!(answers());
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while Path::new(&directory).exists() || answers() {
        assert!(
            Instant::now() < deadline,
            "{directory} or its server is still there"
        );
        thread::sleep(Duration::from_millis(50));
    }
}
