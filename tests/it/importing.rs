//! `carnet import`: customers and half-used packages of another system, from CSV files.

mod breaking_off;
mod faults;
mod files;
mod silence;
mod totals;

use std::fs;
use std::path::PathBuf;

use carnet::clock::Clock;
use carnet::proto::v1;
use carnet::proto::v1::{EntryKind, PackageStatus};
use rstest::rstest;
use tempfile::TempDir;

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::local;
use crate::support::program::{carnet, err, out};
use crate::support::shop::{Shop, covers, days, never};

const CUSTOMERS: &str = "\
external_id,name,email,email_verified,phone,locale,time_zone,active
c1,Õnne Õun,Onne@example.com,yes,+372 555 1234,et,Europe/Tallinn,
c2,Jaan Tamm,,,,,,no
";

const PACKAGES: &str = "\
external_id,customer,template,credit_type,items,quantity,used,price,currency,sold_on,starts,expires,paid,note
p1,c1,Standard,,,10,3,120.00,EUR,2025-12-20,,2099-12-31,,old card 7
p2,c2,,lesson,Swimming lesson,5,5,0,,,,never,,
p3,ext:c1,,lessons,,8,2,96,EUR,2025-12-01,2025-12-05,2099-06-30,48.00,
";

/// Files to import, and a business to import them into.
struct Move<'a> {
    app: &'a TestApp,
    shop: Shop,
    folder: TempDir,
}

impl<'a> Move<'a> {
    /// A business that offers ten lessons for 120.00, as "Standard", at the time of the program.
    async fn prepare(app: &'a TestApp) -> Self {
        app.clock.set(Clock::System.now());
        Self::open(app).await
    }

    /// The same at the time of the test.
    async fn open(app: &'a TestApp) -> Self {
        let shop = Shop::open(app).await;
        shop.offer(shop.lessons("10", never())).await;
        Self {
            app,
            shop,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file; its name.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), content).unwrap();
        self.path(name).display().to_string()
    }

    /// Writes both files; the arguments that name them.
    fn files(&self, customers: &str, packages: &str) -> Vec<String> {
        let customers = self.write("customers.csv", customers);
        let packages = self.write("packages.csv", packages);
        ["--customers", &customers, "--packages", &packages]
            .map(str::to_owned)
            .to_vec()
    }

    /// Imports, cut over on 10 January; the exit code, and what is said on both streams.
    async fn import(&self, arguments: &[String]) -> Told {
        let mut all = vec!["import", "--cut-over", "2026-01-10"];
        all.extend(arguments.iter().map(String::as_str));
        let output = carnet(&all, self.app.database_url()).await;
        Told {
            code: output.status.code(),
            out: out(&output),
            err: err(&output),
        }
    }

    /// Imports what must be sound.
    async fn done(&self, arguments: &[String]) -> Told {
        let told = self.import(arguments).await;
        assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
        told
    }

    async fn package(&self, external_id: &str) -> v1::Package {
        self.shop.package(&format!("ext:{external_id}")).await
    }

    async fn customer(&self, external_id: &str) -> v1::Customer {
        let request = v1::GetCustomerRequest {
            customer_id: format!("ext:{external_id}"),
        };
        let answer = self.app.customers().get_customer(request).await;
        answer.unwrap().into_inner().customer.unwrap()
    }

    /// How many customers and packages there are.
    async fn count(&self) -> (usize, usize) {
        let request = v1::ListCustomersRequest {
            page_size: 200,
            include_inactive: true,
            ..Default::default()
        };
        let answer = self.app.customers().list_customers(request).await;
        let customers = answer.unwrap().into_inner().customers.len();
        (customers, self.app.all_packages().await.len())
    }
}

/// What a run said.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Told {
    /// The numbers of a row of the report: of the files, of the ledger, expected.
    #[track_caller]
    fn row(&self, what: &str) -> Vec<&str> {
        let mut rows = self.out.lines();
        let row = rows.find_map(|line| line.strip_prefix(what));
        row.unwrap_or_else(|| panic!("{what} in {}", self.out))
            .split_whitespace()
            .collect()
    }
}

#[rstest]
#[tokio::test]
async fn half_used_packages_are_taken_over_once_however_often_it_is_run(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        let files = it.files(CUSTOMERS, PACKAGES);
        let told = it.done(&files).await;
        assert_eq!(told.row("customers"), ["2", "2", "-"]);
        assert_eq!(told.row("packages"), ["3", "3", "-"]);
        assert_eq!(told.row("price"), ["216.00", "-", "-"]);
        assert_eq!(told.row("lesson: quantity"), ["23", "23", "-"]);
        assert_eq!(told.row("lesson: used"), ["10", "10", "-"]);
        assert_eq!(told.row("lesson: left"), ["13", "13", "-"]);
        assert_eq!(told.row("lesson: value"), ["-", "216.00", "-"]);
        assert_eq!(told.row("lesson: value left"), ["-", "156.00", "-"]);
        let again = it.done(&files).await;
        let here = "0 customers and 0 packages are new, 2 and 3 are here already.";
        assert!(again.out.ends_with(&format!("{here}\n")), "{}", again.out);
        assert_eq!(again.row("lesson: left"), ["13", "13", "-"]);
        assert_eq!(it.count().await, (3, 3));

        let customer = it.customer("c1").await;
        assert_eq!(
            (customer.name.as_str(), customer.active),
            ("Õnne Õun", true)
        );
        assert_eq!(customer.email, "onne@example.com");
        assert!(customer.email_verified && !it.customer("c2").await.active);

        let package = it.package("p1").await;
        assert_eq!(package.status(), PackageStatus::Active);
        assert_eq!(package.last_usable_date, "2099-12-31");
        assert_eq!(it.package("p2").await.status(), PackageStatus::Completed);
        let sale = app.sale(&it.package("p3").await.sale_id).await;
        assert_eq!(sale.payment_state(), v1::PaymentState::PartlyPaid);
        assert_eq!(sale.total.unwrap().minor_units, 9_600);

        let entries = it.shop.entries("ext:p1").await;
        let kinds: Vec<_> = entries.iter().map(v1::Entry::kind).collect();
        assert_eq!(kinds, [EntryKind::Issue, EntryKind::Consume]);
        assert!(entries.iter().all(|entry| entry.method == "Import"));
        assert_eq!(entries[0].note, "old card 7");
        assert_eq!(entries[1].value.as_ref().unwrap().minor_units, 3_600);
        let used_at = entries[1].effective_at.unwrap().seconds;
        assert_eq!(used_at, local("2026-01-10 00:00").timestamp());
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_was_taken_over_is_used_and_undone_like_any_other(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        it.done(&it.files(CUSTOMERS, PACKAGES)).await;
        let mut request = it.shop.use_lessons_of("ext:p1", "1");
        request.customer_id = "ext:c1".to_owned();
        it.shop.consume(request.clone()).await.unwrap();
        assert_eq!(it.shop.left("ext:p1").await, "6");
        // What was delivered before the cut-over is in what was used.
        request.request_id = app.request_id();
        let before = local("2026-01-09 23:59").timestamp();
        request.delivered_at = Some(prost_types::Timestamp {
            seconds: before,
            nanos: 0,
        });
        let refused = it.shop.consume(request).await.unwrap_err();
        assert!(refused.message().contains("can be used from"), "{refused}");

        let entries = it.shop.entries("ext:p1").await;
        let request = v1::ReverseRequest {
            request_id: app.request_id(),
            posting_id: entries[1].posting_id.clone(),
            portion: Some(v1::reverse_request::Portion::Credits("1".to_owned())),
            ..Default::default()
        };
        app.credits().reverse(request).await.unwrap();
        assert_eq!(it.shop.left("ext:p1").await, "7");
        let told = it.done(&it.files(CUSTOMERS, PACKAGES)).await;
        assert_eq!(told.row("lesson: used"), ["10", "10", "-"]);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_package_of_several_credit_types_has_a_row_for_each(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        let massage = it.shop.credit_type("massage", 1).await;
        let item = it.shop.item("Massage", "Spa", 4_000).await;
        let mut template = it.shop.lessons("10", days(30));
        template.name = "Both".to_owned();
        template.lines.push(v1::TemplateLine {
            kind: v1::LineKind::Prepaid.into(),
            credit_type_id: massage,
            quantity: "5".to_owned(),
            covers: covers(&item),
            ..Default::default()
        });
        it.shop.offer(template).await;
        let packages = "\
external_id;customer;template;credit_type;quantity;used;price;expires
b1;c1;both;lesson;10;4;240,00;2099-12-31
b1;;;massages;6;2,5;;
b2;c1;;lesson;4;0;1.5;never
";
        let mut files = it.files(CUSTOMERS, &packages.replace("1.5", "1,5"));
        files.push("--decimal-comma".to_owned());
        let told = it.done(&files).await;
        assert_eq!(told.row("packages"), ["2", "2", "-"]);
        assert_eq!(told.row("massage: left"), ["3.5", "3.5", "-"]);
        let package = it.package("b1").await;
        let left = |index: usize| package.lines[index].balances.clone().unwrap().available;
        assert_eq!((left(0), left(1)), ("6".to_owned(), "3.5".to_owned()));
        let entries = it.shop.entries("ext:b1").await;
        assert_eq!(entries.len(), 4, "two are issued and two are used");
        let net = package.net_price.unwrap().minor_units;
        let issued = entries.iter().filter(|it| it.kind() == EntryKind::Issue);
        let value: i64 = issued
            .map(|it| it.value.as_ref().unwrap().minor_units)
            .sum();
        assert_eq!((net, value), (24_000, 24_000));
    })
    .await;
}
