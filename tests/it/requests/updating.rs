//! One id for a use and for an edit of a package: whoever comes second is told that it was used.

use std::pin::pin;
use std::time::Duration;

use carnet::jobs::settle;
use carnet::proto::v1;
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::held::Held;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, never};
use crate::support::steps::mask;

/// Which package is edited.
#[derive(Clone, Copy, Debug)]
enum Edited {
    /// The one that is used.
    Used,
    /// Another one of the business.
    Other,
}

use Edited::{Other, Used};

async fn update(
    shop: &Shop,
    (request_id, package_id): (&str, &str),
    priority: i32,
) -> Result<v1::Package, Status> {
    let request = v1::UpdatePackageRequest {
        request_id: request_id.to_owned(),
        package_id: package_id.to_owned(),
        edit: Some(v1::PackageEdit {
            priority,
            ..Default::default()
        }),
        update_mask: Some(mask(&["priority"])),
        reason: "A mistake at the desk".to_owned(),
        ..Default::default()
    };
    let answer = shop.tenant.packages().update_package(request).await?;
    Ok(answer.into_inner().package.unwrap())
}

#[rstest]
#[tokio::test]
async fn an_id_of_a_use_is_refused_for_an_edit_and_the_other_way_round(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(Used, Other)] edited: Edited,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let used = shop.sell_lessons("8", days(30)).await;
        let other = shop.sell_lessons("8", days(60)).await;
        let edited = match edited {
            Used => &used,
            Other => &other,
        };
        let all = async || [shop.package(&used.id).await, shop.package(&other.id).await];

        let first = shop.use_lessons_of(&used.id, "1");
        shop.consume(first.clone()).await.unwrap();
        let before = all().await;
        let second = update(&shop, (&first.request_id, &edited.id), 5).await;
        refused(second, Code::AlreadyExists, "REQUEST_ID_REUSED");
        assert_eq!(all().await, before);

        let mut second = shop.use_lessons_of(&used.id, "1");
        let first = update(&shop, (&second.request_id, &edited.id), 7).await;
        assert_eq!(first.unwrap().priority, 7);
        let before = all().await;
        let refusal = shop.consume(second.clone()).await;
        refused(refusal, Code::AlreadyExists, "REQUEST_ID_REUSED");
        // Nor does it tell anything else, whatever else stands in its way.
        second.package_ids.clear();
        second.what = shop.use_lessons("100").what;
        let refusal = shop.consume(second).await;
        refused(refusal, Code::AlreadyExists, "REQUEST_ID_REUSED");
        assert_eq!(all().await, before);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_a_use_and_an_edit_at_once_under_one_id_one_takes_effect(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(Used, Other)] edited: Edited,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let used = shop.sell_lessons("80", days(30)).await.id;
        let other = shop.sell_lessons("80", days(60)).await.id;
        let edited = match edited {
            Used => &used,
            Other => &other,
        };
        let (mut uses, mut priority) = (0, 0);
        for round in 1..=40_i32 {
            let using = shop.use_lessons_of(&used, "1");
            let id = using.request_id.clone();
            // In every other round the one is ahead of the other, by more and more.
            let ahead = Duration::from_micros(u64::from(round.unsigned_abs()) * 50);
            let [use_waits, edit_waits] = [round % 2 == 0, round % 2 == 1].map(|waits| {
                let pause = if waits { ahead } else { Duration::ZERO };
                tokio::time::sleep(pause)
            });
            let using = async {
                use_waits.await;
                shop.consume(using).await
            };
            let updating = async {
                edit_waits.await;
                update(&shop, (&id, edited), round).await
            };
            let (using, updating) = tokio::join!(using, updating);
            assert_ne!(using.is_ok(), updating.is_ok(), "{using:?} {updating:?}");
            if using.is_ok() {
                uses += 1;
                refused(updating, Code::AlreadyExists, "REQUEST_ID_REUSED");
            } else {
                priority = round;
                refused(using, Code::AlreadyExists, "REQUEST_ID_REUSED");
            }
            assert_eq!(shop.left(&used).await, (80 - uses).to_string());
            assert_eq!(shop.package(edited).await.priority, priority);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_use_waits_for_an_edit_under_its_id_that_is_about_to_end(
    #[values(Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let used = shop.sell_lessons("8", days(30)).await.id;
        let edited = shop.sell_lessons("8", days(60)).await.id;
        let using = shop.use_lessons_of(&used, "1");
        let id = using.request_id.clone();
        let held = Held::answers(app).await;
        let second = async {
            held.until_somebody_waits().await;
            let mut using = pin!(shop.consume(using));
            let early = tokio::select! {
                result = &mut using => Some(result),
                () = held.until_so_many_wait(2) => None,
            };
            held.let_go().await;
            match early {
                Some(result) => result,
                None => using.await,
            }
        };
        let (updated, used_as_well) = tokio::join!(update(&shop, (&id, &edited), 3), second);
        assert_eq!(updated.unwrap().priority, 3);
        refused(used_as_well, Code::AlreadyExists, "REQUEST_ID_REUSED");
        assert_eq!(shop.left(&used).await, "8");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_id_of_what_time_caused_is_good_for_no_request(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let ended = shop.sell_lessons("8", days(30)).await.id;
        let other = shop.sell_lessons("8", never()).await.id;
        app.clock.advance(TimeDelta::days(60));
        settle::step(app.context()).await.unwrap();
        let entries = app.entries_of_package(&ended).await;
        let expiry = entries.iter().find(|it| it.kind() == v1::EntryKind::Expire);
        let id = expiry.unwrap().posting_id.clone();
        let updated = update(&shop, (&id, &other), 3).await;
        refused(updated, Code::AlreadyExists, "REQUEST_ID_REUSED");
        let mut using = shop.use_lessons_of(&other, "1");
        using.request_id = id;
        let using = shop.consume(using).await;
        refused(using, Code::AlreadyExists, "REQUEST_ID_REUSED");
        assert_eq!(shop.left(&other).await, "8");
        assert_eq!(shop.package(&other).await.priority, 0);
    })
    .await;
}
