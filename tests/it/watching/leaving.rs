//! Whoever watches a business misses nothing when another one is deleted, whose rows were the last.

use carnet::proto::v1;
use carnet::proto::v1::FeedStart;
use carnet::proto::v1::watch_changes_response::Event;
use rstest::rstest;

use super::Reader;
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::program::{carnet, err};
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

async fn extend(tenant: &Tenant, package_id: &str) {
    let by = v1::Period {
        count: 10,
        unit: v1::PeriodUnit::Day.into(),
    };
    let request = v1::ExtendPackageRequest {
        request_id: tenant.request_id(),
        package_id: package_id.to_owned(),
        new_expiry: Some(v1::extend_package_request::NewExpiry::By(by)),
        ..Default::default()
    };
    tenant.packages().extend_package(request).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn what_comes_after_a_business_was_deleted_is_told(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let leaver = app.second_business().await;
        let theirs = Shop::open(&leaver).await;
        let sold = theirs.sell_lessons("8", days(30)).await;
        for _ in 0..3 {
            extend(&leaver, &sold.id).await;
            theirs.consume(theirs.use_lessons("1")).await.unwrap();
        }
        let mut now = Reader::open(app, FeedStart::Now).await;
        let off = v1::Settings::default();
        leaver.change_settings(off, &["feature_enabled"]).await;
        let id = leaver.business_id.to_string();
        let arguments = ["business", "delete", &id, "--confirm", "Flying club"];
        let deleted = carnet(&arguments, app.database_url()).await;
        assert_eq!(deleted.status.code(), Some(0), "{}", err(&deleted));

        extend(app, &package.id).await;
        assert!(matches!(now.news(1).await[..], [Event::Change(_)]));
        shop.consume(shop.use_lessons("1")).await.unwrap();
        assert!(matches!(now.news(1).await[..], [Event::Entry(_)]));
    })
    .await;
}
