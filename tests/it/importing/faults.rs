//! Every fault of a file is told by line, column, value and what was expected, and nothing is imported then.

use std::fmt::Write as _;

use rstest::rstest;

use super::{CUSTOMERS, Move, PACKAGES};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;

/// The faults that a run told of one file, without its path.
fn faults(told: &str, file: &str) -> Vec<String> {
    let lines = told.lines();
    let of_file = lines.filter_map(|line| line.split_once(&format!("{file}:")));
    of_file.map(|(_, fault)| fault.to_owned()).collect()
}

#[rstest]
#[tokio::test]
async fn every_fault_of_a_customer_is_told(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        let customers = "\
name,external_id,email,email_verified,locale,time_zone,active,unsubscribed
Mari,,mari@,maybe,englisch please,Europe/Tartu,,
,c2,,yes,,,perhaps,
Jaan,c3,jaan@example.com,yes,,,,
Jaan,c3,,,,,,
Kati,c5,JAAN@example.com,yes,,,,
Mari Tamm,c6,mari.tamm@example.com,yes,,,,
Ma\u{202e}ri,c7,,,,,,
Anna,c8,,,
";
        let path = it.write("customers.csv", customers);
        let told = it.import(&["--customers".to_owned(), path]).await;
        assert_eq!(told.code, Some(1));
        let found = faults(&told.err, "customers.csv");
        let known = it.shop.customer.clone();
        let wanted = [
            "2: external_id: `` must be given".to_owned(),
            "2: email: `mari@` must be an e-mail address".to_owned(),
            "2: email_verified: `maybe` must be yes or no".to_owned(),
            "2: locale: `englisch please` must be a BCP 47 language such as \"et\" or \"en-GB\"".to_owned(),
            "2: time_zone: `Europe/Tartu` must be an IANA time zone such as \"Europe/Tallinn\"".to_owned(),
            "3: name: `` must be given".to_owned(),
            "3: active: `perhaps` must be yes or no".to_owned(),
            "3: email_verified: `yes` must be no: there is no address".to_owned(),
            "5: external_id: `c3` must be there once: it is on line 4 already".to_owned(),
            "6: email: `jaan@example.com` must be there once: it is on line 4 already".to_owned(),
            format!("7: email: `mari.tamm@example.com` must be verified for one customer only: it is for {known}"),
            "8: name: `Ma ri` must have no control characters (U+202E)".to_owned(),
            "9: row: `5 cells` must have 8 cells, as the first row has".to_owned(),
        ];
        for (found, wanted) in found.iter().zip(&wanted) {
            assert_eq!(found, wanted);
        }
        assert_eq!(found.len(), wanted.len(), "{}", told.err);
        assert!(told.err.contains("13 faults were found, so nothing is imported"));
        assert_eq!(it.count().await, (1, 0));
    })
    .await;
}

/// Rows of packages, each with a fault or more but the last.
const FAULTY: &str = "\
p1,nobody,Standard,,,10,3,120,,,,never,,
p2,c1,Standart,,,10,3,120,,,,never,,
p3,c1,,,,10,3,120,,,,never,,
p4,c1,,leson,,10,3,120,,,,never,,
p5,c1,,lesson,Swiming lesson,10,3,120,,,,never,,
p6,c1,Standard,,Swimming lesson,10,3,120,,,,never,,
p7,c1,Standard,,,10,11,120,,,,never,,
p8,c1,Standard,,,10.5,0.5,120,,,,never,,
p9,c1,Standard,,,\"1,000\",-1,120.005,USD,,,31.12.2099,,
p10,c1,Standard,,,0,,,,2026-01-11,2026-02-30,never,121,
p11,c1,Standard,,,10,3,120,,2026-01-11,,never,,
p12,c1,Standard,,,10,3,120,,,,never,120.01,
p13,c1,Standard,,,10,3,120,,,2026-01-11,never,,
p14,c1,Standard,,,10,3,120,,,,2026-01-12,,
p15,c1,Standard,,,10,3,120,,2026-01-02,,2026-01-01,,
p16,c1,Standard,,,10,3,120,,,,never,,
p16,c1,Standard,,,10,3,120,,,,never,,
p17,c1,Standard,,,10,3,120,,,,never,,
p16,c1,Standard,,,10,3,120,,,,never,,
";

/// The names of the columns of packages.
fn head() -> &'static str {
    PACKAGES.lines().next().unwrap()
}

#[rstest]
#[tokio::test]
async fn every_fault_of_a_package_is_told(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        let files = it.files(CUSTOMERS, &format!("{}\n{FAULTY}", head()));
        let told = it.import(&files).await;
        assert_eq!(told.code, Some(1));
        let found = faults(&told.err, "packages.csv");
        let wanted = [
            "2: customer: `ext:nobody` must be a customer of the business or of the file of customers",
            "3: template: `Standart` must be a template of the business, such as `standard`",
            "4: credit_type: `` must be given, or a template",
            "5: credit_type: `leson` must be a credit type of the business, such as `lesson`",
            "6: items: `Swiming lesson` must be an item of the business, such as `swimming lesson`",
            "7: items: `Swimming lesson` must be empty: the template says what it pays for",
            "8: used: `11` must be at most the quantity, 10",
            "9: quantity: `10.5` must have at most 0 decimal places",
            "9: used: `0.5` must have at most 0 decimal places",
            "10: quantity: `1,000` must be a number that has `.` before its decimal places (or give --decimal-comma)",
            "10: used: `-1` must not be below 0",
            "10: price: `120.005` must be a sum in EUR with at most 2 decimal places and nothing but digits",
            "10: currency: `USD` must be EUR, which the business counts in",
            "10: expires: `31.12.2099` must be the last usable day, such as 2026-12-31, or `never`",
            "11: used: `` must be given",
            "11: quantity: `0` must be above 0",
            "11: price: `` must be given",
            "11: starts: `2026-02-30` must be a day such as 2026-01-31",
            "12: sold_on: `2026-01-11` must not be after the cut-over day, 2026-01-10",
            "13: paid: `120.01` must be at most the price, 120",
            "14: used: `3` must be 0: the package starts on 2026-01-11, after the cut-over",
            "15: expires: `2026-01-12` must fit: it has ended, and what has ended is not imported",
            "16: expires: `2026-01-01` must fit: validity: the validity ends with 2026-01-01, before it starts on 2026-01-02",
            "18: customer: `c1` must be empty: this row goes on with the package of line 17",
            "18: template: `Standard` must be empty: this row goes on with the package of line 17",
            "18: price: `120` must be empty: this row goes on with the package of line 17",
            "18: expires: `never` must be empty: this row goes on with the package of line 17",
        ];
        for (found, wanted) in found.iter().zip(wanted) {
            assert_eq!(found, wanted);
        }
        assert_eq!(found.len(), wanted.len(), "{}", told.err);
        assert_eq!(it.count().await, (1, 0), "not even the customers, who are sound");
    })
    .await;
}

#[tokio::test]
async fn a_package_that_comes_again_further_down_is_told() {
    on(Sqlite, async |app| {
        let it = Move::prepare(app).await;
        let row = |id: &str| format!("{id},c1,Standard,,,10,3,120,,,,never,,\n");
        let apart = format!("{}\n{}{}{}", head(), row("p1"), row("p2"), row("p1"));
        let told = it.import(&it.files(CUSTOMERS, &apart)).await;
        let found = faults(&told.err, "packages.csv");
        let wanted = "4: external_id: `p1` must be there once: it is on line 2 already";
        assert_eq!(found, [wanted]);
    })
    .await;
}

#[tokio::test]
async fn unknown_columns_are_told_with_the_nearest() {
    on(Sqlite, async |app| {
        let it = Move::prepare(app).await;
        let files = it.files(
            "external_id,name,e-mail,Email\n",
            "external_id,custmer,quantity,used\n",
        );
        let told = it.import(&files).await;
        assert_eq!(
            faults(&told.err, "customers.csv"),
            ["1: row: `e-mail` must be a known column, such as `email`"]
        );
        assert_eq!(
            faults(&told.err, "packages.csv"),
            [
                "1: row: `custmer` must be a known column, such as `customer`",
                "1: customer: `` must be among the columns",
                "1: price: `` must be among the columns",
            ]
        );
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_the_business_has_from_elsewhere_or_says_otherwise_is_refused(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let it = Move::prepare(app).await;
        it.done(&it.files(CUSTOMERS, PACKAGES)).await;
        let changed = PACKAGES.replace("10,3,120.00", "10,4,120.00");
        let told = it.import(&it.files(CUSTOMERS, &changed)).await;
        assert_eq!(
            faults(&told.err, "packages.csv"),
            ["2: external_id: `p1` must say what it said when it was imported; it is corrected by calls now"]
        );
        // With another day it is another import, and this business has these customers and packages.
        let files = it.files(CUSTOMERS, PACKAGES);
        let mut arguments = vec!["import", "--cut-over", "2026-01-11"];
        arguments.extend(files.iter().map(String::as_str));
        let output = crate::support::program::carnet(&arguments, app.database_url()).await;
        let said = crate::support::program::err(&output);
        let taken = "must be new: another package of the business has it";
        assert_eq!(faults(&said, "packages.csv")[0], format!("2: external_id: `p1` {taken}"));
        let known = it.customer("c1").await.id;
        assert_eq!(
            faults(&said, "customers.csv")[0],
            format!("2: external_id: `c1` must be new: it is that of {known}, whom packages can name as it is")
        );
        assert_eq!(it.count().await, (3, 3));
    })
    .await;
}

#[tokio::test]
async fn of_many_faults_the_first_are_listed_and_the_rest_is_counted() {
    on(Sqlite, async |app| {
        let it = Move::prepare(app).await;
        let mut customers = "external_id,name,email\n".to_owned();
        for row in 0..1_000 {
            writeln!(customers, "c{row},Mari,no address").unwrap();
        }
        let path = it.write("customers.csv", customers);
        let told = it.import(&["--customers".to_owned(), path]).await;
        assert_eq!(faults(&told.err, "customers.csv").len(), 200);
        assert!(told.err.contains("… and 800 faults more"), "{}", told.err);
        assert!(told.err.contains("1000 faults were found"));
    })
    .await;
}
