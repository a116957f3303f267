//! Lists stay fast however much there is: the plan of every statement that a list executes, on databases with
//! many rows in every table, and of what a batch of uses reads and writes.
//!
//! Nothing is exposed for it: a client calls each method, and what is judged is what the server's connections
//! have executed meanwhile.

mod batch;
mod calls;
mod heard;
mod large;
mod postgres;
mod seeds;
mod sqlite;

use carnet::proto::FILE_DESCRIPTOR_SET;
use carnet::store::db::Database as Connection;
use prost_reflect::{DescriptorPool, ServiceDescriptor};

use calls::{Asked, Caller};
use heard::Heard;
use large::Large;
use postgres::Plan;

use crate::support::app::Database::{Postgres, Sqlite};

/// A page has 50 rows; if a part of a plan comes to more than so many, they are not only that page's.
const ROWS_MAX: f64 = 1_000.0;

/// From its sixth execution on a connection on, a statement may have a plan for whatever values come.
const ROUNDS: usize = 7 * large::CONNECTIONS;

/// What looks for a part of a name: all names are looked through until a page is full. An index of parts of
/// words would be another extension or table on either database.
const SEARCHES: [&str; 2] = ["ListCustomers by a name", "ListGroups by a name"];

fn assert_all_lists(asked: &[Asked]) {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services: Vec<_> = pool.services().collect();
    let methods = services.iter().flat_map(ServiceDescriptor::methods);
    let names: Vec<String> = methods.map(|method| method.name().to_owned()).collect();
    for name in names.iter().filter(|name| name.starts_with("List")) {
        let is_asked = |asked: &Asked| asked.name.split([' ', ',']).next() == Some(name);
        assert!(asked.iter().any(is_asked), "{name} has no plan here");
    }
}

fn faults_on_postgres(asked: &[Asked], rows_max: f64) -> Vec<String> {
    let mut faults = Vec::new();
    for Asked { name, heard } in asked {
        if SEARCHES.contains(&name.as_str()) {
            continue;
        }
        for plan in heard.iter().filter_map(|notice| Plan::read(notice)) {
            for table in plan.scanned() {
                faults.push(format!("{name} scans {table}: {}", plan.statement));
            }
            for wide in plan.wide(rows_max) {
                faults.push(format!("{name}: {wide}: {}", plan.statement));
            }
        }
    }
    faults
}

#[tokio::test]
async fn on_postgres_lists_and_due_work_are_read_by_an_index() {
    let heard = Heard::begin();
    let large = Box::pin(Large::filled(Postgres)).await;
    let large = large.restarted_after(&[postgres::ANALYZE]).await;
    let large = large.restarted_after(&postgres::EXPLAIN).await;
    for round in 1..=ROUNDS {
        let asked = Caller::call_all(&large, &heard, postgres::NOTICES).await;
        assert_all_lists(&asked);
        let faults = faults_on_postgres(&asked, ROWS_MAX);
        assert!(faults.is_empty(), "in round {round}\n{}", faults.join("\n"));
    }
    large.close().await;
}

/// Until statistics are taken again, which may be long where others have more rows.
#[tokio::test]
async fn on_postgres_lists_of_a_business_that_has_just_grown_are_read_by_an_index() {
    let heard = Heard::begin();
    let large = Box::pin(Large::grown_since_the_statistics()).await;
    let large = large.restarted_after(&postgres::EXPLAIN).await;
    let asked = Caller::call_all(&large, &heard, postgres::NOTICES).await;
    large.close().await;
    // What lies at one time is the other business's as well.
    let faults = faults_on_postgres(&asked, 2.0 * ROWS_MAX);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test]
async fn on_postgres_a_batch_comes_to_no_more_rows_than_it_has_uses() {
    let heard = Heard::begin();
    let large = Box::pin(Large::filled(Postgres)).await;
    let large = large.restarted_after(&[postgres::ANALYZE]).await;
    let large = large.restarted_after(&postgres::EXPLAIN).await;
    let mut from = 1;
    let mut writes = 0;
    for uses in [1, 100, 500] {
        let plans = batch::use_at_once(&large, &heard, from, uses).await;
        from += uses + 1;
        let given = plans.iter().map(Plan::given).fold(0.0, f64::max);
        // There are two committers, and what is waiting when one is free is its batch.
        let least = f64::from(uses.min(32));
        assert!(
            given >= least,
            "no batch of {uses} uses had more than {given}"
        );
        for plan in plans.iter().filter(|plan| plan.given() > 0.0) {
            assert!(plan.scanned().is_empty(), "{uses}: {plan:?}");
            assert_eq!(
                plan.wide(plan.given()),
                [""; 0],
                "{uses}: {}",
                plan.statement
            );
        }
        writes += plans
            .iter()
            .filter(|plan| plan.statement.contains("INSERT INTO entries"))
            .count();
    }
    assert!(writes >= 3, "{writes} batches were written");
    large.close().await;
}

async fn faults_on_sqlite(connection: &Connection, asked: &[Asked]) -> Vec<String> {
    let mut faults = Vec::new();
    for Asked { name, heard } in asked {
        for told in heard {
            let prepared = sqlite::prepared(told);
            if SEARCHES.contains(&name.as_str())
                || !["SELECT", "WITH"]
                    .iter()
                    .any(|word| prepared.starts_with(word))
            {
                continue;
            }
            let steps = sqlite::steps(connection, &prepared).await;
            for fault in sqlite::faults(name, &steps) {
                faults.push(format!("{name}: {fault}: {prepared}"));
            }
        }
    }
    faults
}

#[tokio::test]
async fn on_sqlite_lists_and_due_work_are_read_by_an_index() {
    let heard = Heard::begin();
    let large = Box::pin(Large::filled(Sqlite)).await;
    let asked = Caller::call_all(&large, &heard, "sea_orm").await;
    assert_all_lists(&asked);
    // Nothing keeps statistics unless somebody asks for them.
    let connection = large.fresh.connect().await;
    let faults = faults_on_sqlite(&connection, &asked).await;
    connection.close().await.unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let large = large.restarted_after(&["ANALYZE"]).await;
    let connection = large.fresh.connect().await;
    let faults = faults_on_sqlite(&connection, &asked).await;
    connection.close().await.unwrap();
    large.close().await;
    assert!(faults.is_empty(), "with statistics\n{}", faults.join("\n"));
}
