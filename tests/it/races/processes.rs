//! Two server processes on one PostgreSQL database, with clients of both.

use carnet::proto::v1;
use futures_util::future::join_all;
use tonic::{Code, Status};

use super::CLIENTS;
use crate::support::app::{Postgres, on};
use crate::support::process::Serving;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, never};

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_two_processes_win_the_right_number_of_credits_and_repeats_cross_over() {
    on(Postgres, async |app| {
        let shop = Shop::open(app).await;
        let (left, right) = tokio::join!(
            Serving::start(app.database_url(), &["--no-scheduler"]),
            Serving::start(app.database_url(), &["--no-scheduler"])
        );
        let sides = [&left, &right].map(|server| app.through(server.channel()));
        // The processes have the clock of this machine, whatever the test's says.
        let package = shop.sell_lessons("11", never()).await;
        let results: Vec<Result<v1::ConsumeResponse, Status>> =
            join_all((0..2 * CLIENTS).map(|client| {
                let mut credits = sides[client % 2].credits();
                let request = if client % 4 < 2 {
                    shop.use_lessons("1")
                } else {
                    shop.use_lessons_of(&package.id, "1")
                };
                async move { Ok(credits.consume(request).await?.into_inner()) }
            }))
            .await;
        assert_eq!(super::winners(results), 11);
        assert_eq!(shop.left(&package.id).await, "0");

        // One request through both at once takes effect once.
        let lessons = shop.sell_lessons("50", never()).await;
        for _ in 0..10 {
            let request = shop.use_lessons("2");
            let answers = join_all((0..8).map(|copy| {
                let mut credits = sides[copy % 2].credits();
                let request = request.clone();
                async move {
                    credits
                        .consume(request)
                        .await
                        .map(tonic::Response::into_inner)
                }
            }))
            .await;
            let fresh = answers.iter().flatten().filter(|answer| !answer.replayed);
            assert_eq!(fresh.count(), 1);
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        }
        assert_eq!(shop.left(&lessons.id).await, "30");
        let template_id = shop.offer(shop.lessons("8", days(36_500))).await;
        let request = v1::SellPackagesRequest {
            request_id: app.request_id(),
            entries: vec![shop.entry(&template_id)],
            validate_only: false,
        };
        let copies = (0..8).map(|copy| {
            let mut packages = sides[copy % 2].packages();
            let request = request.clone();
            async move { packages.sell_packages(request).await }
        });
        for answer in join_all(copies).await {
            answer.unwrap();
        }
        assert_eq!(app.all_packages().await.len(), 3);
        let mut other = shop.use_lessons("1");
        other.request_id = request.request_id;
        let result = sides[1].credits().consume(other).await;
        refused(result, Code::AlreadyExists, "REQUEST_ID_REUSED");
        tokio::join!(left.kill(), right.kill());
    })
    .await;
}
