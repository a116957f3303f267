//! A business leaves (J7): it is deleted with all that it has, or taken along to another database.

mod broken_off;
mod deleting;
mod faults;
mod moving;
mod schema;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use carnet::clock::Clock;
use carnet::ids::BusinessId;
use carnet::jobs::triggers;
use carnet::proto::v1;
use sea_orm::ConnectionTrait;

use crate::access::script::steps;
use crate::support::app::TestApp;
use crate::support::day::{Day, Step};
use crate::support::mailroom::Mailroom;
use crate::support::program::{carnet, err, out};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Mode, SmtpServer};
use crate::support::tenant::Tenant;

/// What a run of the program said.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

async fn run(arguments: &[&str], url: &str) -> Told {
    let output = carnet(arguments, url).await;
    Told {
        code: output.status.code(),
        out: out(&output),
        err: err(&output),
    }
}

/// Runs what must succeed.
async fn done(arguments: &[&str], url: &str) -> Told {
    let told = run(arguments, url).await;
    assert_eq!(
        told.code,
        Some(0),
        "{arguments:?}: {}{}",
        told.out,
        told.err
    );
    told
}

/// Runs what must fail and say why.
async fn fails(arguments: &[&str], url: &str, why: &str) {
    let told = run(arguments, url).await;
    assert_eq!(told.code, Some(1), "{arguments:?}: {}", told.out);
    assert!(told.err.contains(why), "{arguments:?}: {}", told.err);
}

/// What the day of every method leaves empty: it takes back what it does.
const MORE: [Step; 4] = [
    (
        "CreateTrigger",
        r#"{"trigger": {"name": "Hello", "event": "TRIGGER_EVENT_FIRED", "event_name": "hello",
            "credits": {"credit_type_id": "$lesson", "amount": "1"}}}"#,
        &[],
    ),
    (
        "CreateTrigger",
        r#"{"trigger": {"name": "Thanks", "event": "TRIGGER_EVENT_PACKAGE_USED_UP",
            "credits": {"credit_type_id": "$lesson", "amount": "1"}}}"#,
        &[],
    ),
    (
        "FireEvent",
        r#"{"event_name": "hello", "event_id": "2", "customer_id": "$mari"}"#,
        &[],
    ),
    (
        "CreateClosure",
        r#"{"closure": {"name": "Repairs", "first_date": "2026-02-02", "last_date": "2026-02-04"}}"#,
        &[],
    ),
];

/// A business in which every method that writes was called, and the jobs have run.
async fn lived(app: &TestApp, tenant: &Tenant) -> Day {
    let mut day = Day::new(&app.channel, tenant);
    for step in steps().chain(&MORE) {
        day.take(step).await;
    }
    // Not into the app's folder, whose e-mails must be in the database when the test ends.
    let server = SmtpServer::start(Mode::Clear).await;
    Mailroom::posting_to(app, &server).run().await;
    triggers::step(app.context()).await.unwrap();
    day
}

async fn switch_off(tenant: &Tenant) {
    let off = v1::Settings::default();
    tenant.change_settings(off, &["feature_enabled"]).await;
}

async fn export(url: &str, id: BusinessId, folder: &Path) {
    let (id, folder) = (id.to_string(), folder.display().to_string());
    done(&["business", "export", &id, "--to", &folder], url).await;
}

/// The arguments that import a folder.
fn import(folder: &Path) -> [&str; 3] {
    ["business", "import", folder.to_str().unwrap()]
}

/// Does what no method does.
async fn execute(app: &TestApp, sql: &str) {
    let txn = app.context().db.begin().await.unwrap();
    txn.execute_unprepared(sql).await.unwrap();
    txn.commit().await.unwrap();
}

/// How many packages a large business has: enough for several parts.
const PACKAGES: usize = 3_000;

/// Fills the app's own business with packages, each of which is used; switched off at the end.
async fn fill(app: &TestApp) {
    app.clock.set(Clock::System.now());
    let shop = Shop::open(app).await;
    shop.offer(shop.lessons("10", never())).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let customers = write("customers.csv", "external_id,name\nc,Customer\n");
    let mut packages = "external_id,customer,template,quantity,used,price,expires\n".to_owned();
    for row in 0..PACKAGES {
        writeln!(packages, "p{row},c,Standard,10,3,120,never").unwrap();
    }
    let packages = write("packages.csv", &packages);
    let (customers, packages) = (customers.to_str().unwrap(), packages.to_str().unwrap());
    let arguments = [
        "import",
        "--cut-over",
        "2026-01-10",
        "--customers",
        customers,
    ];
    let arguments = [&arguments[..], &["--packages", packages]].concat();
    done(&arguments, app.database_url()).await;
    switch_off(app).await;
}
