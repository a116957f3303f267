//! The schema partitioned by hash of `business_id`. The tests of the ledger run on it as on the others
//! ([`Partitioned`] among their databases); here is what it takes for them to mean anything.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};

use crate::support::app::{Partitioned, on};
use crate::support::partition::{GLOBAL, PARTITIONS};
use crate::support::postgres;
use crate::support::shop::{Shop, days};

async fn names(connection: &DatabaseConnection, sql: &str) -> BTreeSet<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

#[tokio::test]
async fn every_table_but_the_global_ones_is_partitioned_with_the_business_in_each_key() {
    on(Partitioned, async |app| {
        let connection = postgres::connect(app.database_url()).await;
        let plain = "SELECT relname::text FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relispartition";
        let global: BTreeSet<String> = GLOBAL.map(str::to_owned).into();
        assert_eq!(names(&connection, plain).await, global);

        let keys_without = "SELECT conrelid::regclass::text || ' ' || conname FROM pg_constraint
            WHERE contype IN ('p', 'u') AND connamespace = 'public'::regnamespace
                AND conrelid::regclass::text NOT IN ('businesses', 'job_runs', 'schema_state', 'transports')
                AND NOT EXISTS (SELECT FROM pg_attribute
                    WHERE attrelid = conrelid AND attnum = ANY (conkey) AND attname = 'business_id')";
        assert_eq!(names(&connection, keys_without).await, BTreeSet::new());

        let partitioned = "SELECT relname::text FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'p'";
        let partitioned = names(&connection, partitioned).await;
        for table in ["requests", "customers", "packages", "lots", "entries", "emails"] {
            assert!(partitioned.contains(table), "{table}: {partitioned:?}");
        }
        let partitions = "SELECT relname::text FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relispartition";
        let partitions = names(&connection, partitions).await;
        assert_eq!(partitions.len(), partitioned.len() * PARTITIONS);
        connection.close().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn businesses_in_different_partitions_use_their_ledgers_and_history_stays_append_only() {
    on(Partitioned, async |app| {
        // Enough of them to lie in more than one partition, whatever their ids are.
        let mut tenants = vec![Shop::open(app).await];
        for _ in 0..8 {
            tenants.push(Shop::open(&app.second_business().await).await);
        }
        for shop in &tenants {
            let package = shop.sell_lessons("8", days(30)).await;
            shop.consume(shop.use_lessons("3")).await.unwrap();
            assert_eq!(shop.left(&package.id).await, "5");
        }
        let connection = postgres::connect(app.database_url()).await;
        let filled = "SELECT DISTINCT tableoid::regclass::text FROM entries";
        let filled = names(&connection, filled).await;
        assert!(filled.len() > 1, "{filled:?}");
        for sql in [
            "UPDATE entries SET n = 9",
            "DELETE FROM entries",
            "TRUNCATE entries",
        ] {
            let refused = connection.execute_unprepared(sql).await.unwrap_err();
            assert!(
                refused.to_string().contains("append-only"),
                "{sql}: {refused}"
            );
        }
        connection.close().await.unwrap();
    })
    .await;
}
