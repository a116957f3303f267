//! What customers are told besides reminders (G4): little left, used up, extended, renewed, free again. Each
//! is off until the business switches it on, except renewals; each is checked again before it goes out.

use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::low_balance::Line;
use carnet::proto::v1::{EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, only_email, set_policy};
use crate::support::refused::field_faults;
use crate::support::shop::{Shop, days, euros};

async fn switch_on(app: &TestApp, policy: v1::ReminderPolicy) {
    set_policy(
        app,
        &["low_balance", "used_up", "extended", "hold_timed_out"],
        policy,
    )
    .await;
}

fn low(line: Line) -> v1::ReminderPolicy {
    v1::ReminderPolicy {
        low_balance: Some(v1::LowBalance { line: Some(line) }),
        ..Default::default()
    }
}

async fn use_one(shop: &Shop) -> v1::ConsumeResponse {
    shop.consume(shop.use_lessons("1")).await.unwrap()
}

async fn extend(app: &TestApp, package_id: &str, date: &str) {
    let request = v1::ExtendPackageRequest {
        request_id: app.request_id(),
        package_id: package_id.to_owned(),
        new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
            date.to_owned(),
        )),
        ..Default::default()
    };
    app.packages().extend_package(request).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn the_last_use_is_told_once_and_only_if_somebody_wants_to_hear_of_it(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("1", days(60)).await;
        use_one(&shop).await;
        assert_eq!(emails(app, EmailKind::UsedUp).await, []);
        switch_on(
            app,
            v1::ReminderPolicy {
                used_up: true,
                ..Default::default()
            },
        )
        .await;
        let package = shop.sell_lessons("2", days(60)).await;
        use_one(&shop).await;
        assert_eq!(emails(app, EmailKind::UsedUp).await, []);
        let request = shop.use_lessons("1");
        shop.consume(request.clone()).await.unwrap();
        assert!(shop.consume(request).await.unwrap().replayed);
        Mailroom::capturing(app).run().await;
        let sent = only_email(app, EmailKind::UsedUp).await;
        assert_eq!(sent.state(), EmailState::Sent, "{}", sent.reason);
        assert_eq!(sent.subject, "You have used up Standard");
        assert_eq!(sent.package_ids, [package.id]);
        assert!(
            sent.text_body.contains("2 of 2 lessons used"),
            "{}",
            sent.text_body
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_last_use_that_was_undone_is_not_told(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let policy = v1::ReminderPolicy {
            used_up: true,
            ..low(Line::Credits("1".to_owned()))
        };
        switch_on(app, policy).await;
        shop.sell_lessons("3", days(60)).await;
        use_one(&shop).await;
        let second = use_one(&shop).await;
        let last = use_one(&shop).await;
        shop.reverse(shop.reversing(&last.posting_id))
            .await
            .unwrap();
        shop.reverse(shop.reversing(&second.posting_id))
            .await
            .unwrap();
        Mailroom::capturing(app).run().await;
        for (kind, reason) in [
            (EmailKind::UsedUp, "not_used_up"),
            (EmailKind::LowBalance, "not_low"),
        ] {
            let dropped = only_email(app, kind).await;
            assert_eq!(dropped.state(), EmailState::Cancelled);
            assert_eq!(dropped.reason, reason);
        }
    })
    .await;
}

#[rstest]
#[case(Line::Credits("2".to_owned()))]
#[case(Line::Percent(50))]
#[tokio::test]
async fn semantics_42_little_left_is_told_when_the_line_is_crossed_and_not_below_it(
    #[values(Sqlite, Postgres)] database: Database,
    #[case] line: Line,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        switch_on(app, low(line)).await;
        shop.sell_lessons("4", days(60)).await;
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.run().await.sent, 1, "the confirmation");
        use_one(&shop).await;
        assert_eq!(room.run().await.sent, 0, "three are left");
        use_one(&shop).await;
        assert_eq!(room.run().await.sent, 1, "two are left");
        use_one(&shop).await;
        use_one(&shop).await;
        assert_eq!(room.run().await.sent, 0, "below the line");
        let sent = only_email(app, EmailKind::LowBalance).await;
        assert_eq!(sent.subject, "Only 2 lessons left: Standard");
        assert!(
            sent.text_body.contains("2 of 4 lessons left"),
            "{}",
            sent.text_body
        );
    })
    .await;
}

#[rstest]
#[case(Line::Credits("3".to_owned()))]
#[case(Line::Percent(20))]
#[tokio::test]
async fn a_bonus_counts_with_what_was_sold_and_the_line_is_crossed_once(
    #[values(Sqlite, Postgres)] database: Database,
    #[case] line: Line,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        switch_on(app, low(line)).await;
        let package = shop.sell_lessons("10", days(60)).await;
        let extend = v1::ExtendPackageRequest {
            request_id: app.request_id(),
            package_id: package.id,
            new_expiry: Some(v1::extend_package_request::NewExpiry::LastUsableDate(
                "2026-12-31".to_owned(),
            )),
            bonuses: vec![v1::BonusCredits {
                line_id: package.lines[0].id.clone(),
                amount: "5".to_owned(),
            }],
            ..Default::default()
        };
        app.packages().extend_package(extend).await.unwrap();
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.run().await.sent, 1, "the confirmation");
        for (used, sent) in [("8", 0), ("2", 0), ("2", 1), ("1", 0), ("2", 0)] {
            shop.consume(shop.use_lessons(used)).await.unwrap();
            let delivered = room.run().await;
            let ended = (delivered.sent, delivered.cancelled);
            assert_eq!(ended, (sent, 0), "after a use of {used}");
        }
        let told = only_email(app, EmailKind::LowBalance).await;
        assert_eq!(told.subject, "Only 3 lessons left: Standard");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_held_counts_as_left_until_it_is_captured(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let policy = v1::ReminderPolicy {
            used_up: true,
            ..Default::default()
        };
        switch_on(app, policy).await;
        shop.sell_lessons("1", days(60)).await;
        let held = shop.hold(shop.hold_lessons("1")).await.unwrap();
        assert_eq!(emails(app, EmailKind::UsedUp).await, []);
        shop.capture(shop.capturing(&held)).await.unwrap();
        Mailroom::capturing(app).run().await;
        let sent = only_email(app, EmailKind::UsedUp).await;
        assert_eq!(sent.state(), EmailState::Sent, "{}", sent.reason);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_extension_is_told_with_the_last_of_several_ends(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        app.clock.set("2026-03-02T10:00:00Z".parse().unwrap());
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("2", days(10)).await;
        extend(app, &package.id, "2026-04-01").await;
        assert_eq!(emails(app, EmailKind::Extended).await, []);
        let policy = v1::ReminderPolicy {
            extended: true,
            ..Default::default()
        };
        switch_on(app, policy).await;
        extend(app, &package.id, "2026-05-01").await;
        app.clock.advance(TimeDelta::seconds(1));
        extend(app, &package.id, "2026-06-01").await;
        Mailroom::capturing(app).run().await;
        let mut told = emails(app, EmailKind::Extended).await;
        told.sort_by_key(|email| email.id.clone());
        let [first, second] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(first.reason, "extended");
        assert_eq!(second.state(), EmailState::Sent, "{}", second.reason);
        let subject = "More time for Standard: usable through 1 June";
        assert_eq!(second.subject, subject);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn credits_that_a_timed_out_hold_gave_back_are_told_once(
    #[values(Sqlite, Postgres)] database: Database,
    #[values("job", "command")] how: &str,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let policy = v1::ReminderPolicy {
            hold_timed_out: true,
            ..Default::default()
        };
        switch_on(app, policy).await;
        shop.sell_lessons("3", days(60)).await;
        let until = app.clock.now() + TimeDelta::hours(1);
        shop.hold(shop.hold_lessons_until("2", until))
            .await
            .unwrap();
        app.clock.set(until);
        if how == "job" {
            settle::step(app.context()).await.unwrap();
        } else {
            use_one(&shop).await;
        }
        settle::step(app.context()).await.unwrap();
        Mailroom::capturing(app).run().await;
        let sent = only_email(app, EmailKind::HoldTimedOut).await;
        assert_eq!(sent.state(), EmailState::Sent, "{}", sent.reason);
        let left = if how == "job" { "3" } else { "2" };
        let subject = format!("Free to use again: you have {left} lessons");
        assert_eq!(sent.subject, subject);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_renewal_is_told_as_one_instead_of_being_confirmed(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        app.clock.set("2026-03-01T10:00:00Z".parse().unwrap());
        let shop = Shop::open(app).await;
        let month = v1::Period {
            count: 1,
            unit: v1::PeriodUnit::Month.into(),
        };
        let price = v1::SubscriptionPrice {
            price: Some(euros(4_000)),
            every: Some(month),
            ..Default::default()
        };
        let template = v1::Template {
            pricing: Some(v1::TemplatePricing {
                subscription: Some(price),
                subscription_only: true,
                ..Default::default()
            }),
            ..shop.lessons("4", days(7))
        };
        let subscribed = v1::CreateSubscriptionRequest {
            request_id: app.request_id(),
            customer_id: shop.customer.clone(),
            template_id: shop.offer(template).await,
            start_date: "2026-03-01".to_owned(),
            ..Default::default()
        };
        let made = app.subscriptions().create_subscription(subscribed).await;
        let subscription = made.unwrap().into_inner().subscription.unwrap();
        let paid = v1::RecordRenewalRequest {
            request_id: app.request_id(),
            subscription_id: subscription.id,
            period_start_date: "2026-03-01".to_owned(),
            payment: Some(v1::RecordedPayment {
                method: v1::PaymentMethod::Card.into(),
                ..Default::default()
            }),
            validate_only: false,
        };
        app.subscriptions().record_renewal(paid).await.unwrap();
        Mailroom::capturing(app).run().await;
        assert_eq!(emails(app, EmailKind::Confirmation).await, []);
        let sent = only_email(app, EmailKind::Renewed).await;
        assert_eq!(sent.state(), EmailState::Sent, "{}", sent.reason);
        assert_eq!(sent.subject, "Your new package is ready: Standard");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_line_that_cannot_be_is_refused_and_without_one_nothing_is_told(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        for (line, field) in [
            (Some(Line::Percent(0)), "policy.low_balance.percent"),
            (Some(Line::Percent(100)), "policy.low_balance.percent"),
            (
                Some(Line::Credits("0".to_owned())),
                "policy.low_balance.credits",
            ),
            (
                Some(Line::Credits("few".to_owned())),
                "policy.low_balance.credits",
            ),
            (None, "policy.low_balance.line"),
        ] {
            let request = v1::UpdateReminderPolicyRequest {
                policy: Some(v1::ReminderPolicy {
                    low_balance: Some(v1::LowBalance { line }),
                    ..Default::default()
                }),
                ..Default::default()
            };
            let faults = field_faults(app.emails().update_reminder_policy(request).await);
            assert_eq!(faults[0].0, field, "{faults:?}");
        }
        let wanted = low(Line::Credits("2.5".to_owned()));
        switch_on(app, wanted.clone()).await;
        let kept = app
            .emails()
            .get_reminder_policy(v1::GetReminderPolicyRequest {})
            .await;
        let kept = kept.unwrap().into_inner().policy.unwrap();
        assert_eq!(kept.low_balance, wanted.low_balance);
        switch_on(app, v1::ReminderPolicy::default()).await;
        let none = app
            .emails()
            .get_reminder_policy(v1::GetReminderPolicyRequest {})
            .await;
        assert_eq!(none.unwrap().into_inner().policy.unwrap().low_balance, None);
    })
    .await;
}
