//! Holds, undoings and corrections are proved like everything else, and faults planted in them are found.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::adjust_request::Change;
use chrono::TimeDelta;
use rstest::rstest;
use uuid::Uuid;

use super::plants::plant_each;
use super::prove;
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::ledger::stamp;
use crate::support::shop::{Shop, days};

/// `{hold}` is an open hold of 3 that times out, `{over}` one that was captured, `{lot}` the lot of both; `{timed}`
/// would have timed out when it was captured, `{freed}` was released, and the time-out of `{late}` captured it.
const PLANTS: &[(&str, &str)] = &[
    (
        "UPDATE hold_lots SET held = 0 WHERE hold_id = {hold}",
        "what holds say is held in the lot is not what its entries say",
    ),
    (
        "UPDATE hold_lots SET held = amount WHERE hold_id = {over}",
        "the hold has ended and holds something, or holds nothing and has not ended",
    ),
    (
        "UPDATE holds SET ended_as = NULL, ended_by = NULL WHERE id = {over}",
        "the hold has ended and holds something, or holds nothing and has not ended",
    ),
    (
        "UPDATE holds SET times_out_at = times_out_at + 1 WHERE id = {hold}",
        "the lot names another next time-out than the holds in it",
    ),
    (
        "UPDATE lots SET next_timeout_at = next_timeout_at + 1 WHERE id = {lot}",
        "the lot names another next time-out than the holds in it",
    ),
    (
        "UPDATE hold_lots SET amount = amount + 1, held = 0 WHERE hold_id = {over}",
        "part 0 of the hold is not what its entry says",
    ),
    (
        "UPDATE hold_lots SET n = 4 WHERE hold_id = {over}",
        "part 4 of the hold is not what its entry says",
    ),
    (
        "DELETE FROM hold_lots WHERE hold_id = {over}",
        "the hold does not have the parts of its posting",
    ),
    (
        "UPDATE holds SET ended_as = NULL, ended_by = NULL WHERE id = {timed}",
        "ends a hold that says otherwise",
    ),
    (
        "UPDATE holds SET ended_as = NULL, ended_by = NULL, times_out_at = service_at WHERE id = {freed}",
        "ends a hold that says otherwise",
    ),
    (
        "UPDATE holds SET ended_as = 2 WHERE id = {timed}",
        "the hold was not ended so by the posting that it names",
    ),
    (
        "UPDATE holds SET ended_as = 1 WHERE id = {freed}",
        "the hold was not ended so by the posting that it names",
    ),
    (
        "UPDATE holds SET ended_by = {over} WHERE id = {timed}",
        "the hold was not ended so by the posting that it names",
    ),
    (
        "UPDATE holds SET ended_as = 1, ended_by = {over} WHERE id = {late}",
        "ends a hold that says otherwise",
    ),
    (
        "UPDATE hold_lots SET captured_posting_id = NULL, captured_n = NULL WHERE hold_id = {late}",
        "ends a hold that says otherwise",
    ),
    (
        "UPDATE holds SET on_time_out = 99 WHERE id = {over}",
        "is damaged",
    ),
    (
        "UPDATE lots SET is_open = NOT is_open WHERE id = {lot}",
        "the lot's row contradicts itself or its line",
    ),
];

#[rstest]
#[tokio::test]
async fn a_planted_fault_of_each_kind_is_found_in_holds(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let over = shop.hold(shop.hold_lessons("2")).await.unwrap();
        let used = shop.capture(shop.capturing(&over)).await.unwrap();
        let end = app.clock.now() + TimeDelta::hours(1);
        let hold = shop.hold(shop.hold_lessons_until("3", end)).await.unwrap();
        shop.reverse(shop.reversing_units(&used.posting_id, "1"))
            .await
            .unwrap();
        let removed = Change::Remove("1".to_owned());
        shop.adjust(&package, removed).await.unwrap();
        app.clock.advance(TimeDelta::days(40));
        // Lost again at once, and restored as a package of its own.
        let mut restoring = shop.reversing_units(&used.posting_id, "1");
        restoring.restore_through = "2026-12-31".to_owned();
        shop.reverse(restoring).await.unwrap();
        assert_eq!(prove(app).await.faults, []);

        let other = shop.sell_lessons("11", days(30)).await;
        let soon = |minutes| Some(stamp(app.clock.now() + TimeDelta::minutes(minutes)));
        let one = |times_out_at| v1::HoldRequest {
            times_out_at,
            on_time_out: v1::OnTimeOut::Capture.into(),
            ..shop.hold_lessons_of(&other.id, "1")
        };
        let late = shop.hold(one(soon(1))).await.unwrap();
        app.clock.advance(TimeDelta::minutes(2));
        settle::step(app.context()).await.unwrap();
        let timed = shop.hold(one(soon(60))).await.unwrap();
        shop.capture(shop.capturing(&timed)).await.unwrap();
        let freed = shop.hold(one(None)).await.unwrap();
        shop.release(&freed).await.unwrap();
        let over = shop
            .hold(shop.hold_lessons_of(&other.id, "2"))
            .await
            .unwrap();
        shop.capture(shop.capturing(&over)).await.unwrap();
        let mut request = shop.hold_lessons_of(&other.id, "3");
        request.times_out_at = soon(60);
        let open = shop.hold(request).await.unwrap();
        let uuid = |posting_id: &str| posting_id.parse::<Uuid>().unwrap();
        let lot_id = open.parts[0].lot_id.parse::<carnet::ids::LotId>().unwrap();
        let names = [
            ("{hold}", uuid(&open.posting_id)),
            ("{over}", uuid(&over.posting_id)),
            ("{timed}", uuid(&timed.posting_id)),
            ("{freed}", uuid(&freed.posting_id)),
            ("{late}", uuid(&late.posting_id)),
            ("{lot}", lot_id.uuid()),
        ];
        plant_each(app, &names, PLANTS).await;
        assert_ne!(hold.hold_id, open.hold_id);
    })
    .await;
}
