//! A sale is confirmed (C9): once, to each buyer, in the buyer's language.

use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use rstest::rstest;
use tonic::Code;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::mailroom::{
    Mailroom, captured_ids, emails, only_email, set_customer, set_policy,
};
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, never, until};

#[rstest]
#[tokio::test]
async fn a_sale_is_confirmed_once_however_often_it_is_repeated(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", until("2026-01-31"))).await;
        let request = v1::SellPackagesRequest {
            request_id: app.request_id(),
            entries: vec![shop.entry(&template_id)],
            validate_only: false,
        };
        let tried = v1::SellPackagesRequest {
            validate_only: true,
            ..request.clone()
        };
        app.packages().sell_packages(tried).await.unwrap();
        assert_eq!(emails(app, EmailKind::Confirmation).await, []);

        let sold = app.packages().sell_packages(request.clone()).await.unwrap();
        let package_id = sold.into_inner().results[0].package.clone().unwrap().id;
        let queued = only_email(app, EmailKind::Confirmation).await;
        assert_eq!(queued.state(), EmailState::Queued);
        let again = app.packages().sell_packages(request.clone()).await.unwrap();
        assert!(again.into_inner().replayed);
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.run().await.sent, 1);
        app.packages().sell_packages(request).await.unwrap();
        assert_eq!(room.run().await.sent, 0);

        let sent = only_email(app, EmailKind::Confirmation).await;
        assert_eq!(sent.state(), EmailState::Sent);
        assert_eq!(sent.package_ids, [package_id]);
        assert_eq!(sent.to_email, "mari.tamm@example.com");
        assert_eq!(sent.subject, "Your package is ready: Standard");
        assert!(sent.sent_at.is_some());
        for phrase in [
            "Hello Mari Tamm,",
            "8 lessons",
            "31 January 2026",
            "€120.00",
        ] {
            assert!(sent.text_body.contains(phrase), "{}", sent.text_body);
        }
        let folder = &app.mail_settings().mail_capture_folder;
        assert_eq!(captured_ids(folder), [sent.message_id]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_refused_sale_confirms_nothing_to_anybody(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let mut nobody = shop.entry(&template_id);
        nobody.customer_id = "cus_01jd0c5hqbf9bvxk2mqnz8s6wt".to_owned();
        let result = shop
            .try_to_sell(vec![shop.entry(&template_id), nobody])
            .await;
        refused(result, Code::FailedPrecondition, "SALE_REFUSED");
        assert_eq!(emails(app, EmailKind::Confirmation).await, []);
        assert_eq!(Mailroom::capturing(app).run().await.sent, 0);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_business_that_confirms_nothing_confirms_nothing_later_either(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut policy = v1::ReminderPolicy::default();
        set_policy(app, &["confirmation"], policy.clone()).await;
        shop.sell_lessons("8", days(30)).await;
        policy.confirmation = true;
        set_policy(app, &["confirmation"], policy).await;
        assert_eq!(Mailroom::capturing(app).run().await.sent, 0);
        assert_eq!(emails(app, EmailKind::Confirmation).await, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_one_customer_bought_at_once_is_one_email(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let eight = shop.offer(shop.lessons("8", never())).await;
        let one = shop.offer(shop.lessons("1", never())).await;
        let mut other = shop.entry(&eight);
        other.customer_id = shop.customer("Jaan Kask").await;
        let entries = vec![shop.entry(&eight), other.clone(), shop.entry(&one)];
        shop.try_to_sell(entries).await.unwrap();
        assert_eq!(Mailroom::capturing(app).run().await.sent, 2);
        let sent = emails(app, EmailKind::Confirmation).await;
        for email in sent {
            let is_other = email.customer_id == other.customer_id;
            let (packages, subject) = if is_other {
                (1, "Your package is ready: Standard")
            } else {
                (2, "Your 2 packages are ready")
            };
            assert_eq!(email.package_ids.len(), packages);
            assert_eq!(email.subject, subject);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_estonian_customer_gets_estonian_with_the_days_of_the_business(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let estonian = v1::Customer {
            id: shop.customer.clone(),
            locale: "et".to_owned(),
            // For information only.
            time_zone: "America/New_York".to_owned(),
            ..Default::default()
        };
        set_customer(app, &["locale", "time_zone"], estonian).await;
        shop.sell_lessons("8", until("2026-01-31")).await;
        assert_eq!(Mailroom::capturing(app).run().await.sent, 1);
        let sent = only_email(app, EmailKind::Confirmation).await;
        assert_eq!(sent.subject, "Sinu pakett on valmis: Standard");
        for phrase in ["Tere, Mari Tamm!", "31. jaanuar 2026", "120,00"] {
            assert!(sent.text_body.contains(phrase), "{}", sent.text_body);
        }
        assert!(sent.html_body.contains("lang=\"et\""), "{}", sent.html_body);
    })
    .await;
}
