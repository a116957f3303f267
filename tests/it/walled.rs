//! The second wall: row level security, with which calls see nothing but their own business (J3). All tests on
//! [`Partitioned`] run behind it; here is what it takes for that to mean anything.

use std::collections::BTreeSet;

use carnet::app::App;
use carnet::clock::Clock;
use carnet::proto::v1;
use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use tonic::Code;

use crate::support::app::{Partitioned, Postgres, Sqlite, on, settings};
use crate::support::fresh::Fresh;
use crate::support::postgres;
use crate::support::refused::refused;
use crate::support::shop::{Shop, days};

async fn texts(connection: &DatabaseConnection, sql: &str) -> BTreeSet<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// The tables that have rows of businesses, and the column that says whose.
async fn tenants(connection: &DatabaseConnection) -> BTreeSet<String> {
    let sql = "SELECT relname::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
            AND attname = 'business_id'";
    texts(connection, sql).await
}

#[tokio::test]
async fn every_table_of_businesses_shows_the_role_of_calls_one_business_or_none() {
    on(Partitioned, async |app| {
        let other = app.second_business().await;
        for tenant in [&**app, &other] {
            let shop = Shop::open(tenant).await;
            let package = shop.sell_lessons("8", days(30)).await;
            shop.consume(shop.use_lessons("3")).await.unwrap();
            assert_eq!(shop.left(&package.id).await, "5");
        }
        let owner = postgres::connect(app.database_url()).await;
        let roles = app.roles().unwrap();
        let calls = postgres::connect(&roles.calls).await;
        let tables = tenants(&owner).await;
        let guarded =
            "SELECT tablename::text FROM pg_policies WHERE policyname = 'of_one_business'";
        let mut guarded = texts(&owner, guarded).await;
        assert!(guarded.remove("businesses"));
        assert_eq!(guarded, tables);

        let whose = |table: &str| format!("SELECT DISTINCT business_id::text FROM {table}");
        let mine = app.business_id.uuid().to_string();
        let mut filled = 0;
        for table in &tables {
            assert_eq!(
                texts(&calls, &whose(table)).await,
                BTreeSet::new(),
                "{table}"
            );
            filled += usize::from(texts(&owner, &whose(table)).await.len() == 2);
        }
        assert!(filled > 10, "only {filled} tables have rows of both");
        let tell = format!("SELECT set_config('carnet.business_id', '{mine}', false)");
        calls.execute_unprepared(&tell).await.unwrap();
        for table in &tables {
            let seen = texts(&calls, &whose(table)).await;
            assert!(
                seen.iter().all(|business| *business == mine),
                "{table}: {seen:?}"
            );
            assert_eq!(
                seen.is_empty(),
                !texts(&owner, &whose(table)).await.contains(&mine)
            );
        }
        let seen = texts(&calls, "SELECT id::text FROM businesses").await;
        assert_eq!(seen, [mine].into());
        owner.close().await.unwrap();
        calls.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn the_role_of_calls_writes_to_one_business_and_rewrites_no_history() {
    on(Partitioned, async |app| {
        let other = app.second_business().await;
        for tenant in [&**app, &other] {
            Shop::open(tenant).await.sell_lessons("8", days(30)).await;
        }
        let owner = postgres::connect(app.database_url()).await;
        let calls = postgres::connect(&app.roles().unwrap().calls).await;
        let mine = app.business_id.uuid();
        let tell = format!("SELECT set_config('carnet.business_id', '{mine}', false)");
        calls.execute_unprepared(&tell).await.unwrap();

        let stolen = "UPDATE customers SET name = 'stolen'";
        let changed = calls
            .execute_unprepared(stolen)
            .await
            .unwrap()
            .rows_affected();
        let all = "SELECT id::text FROM customers WHERE name = 'stolen'";
        assert_eq!(
            u64::try_from(texts(&owner, all).await.len()).unwrap(),
            changed
        );
        let given_away = format!(
            "UPDATE customers SET business_id = '{}'",
            other.business_id.uuid()
        );
        let refused = calls.execute_unprepared(&given_away).await.unwrap_err();
        assert!(
            refused.to_string().contains("row-level security"),
            "{refused}"
        );
        for sql in ["UPDATE entries SET n = 9", "DELETE FROM changes"] {
            let refused = calls.execute_unprepared(sql).await.unwrap_err();
            assert!(
                refused.to_string().contains("permission denied"),
                "{refused}"
            );
        }
        owner.close().await.unwrap();
        calls.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn calls_go_through_the_wall_and_batches_and_jobs_do_not() {
    on(Partitioned, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let owner = postgres::connect(app.database_url()).await;
        let close = "ALTER POLICY of_one_business ON {} USING (false)";
        for table in tenants(&owner).await {
            let closed = close.replace("{}", &table);
            owner.execute_unprepared(&closed).await.unwrap();
        }
        // What a call reads and writes is behind the wall, which has no door now.
        let list = v1::ListPackagesRequest::default();
        let listed = app.packages().list_packages(list).await.unwrap();
        assert_eq!(listed.into_inner().packages, []);
        let get = v1::GetPackageRequest {
            package_id: package.id.clone(),
        };
        refused(
            app.packages().get_package(get).await,
            Code::NotFound,
            "NOT_FOUND",
        );
        // A use of credits is committed in a batch, which crosses businesses.
        shop.consume(shop.use_lessons("3")).await.unwrap();
        let open = "ALTER POLICY of_one_business ON {}
            USING (business_id = NULLIF(current_setting('carnet.business_id', true), '')::uuid)";
        for table in tenants(&owner).await {
            let opened = open.replace("{}", &table);
            owner.execute_unprepared(&opened).await.unwrap();
        }
        assert_eq!(shop.left(&package.id).await, "5");
        owner.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_role_that_sees_every_business_is_refused_for_calls_and_so_is_sqlite() {
    let clock = Clock::System;
    let fresh = Fresh::migrated(Postgres).await;
    let mut owner = settings(&fresh.url);
    owner.server.database_calls_url = Some(fresh.url.parse().unwrap());
    let refused = App::build(owner, clock.clone()).await.unwrap_err();
    let refused = format!("{refused:#}");
    assert!(refused.contains("bypasses row level security"), "{refused}");
    fresh.remove().await;

    let fresh = Fresh::migrated(Sqlite).await;
    let mut embedded = settings(&fresh.url);
    embedded.server.database_calls_url = Some(fresh.url.parse().unwrap());
    let refused = App::build(embedded, clock).await.unwrap_err();
    assert!(
        format!("{refused:#}").contains("only PostgreSQL"),
        "{refused:#}"
    );
}
