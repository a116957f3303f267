//! Reports and lists as CSV by server streaming (H6).

use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::export_request::Of;
use carnet::proto::v1::{EntryKind, PackageStatus};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use super::local_days;
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::on;
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

/// A table: the names of its columns, and its rows.
struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn column(&self, name: &str) -> Vec<&str> {
        let place = self.names.iter().position(|it| it == name);
        let place = place.unwrap_or_else(|| panic!("no {name} among {:?}", self.names));
        self.rows.iter().map(|row| row[place].as_str()).collect()
    }
}

/// All parts of an export, with the number of rows that the last one told.
async fn parts(app: &Tenant, of: Of) -> Result<(Vec<Vec<u8>>, i64), Status> {
    let request = v1::ExportRequest { of: Some(of) };
    let mut stream = app.reports().export(request).await?.into_inner();
    let (mut parts, mut rows) = (Vec::new(), 0);
    while let Some(part) = stream.message().await? {
        assert!(part.rows >= rows, "it counts up");
        rows = part.rows;
        parts.push(part.csv);
    }
    Ok((parts, rows))
}

async fn export(app: &Tenant, of: Of) -> Table {
    let (parts, rows) = parts(app, of).await.unwrap();
    let text = String::from_utf8(parts.concat()).unwrap();
    assert!(text.ends_with("\r\n"));
    let mut reader = csv::ReaderBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_reader(text.as_bytes());
    let names = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let records = reader.records().map(|record| record.unwrap());
    let table = Table {
        names,
        rows: records
            .map(|record| record.iter().map(str::to_owned).collect())
            .collect(),
    };
    assert_eq!(i64::try_from(table.rows.len()), Ok(rows));
    table
}

#[rstest]
#[tokio::test]
async fn an_export_has_every_row_of_every_page_once_in_parts_of_bounded_size(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("8", days(30))).await;
        for _ in 0..3 {
            let entries = vec![shop.entry(&template_id); 450];
            shop.try_to_sell(entries).await.unwrap();
        }
        let (parts, rows) = parts(app, Of::Ledger(v1::LedgerRequest::default()))
            .await
            .unwrap();
        assert_eq!(rows, 1_350);
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.len() < 70_000));
        assert!(parts.iter().all(|part| part.ends_with(b"\r\n")));
        let table = export(app, Of::Ledger(v1::LedgerRequest::default())).await;
        let mut lots = table.column("lot_id");
        lots.sort_unstable();
        lots.dedup();
        assert_eq!(lots.len(), 1_350);
        assert!(table.column("kind").iter().all(|kind| *kind == "ISSUE"));
        let packages = export(app, Of::Packages(v1::PackagesRequest::default())).await;
        assert_eq!(packages.rows.len(), 1_350);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_a_spreadsheet_would_run_is_text_and_numbers_stay_numbers(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        app.clock.advance(TimeDelta::seconds(1));
        let hostile = "=HYPERLINK(\"http://evil\",\"x\")";
        let customer = v1::Customer {
            name: hostile.to_owned(),
            phone: "+372 555 0001".to_owned(),
            external_id: "-1.5".to_owned(),
            active: true,
            ..Default::default()
        };
        let request = v1::CreateCustomerRequest {
            customer: Some(customer),
            ..Default::default()
        };
        let made = app.customers().create_customer(request).await.unwrap();
        shop.customer = made.into_inner().customer.unwrap().id;
        let package = shop.sell_lessons("8", days(30)).await;
        shop.consume(shop.use_lessons("2")).await.unwrap();
        let change = v1::adjust_request::Change::Remove("1".to_owned());
        shop.adjust(&package, change).await.unwrap();
        let customers = export(app, Of::Customers(v1::ListCustomersRequest::default())).await;
        let escaped = format!("'{hostile}");
        assert_eq!(customers.column("name"), [escaped.as_str(), "Mari Tamm"]);
        assert_eq!(customers.column("phone")[0], "'+372 555 0001");
        assert_eq!(customers.column("external_id")[0], "-1.5");
        let packages = export(app, Of::Packages(v1::PackagesRequest::default())).await;
        assert_eq!(packages.column("customer_name"), [escaped.as_str()]);
        assert_eq!(packages.column("package.status"), ["ACTIVE"]);
        assert_eq!(packages.column("package.lines.balances.consumed"), ["2"]);
        assert_eq!(packages.column("unused_value.minor_units"), ["7500"]);
        assert_eq!(
            packages.column("package.starts_at"),
            ["2026-01-15T10:00:01Z"]
        );
        let liability = v1::LiabilityRequest {
            period: Some(local_days("2026-01-01", "2026-01-31", "")),
            ..Default::default()
        };
        let liability = export(app, Of::Liability(liability)).await;
        assert_eq!(liability.column("adjusted.credits"), ["-1", ""]);
        assert_eq!(
            liability.column("adjusted.value.minor_units"),
            ["-1500", "-1500"]
        );
        assert_eq!(
            liability.column("closing.value.minor_units"),
            ["7500", "7500"]
        );
        assert_eq!(
            liability.column("credit_type_id"),
            [shop.lesson.as_str(), ""]
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn every_list_is_exported_with_its_filters_and_its_own_permission(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(10)).await;
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let line = |units: &str| v1::InvoiceLineInput {
            item_id: shop.swim.clone(),
            quantity: units.to_owned(),
            ..Default::default()
        };
        let invoice = v1::CreateInvoiceRequest {
            request_id: app.request_id(),
            customer_id: shop.customer.clone(),
            lines: vec![line("1"), line("2")],
            ..Default::default()
        };
        app.invoices().create_invoice(invoice).await.unwrap();
        app.clock.advance(TimeDelta::days(11));
        let consumed = v1::LedgerRequest {
            kinds: vec![EntryKind::Consume.into()],
            ..Default::default()
        };
        let expired = v1::PackagesRequest {
            valid_during: Some(local_days("2026-01-15", "2026-01-31", "")),
            statuses: vec![PackageStatus::Expired.into()],
            ..Default::default()
        };
        let cases = [
            (Of::Ledger(consumed), Permission::LedgerRead, 1),
            (Of::Packages(expired), Permission::ReportsRead, 1),
            (
                Of::Packages(v1::PackagesRequest::default()),
                Permission::ReportsRead,
                0,
            ),
            (
                Of::Outstanding(v1::OutstandingRequest::default()),
                Permission::ReportsRead,
                0,
            ),
            (
                Of::Customers(v1::ListCustomersRequest::default()),
                Permission::CustomersRead,
                1,
            ),
            (
                Of::Invoices(v1::ListInvoicesRequest::default()),
                Permission::InvoicesRead,
                2,
            ),
            (
                Of::Bookings(v1::ListBookingsRequest::default()),
                Permission::BookingsRead,
                0,
            ),
            (
                Of::Emails(v1::ListEmailsRequest::default()),
                Permission::EmailsRead,
                1,
            ),
        ];
        let reporter = app.allowed_only(&[Permission::ReportsRead]).await;
        let other = app.allowed_only(&[Permission::LedgerRead]).await;
        for (of, permission, wanted) in cases {
            let table = export(app, of.clone()).await;
            assert_eq!(table.rows.len(), wanted, "{of:?}");
            let denied = refused(
                parts(&other, of.clone()).await,
                Code::PermissionDenied,
                "PERMISSION_DENIED",
            );
            assert_eq!(denied["permission"], "REPORTS_READ");
            if permission != Permission::ReportsRead {
                let denied = refused(
                    parts(&reporter, of).await,
                    Code::PermissionDenied,
                    "PERMISSION_DENIED",
                );
                assert_eq!(denied["permission"], permission.as_str());
            }
        }
        let stranger = app.second_business().await;
        let foreign = export(&stranger, Of::Ledger(v1::LedgerRequest::default())).await;
        assert_eq!(foreign.rows.len(), 0);
        let foreign = v1::LedgerRequest {
            package_id: package.id,
            ..Default::default()
        };
        refused(
            parts(&stranger, Of::Ledger(foreign)).await,
            Code::NotFound,
            "NOT_FOUND",
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_export_takes_no_page_and_no_faulty_filter(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let fields = async |of: Option<Of>| {
            let answer = app.reports().export(v1::ExportRequest { of }).await;
            let answer = match answer {
                Ok(answer) => answer.into_inner().message().await.map(drop),
                Err(status) => Err(status),
            };
            let faults = field_faults(answer);
            faults
                .into_iter()
                .map(|(field, _)| field)
                .collect::<Vec<_>>()
        };
        assert_eq!(fields(None).await, ["of"]);
        let paged = v1::ListCustomersRequest {
            page_size: 10,
            ..Default::default()
        };
        assert_eq!(
            fields(Some(Of::Customers(paged))).await,
            ["customers.page_size"]
        );
        let faulty = v1::LedgerRequest {
            item_id: "x".to_owned(),
            ..Default::default()
        };
        assert_eq!(fields(Some(Of::Ledger(faulty))).await, ["item_id"]);
    })
    .await;
}
