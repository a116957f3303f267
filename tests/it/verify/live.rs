//! A ledger is proved while it is written to.

use std::ops::ControlFlow;

use carnet::ledger::post::post_in;
use carnet::ledger::verify::{Asked, Report, verify};
use carnet::store::lots;
use rstest::rstest;

use super::{prove, uses};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::held::Held;
use crate::support::shop::{Shop, never};

/// What everything adds up to, as far as nobody can add to it any more.
async fn prove_meanwhile(app: &TestApp) -> Report {
    let asked = Asked::at(app.clock.now(), Vec::new());
    let go_on = |_| ControlFlow::Continue(());
    let report = verify(&app.context().db, app.business_id, &asked, go_on).await;
    report.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_after_a_lot_was_read_is_no_fault_of_it() {
    on(Postgres, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", never()).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        // A proof reads lots, then entries; between the two it waits for a writer.
        let held = Held::entries_from_readers(app).await;
        let write_and_let_go = async {
            held.until_somebody_waits().await;
            let db = app.context().db.reader();
            let mut page = lots::page(db, app.business_id, None, 10).await.unwrap();
            let posting = uses(app, page.pop().unwrap(), 2);
            post_in(held.txn(), app.business_id, &posting, "")
                .await
                .unwrap();
            held.commit().await;
        };
        let (report, ()) = tokio::join!(prove_meanwhile(app), write_and_let_go);
        assert_eq!(report.faults, []);
        assert_eq!(report.done.entries, 2);
        assert_eq!(prove(app).await.done.entries, 4);
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_written_to_is_sound_all_the_while(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        for _ in 0..3 {
            shop.sell_lessons("20", never()).await;
        }
        let writing = tokio::spawn({
            let shop = shop.clone();
            async move {
                for _ in 0..15 {
                    let [one, other] = [0, 1].map(|_| shop.consume(shop.use_lessons("1")));
                    let held = shop.hold(shop.hold_lessons("1"));
                    let (one, other, held) = tokio::join!(one, other, held);
                    let (one, _) = (one.unwrap(), other.unwrap());
                    let undone = shop.reverse(shop.reversing(&one.posting_id));
                    let held = held.unwrap();
                    let captured = shop.capture(shop.capturing(&held));
                    let (undone, captured) = tokio::join!(undone, captured);
                    assert!(undone.is_ok() && captured.is_ok());
                }
            }
        });
        while !writing.is_finished() {
            assert_eq!(prove_meanwhile(app).await.faults, []);
        }
        writing.await.unwrap();
    })
    .await;
}
