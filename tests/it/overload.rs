//! More calls than the server takes on: the rest is refused with the advice when to come back, what was taken on
//! is done, and when the crowd is gone so is the trouble.

use std::time::Duration;

use carnet::config::Settings;
use futures_util::future::join_all;
use rstest::rstest;
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on_tuned};
use crate::support::held::Held;
use crate::support::process::until;
use crate::support::refused::refused;
use crate::support::shop::{Shop, never};

/// How many calls the server takes on.
const CALLS_MAX: u32 = 8;
/// How many come at once.
const CROWD: usize = 200;
/// How long an impatient client waits.
const PATIENCE: Duration = Duration::from_millis(200);
/// Longer than a unit needs once nobody holds it up.
const DONE_BY: Duration = Duration::from_secs(20);

fn small(settings: &mut Settings) {
    settings.server.calls_max = CALLS_MAX;
}

/// Checks that a call was refused for the crowd, with advice.
#[track_caller]
fn overloaded<T: std::fmt::Debug>(result: Result<T, Status>) {
    let advice = result.as_ref().unwrap_err().get_details_retry_info();
    assert!(advice.is_some_and(|advice| advice.retry_delay.is_some()));
    refused(result, Code::ResourceExhausted, "OVERLOADED");
}

/// Whether the server has room for a call again.
async fn has_room(app: &TestApp) -> bool {
    let request = carnet::proto::v1::ListItemsRequest::default();
    app.catalog().list_items(request).await.is_ok()
}

#[rstest]
#[tokio::test]
async fn in_a_crowd_each_call_is_done_or_refused_with_advice_and_afterwards_all_is_well(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, small, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("1000", never()).await;
        let mut done = 0;
        for _ in 0..5 {
            let uses = (0..CROWD).map(|_| shop.consume(shop.use_lessons_of(&package.id, "1")));
            for result in join_all(uses).await {
                match result {
                    Ok(_) => done += 1,
                    refusal => overloaded(refusal),
                }
            }
            // The crowd is gone: the next one is taken at once.
            shop.consume(shop.use_lessons_of(&package.id, "1"))
                .await
                .unwrap();
            done += 1;
        }
        assert_eq!(shop.left(&package.id).await, (1_000 - done).to_string());
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn while_the_database_hangs_calls_beyond_the_limit_are_refused_and_health_answers(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, small, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("1000", never()).await;
        let held = Held::entries(app).await;
        let places = usize::try_from(CALLS_MAX).unwrap();
        let taken = (0..places).map(|_| shop.consume(shop.use_lessons_of(&package.id, "1")));
        let others = async {
            until(DONE_BY, "all places are taken", async || {
                !has_room(app).await
            })
            .await;
            let uses = (0..CROWD).map(|_| shop.consume(shop.use_lessons_of(&package.id, "1")));
            join_all(uses).await.into_iter().for_each(overloaded);
            let mut health = HealthClient::new(app.channel.clone());
            health.check(HealthCheckRequest::default()).await.unwrap();
            held.let_go().await;
        };
        let (taken, ()) = tokio::join!(join_all(taken), others);
        for result in taken {
            result.unwrap();
        }
        assert_eq!(shop.left(&package.id).await, (1_000 - places).to_string());
    })
    .await;
}

#[tokio::test]
async fn who_gives_up_makes_no_room_while_the_database_still_works_for_it() {
    on_tuned(Postgres, small, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("1000", never()).await;
        let held = Held::entries(app).await;
        until(DONE_BY, "those who gave up hold all places", async || {
            let uses = (0..CALLS_MAX).map(async |_| {
                let call = shop.consume(shop.use_lessons_of(&package.id, "1"));
                timeout(PATIENCE, call).await.is_ok()
            });
            join_all(uses).await;
            for _ in 0..CALLS_MAX {
                if has_room(app).await {
                    return false;
                }
            }
            true
        })
        .await;
        overloaded(shop.consume(shop.use_lessons_of(&package.id, "1")).await);
        held.let_go().await;
        until(DONE_BY, "the units are done", async || has_room(app).await).await;
    })
    .await;
}
