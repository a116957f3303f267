//! Heads that an auditor keeps.

use std::fs;

use chrono::TimeDelta;
use rstest::rstest;

use super::history;
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::plant::{Tamperer, uuid_literal};
use crate::support::program::{carnet, err, out};
use crate::support::shop::{Shop, never};

#[rstest]
#[tokio::test]
async fn a_head_that_was_kept_is_checked_after_more_was_recorded(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let lots = history(app).await;
        let url = app.database_url();
        let as_of = carnet::ledger::verify::instant(app.clock.now());
        let kept = carnet(&["verify", "--as-of", &as_of], url).await;
        assert_eq!(kept.status.code(), Some(0), "{}", err(&kept));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heads").display().to_string();
        // A later line of the same business beside it, as a file that is appended to has.
        let later = carnet(&["verify"], url).await;
        fs::write(&file, format!("{}\n{}", out(&kept), out(&later))).unwrap();

        app.clock.advance(TimeDelta::minutes(1));
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", never()).await;
        shop.consume(shop.use_lessons_of(&package.id, "1"))
            .await
            .unwrap();
        let head = out(&kept).split_once("head ").unwrap().1[..64].to_owned();
        let named = format!("{}={head}", app.business_id);
        let by_name = ["verify", "--as-of", &as_of, "--head", &named];
        let one = fs::read_to_string(&file).unwrap();
        fs::write(&file, one.lines().next().unwrap()).unwrap();
        for arguments in [&["verify", "--heads", &file][..], &by_name] {
            let output = carnet(arguments, url).await;
            assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        }
        // Now there is another head of now, and of then still the same one.
        let now = carnet(&["verify"], url).await;
        assert!(!out(&now).contains(&head));

        // A lot with all its entries taken out leaves a ledger that adds up, and another head.
        let tamperer = Tamperer::of(app).await;
        let id = uuid_literal(&app.context().db, lots[2].id.uuid());
        tamperer
            .plant(&format!("DELETE FROM lots WHERE id = {id}"))
            .await;
        let last = format!("DELETE FROM entries WHERE lot_id = {id} AND seq = 2");
        tamperer.plant(&last).await;
        let first = format!("DELETE FROM entries WHERE lot_id = {id} AND seq = 1");
        tamperer.plant(&first).await;
        let alone = carnet(&["verify"], url).await;
        let complaints = err(&alone);
        assert!(
            !complaints.contains("lot_"),
            "no lot is wrong: {complaints}"
        );
        for arguments in [&["verify", "--heads", &file][..], &by_name] {
            let output = carnet(arguments, url).await;
            assert_eq!(output.status.code(), Some(1));
            let wanted = format!("the head as of {as_of} was another one when it was kept");
            assert!(err(&output).contains(&wanted), "{}", err(&output));
        }
        tamperer.restore().await;
        tamperer.done().await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_head_that_cannot_be_checked_is_refused_or_a_fault(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        history(app).await;
        let url = app.database_url();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("heads").display().to_string();
        let check = ["verify", "--heads", &file];

        let missing = carnet(&check, url).await;
        assert_eq!(missing.status.code(), Some(1));
        assert!(err(&missing).contains("cannot read"), "{}", err(&missing));
        fs::write(&file, "biz_1 was fine\n").unwrap();
        let unreadable = carnet(&check, url).await;
        assert_eq!(unreadable.status.code(), Some(1));
        let wanted = "line 1 is no line of `carnet verify`";
        assert!(err(&unreadable).contains(wanted), "{}", err(&unreadable));

        let line = out(&carnet(&["verify"], url).await);
        let gone = carnet::ids::BusinessId::from_uuid(uuid::Uuid::from_u128(7)).to_string();
        fs::write(&file, line.replace(&app.business_id.to_string(), &gone)).unwrap();
        let output = carnet(&check, url).await;
        assert_eq!(output.status.code(), Some(1));
        let wanted = format!("{gone}: a head was kept of it, and it is gone");
        assert!(err(&output).contains(&wanted), "{}", err(&output));

        let future = carnet(&["verify", "--as-of", "2999-01-01T00:00:00Z"], url).await;
        assert_eq!(future.status.code(), Some(1));
        assert!(
            err(&future).contains("may still be under way"),
            "{}",
            err(&future)
        );
    })
    .await;
}
