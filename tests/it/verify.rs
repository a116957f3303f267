//! `carnet verify` and the job: a planted fault of each kind is found and named, a sound ledger is sound,
//! and a head that was kept is checked later.

mod heads;
mod holds;
mod job;
mod live;
mod moves;
mod plants;

use std::ops::ControlFlow;

use carnet::domain::credits::Credits;
use carnet::domain::entry::{About, Account, Actor, EntryKind};
use carnet::domain::lot::{Lot, Movement, Stamp};
use carnet::domain::posting::{Draft, Posting};
use carnet::jobs::settle;
use carnet::ledger::post::post_in;
use carnet::ledger::verify::{Asked, Report, Step, verify};
use carnet::proto::v1;
use carnet::proto::v1::extend_package_request::NewExpiry;
use carnet::store::lots;
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::program::{carnet, err, out};
use crate::support::shop::{Shop, days, never};

/// What everything adds up to now.
async fn prove(app: &TestApp) -> Report {
    let go_on = |_| ControlFlow::Continue(());
    let asked = Asked::everything();
    verify(&app.context().db, app.business_id, &asked, go_on)
        .await
        .unwrap()
}

/// So many uses of one credit of a lot.
fn uses(app: &TestApp, lot: Lot, count: usize) -> Posting {
    let stamp = Stamp {
        posting_id: app.request_id().parse().unwrap(),
        now: app.clock.now(),
        request_hash: None,
        method: "Consume".to_owned(),
        actor: Actor::System,
        purpose: None,
    };
    let id = lot.id;
    let mut draft = Draft::open(&stamp, [lot]);
    for _ in 0..count {
        let fold = draft.lots().next().unwrap().fold;
        let use_one = Movement {
            kind: EntryKind::Consume,
            from: Account::Available,
            to: Account::Consumed,
            amount: Credits::UNIT,
            value: fold.value_leaving(Credits::UNIT).unwrap(),
            effective_at: stamp.now,
            by_time: false,
            undoes: None,
            about: About::default(),
        };
        draft.post(id, use_one).unwrap();
    }
    draft.close()
}

/// A ledger with a use over two packages, an expiry, a restoration and a bonus, each at an instant of its
/// own. The lots in the order in which they were made: the first has four entries, the second five, the
/// bonus one two.
async fn history(app: &TestApp) -> Vec<Lot> {
    let shop = Shop::open(app).await;
    let mut packages = Vec::new();
    for length in [90, 10] {
        packages.push(shop.sell_lessons("8", days(length)).await.id);
        app.clock.advance(TimeDelta::minutes(10));
    }
    for units in ["3", "2"] {
        let request = shop.use_lessons_of(&packages[0], units);
        shop.consume(request).await.unwrap();
        app.clock.advance(TimeDelta::minutes(10));
    }
    let over_two = v1::ConsumeRequest {
        package_ids: packages.clone(),
        ..shop.use_lessons("4")
    };
    assert_eq!(shop.consume(over_two).await.unwrap().parts.len(), 2);
    app.clock.advance(TimeDelta::days(11));
    assert_eq!(settle::step(app.context()).await.unwrap().lots, 1);
    app.clock.advance(TimeDelta::hours(1));
    let request = v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: packages[1].clone(),
        new_expiry: Some(NewExpiry::LastUsableDate("2026-06-30".to_owned())),
        bonuses: vec![v1::BonusCredits {
            line_id: shop.package(&packages[1]).await.lines[0].id.clone(),
            amount: "1".to_owned(),
        }],
        ..Default::default()
    };
    app.packages().extend_package(request).await.unwrap();
    app.clock.advance(TimeDelta::hours(1));
    let request = shop.use_lessons_of(&packages[1], "2");
    shop.consume(request).await.unwrap();
    let db = &app.context().db;
    let lots = lots::page(db.reader(), app.business_id, None, 10).await;
    let lots = lots.unwrap();
    let lengths: Vec<_> = lots.iter().map(|lot| lot.tail.seq).collect();
    assert_eq!(lengths, [4, 5, 2]);
    lots
}

#[rstest]
#[tokio::test]
async fn a_sound_ledger_is_sound_and_a_lot_of_any_length_is_replayed(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        history(app).await;
        let shop = Shop::open(app).await;
        let long = shop.sell_lessons("2500", never()).await;
        shop.hold(shop.hold_lessons_of(&long.id, "1"))
            .await
            .unwrap();
        let ctx = app.context();
        let mut page = lots::page(ctx.db.reader(), app.business_id, None, 10)
            .await
            .unwrap();
        let posting = uses(app, page.pop().unwrap(), 2_300);
        let txn = ctx.db.begin().await.unwrap();
        post_in(&txn, app.business_id, &posting, "").await.unwrap();
        txn.commit().await.unwrap();

        let (mut heard, asked) = (Vec::new(), Asked::everything());
        let report = verify(&ctx.db, app.business_id, &asked, |done| {
            heard.push(done.step);
            ControlFlow::Continue(())
        });
        let report = report.await.unwrap();
        assert_eq!((report.faults_count, report.faults), (0, Vec::new()));
        assert_eq!((report.done.lots, report.done.lots_total), (4, 4));
        let steps = [Step::Lots, Step::Holds(1), Step::Postings(2_313)];
        assert_eq!(heard, steps);
        assert_eq!(report.done.entries, 4 + 5 + 2 + 2 + 2_300);
        let output = carnet(&["verify"], app.database_url()).await;
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        let wanted = "  lots 4  entries 2313  head ";
        assert!(out(&output).contains(wanted), "{}", out(&output));
        assert!(out(&output).trim_end().ends_with("faults 0"));
    })
    .await;
}
