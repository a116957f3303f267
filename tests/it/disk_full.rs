//! A database without room: what would write is refused with the advice to come back and leaves no trace, what only
//! reads goes on, and once there is room a repeat does what was asked.
//!
//! SQLite is told how many pages it may have. PostgreSQL refuses here with the code that it has for a full disk; that
//! the disk itself is full is a step of `.ci/acceptance`.

use carnet::proto::v1;
use futures_util::future::join_all;
use rstest::rstest;
use sea_orm::{ConnectionTrait, DbBackend};
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::refused::refused;
use crate::support::shop::{Shop, never};

/// How many uses come at once.
const CROWD: usize = 24;
/// How many crowds may find room before none is left.
const CROWDS_MAX: usize = 40;
/// What is noted of each use, many times over, so that room runs out soon.
const NOTE: &str =
    "She brought her sister, who has a package of her own and will use that the next time. ";

/// What leaves no room for another entry, and what makes room again.
fn statements(backend: DbBackend) -> [&'static str; 2] {
    if backend == DbBackend::Sqlite {
        [
            "PRAGMA max_page_count = 1",
            "PRAGMA max_page_count = 1000000",
        ]
    } else {
        [
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE 'no room' USING ERRCODE = 'disk_full'; END $$;
             CREATE TRIGGER no_room BEFORE INSERT ON entries EXECUTE FUNCTION no_room()",
            "DROP TRIGGER no_room ON entries",
        ]
    }
}

/// Runs a statement where the server writes.
async fn run(app: &TestApp, sql: &str) {
    let txn = app.context().db.begin().await.unwrap();
    txn.execute_unprepared(sql).await.unwrap();
    txn.commit().await.unwrap();
}

#[rstest]
#[tokio::test]
async fn without_room_writes_are_refused_whole_and_done_once_there_is_some(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("10000", never()).await;
        let [fill, make_room] = statements(app.context().db.backend());
        run(app, fill).await;
        let (mut done, mut open) = (0, Vec::new());
        for _ in 0..CROWDS_MAX {
            let requests: Vec<_> = (0..CROWD).map(|_| using(&shop, &package.id)).collect();
            let uses = requests.iter().map(|request| shop.consume(request.clone()));
            for (request, used) in requests.iter().zip(join_all(uses).await) {
                if used.is_ok() {
                    done += 1;
                    continue;
                }
                let advice = used.as_ref().unwrap_err().get_details_retry_info();
                assert!(advice.is_some_and(|advice| advice.retry_delay.is_some()));
                refused(used, Code::Unavailable, "DATABASE_FULL");
                open.push(request.clone());
            }
            if open.len() >= CROWD {
                break;
            }
        }
        assert!(open.len() >= CROWD, "there is room without end");
        assert_eq!(shop.left(&package.id).await, (10_000 - done).to_string());

        run(app, make_room).await;
        for request in &open {
            let used = shop.consume(request.clone()).await.unwrap();
            assert!(!used.replayed, "it was refused, and done all the same");
        }
        let left = 10_000 - done - open.len();
        assert_eq!(shop.left(&package.id).await, left.to_string());
    })
    .await;
}

/// A use with a long note.
fn using(shop: &Shop, package_id: &str) -> v1::ConsumeRequest {
    v1::ConsumeRequest {
        note: NOTE.repeat(20),
        ..shop.use_lessons_of(package_id, "1")
    }
}
