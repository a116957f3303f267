//! Many at once on the same rows: exactly the right number win, and the ledger is sound afterwards.
//!
//! The harness proves the ledger of every test from a new connection when the test is over.

mod cancelled;
mod moving;
mod processes;

use carnet::proto::v1;
use carnet::proto::v1::ChangeKind;
use carnet::proto::v1::extend_package_request::NewExpiry;
use chrono::{NaiveDate, TimeDelta};
use futures_util::future::join_all;
use rstest::rstest;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days, never, period};

/// How many clients call at once.
const CLIENTS: usize = 16;

/// Sends a use from each client at once; each has its own request id.
async fn at_once(
    shop: &Shop,
    request: impl Fn(&Shop) -> v1::ConsumeRequest,
) -> Vec<Result<v1::ConsumeResponse, Status>> {
    let calls = (0..CLIENTS).map(|_| shop.consume(request(shop)));
    join_all(calls).await
}

/// How many calls won; all others must have lost for want of credits.
#[track_caller]
fn winners(results: Vec<Result<v1::ConsumeResponse, Status>>) -> usize {
    let mut won = 0;
    for result in results {
        if result.is_ok() {
            won += 1;
        } else {
            refused(result, Code::FailedPrecondition, "INSUFFICIENT_CREDITS");
        }
    }
    won
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_clients_on_the_last_credits_exactly_the_right_number_win(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(true, false)] named: bool,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("5", days(30)).await;
        let results = at_once(&shop, |shop| {
            if named {
                shop.use_lessons_of(&package.id, "1")
            } else {
                shop.use_lessons("1")
            }
        })
        .await;
        assert_eq!(winners(results), 5);
        assert_eq!(shop.left(&package.id).await, "0");
        assert_eq!(app.entries_of_package(&package.id).await.len(), 6);
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn units_of_two_credits_are_won_whole_and_an_odd_credit_is_left(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
    #[values(true, false)] named: bool,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut template = shop.lessons("9", days(30));
        template.lines[0].covers[0].credits_per_unit = "2".to_owned();
        let template_id = shop.offer(template).await;
        let package = shop.sell(&template_id).await;
        let results = at_once(&shop, |shop| {
            if named {
                shop.use_lessons_of(&package.id, "1")
            } else {
                shop.use_lessons("1")
            }
        })
        .await;
        assert_eq!(winners(results), 4);
        assert_eq!(shop.left(&package.id).await, "1");
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn over_several_packages_no_credit_is_lost_or_used_twice(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut packages = Vec::new();
        for (quantity, ends_after) in [("3", 10), ("4", 20), ("7", 30)] {
            packages.push(shop.sell_lessons(quantity, days(ends_after)).await.id);
        }
        // Those who name a package take it from under those who do not.
        let results = join_all((0..CLIENTS).map(|client| {
            let request = match client % 4 {
                0 => shop.use_lessons_of(&packages[2], "2"),
                1 => shop.use_lessons_of(&packages[1], "1"),
                _ => shop.use_lessons("1"),
            };
            shop.consume(request)
        }))
        .await;
        let used: usize = results
            .iter()
            .flatten()
            .map(|answer| answer.total.parse::<usize>().unwrap())
            .sum();
        let won = winners(results);
        let mut left = 0;
        for package_id in &packages {
            left += shop.left(package_id).await.parse::<usize>().unwrap();
        }
        assert_eq!(used + left, 14);
        assert!(won >= 10, "{won} of them won, and {left} are left");
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_first_uses_at_once_start_the_clock_once(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let rule = period(1, v1::PeriodUnit::Month, v1::Anchor::FirstUse);
        let package = shop.sell_lessons("16", rule).await;
        let results = at_once(&shop, |shop| shop.use_lessons("1")).await;
        assert_eq!(winners(results), CLIENTS);
        let changes = app.changes_of(&package.id).await;
        let kinds: Vec<_> = changes.iter().map(v1::Change::kind).collect();
        assert_eq!(kinds, [ChangeKind::ClockStarted]);
        let started = shop.package(&package.id).await;
        assert_eq!(started.last_usable_date, "2026-02-15");
        assert_eq!((started.expiry_epoch, changes[0].sequence), (1, 1));
        assert_eq!(shop.left(&package.id).await, "0");
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn uses_and_extensions_of_one_package_do_not_wait_for_each_other_in_a_circle(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("200", days(30)).await;
        let spare = shop.sell_lessons("200", never()).await;
        let first = NaiveDate::from_ymd_opt(2026, 6, 1).unwrap();
        let extend = async |step: i64, both: bool| {
            let request = v1::ExtendPackageRequest {
                request_id: app.request_id(),
                package_id: package.id.clone(),
                new_expiry: Some(NewExpiry::LastUsableDate(
                    (first + TimeDelta::days(step)).to_string(),
                )),
                bonuses: if both {
                    vec![v1::BonusCredits {
                        line_id: package.lines[0].id.clone(),
                        amount: "1".to_owned(),
                    }]
                } else {
                    Vec::new()
                },
                ..Default::default()
            };
            app.packages().extend_package(request).await
        };
        let mut extended = 0;
        let mut bonuses = 0;
        for round in 0..6 {
            let mut over_both = shop.use_lessons("2");
            over_both.package_ids = vec![spare.id.clone(), package.id.clone()];
            let uses = join_all((0..8).map(|at| {
                let request = match at % 3 {
                    0 => shop.use_lessons("1"),
                    1 => shop.use_lessons_of(&package.id, "1"),
                    _ => v1::ConsumeRequest {
                        request_id: app.request_id(),
                        ..over_both.clone()
                    },
                };
                shop.consume(request)
            }));
            let extensions = join_all((0..4).map(|at| extend(round * 4 + at, at % 2 == 0)));
            let (uses, extensions) = tokio::join!(uses, extensions);
            for used in uses {
                used.unwrap();
            }
            for (result, at) in extensions.into_iter().zip(0..) {
                match result {
                    Ok(_) => {
                        extended += 1;
                        bonuses += usize::from(at % 2 == 0);
                    }
                    // A later day was faster.
                    Err(status) => {
                        let reason = status.get_details_error_info().unwrap().reason;
                        assert_eq!(reason, "EXPIRY_NOT_LATER", "{status:?}");
                    }
                }
            }
        }
        assert_eq!(app.changes_of(&package.id).await.len(), extended);
        let now = shop.package(&package.id).await;
        assert_eq!(usize::try_from(now.expiry_epoch).unwrap(), extended);
        assert_eq!(now.lines[0].lots.len(), 1 + bonuses);
        let issued = now.lines[0].balances.as_ref().unwrap().issued.clone();
        assert_eq!(issued, (200 + bonuses).to_string());
    })
    .await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_package_is_restored_once_while_others_use_and_sweep_it(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("20", days(1)).await;
        app.clock.advance(TimeDelta::days(5));
        let request = v1::ExtendPackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            new_expiry: Some(NewExpiry::LastUsableDate("2026-06-30".to_owned())),
            ..Default::default()
        };
        let uses = at_once(&shop, |shop| shop.use_lessons_of(&package.id, "1"));
        let restoring = async { app.packages().extend_package(request).await };
        let sweeping = join_all((0..4).map(|_| carnet::jobs::settle::step(app.context())));
        let (uses, restored, swept) = tokio::join!(uses, restoring, sweeping);
        restored.unwrap();
        for step in swept {
            step.unwrap();
        }
        let mut used = 0;
        for result in uses {
            if result.is_ok() {
                used += 1;
            } else {
                refused(result, Code::FailedPrecondition, "PACKAGE_EXPIRED");
            }
        }
        let balances = shop.package(&package.id).await.lines[0].balances.clone();
        let balances = balances.unwrap();
        assert_eq!(balances.expired, "0");
        assert_eq!(balances.available, (20 - used).to_string());
        let restores = app.entries_of_package(&package.id).await;
        let kind = v1::EntryKind::Restore;
        let restores = restores.iter().filter(|entry| entry.kind() == kind);
        assert_eq!(restores.count(), 1);
    })
    .await;
}
