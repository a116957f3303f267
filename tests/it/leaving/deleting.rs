//! `carnet business delete`: all of a business goes, and nothing of any other.

use carnet::service::{leaving, token_uses};
use carnet::store::whole::TABLES;
use rstest::rstest;
use tokio::task::JoinSet;
use tonic::Code;

use super::broken_off::LIMIT;
use super::{done, execute, fails, fill, lived, run, switch_off};
use crate::access::script::steps;
use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::dump::{dump, texts};
use crate::support::process::until;
use crate::support::refused::refused;
use crate::support::shop::{Shop, never};
use crate::support::tenant::Tenant;

/// A row of the one table that no call and no job of the day writes to: it takes a limit of e-mails.
const MAIL_RATES: &str = "INSERT INTO mail_rates (business_id, sent) VALUES ({id}, '[]')";

/// The id as SQL of this database writes it.
fn literal(tenant: &Tenant, database: Database) -> String {
    match database {
        Sqlite => format!("x'{}'", tenant.business_id.uuid().simple()),
        Postgres | Partitioned => format!("'{}'", tenant.business_id.uuid()),
    }
}

/// Whether a row names the business in any way.
fn names(row: &str, tenant: &Tenant) -> bool {
    let row = row.to_lowercase();
    let uuid = tenant.business_id.uuid();
    let texts = [
        uuid.simple().to_string(),
        uuid.to_string(),
        tenant.business_id.to_string(),
    ];
    texts.iter().any(|text| row.contains(text))
}

/// The tables in which the business has no row.
async fn empty_tables(app: &TestApp, id: &str) -> Vec<&'static str> {
    let mut empty = Vec::new();
    for table in TABLES {
        let (name, column) = (table.name, table.business_column());
        let sql = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {name} WHERE {column} = {id}");
        if texts(&app.context().db, &sql).await == ["0"] {
            empty.push(name);
        }
    }
    empty
}

#[rstest]
#[tokio::test]
async fn all_of_a_business_goes_and_nothing_of_another(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    Box::pin(on(database, async |app| {
        let stays = Box::pin(lived(app, app)).await;
        let leaver = app.second_business().await;
        Box::pin(lived(app, &leaver)).await;
        let id = literal(&leaver, database);
        execute(app, &MAIL_RATES.replace("{id}", &id)).await;
        assert_eq!(empty_tables(app, &id).await, [""; 0]);
        switch_off(&leaver).await;
        // Not while the rows are compared.
        token_uses::write(app.context().clone()).await;
        let before = dump(&app.context().db).await;
        let seen = stays.seen(steps()).await;
        let url = app.database_url();
        let business = leaver.business_id.to_string();

        let arguments = ["business", "delete", &business, "--confirm", "The school"];
        let told = done(&arguments, url).await;
        assert!(told.err.contains("The school"), "{}", told.err);
        assert!(told.err.contains("packages\n"), "{}", told.err);
        let rows = before.iter().filter(|row| names(row, &leaver)).count();
        let wanted = format!("{business} is gone, with ");
        assert!(told.out.starts_with(&wanted), "{} of {rows}", told.out);

        token_uses::write(app.context().clone()).await;
        let after = dump(&app.context().db).await;
        let left: Vec<_> = after.iter().filter(|row| names(row, &leaver)).collect();
        assert_eq!(left, [""; 0]);
        let of_others = |rows: Vec<String>| {
            let others = rows.into_iter().filter(|row| {
                // When a token was last used is noted now and then, by the reads of this test.
                !names(row, &leaver) && !row.starts_with("tokens: ")
            });
            let mut others: Vec<String> = others.collect();
            others.sort_unstable();
            others
        };
        assert_eq!(of_others(after), of_others(before));
        assert_eq!(stays.seen(steps()).await, seen);
        let request = carnet::proto::v1::GetSettingsRequest {};
        let answer = leaver.business().get_settings(request).await;
        refused(answer, Code::Unauthenticated, "UNAUTHENTICATED");
        done(&["verify"], url).await;
        fails(&arguments, url, "there is no business").await;
    }))
    .await;
}

#[rstest]
#[tokio::test]
async fn a_business_stays_unless_it_is_switched_off_and_named_and_nothing_is_under_way(
    #[values(Sqlite, Postgres)] database: Database,
) {
    Box::pin(on(database, async |app| {
        let leaver = app.second_business().await;
        Box::pin(lived(app, &leaver)).await;
        let (url, id) = (app.database_url(), literal(&leaver, database));
        let business = leaver.business_id.to_string();
        let named = ["business", "delete", &business, "--confirm", "The school"];
        fails(&named, url, "is switched on").await;
        switch_off(&leaver).await;
        let before = empty_tables(app, &id).await;
        fails(&named[..3], url, "--confirm").await;
        let wrong = ["business", "delete", &business, "--confirm", "the school"];
        fails(&wrong, url, "which is `The school`").await;

        let sending = |until: i64| {
            let lease = format!("lease_until = {until}, finished_at = NULL");
            format!("UPDATE emails SET {lease} WHERE business_id = {id}")
        };
        execute(app, &sending(i64::MAX)).await;
        fails(&named, url, "e-mails are being sent").await;
        execute(app, &sending(0)).await;
        let runs =
            |at: &str| format!("UPDATE bulk_runs SET finished_at = {at} WHERE business_id = {id}");
        execute(app, &runs("NULL")).await;
        fails(&named, url, "runs over many packages are under way").await;
        execute(app, &runs("0")).await;
        assert_eq!(empty_tables(app, &id).await, before);
        done(&named, url).await;
    }))
    .await;
}

#[tokio::test]
async fn a_role_that_only_serves_deletes_nothing() {
    Box::pin(on(Partitioned, async |app| {
        let leaver = app.second_business().await;
        let shop = Shop::open(&leaver).await;
        shop.sell_lessons("8", never()).await;
        switch_off(&leaver).await;
        let id = literal(&leaver, Partitioned);
        let before = empty_tables(app, &id).await;
        let business = leaver.business_id.to_string();
        let arguments = ["business", "delete", &business, "--confirm", "Flying club"];
        let roles = app.roles().unwrap();
        for url in [&roles.jobs, &roles.calls] {
            fails(&arguments, url, "the role that owns the tables").await;
        }
        assert_eq!(empty_tables(app, &id).await, before);
        done(&arguments, app.database_url()).await;
    }))
    .await;
}

#[rstest]
#[tokio::test]
async fn deleting_that_broke_off_goes_on_and_nobody_sees_the_rest(
    #[values(Sqlite, Postgres)] database: Database,
) {
    Box::pin(on(database, async |app| {
        fill(app).await;
        let business = app.business_id.to_string();
        let url = app.database_url();
        let arguments = ["business", "delete", &business, "--confirm", "Swim school"];
        super::broken_off::kill_when(&arguments, url, async || {
            let count = texts(&app.context().db, "SELECT CAST(COUNT(*) AS TEXT) FROM lots").await;
            count[0].parse::<usize>().unwrap() < super::PACKAGES
        })
        .await;
        let id = literal(app, database);
        let empty = empty_tables(app, &id).await;
        assert!(!empty.contains(&"packages"), "it was killed in the middle");

        let told = run(&["business", "list"], url).await;
        assert!(told.out.contains("has begun to leave"), "{}", told.out);
        fails(&["verify", "--business", &business], url, "no business").await;
        fails(
            &["token", "create", "--business", &business],
            url,
            "no business",
        )
        .await;
        let request = carnet::proto::v1::GetSettingsRequest {};
        let answer = app.business().get_settings(request).await;
        refused(answer, Code::Unauthenticated, "UNAUTHENTICATED");

        done(&arguments, url).await;
        assert_eq!(empty_tables(app, &id).await.len(), TABLES.len());
    }))
    .await;
}

/// How many use credits at the same time.
const CROWD: usize = 16;

#[rstest]
#[tokio::test]
async fn calls_that_are_under_way_leave_nothing_behind(
    #[values(Sqlite, Postgres)] database: Database,
) {
    Box::pin(on(database, async |app| {
        let leaver = app.second_business().await;
        let shop = Shop::open(&leaver).await;
        let mut crowd = JoinSet::new();
        for _ in 0..CROWD {
            let package = shop.sell_lessons("1000", never()).await;
            let shop = shop.clone();
            crowd.spawn(async move {
                let mut used = 0;
                while shop
                    .consume(shop.use_lessons_of(&package.id, "1"))
                    .await
                    .is_ok()
                {
                    used += 1;
                }
                used
            });
        }
        let id = literal(&leaver, database);
        let uses = format!("SELECT CAST(COUNT(*) AS TEXT) FROM entries WHERE business_id = {id}");
        let db = &app.context().db;
        until(LIMIT, "a crowd", async || {
            texts(db, &uses).await[0].parse::<usize>().unwrap() > 4 * CROWD
        })
        .await;
        let off = format!("UPDATE businesses SET feature_enabled = FALSE WHERE id = {id}");
        execute(app, &off).await;
        let leaving = leaving::delete(app.context(), leaver.business_id, |_, _| {});
        leaving.await.unwrap();
        let used: usize = crowd.join_all().await.into_iter().sum();
        assert!(used < 1000 * CROWD, "the crowd was at work to the end");
        assert_eq!(empty_tables(app, &id).await.len(), TABLES.len());
        let rows = dump(db).await;
        let left: Vec<_> = rows.iter().filter(|row| names(row, &leaver)).collect();
        assert_eq!(left, [""; 0]);
    }))
    .await;
}
