//! What would go out in the next days, and what not and why (G9): before it does, with the reasons that the
//! log then gives.

use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::Status;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, local, set_customer, set_leads, set_policy};
use crate::support::program::{carnet, err, out};
use crate::support::refused::field_faults;
use crate::support::shop::{Shop, days, never, until};
use crate::support::tenant::{Tenant, ZONE};

async fn page(
    tenant: &Tenant,
    request: v1::ListUpcomingRequest,
) -> Result<v1::ListUpcomingResponse, Status> {
    let answer = tenant.emails().list_upcoming(request).await?;
    Ok(answer.into_inner())
}

/// All of it, so many to a page.
pub(super) async fn upcoming(
    tenant: &Tenant,
    days: i32,
    page_size: i32,
) -> Vec<v1::UpcomingNotice> {
    let mut request = v1::ListUpcomingRequest {
        days,
        page_size,
        ..Default::default()
    };
    let mut all = Vec::new();
    loop {
        let found = page(tenant, request.clone()).await.unwrap();
        assert!(page_size == 0 || found.notices.len() <= usize::try_from(page_size).unwrap());
        all.extend(found.notices);
        if found.next_page_token.is_empty() {
            return all;
        }
        request.page_token = found.next_page_token;
    }
}

/// When by the business's clocks, what with its lead, and why not.
fn told(notices: &[v1::UpcomingNotice]) -> Vec<(String, EmailKind, i32, &str)> {
    let when = |notice: &v1::UpcomingNotice| {
        let at = chrono::DateTime::from_timestamp(notice.send_at.unwrap().seconds, 0).unwrap();
        at.with_timezone(&ZONE).format("%m-%d %H:%M").to_string()
    };
    let notices = notices.iter();
    notices
        .map(|it| (when(it), it.kind(), it.lead_days, &*it.withheld_reason))
        .collect()
}

fn row(
    when: &str,
    kind: EmailKind,
    lead_days: i32,
    why_not: &'static str,
) -> (String, EmailKind, i32, &'static str) {
    (when.to_owned(), kind, lead_days, why_not)
}

#[rstest]
#[tokio::test]
async fn what_would_go_out_is_told_day_by_day_and_then_goes_out(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7, 1]).await;
        let package = shop.sell_lessons("8", until("2026-02-10")).await;
        let before = upcoming(app, 30, 0).await;
        assert_eq!(
            told(&before),
            [
                row("01-15 12:00", EmailKind::Confirmation, 0, ""),
                row("02-03 09:00", EmailKind::ExpiryReminder, 7, ""),
                row("02-09 09:00", EmailKind::ExpiryReminder, 1, ""),
                row("02-11 09:00", EmailKind::Expired, 0, ""),
            ]
        );
        for notice in &before {
            assert_eq!(notice.package_id, package.id);
            assert_eq!(notice.customer_id, shop.customer);
            assert_eq!(notice.to_email, "mari.tamm@example.com");
            let names = (&*notice.customer_name, &*notice.package_name);
            assert_eq!(names, ("Mari Tamm", "Standard"));
        }
        assert!(before[0].email_id.starts_with("eml_"));
        assert_eq!(told(&upcoming(app, 20, 0).await).len(), 2);

        let mut room = Mailroom::capturing(app);
        let sent = room.run_daily("2026-01-16", "2026-02-14").await;
        let days: Vec<_> = sent.iter().map(|(day, count)| (&**day, *count)).collect();
        let expected = ["2026-01-16", "2026-02-03", "2026-02-09", "2026-02-11"];
        assert_eq!(days, expected.map(|day| (day, 1)));
        assert_eq!(upcoming(app, 30, 0).await, []);
    })
    .await;
}

/// What is done to the second of two customers, and what is then said of the reminder.
#[derive(Clone, Copy, Debug)]
enum Change {
    Suppressed,
    Unsubscribed,
    Inactive,
    NoAddress,
    UsedUp,
    SwitchedOff,
}

impl Change {
    async fn make(self, app: &TestApp, shop: &Shop) {
        let customer = v1::Customer {
            id: shop.customer.clone(),
            unsubscribed: true,
            ..Default::default()
        };
        match self {
            Self::Suppressed => {
                let request = v1::AddSuppressionRequest {
                    email: "MARI.tamm@example.com".to_owned(),
                    ..Default::default()
                };
                app.emails().add_suppression(request).await.unwrap();
            }
            Self::Unsubscribed => set_customer(app, &["unsubscribed"], customer).await,
            Self::Inactive => set_customer(app, &["active"], customer).await,
            Self::NoAddress => set_customer(app, &["email"], customer).await,
            Self::UsedUp => {
                shop.consume(shop.use_lessons("8")).await.unwrap();
            }
            Self::SwitchedOff => {
                let off = v1::ReminderPolicy::default();
                set_policy(app, &["expired_notice"], off).await;
            }
        }
    }

    fn reasons(self) -> [&'static str; 2] {
        match self {
            Self::Suppressed => ["suppressed"; 2],
            Self::Unsubscribed => ["unsubscribed"; 2],
            Self::Inactive => ["customer_inactive"; 2],
            Self::NoAddress => ["no_address"; 2],
            Self::UsedUp => ["used_up", "nothing_lost"],
            Self::SwitchedOff => ["", "switched_off"],
        }
    }
}

#[rstest]
#[tokio::test]
async fn what_would_not_go_out_says_why_and_does_not(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(
        Change::Suppressed,
        Change::Unsubscribed,
        Change::Inactive,
        Change::NoAddress,
        Change::UsedUp,
        Change::SwitchedOff
    )]
    change: Change,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.run().await.sent, 1);
        change.make(app, &shop).await;
        let found = upcoming(app, 30, 0).await;
        let [reminder, expired] = change.reasons();
        assert_eq!(
            told(&found),
            [
                row("02-03 09:00", EmailKind::ExpiryReminder, 7, reminder),
                row("02-11 09:00", EmailKind::Expired, 0, expired),
            ]
        );
        room.run_daily("2026-01-16", "2026-02-14").await;
        for (kind, reason) in [
            (EmailKind::ExpiryReminder, reminder),
            (EmailKind::Expired, expired),
        ] {
            let sent = emails(app, kind).await;
            let sent = sent.iter().filter(|it| it.state() == EmailState::Sent);
            assert_eq!(sent.count() == 1, reason.is_empty(), "{kind:?}");
        }
    })
    .await;
}

async fn freeze(app: &TestApp, package_id: &str, until_date: &str) {
    let request = v1::FreezePackageRequest {
        package_id: package_id.to_owned(),
        request_id: app.request_id(),
        until_date: until_date.to_owned(),
        ..Default::default()
    };
    app.packages().freeze_package(request).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn what_is_frozen_is_told_of_after_the_thaw_and_not_before(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[20, 10]).await;
        let package = shop.sell_lessons("8", until("2026-01-31")).await;
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.run().await.sent, 1);
        // Eleven days later it ends eleven days later.
        freeze(app, &package.id, "2026-01-25").await;
        let end = shop.package(&package.id).await.expires_if_thawed.unwrap();
        assert_eq!(end.seconds, local("2026-02-12 00:00").timestamp());
        assert_eq!(
            told(&upcoming(app, 27, 0).await),
            [
                row("01-22 09:00", EmailKind::ExpiryReminder, 20, "frozen"),
                row("02-01 09:00", EmailKind::ExpiryReminder, 10, ""),
            ]
        );
        let sent = room.run_daily("2026-01-16", "2026-02-11").await;
        assert_eq!(sent, [("2026-02-01".to_owned(), 1)]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_template_without_leads_is_said_to_be_switched_off(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        let template = v1::Template {
            reminder_leads: Some(v1::ReminderLeads::default()),
            ..shop.lessons("8", until("2026-02-10"))
        };
        let template_id = shop.offer(template).await;
        shop.sell(&template_id).await;
        Mailroom::capturing(app).run().await;
        let found = upcoming(app, 25, 0).await;
        let expected = row("02-03 09:00", EmailKind::ExpiryReminder, 7, "switched_off");
        assert_eq!(told(&found), [expected]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn after_downtime_the_first_run_tells_one_and_says_what_it_missed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7, 3]).await;
        shop.sell_lessons("8", until("2026-02-10")).await;
        let mut room = Mailroom::capturing(app);
        room.run_at("2026-02-02 09:00").await;
        app.clock.set(local("2026-02-07 15:00"));
        let found = upcoming(app, 1, 0).await;
        assert_eq!(
            told(&found),
            [
                row("02-07 15:00", EmailKind::ExpiryReminder, 3, ""),
                row("02-07 15:00", EmailKind::ExpiryReminder, 7, "missed"),
            ]
        );
        assert_eq!(room.run().await.sent, 1);
        assert_eq!(upcoming(app, 1, 0).await, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn every_page_size_shows_the_same_and_no_other_business_sees_it(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        set_leads(app, &[7, 6, 1]).await;
        let template_id = shop.offer(shop.lessons("8", until("2026-02-10"))).await;
        let frozen = shop.sell(&template_id).await;
        freeze(app, &frozen.id, "2026-01-16").await;
        for number in 0..3 {
            shop.customer = shop.customer(&format!("Customer {number}")).await;
            shop.sell(&template_id).await;
        }
        let all = upcoming(app, 0, 0).await;
        // Four confirmations wait; each package has three reminders and an end.
        assert_eq!(all.len(), 4 + 4 * 4);
        for page_size in [1, 2, 3, 7] {
            assert_eq!(upcoming(app, 0, page_size).await, all, "{page_size}");
        }
        let foreign = app.second_business().await;
        assert_eq!(upcoming(&foreign, 90, 0).await, []);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn more_packages_than_are_read_at_once_are_all_shown(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        set_leads(app, &[7]).await;
        let template_id = shop.offer(shop.lessons("8", until("2026-02-10"))).await;
        let mut room = Mailroom::capturing(app);
        for _ in 0..5 {
            let entries = vec![shop.entry(&template_id); 41];
            shop.try_to_sell(entries).await.unwrap();
            app.clock.advance(TimeDelta::seconds(1));
            room.deliver().await;
        }
        let found = upcoming(app, 20, 200).await;
        assert_eq!(found.len(), 205);
        let mut ids: Vec<_> = found.iter().map(|it| &it.package_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 205);
        app.clock.set(local("2026-02-02 09:00"));
        room.run().await;
        room.run_at("2026-02-03 09:00").await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn days_and_token_are_told_by_their_fields_where_they_are_wrong(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let wrong = v1::ListUpcomingRequest {
            days: 91,
            page_size: -1,
            page_token: "x".to_owned(),
        };
        let faults = field_faults(page(app, wrong).await);
        let fields: Vec<_> = faults.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(fields, ["days", "page_size", "page_token"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_command_line_shows_it_and_sends_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        // The program's clock is the system's.
        app.clock.set(carnet::clock::Clock::System.now());
        shop.sell_lessons("8", days(20)).await;
        shop.sell_lessons("8", never()).await;
        let url = app.database_url();
        let refused = carnet(&["remind"], url).await;
        assert_eq!(refused.status.code(), Some(2), "{}", err(&refused));
        let business = app.business_id.to_string();
        let arguments = [
            "remind",
            "--dry-run",
            "--days",
            "30",
            "--business",
            &business,
        ];
        let shown = carnet(&arguments, url).await;
        assert_eq!(shown.status.code(), Some(0), "{}", err(&shown));
        let text = out(&shown);
        for wanted in [
            "Swim school",
            "expiring, 7 d",
            "expired",
            "confirmation",
            "goes out",
            "Mari Tamm <mari.tamm@example.com>",
            "would be told in",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
        let waiting = emails(app, EmailKind::Confirmation).await;
        assert!(waiting.iter().all(|it| it.state() == EmailState::Queued));
        let unknown = [
            "remind",
            "--dry-run",
            "--business",
            "biz_01jd0c5hqbf9bvxk2mqnz8s6wt",
        ];
        let refused = carnet(&unknown, url).await;
        assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
    })
    .await;
}
