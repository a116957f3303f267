//! The report is held against what the other system says.

use rstest::rstest;

use super::{CUSTOMERS, Move, PACKAGES};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;

#[rstest]
#[tokio::test]
async fn totals_that_differ_from_the_other_systems_stop_the_import(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        let mut files = it.files(CUSTOMERS, PACKAGES);
        let expect = |what: &str| {
            let path = it.write("expected.csv", format!("what,total\n{what}"));
            ["--expect".to_owned(), path]
        };
        files.extend(expect("packages,3\nlesson: used,11\nprice,216.00\n"));
        let told = it.import(&files).await;
        assert_eq!(told.code, Some(1));
        assert_eq!(told.row("lesson: used"), ["10", "-", "11", "differs"]);
        assert_eq!(told.row("price"), ["216.00", "-", "216.00"]);
        assert!(
            told.err.contains("1 totals differ; nothing is imported"),
            "{}",
            told.err
        );
        assert_eq!(it.count().await, (1, 0));

        expect("customers,2\nlesson: used,10\nlesson: value left,156\n");
        let told = it.done(&files).await;
        assert_eq!(told.row("lesson: value left"), ["-", "156.00", "156.00"]);
        // What only the ledger knows is compared at the end.
        expect("lesson: value left,155.99\n");
        let told = it.import(&files).await;
        assert_eq!(told.code, Some(1));
        assert!(
            told.err.contains("1 totals differ; the import is done"),
            "{}",
            told.err
        );

        for (what, wanted) in [
            (
                "lesons,1\n",
                "`lesons` is no row of the report: customers, packages, price",
            ),
            ("packages,many\n", "expected.csv:2: total"),
            ("packages\n", "must have 2 cells"),
        ] {
            expect(what);
            let told = it.import(&files).await;
            assert_eq!(told.code, Some(1));
            assert!(told.err.contains(wanted), "{}", told.err);
        }
    })
    .await;
}
