//! The list of a business's tables is whole and in an order in which rows can be written.

use carnet::store::whole::TABLES;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::dump::{tables, texts};
use crate::support::fresh::Fresh;
use crate::support::partition::GLOBAL;

#[rstest]
#[tokio::test]
async fn every_table_but_the_global_ones_is_taken_along(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let fresh = Fresh::migrated(database).await;
    let connection = fresh.connect().await;
    let mut all = tables(&connection).await;
    all.retain(|name| !GLOBAL.contains(&name.as_str()) || name == "businesses");
    all.sort_unstable();
    let mut taken = TABLES.map(|table| table.name);
    taken.sort_unstable();
    assert_eq!(taken.as_slice(), all);
    connection.close().await.unwrap();
    fresh.remove().await;
}

#[rstest]
#[tokio::test]
async fn every_table_comes_behind_those_that_its_rows_refer_to(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let fresh = Fresh::migrated(database).await;
    let connection = fresh.connect().await;
    let mut references = 0;
    for (place, table) in TABLES.iter().enumerate() {
        let name = table.name;
        let referred = if database == Sqlite {
            format!(r#"SELECT "table" FROM pragma_foreign_key_list('{name}')"#)
        } else {
            format!(
                "SELECT CAST(CAST(confrelid AS regclass) AS TEXT) FROM pg_constraint
                 WHERE contype = 'f' AND conrelid = CAST('{name}' AS regclass)"
            )
        };
        for parent in texts(&connection, &referred).await {
            let before = TABLES[..place].iter().any(|table| table.name == parent);
            assert!(before, "{name} refers to {parent}");
            references += 1;
        }
    }
    assert!(references > 60, "{references} references were looked at");
    connection.close().await.unwrap();
    fresh.remove().await;
}
