//! The job that writes expiries down (D6): it only says what is true already.

use carnet::ids::PackageId;
use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::{EntryKind, PackageStatus};
use rstest::rstest;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::local;
use crate::support::plant::{Tamperer, uuid_literal};
use crate::support::shop::{Shop, never, until};

/// A package's entries, the oldest first.
async fn entries(app: &TestApp, package_id: &str) -> Vec<v1::Entry> {
    let request = v1::ListEntriesRequest {
        scope: Some(v1::list_entries_request::Scope::PackageId(
            package_id.to_owned(),
        )),
        ..Default::default()
    };
    let answer = app.credits().list_entries(request).await.unwrap();
    let mut entries = answer.into_inner().entries;
    entries.sort_by_key(|entry| entry.sequence);
    entries
}

#[rstest]
#[tokio::test]
async fn each_expiry_is_written_once_and_carries_its_own_instant(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let first = shop.sell_lessons("8", until("2026-01-20")).await;
        let second = shop.sell_lessons("3", until("2026-01-31")).await;
        let lasting = shop.sell_lessons("5", never()).await;
        shop.consume(shop.use_lessons_of(&first.id, "2"))
            .await
            .unwrap();
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 0);
        app.clock.set(local("2026-02-10 12:00"));
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 2);
        for (package, end, lost) in [(&first, "2026-01-21", "6"), (&second, "2026-02-01", "3")] {
            let written = entries(app, &package.id).await;
            let expiry = written.last().unwrap();
            assert_eq!(expiry.kind(), EntryKind::Expire);
            assert_eq!(expiry.amount, lost);
            let ended_at = local(&format!("{end} 00:00"));
            let seconds = |at: Option<prost_types::Timestamp>| at.unwrap().seconds;
            assert_eq!(seconds(expiry.effective_at), ended_at.timestamp());
            assert_eq!(seconds(expiry.recorded_at), app.clock.now().timestamp());
            assert_eq!(expiry.actor_id, "");
        }
        let before = entries(app, &first.id).await;
        app.clock.set(local("2026-02-11 12:00"));
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 0);
        assert_eq!(entries(app, &first.id).await, before);
        assert_eq!(shop.left(&lasting.id).await, "5");
    })
    .await;
}

/// What two servers tell alike, whatever ids they gave.
#[derive(Debug, PartialEq)]
struct Told {
    status: PackageStatus,
    balances: v1::Balances,
    usable: String,
    restored: v1::Balances,
    entries: Vec<(EntryKind, String, i64, i64, i64)>,
}

async fn tell(app: &TestApp, sweeps: bool) -> Told {
    let shop = Shop::open(app).await;
    let package = shop.sell_lessons("8", until("2026-01-31")).await;
    shop.consume(shop.use_lessons("3")).await.unwrap();
    app.clock.set(local("2026-02-10 12:00"));
    if sweeps {
        assert_eq!(settle::step(app.context()).await.unwrap().lots, 1);
    }
    let expired = shop.package(&package.id).await;
    let request = v1::GetBalanceRequest {
        scope: Some(v1::get_balance_request::Scope::CustomerId(
            shop.customer.clone(),
        )),
        credit_type_id: String::new(),
    };
    let sheet = app.credits().get_balance(request).await.unwrap();
    app.clock.set(local("2026-02-12 12:00"));
    let request = v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package.id.clone(),
        new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
            "2026-03-31".to_owned(),
        )),
        ..Default::default()
    };
    let restored = app.packages().extend_package(request).await.unwrap();
    let restored = restored.into_inner().package.unwrap();
    let written = entries(app, &package.id).await.into_iter();
    Told {
        status: expired.status(),
        balances: expired.lines[0].balances.clone().unwrap(),
        usable: sheet.into_inner().balances[0].usable.clone(),
        restored: restored.lines[0].balances.clone().unwrap(),
        entries: written
            .map(|entry| {
                let value = entry.value.as_ref().unwrap().minor_units;
                let at = entry.effective_at.unwrap();
                (
                    entry.kind(),
                    entry.amount.clone(),
                    value,
                    at.seconds,
                    entry.sequence,
                )
            })
            .collect(),
    }
}

#[rstest]
#[tokio::test]
async fn a_ledger_that_was_never_swept_tells_and_becomes_the_same(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    let mut told = Vec::new();
    for sweeps in [false, true] {
        Box::pin(on(database, async |app| {
            told.push(Box::pin(tell(app, sweeps)).await);
        }))
        .await;
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].status, PackageStatus::Expired);
    assert_eq!(told[0].restored.available, "5");
}

#[rstest]
#[tokio::test]
async fn what_is_damaged_is_skipped_and_stops_nothing_else(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let ends_at = local("2026-01-21 00:00");
        let hold = async |package: &v1::Package| {
            let hold = v1::HoldRequest {
                package_ids: vec![package.id.clone()],
                ..shop.hold_lessons_until("1", ends_at)
            };
            shop.hold(hold).await.unwrap();
        };
        let damaged = shop.sell_lessons("8", never()).await;
        let sound = shop.sell_lessons("8", never()).await;
        hold(&damaged).await;
        hold(&sound).await;
        let theirs = Shop::open(&app.second_business().await).await;
        let ends = theirs.sell_lessons("5", until("2026-01-20")).await;
        app.clock.set(local("2026-01-25 12:00"));
        let tamperer = Tamperer::of(app).await;
        let db = &app.context().db;
        let id = |text: &str| uuid_literal(db, text.parse::<PackageId>().unwrap().uuid());
        // Its credits went on to a lot that is not there.
        tamperer
            .plant(&format!(
                "UPDATE lots SET transferred_to = {} WHERE package_id = {}",
                id(&ends.id),
                id(&damaged.id)
            ))
            .await;
        let settled = settle::step(app.context()).await.unwrap();
        assert_eq!((settled.lots, settled.skipped), (2, 1));
        assert_eq!(shop.left(&sound.id).await, "8");
        let written = theirs.entries(&ends.id).await;
        assert_eq!(written.last().unwrap().kind(), EntryKind::Expire);
        tamperer
            .plant(&format!(
                "UPDATE lots SET transferred_to = NULL WHERE package_id = {}",
                id(&damaged.id)
            ))
            .await;
        tamperer.done().await;
        let settled = settle::step(app.context()).await.unwrap();
        assert_eq!((settled.lots, settled.skipped), (1, 0));
        assert_eq!(shop.left(&damaged.id).await, "8");
    })
    .await;
}
