//! What is outstanding and who holds it (H2), packages over a time (H3), the ledger by its columns (H1).

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::{EntryKind, PackageStatus};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::Code;

use super::{at, between, local_days};
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::ledger::stamp;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

/// All pages of what is outstanding: the totals of the first, and all holders.
async fn outstanding(
    app: &Tenant,
    mut request: v1::OutstandingRequest,
) -> (Vec<v1::Outstanding>, Vec<v1::Holder>) {
    let first = app.reports().outstanding(request.clone()).await.unwrap();
    let mut page = first.into_inner();
    let (totals, mut holders) = (page.totals, page.holders);
    while !page.next_page_token.is_empty() {
        request.page_token = page.next_page_token;
        let answer = app.reports().outstanding(request.clone()).await.unwrap();
        page = answer.into_inner();
        assert_eq!(page.totals, [], "only the first page has them");
        holders.extend(page.holders);
    }
    (totals, holders)
}

/// What is outstanding, as (packages, available, held, cents).
fn told(outstanding: &v1::Outstanding) -> (i64, &str, &str, i64) {
    let value = outstanding.value.as_ref().unwrap().minor_units;
    let [available, held] = [&outstanding.available, &outstanding.held];
    (outstanding.packages, available, held, value)
}

#[rstest]
#[tokio::test]
async fn what_is_outstanding_is_true_to_the_instant_and_adds_up_over_its_holders(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let mari = shop.customer.clone();
        // One ends after 10 days with a hold in it, the other goes on.
        shop.sell_lessons("8", days(10)).await;
        shop.hold(shop.hold_lessons("1")).await.unwrap();
        shop.sell_lessons("8", days(60)).await;
        app.clock.advance(TimeDelta::seconds(1));
        shop.customer = shop.customer("Jaan Kask").await;
        let jaan = shop.customer.clone();
        shop.sell_lessons("8", days(10)).await;
        app.clock.advance(TimeDelta::seconds(1));
        shop.customer("Nobody").await;
        let all = v1::OutstandingRequest::default();
        let (totals, holders) = outstanding(app, all.clone()).await;
        assert_eq!(totals.len(), 1);
        assert_eq!(told(&totals[0]), (3, "23", "1", 36_000));
        let names: Vec<&str> = holders.iter().map(|it| it.customer_name.as_str()).collect();
        assert_eq!(names, ["Jaan Kask", "Mari Tamm"], "the newest first");
        app.clock.advance(TimeDelta::days(11));
        // Nobody has written that two of them have ended.
        let (totals, holders) = outstanding(app, all.clone()).await;
        assert_eq!(told(&totals[0]), (2, "8", "1", 13_500));
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0].customer_id, mari);
        assert_eq!(
            told(holders[0].outstanding.as_ref().unwrap()),
            (2, "8", "1", 13_500)
        );
        assert!(holders.iter().all(|holder| holder.customer_id != jaan));
        let one_by_one = v1::OutstandingRequest {
            page_size: 1,
            ..all
        };
        assert_eq!(outstanding(app, one_by_one).await, (totals, holders));
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_outstanding_can_be_asked_for_one_credit_type(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        shop.sell_lessons("8", days(10)).await;
        let hour = shop.credit_type("hour", 2).await;
        let lesson = std::mem::replace(&mut shop.lesson, hour);
        shop.sell_lessons("2.5", days(10)).await;
        let of_hours = v1::OutstandingRequest {
            credit_type_id: shop.lesson.clone(),
            ..Default::default()
        };
        let (totals, holders) = outstanding(app, of_hours).await;
        assert_eq!(told(&totals[0]), (1, "2.5", "0", 12_000));
        assert_eq!((totals.len(), holders.len()), (1, 1));
        let (totals, holders) = outstanding(app, v1::OutstandingRequest::default()).await;
        assert_eq!((totals.len(), holders.len()), (2, 2));
        assert!(totals.iter().any(|total| total.credit_type_id == lesson));
        let unknown = v1::OutstandingRequest {
            credit_type_id: "ext:none".to_owned(),
            ..Default::default()
        };
        let unknown = app.reports().outstanding(unknown).await;
        refused(unknown, Code::NotFound, "NOT_FOUND");
        let faulty = v1::OutstandingRequest {
            credit_type_id: "x".to_owned(),
            page_size: 201,
            page_token: "x".to_owned(),
        };
        let faults = field_faults(app.reports().outstanding(faulty).await);
        assert_eq!(faults.len(), 3, "{faults:?}");
    })
    .await;
}

async fn packages(app: &Tenant, mut request: v1::PackagesRequest) -> Vec<v1::PackageRow> {
    let mut rows = Vec::new();
    loop {
        let answer = app.reports().packages(request.clone()).await.unwrap();
        let page = answer.into_inner();
        rows.extend(page.packages);
        if page.next_page_token.is_empty() {
            return rows;
        }
        request.page_token = page.next_page_token;
    }
}

fn ids(rows: &[v1::PackageRow]) -> Vec<&str> {
    let packages = rows.iter().map(|row| row.package.as_ref().unwrap());
    packages.map(|package| package.id.as_str()).collect()
}

#[rstest]
#[tokio::test]
async fn packages_are_the_valid_ones_or_all_that_were_valid_since_a_date(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let ended = shop.sell_lessons("8", days(10)).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        app.clock.advance(TimeDelta::seconds(1));
        let going_on = shop.sell_lessons("8", days(90)).await;
        app.clock.advance(TimeDelta::seconds(1));
        let revoked = shop.sell_lessons("8", days(90)).await;
        let request = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: revoked.id.clone(),
            ..Default::default()
        };
        app.packages().revoke_package(request).await.unwrap();
        app.clock.advance(TimeDelta::days(20));
        let valid = packages(app, v1::PackagesRequest::default()).await;
        assert_eq!(ids(&valid), [going_on.id.as_str()]);
        let since = |date: &str| v1::PackagesRequest {
            valid_during: Some(local_days(date, "2026-02-04", "")),
            page_size: 1,
            ..Default::default()
        };
        let quarantine = packages(app, since("2026-01-25")).await;
        assert_eq!(ids(&quarantine), [going_on.id.as_str(), ended.id.as_str()]);
        let row = &quarantine[1];
        let package = row.package.as_ref().unwrap();
        assert_eq!(package.status(), PackageStatus::Expired);
        assert!(row.restorable && package.restorable_until.is_some());
        assert_eq!(row.customer_name, "Mari Tamm");
        assert_eq!(row.unused_value.as_ref().unwrap().minor_units, 0);
        let balances = package.lines[0].balances.as_ref().unwrap();
        assert_eq!([&balances.consumed, &balances.expired], ["1", "7"]);
        assert!(!quarantine[0].restorable);
        assert_eq!(
            quarantine[0].unused_value.as_ref().unwrap().minor_units,
            12_000
        );
        // It had ended by the beginning of that day.
        let later = packages(app, since("2026-01-26")).await;
        assert_eq!(ids(&later), [going_on.id.as_str()]);
        let all = packages(app, since("2026-01-15")).await;
        let wanted = [&revoked.id, &going_on.id, &ended.id].map(String::as_str);
        assert_eq!(ids(&all), wanted);
        let lost = v1::PackagesRequest {
            statuses: vec![PackageStatus::Expired.into()],
            ..since("2026-01-15")
        };
        assert_eq!(ids(&packages(app, lost).await), [ended.id.as_str()]);
        let of_template = v1::PackagesRequest {
            template_id: going_on.template_id.clone(),
            customer_id: shop.customer.clone(),
            ..since("2026-01-15")
        };
        assert_eq!(
            ids(&packages(app, of_template).await),
            [going_on.id.as_str()]
        );
    })
    .await;
}

async fn ledger(app: &Tenant, mut request: v1::LedgerRequest) -> Vec<v1::Entry> {
    let mut entries = Vec::new();
    loop {
        let answer = app.reports().ledger(request.clone()).await.unwrap();
        let page = answer.into_inner();
        entries.extend(page.entries);
        if page.next_page_token.is_empty() {
            return entries;
        }
        request.page_token = page.next_page_token;
    }
}

fn kinds(entries: &[v1::Entry]) -> Vec<EntryKind> {
    entries.iter().map(v1::Entry::kind).collect()
}

#[rstest]
#[tokio::test]
async fn the_ledger_is_searched_by_every_column(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let mari = shop.customer.clone();
        let package = shop.sell_lessons("8", days(30)).await;
        let begun_at = app.clock.now();
        app.clock.advance(TimeDelta::hours(1));
        let user = app.user("Trainer").await;
        let mut by_user = shop.use_lessons("1");
        by_user.consumed_by = user.clone();
        shop.consume(by_user).await.unwrap();
        let booking = v1::CreateBookingRequest {
            request_id: app.request_id(),
            customer_id: mari.clone(),
            item_id: shop.swim.clone(),
            starts_at: Some(stamp(at("2026-01-20T10:00:00Z"))),
            ..Default::default()
        };
        let booking = app.bookings().create_booking(booking).await.unwrap();
        let booking = booking.into_inner().booking.unwrap();
        shop.customer = shop.customer("Jaan Kask").await;
        app.clock.advance(TimeDelta::hours(1));
        shop.sell_lessons("8", days(30)).await;
        let all = v1::LedgerRequest {
            page_size: 1,
            ..Default::default()
        };
        let whole = ledger(app, all.clone()).await;
        assert_eq!(
            kinds(&whole),
            [
                EntryKind::Issue,
                EntryKind::Hold,
                EntryKind::Consume,
                EntryKind::Issue
            ]
        );
        let of = |request: v1::LedgerRequest| {
            let whole = whole.clone();
            async move {
                let found = ledger(app, request).await;
                let place = |entry| whole.iter().position(|it| it == entry).unwrap();
                found.iter().map(place).collect::<Vec<_>>()
            }
        };
        let cases = [
            (
                v1::LedgerRequest {
                    customer_id: mari.clone(),
                    ..all.clone()
                },
                vec![1, 2, 3],
            ),
            (
                v1::LedgerRequest {
                    package_id: package.id.clone(),
                    ..all.clone()
                },
                vec![1, 2, 3],
            ),
            (
                v1::LedgerRequest {
                    booking_id: booking.id.clone(),
                    ..all.clone()
                },
                vec![1],
            ),
            (
                v1::LedgerRequest {
                    user_id: user,
                    ..all.clone()
                },
                vec![2],
            ),
            (
                v1::LedgerRequest {
                    item_id: shop.swim.clone(),
                    ..all.clone()
                },
                vec![1, 2],
            ),
            (
                v1::LedgerRequest {
                    kinds: vec![EntryKind::Issue.into()],
                    ..all.clone()
                },
                vec![0, 3],
            ),
            (
                v1::LedgerRequest {
                    recorded: Some(between(begun_at, begun_at + TimeDelta::hours(1))),
                    ..all.clone()
                },
                vec![3],
            ),
            (
                v1::LedgerRequest {
                    customer_id: mari.clone(),
                    recorded: Some(between(
                        begun_at + TimeDelta::hours(1),
                        begun_at + TimeDelta::hours(2),
                    )),
                    ..all.clone()
                },
                vec![1, 2],
            ),
            (
                v1::LedgerRequest {
                    customer_id: shop.customer.clone(),
                    package_id: package.id,
                    ..all.clone()
                },
                vec![],
            ),
        ];
        for (request, wanted) in cases {
            assert_eq!(of(request.clone()).await, wanted, "{request:?}");
        }
        let unknown = v1::LedgerRequest {
            booking_id: "ext:none".to_owned(),
            ..all.clone()
        };
        refused(
            app.reports().ledger(unknown).await,
            Code::NotFound,
            "NOT_FOUND",
        );
        let reporter = app.allowed_only(&[Permission::ReportsRead]).await;
        let denied = reporter.reports().ledger(all).await;
        let told = refused(denied, Code::PermissionDenied, "PERMISSION_DENIED");
        assert_eq!(told["permission"], "LEDGER_READ");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_ledger_of_an_invoice_is_what_its_lines_took_and_gave_back(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", days(30)).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let invoice = v1::CreateInvoiceRequest {
            request_id: app.request_id(),
            customer_id: shop.customer.clone(),
            lines: vec![v1::InvoiceLineInput {
                item_id: shop.swim.clone(),
                quantity: "2".to_owned(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let invoice = app.invoices().create_invoice(invoice).await.unwrap();
        let invoice = invoice.into_inner().invoice.unwrap();
        let apply = v1::ApplyCreditsRequest {
            request_id: app.request_id(),
            invoice_id: invoice.id.clone(),
            invoice_line_id: invoice.lines[0].id.clone(),
            ..Default::default()
        };
        app.invoices().apply_credits(apply).await.unwrap();
        let remove = v1::RemoveCreditsRequest {
            request_id: app.request_id(),
            invoice_id: invoice.id.clone(),
            invoice_line_id: invoice.lines[0].id.clone(),
            ..Default::default()
        };
        app.invoices().remove_credits(remove).await.unwrap();
        let of_invoice = v1::LedgerRequest {
            invoice_id: invoice.id,
            ..Default::default()
        };
        let found = ledger(app, of_invoice).await;
        assert_eq!(kinds(&found), [EntryKind::Release, EntryKind::Hold]);
    })
    .await;
}
