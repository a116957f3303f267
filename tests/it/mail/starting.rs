//! A confirmation says from when on, and for how long, a package can be used, where that is not "from now
//! through a day".

use carnet::proto::v1;
use carnet::proto::v1::{Anchor, EmailKind, OverlapPolicy, PeriodUnit};
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, set_customer};
use crate::support::shop::{Shop, days, never, period};

async fn speak(shop: &Shop, app: &TestApp, locale: &str) {
    let customer = v1::Customer {
        id: shop.customer.clone(),
        locale: locale.to_owned(),
        ..Default::default()
    };
    set_customer(app, &["locale"], customer).await;
}

/// The text of the newest confirmation, of which every sentence also stands in the HTML.
async fn confirmed(app: &TestApp, sentences: &[&str], never_said: &str) {
    assert_eq!(Mailroom::capturing(app).run().await.sent, 1);
    let sent = emails(app, EmailKind::Confirmation).await;
    let newest = sent.into_iter().max_by_key(|email| email.id.clone());
    let newest = newest.unwrap();
    for sentence in sentences {
        assert!(
            newest.text_body.contains(sentence),
            "{sentence}: {}",
            newest.text_body
        );
        let (label, value) = sentence.split_once(": ").unwrap();
        for part in [label, value] {
            assert!(
                newest.html_body.contains(part),
                "{part}: {}",
                newest.html_body
            );
        }
    }
    assert!(
        !newest.text_body.contains(never_said),
        "{}",
        newest.text_body
    );
    assert!(
        !newest.html_body.contains(never_said),
        "{}",
        newest.html_body
    );
}

fn queued(shop: &Shop, validity: v1::Validity) -> v1::Template {
    v1::Template {
        selling: Some(v1::SellingRules {
            overlap: OverlapPolicy::Queue.into(),
            ..Default::default()
        }),
        ..shop.lessons("2", validity)
    }
}

#[rstest]
#[case("en", "Never expires", &[
    "Usable from: when your earlier package is used up, on 13 March 2026 at the latest",
    "Valid for: 10 days from its start, through 23 March 2026 at the latest",
])]
#[case("et", "Tähtajatu", &[
    "Kasutatav alates: sinu eelmise paketi lõppemisest, hiljemalt 13. märts 2026",
    "Kehtib: 10 päeva algusest, hiljemalt 23. märts 2026",
])]
#[tokio::test]
async fn one_that_waits_for_another_is_told_with_its_latest_start(
    #[values(Sqlite, Postgres)] database: Database,
    #[case] locale: &str,
    #[case] never_said: &str,
    #[case] sentences: &[&str],
) {
    on(database, async |app| {
        app.clock.set("2026-03-02T10:00:00Z".parse().unwrap());
        let shop = Shop::open(app).await;
        speak(&shop, app, locale).await;
        let template_id = shop.offer(queued(&shop, days(10))).await;
        shop.sell(&template_id).await;
        confirmed(app, &[], "from its start").await;
        app.clock.advance(TimeDelta::seconds(1));
        shop.sell(&template_id).await;
        confirmed(app, sentences, never_said).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn one_that_waits_for_another_without_an_end_names_no_day(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(queued(&shop, never())).await;
        shop.sell(&template_id).await;
        confirmed(app, &[], "Usable from").await;
        app.clock.advance(TimeDelta::seconds(1));
        shop.sell(&template_id).await;
        let sentences = ["Usable from: when your earlier package is used up"];
        confirmed(app, &sentences, "at the latest").await;
    })
    .await;
}

#[rstest]
#[case("en", &["Usable from: 1 April 2026", "Usable from: 1 April 2026"])]
#[case("et", &["Kasutatav alates: 1. aprill 2026", "Viimane kasutuspäev: 1. mai 2026"])]
#[tokio::test]
async fn one_that_starts_later_is_told_with_its_start(
    #[values(Sqlite, Postgres)] database: Database,
    #[case] locale: &str,
    #[case] sentences: &[&str],
) {
    on(database, async |app| {
        app.clock.set("2026-03-02T10:00:00Z".parse().unwrap());
        let shop = Shop::open(app).await;
        speak(&shop, app, locale).await;
        let validity = period(1, PeriodUnit::Month, Anchor::StartDate);
        let template_id = shop.offer(shop.lessons("8", validity)).await;
        let mut entry = shop.entry(&template_id);
        entry.start_date = "2026-04-01".to_owned();
        shop.try_to_sell(vec![entry]).await.unwrap();
        confirmed(app, sentences, "2 March 2026").await;
    })
    .await;
}

#[rstest]
#[case("en", "Never expires", "Valid for: 1 month from the first use")]
#[case("et", "Tähtajatu", "Kehtib: 1 kuu esimesest kasutusest")]
#[tokio::test]
async fn one_that_counts_from_its_first_use_is_told_with_its_length(
    #[values(Sqlite, Postgres)] database: Database,
    #[case] locale: &str,
    #[case] never_said: &str,
    #[case] sentence: &str,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        speak(&shop, app, locale).await;
        let validity = period(1, PeriodUnit::Month, Anchor::FirstUse);
        shop.sell_lessons("8", validity).await;
        confirmed(app, &[sentence], never_said).await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_last_day_for_the_first_use_is_told_as_that(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut validity = period(30, PeriodUnit::Day, Anchor::FirstUse);
        if let Some(v1::validity::Rule::Period(rule)) = &mut validity.rule {
            rule.must_start_by = Some(v1::StartDeadline {
                deadline: Some(v1::start_deadline::Deadline::Date("2026-12-31".to_owned())),
            });
        }
        shop.sell_lessons("8", validity).await;
        let sentences = [
            "Valid for: 30 days from the first use",
            "First use by: 31 December 2026",
        ];
        confirmed(app, &sentences, "Usable through").await;
    })
    .await;
}
