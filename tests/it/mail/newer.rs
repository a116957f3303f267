//! What tells of the end of a package is skipped where a newer one of the same template goes on, if the business says
//! so (semantics 42): alike when it is planned, looked ahead at and about to be sent.

use carnet::jobs::mail_day;
use carnet::proto::v1;
use carnet::proto::v1::low_balance::Line;
use carnet::proto::v1::{EmailKind, EmailState};
use carnet::store::notices;
use rstest::rstest;

use super::upcoming::upcoming;
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, emails, local, only_email, set_policy};
use crate::support::shop::{Shop, days};

const TIMED: [EmailKind; 2] = [EmailKind::ExpiryReminder, EmailKind::Expired];

async fn skip(app: &TestApp, skip_if_newer_package: bool) {
    let policy = v1::ReminderPolicy {
        lead_days: vec![7],
        low_balance: Some(v1::LowBalance {
            line: Some(Line::Credits("1".to_owned())),
        }),
        used_up: true,
        skip_if_newer_package,
        ..Default::default()
    };
    let paths = [
        "lead_days",
        "low_balance",
        "used_up",
        "skip_if_newer_package",
    ];
    set_policy(app, &paths, policy).await;
}

async fn revoke(app: &TestApp, package: &v1::Package) {
    let request = v1::RevokePackageRequest {
        request_id: app.request_id(),
        package_id: package.id.clone(),
        ..Default::default()
    };
    app.packages().revoke_package(request).await.unwrap();
}

/// Why it was not told of a package, by what is kept of it.
async fn recorded(app: &TestApp, package: &v1::Package) -> Vec<&'static str> {
    let ctx = app.context();
    let id = package.id.parse().unwrap();
    let kept = notices::of_packages(ctx.db.reader(), app.business_id, &[id]).await;
    let kept = kept.unwrap().into_iter();
    kept.filter_map(|it| Some(it.dropped?.as_str())).collect()
}

#[rstest]
#[tokio::test]
async fn semantics_42_the_end_of_a_package_is_not_told_where_a_newer_one_goes_on(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(true, false)] is_skipped: bool,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        skip(app, is_skipped).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let old = shop.sell(&template_id).await;
        let mut room = Mailroom::capturing(app);
        room.run().await;
        app.clock.set(local("2026-02-01 12:00"));
        shop.sell(&template_id).await;
        room.run().await;
        let ahead = upcoming(app, 15, 0).await;
        let ahead = ahead.iter().filter(|it| it.package_id == old.id);
        let ahead: Vec<_> = ahead.map(|it| (it.kind(), &*it.withheld_reason)).collect();
        let reason = if is_skipped { "newer_package" } else { "" };
        assert_eq!(ahead, TIMED.map(|kind| (kind, reason)));
        room.run_daily("2026-02-02", "2026-02-18").await;
        for kind in TIMED {
            let told = emails(app, kind).await;
            assert_eq!(told.len(), usize::from(!is_skipped), "{kind:?}: {told:?}");
        }
        let expected = if is_skipped {
            vec!["newer_package"; 2]
        } else {
            Vec::new()
        };
        assert_eq!(recorded(app, &old).await, expected);
    })
    .await;
}

/// What the second package of a customer is who is told of the first one all the same.
#[derive(Clone, Copy, Debug)]
enum Second {
    UsedUp,
    Revoked,
    OfAnotherTemplate,
    SoldAtOnce,
}

#[rstest]
#[tokio::test]
async fn what_does_not_go_on_keeps_nothing_from_being_told(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(
        Second::UsedUp,
        Second::Revoked,
        Second::OfAnotherTemplate,
        Second::SoldAtOnce
    )]
    second: Second,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        skip(app, true).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let old = if let Second::SoldAtOnce = second {
            let entry = shop.entry(&template_id);
            let sold = shop.try_to_sell(vec![entry.clone(), entry]).await.unwrap();
            sold.into_inner().results.remove(0).package.unwrap()
        } else {
            shop.sell(&template_id).await
        };
        app.clock.set(local("2026-02-01 12:00"));
        match second {
            Second::UsedUp => {
                let new = shop.sell(&template_id).await;
                shop.consume(shop.use_lessons_of(&new.id, "8"))
                    .await
                    .unwrap();
            }
            Second::Revoked => revoke(app, &shop.sell(&template_id).await).await,
            Second::OfAnotherTemplate => {
                shop.sell_lessons("8", days(30)).await;
            }
            Second::SoldAtOnce => {}
        }
        let mut room = Mailroom::capturing(app);
        room.run_daily("2026-02-02", "2026-02-18").await;
        for kind in TIMED {
            let told = only_email(app, kind).await;
            assert_eq!(told.state(), EmailState::Sent, "{kind:?}: {}", told.reason);
            assert!(told.package_ids.contains(&old.id));
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_waits_to_be_sent_is_dropped_once_a_newer_package_goes_on(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(EmailKind::ExpiryReminder, EmailKind::LowBalance, EmailKind::UsedUp)] kind: EmailKind,
    #[values(true, false)] is_kept: bool,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        skip(app, true).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        let old = shop.sell(&template_id).await;
        let mut room = Mailroom::capturing(app);
        room.run_daily("2026-01-16", "2026-02-06").await;
        app.clock.set(local("2026-02-07 09:00"));
        let used = match kind {
            EmailKind::LowBalance => Some("7"),
            EmailKind::UsedUp => Some("8"),
            EmailKind::Unspecified
            | EmailKind::Confirmation
            | EmailKind::ExpiryReminder
            | EmailKind::Expired
            | EmailKind::Extended
            | EmailKind::Renewed
            | EmailKind::HoldTimedOut => None,
        };
        if let Some(used) = used {
            let used = shop.use_lessons_of(&old.id, used);
            shop.consume(used).await.unwrap();
        } else {
            mail_day::step(app.context()).await.unwrap();
        }
        let new = shop.sell(&template_id).await;
        if !is_kept {
            revoke(app, &new).await;
        }
        let ahead = upcoming(app, 1, 0).await;
        let ahead = ahead.iter().find(|it| it.kind() == kind).unwrap();
        let reason = if is_kept { "newer_package" } else { "" };
        assert_eq!(ahead.withheld_reason, reason);
        room.deliver().await;
        let email = only_email(app, kind).await;
        assert_eq!(email.reason, reason);
        let state = if is_kept {
            EmailState::Cancelled
        } else {
            EmailState::Sent
        };
        assert_eq!(email.state(), state);
        assert_eq!(email.notices[0].dropped_reason, reason);
    })
    .await;
}
