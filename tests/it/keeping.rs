//! Backups: what was copied while the server went on is whole, and has the same history.

use std::path::Path;

use carnet::ledger::verify::instant;
use chrono::TimeDelta;
use tokio::process::Command;

use crate::support::app::Database::{Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::fresh::Fresh;
use crate::support::postgres::Server;
use crate::support::program::{carnet, err, out};
use crate::support::shop::{Shop, never};

/// Sells and uses, and keeps the heads of then in a file; more is recorded afterwards.
async fn history(app: &TestApp, heads: &Path) {
    let shop = Shop::open(app).await;
    let package = shop.sell_lessons("8", never()).await;
    shop.consume(shop.use_lessons_of(&package.id, "3"))
        .await
        .unwrap();
    app.clock.advance(TimeDelta::minutes(6));
    let as_of = instant(app.clock.now() - TimeDelta::minutes(1));
    let kept = carnet(&["verify", "--as-of", &as_of], app.database_url()).await;
    assert_eq!(kept.status.code(), Some(0), "{}", err(&kept));
    std::fs::write(heads, out(&kept)).unwrap();
    shop.consume(shop.use_lessons_of(&package.id, "1"))
        .await
        .unwrap();
}

/// The copy is proved, its history is the one that was kept, and it can be served.
async fn proves(url: &str, heads: &Path) {
    for arguments in [
        &["verify"][..],
        &["verify", "--heads", heads.to_str().unwrap()],
    ] {
        let proved = carnet(arguments, url).await;
        assert_eq!(proved.status.code(), Some(0), "{}", err(&proved));
        assert!(out(&proved).contains("head "), "{}", out(&proved));
    }
}

#[tokio::test]
async fn a_copy_of_sqlite_taken_while_it_is_served_is_whole() {
    on(Sqlite, async |app| {
        let folder = tempfile::tempdir().unwrap();
        let heads = folder.path().join("heads");
        history(app, &heads).await;
        let copy = folder.path().join("it's a copy.db");
        let arguments = ["backup", copy.to_str().unwrap()];
        let copied = carnet(&arguments, app.database_url()).await;
        assert_eq!(copied.status.code(), Some(0), "{}", err(&copied));
        proves(&format!("sqlite://{}", copy.display()), &heads).await;

        let again = carnet(&arguments, app.database_url()).await;
        assert_eq!(again.status.code(), Some(1));
        assert!(err(&again).contains("is there already"), "{}", err(&again));
    })
    .await;
}

#[tokio::test]
async fn postgres_is_restored_from_its_own_dump() {
    on(Postgres, async |app| {
        let folder = tempfile::tempdir().unwrap();
        let heads = folder.path().join("heads");
        history(app, &heads).await;
        let dump = folder.path().join("dump").display().to_string();
        let restored = Fresh::empty(Postgres).await;
        for (program, arguments) in [
            (
                "pg_dump",
                ["--format=custom", "--file", &dump, app.database_url()],
            ),
            (
                "pg_restore",
                ["--exit-on-error", "--dbname", &restored.url, &dump],
            ),
        ] {
            let done = Command::new(Server::program(program))
                .args(arguments)
                .output();
            let done = done.await.unwrap();
            assert!(done.status.success(), "{program}: {}", err(&done));
        }
        proves(&restored.url, &heads).await;
        restored.remove().await;

        let refused = carnet(&["backup", "copy"], app.database_url()).await;
        assert_eq!(refused.status.code(), Some(1));
        assert!(err(&refused).contains("pg_dump"), "{}", err(&refused));
    })
    .await;
}
