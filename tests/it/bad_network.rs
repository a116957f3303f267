//! Trouble on the network between server and database: slow, stalled, cut in the middle of commits. Callers see true
//! results or are told that they must ask again, readiness says why, and afterwards all is well at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use carnet::config::Settings;
use futures_util::future::join_all;
use rstest::rstest;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::app::{Postgres, TestApp, on_tuned};
use crate::support::process::until;
use crate::support::proxy::{Pace, Proxy};
use crate::support::shop::{Shop, never};
use crate::support::web;

/// How many clients use credits.
const CLIENTS: usize = 8;
/// How many uses are done before there is trouble, and again afterwards.
const USES: usize = 100;
/// How many uses come at once.
const CROWD: usize = 48;
/// How long a caller waits: longer than a use takes, shorter than the trouble.
const DEADLINE_SECONDS: u64 = 2;
/// Longer than the server needs to notice anything.
const NOTICED_BY: Duration = Duration::from_mins(1);

/// What the HTTP side says of the server.
async fn readiness(app: &TestApp) -> (u16, String) {
    let answer = web::get(app.http_address(), "/readyz").await;
    (answer.status, answer.body)
}

/// Uses credits until told to stop. A use whose result is not known is asked for again, with its request id.
async fn client(shop: &Shop, package_id: &str, ended: &AtomicBool, done: &AtomicUsize) {
    while !ended.load(Ordering::Relaxed) {
        let request = shop.use_lessons_of(package_id, "1");
        while let Err(status) = shop.consume(request.clone()).await {
            let open = [Code::DeadlineExceeded, Code::Unavailable, Code::Aborted];
            assert!(open.contains(&status.code()), "a refusal: {status:?}");
            let advice = status.get_details_retry_info();
            let is_late = status.code() == Code::DeadlineExceeded;
            assert!(
                is_late || advice.is_some(),
                "no word of trying again: {status:?}"
            );
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn over_a_slow_network_calls_take_longer_and_nothing_else_changes() {
    let proxy = Proxy::to_postgres().await;
    on_tuned(
        Postgres,
        |settings| proxy.lead(settings),
        async |app| {
            let shop = Shop::open(app).await;
            let package = shop.sell_lessons("1000", never()).await;
            proxy.set_pace(Pace::Slow {
                delay: Duration::from_millis(10),
                bytes_per_second: 500_000,
            });
            for _ in 0..2 {
                let uses = (0..CROWD).map(|_| shop.consume(shop.use_lessons_of(&package.id, "1")));
                for used in join_all(uses).await {
                    used.unwrap();
                }
            }
            let other = shop.sell_lessons("8", never()).await;
            assert_eq!(shop.left(&other.id).await, "8");
            assert_eq!(
                shop.left(&package.id).await,
                (1_000 - 2 * CROWD).to_string()
            );
            assert_eq!(readiness(app).await.0, 200);
            proxy.set_pace(Pace::Fast);
        },
    )
    .await;
}

/// What happens to every connection at once, whatever is under way on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing is carried, and nobody is told.
    Stall,
    /// They break, and there are no new ones.
    Cut,
}

#[rstest]
#[tokio::test]
async fn in_trouble_nobody_hears_of_a_refusal_and_afterwards_each_use_is_done_once(
    #[values(Trouble::Stall, Trouble::Cut)] trouble: Trouble,
) {
    let proxy = Proxy::to_postgres().await;
    let tune = |settings: &mut Settings| {
        proxy.lead(settings);
        settings.server.deadline_seconds = DEADLINE_SECONDS;
    };
    on_tuned(Postgres, tune, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("100000", never()).await;
        let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
        let count = || done.load(Ordering::Relaxed);
        let clients = (0..CLIENTS).map(|_| client(&shop, &package.id, &stop, &done));
        let meanwhile = async {
            until(NOTICED_BY, "uses", async || count() >= USES).await;
            match trouble {
                Trouble::Stall => proxy.set_pace(Pace::Stalled),
                Trouble::Cut => proxy.cut().await,
            }
            let reason = r#"{"ready":false,"reasons":["database_unavailable"]}"#;
            until(NOTICED_BY, "a readiness that says why not", async || {
                readiness(app).await == (503, reason.to_owned())
            })
            .await;
            let before = count();
            match trouble {
                Trouble::Stall => proxy.set_pace(Pace::Fast),
                Trouble::Cut => proxy.mend().await,
            }
            until(NOTICED_BY, "uses again", async || count() >= before + USES).await;
            until(NOTICED_BY, "a server that is ready", async || {
                readiness(app).await.0 == 200
            })
            .await;
            stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(join_all(clients), meanwhile);
        assert_eq!(
            shop.left(&package.id).await,
            (100_000 - count()).to_string()
        );
    })
    .await;
}
