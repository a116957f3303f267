//! Reminders (G1, G2): on the right day at the right hour, with the true days left, once.

use carnet::domain::notice::DropReason;
use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use carnet::store::notices;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{
    Mailroom, emails, local_in, only_email, set_customer, set_feature, set_leads, set_settings,
};
use crate::support::shop::{Shop, days, until};

const REMINDER: EmailKind = EmailKind::ExpiryReminder;

/// The days for which there are reminders.
async fn days_reminded(app: &TestApp) -> Vec<String> {
    let found = emails(app, REMINDER).await.into_iter();
    found.map(|email| email.local_date).collect()
}

#[rstest]
#[tokio::test]
async fn a_reminder_goes_out_so_many_days_before_the_last_day_at_the_local_hour(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        let package = shop.sell_lessons("8", until("2026-04-02")).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-03-25 09:00").await;
        // Clocks go forward on 29 March; on the 26th the hour is that of winter.
        assert_eq!(room.run_at("2026-03-26 08:59").await.sent, 0);
        assert_eq!(room.run_at("2026-03-26 09:00").await.sent, 1);
        assert_eq!(room.run_at("2026-03-26 23:59").await.sent, 0);
        assert_eq!(room.run_at("2026-03-27 09:00").await.sent, 0);
        let sent = only_email(app, REMINDER).await;
        assert_eq!(sent.state(), EmailState::Sent);
        assert_eq!(sent.local_date, "2026-03-26");
        assert_eq!(sent.subject, "7 lessons left, usable through 2 April");
        let text = &sent.text_body;
        assert!(
            text.contains("Usable through 2 April 2026 (7 days left)"),
            "{text}"
        );
        assert!(text.contains("7 of 8 lessons left"), "{text}");
        let [notice] = sent.notices.as_slice() else {
            panic!("{sent:?}");
        };
        assert_eq!(
            (notice.package_id.as_str(), notice.lead_days),
            (&*package.id, 7)
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn days_and_hours_are_those_of_the_business_wherever_it_is(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let settings = v1::Settings {
            time_zone: "America/New_York".to_owned(),
            ..Default::default()
        };
        set_settings(app, &["time_zone"], settings).await;
        let shop = Shop::open(app).await;
        set_leads(app, &[1]).await;
        let package = shop.sell_lessons("8", until("2026-03-08")).await;
        assert_eq!(package.last_usable_date, "2026-03-08");
        let mut room = Mailroom::capturing(app);
        let new_york = |time| local_in(chrono_tz::America::New_York, time);
        app.clock.set(new_york("2026-03-07 08:59"));
        room.run().await;
        assert_eq!(emails(app, REMINDER).await, []);
        app.clock.set(new_york("2026-03-07 09:00"));
        room.run().await;
        let sent = only_email(app, REMINDER).await;
        assert_eq!(sent.subject, "8 lessons left, usable through 8 March");
        assert!(
            sent.text_body.contains("last day tomorrow"),
            "{}",
            sent.text_body
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn each_lead_is_told_once_over_the_life_of_a_package(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[0, 1, 7, 30]).await;
        shop.sell_lessons("8", until("2026-02-28")).await;
        let mut room = Mailroom::capturing(app);
        room.run().await;
        let sent = room.run_daily("2026-01-16", "2026-02-28").await;
        let expected = ["2026-01-29", "2026-02-21", "2026-02-27", "2026-02-28"];
        assert_eq!(sent, expected.map(|day| (day.to_owned(), 1)));
        let told = emails(app, REMINDER).await;
        let leads: Vec<_> = told
            .iter()
            .map(|email| email.notices[0].lead_days)
            .collect();
        assert_eq!(leads, [30, 7, 1, 0]);
        let left = [
            "30 days left",
            "7 days left",
            "last day tomorrow",
            "last day today",
        ];
        for (email, left) in told.iter().zip(left) {
            assert!(email.text_body.contains(left), "{}", email.text_body);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_template_may_have_leads_of_its_own_or_none(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        for (day, leads) in [("2026-02-20", vec![10, 2]), ("2026-02-21", vec![])] {
            let mut template = shop.lessons("8", until(day));
            template.reminder_leads = Some(v1::ReminderLeads { days: leads });
            let template_id = shop.offer(template).await;
            shop.sell(&template_id).await;
        }
        shop.sell_lessons("8", until("2026-02-22")).await;
        let mut room = Mailroom::capturing(app);
        room.run_daily("2026-01-16", "2026-02-19").await;
        let expected = ["2026-02-10", "2026-02-15", "2026-02-18"];
        assert_eq!(days_reminded(app).await, expected);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn only_leads_later_than_the_day_of_the_sale_are_told(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[1, 7, 30]).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-01 08:00").await;
        // Sold on the day of a lead, before the hour: whoever buys knows.
        let package = shop.sell_lessons("8", days(7)).await;
        assert_eq!(package.last_usable_date, "2026-02-08");
        room.run_daily("2026-02-01", "2026-02-08").await;
        assert_eq!(days_reminded(app).await, ["2026-02-07"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn packages_of_one_customer_that_fall_due_on_one_day_are_one_email(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        set_leads(app, &[3, 7]).await;
        let later = shop.sell_lessons("8", until("2026-02-14")).await;
        let sooner = shop.sell_lessons("2", until("2026-02-10")).await;
        let mari = shop.customer.clone();
        shop.customer = shop.customer("Jaan Kask").await;
        shop.sell_lessons("3", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-06 09:00").await;
        assert_eq!(room.run_at("2026-02-07 09:00").await.sent, 2);
        let today = emails(app, REMINDER).await.into_iter();
        let today = today.filter(|email| email.local_date == "2026-02-07");
        let (hers, others): (Vec<_>, Vec<_>) = today.partition(|email| email.customer_id == mari);
        assert_eq!((hers.len(), others.len()), (1, 1));
        let mut ids = hers[0].package_ids.clone();
        ids.sort();
        let mut expected = [later.id, sooner.id];
        expected.sort();
        assert_eq!(ids, expected);
        assert_eq!(hers[0].subject, "2 of your packages expire soon");
        let text = &hers[0].text_body;
        let first = text.find("10 February 2026 (3 days left)").unwrap();
        let second = text.find("14 February 2026 (7 days left)").unwrap();
        assert!(first < second, "{text}");
        assert_eq!(others[0].package_ids.len(), 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn after_days_without_a_run_there_is_one_email_with_the_true_days_left(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7, 6, 5]).await;
        let package = shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-02 09:00").await;
        // Nothing ran on the 3rd, 4th and 5th, when seven, six and five days were left.
        assert_eq!(room.run_at("2026-02-06 09:00").await.sent, 1);
        let sent = only_email(app, REMINDER).await;
        assert_eq!(sent.local_date, "2026-02-06");
        assert!(
            sent.text_body.contains("(4 days left)"),
            "{}",
            sent.text_body
        );
        let ids = [package.id.parse().unwrap()];
        let reader = app.context().db.reader();
        let found = notices::of_packages(reader, app.business_id, &ids).await;
        let mut leads: Vec<_> = found
            .unwrap()
            .into_iter()
            .filter_map(|notice| Some((notice.lead_days?, notice.dropped.map(DropReason::as_str))))
            .collect();
        leads.sort_unstable();
        assert_eq!(leads, [(5, None), (6, Some("missed")), (7, Some("missed"))]);
        assert_eq!(room.run_at("2026-02-07 09:00").await.sent, 0);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn while_the_feature_is_off_nothing_goes_out_and_no_storm_follows(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[1, 3, 7, 30]).await;
        for day in ["2026-02-02", "2026-02-20", "2026-02-25"] {
            shop.sell_lessons("8", until(day)).await;
        }
        let mut room = Mailroom::capturing(app);
        room.run().await;
        set_feature(app, v1::Settings::default()).await;
        assert_eq!(room.run_daily("2026-01-16", "2026-02-23").await, []);
        app.clock.advance(chrono::TimeDelta::hours(1));
        let on = v1::Settings {
            feature_enabled: true,
            ..Default::default()
        };
        set_feature(app, on).await;
        // Of the package that still runs its latest lead; of those that ended, only what is a week old.
        assert_eq!(room.run().await.sent, 2);
        let reminder = only_email(app, REMINDER).await;
        assert!(
            reminder.text_body.contains("(2 days left)"),
            "{}",
            reminder.text_body
        );
        let expired = only_email(app, EmailKind::Expired).await;
        assert!(
            expired.text_body.contains("20 February"),
            "{}",
            expired.text_body
        );
        let sent = room.run_daily("2026-02-24", "2026-02-27").await;
        let expected = [("2026-02-24".to_owned(), 1), ("2026-02-26".to_owned(), 1)];
        assert_eq!(sent, expected);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_estonian_customer_is_reminded_in_estonian(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let customer = v1::Customer {
            id: shop.customer.clone(),
            locale: "et-EE".to_owned(),
            ..Default::default()
        };
        set_customer(app, &["locale"], customer).await;
        shop.sell_lessons("8", until("2026-02-28")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-20 09:00").await;
        assert_eq!(room.run_at("2026-02-21 09:00").await.sent, 1);
        let sent = emails(app, REMINDER).await.pop().unwrap();
        let subject = "Alles 8 lessons, viimane kasutuspäev 28. veebruar";
        assert_eq!(sent.subject, subject);
        let line = "Viimane kasutuspäev: 28. veebruar 2026 (jäänud 7 päeva)";
        assert!(sent.text_body.contains(line), "{}", sent.text_body);
    })
    .await;
}
