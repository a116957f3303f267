//! Every kind of fault, planted past the guards of the database.

use carnet::store::db::Database as Connection;
use rstest::rstest;
use uuid::Uuid;

use super::{history, prove};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::plant::{Tamperer, uuid_literal};
use crate::support::program::{carnet, err, out};

/// What is changed, and what the verifier must say of it. `{a}`, `{b}` and `{c}` are the lots of
/// [`history`], `{nobody}` an id that nothing has.
const PLANTS: &[(&str, &str)] = &[
    // The chain.
    ("UPDATE entries SET lot_id = {b} WHERE lot_id = {a} AND seq = 2", "entry 2 is another lot's"),
    ("UPDATE entries SET line_id = {nobody} WHERE lot_id = {a} AND seq = 2",
        "entry 2 names another line than its lot"),
    ("UPDATE entries SET seq = 9 WHERE lot_id = {a} AND seq = 2", "entry 9 leaves a gap before it"),
    ("DELETE FROM entries WHERE lot_id = {a} AND seq = 2", "entry 3 leaves a gap before it"),
    ("DELETE FROM entries WHERE lot_id = {a} AND seq = 2", "entry 3 names another one before it"),
    ("UPDATE entries SET previous_posting_id = {nobody}, previous_n = 0 WHERE lot_id = {a} AND seq = 1",
        "entry 1 names another one before it"),
    ("UPDATE entries SET previous_posting_id = posting_id, previous_n = n WHERE lot_id = {a} AND seq = 2",
        "entry 2 names another one before it"),
    ("UPDATE entries SET method = 'Sell' WHERE lot_id = {a} AND seq = 2", "the hash of entry 2 is not its own"),
    ("UPDATE entries SET item_id = NULL WHERE lot_id = {a} AND seq = 4", "the hash of entry 4 is not its own"),
    ("UPDATE entries SET recorded_at = 0, effective_at = 0 WHERE lot_id = {a} AND seq = 2",
        "entry 2 was recorded before the one before it"),
    ("UPDATE entries SET effective_at = recorded_at + 1 WHERE lot_id = {a} AND seq = 2",
        "entry 2 is true only after it was recorded"),
    // The numbers.
    ("UPDATE entries SET amount = 99000000 WHERE lot_id = {a} AND seq = 2", "entry 2 takes what is not there"),
    ("UPDATE entries SET value = 1 - value WHERE lot_id = {a} AND seq = 2", "entry 2 takes what is not there"),
    ("UPDATE entries SET available = available + 1 WHERE lot_id = {a} AND seq = 2",
        "entry 2 tells other balances"),
    ("UPDATE entries SET value = value - 1 WHERE lot_id = {a} AND seq = 2",
        "entry 2 carries the value 4499, not 4500"),
    ("UPDATE lots SET value_unused = value_unused + 1 WHERE id = {b}",
        "the lot's cached numbers are not what its entries add up to"),
    ("UPDATE lots SET available = available - 1, consumed = consumed + 1 WHERE id = {b}",
        "the lot's cached numbers are not what its entries add up to"),
    ("UPDATE lots SET basis_value = basis_value + 1 WHERE id = {b}",
        "the lot's cached numbers are not what its entries add up to"),
    ("UPDATE lots SET seq = seq + 1 WHERE id = {a}", "the lot does not name the end of its chain"),
    ("UPDATE lots SET last_hash = (SELECT hash FROM entries WHERE lot_id = {a} AND seq = 1) WHERE id = {a}",
        "the lot does not name the end of its chain"),
    ("UPDATE lots SET last_recorded_at = last_recorded_at + 1 WHERE id = {a}",
        "the lot does not name the end of its chain"),
    ("UPDATE lots SET last_posting_id = {nobody} WHERE id = {a}", "the lot does not name the end of its chain"),
    ("UPDATE lots SET issued_value = issued_value + 1 WHERE id = {a}",
        "the lot tells another issue than its first entry"),
    ("UPDATE lots SET is_open = NOT is_open WHERE id = {b}", "the lot's row contradicts itself or its line"),
    ("UPDATE lots SET issued = issued - 1 WHERE id = {b}", "the lot's row contradicts itself or its line"),
    ("UPDATE lots SET credit_type_id = {nobody} WHERE id = {b}", "the lot's row contradicts itself or its line"),
    // The meaning.
    ("UPDATE entries SET to_account = 5 WHERE lot_id = {a} AND seq = 2",
        "entry 2 is of the kind consume and moves between other accounts"),
    ("UPDATE entries SET amount = 0 WHERE lot_id = {a} AND seq = 2",
        "entry 2 moves an amount that its kind cannot"),
    ("UPDATE entries SET kind = 1 WHERE lot_id = {a} AND seq = 2",
        "entry 2 is no beginning of a lot, or a second one"),
    ("UPDATE entries SET kind = 9 WHERE lot_id = {a} AND seq = 1",
        "entry 1 is no beginning of a lot, or a second one"),
    ("UPDATE entries SET by_time = NOT by_time WHERE lot_id = {a} AND seq = 2",
        "entry 2 is of a kind that time alone does not cause"),
    ("UPDATE entries SET by_time = NOT by_time WHERE lot_id = {b} AND seq = 3",
        "entry 3 expires credits although neither time nor a return did"),
    ("UPDATE entries SET kind = 7 WHERE lot_id = {b} AND seq = 4",
        "entry 4 undoes nothing although it must, or something although it must not"),
    ("UPDATE entries SET undoes_posting_id = posting_id, undoes_n = n WHERE lot_id = {a} AND seq = 2",
        "entry 2 undoes nothing although it must, or something although it must not"),
    ("UPDATE entries SET undoes_posting_id = {nobody}, undoes_n = 0 WHERE lot_id = {b} AND seq = 4",
        "entry 4 undoes one that does not exist"),
    // A restoration of what was not lost, of another lot's loss, and before the loss.
    ("UPDATE entries SET (undoes_posting_id, undoes_n)
        = (SELECT posting_id, n FROM entries WHERE lot_id = {b} AND seq = 2) WHERE lot_id = {b} AND seq = 4",
        "entry 4 undoes one that it cannot undo"),
    ("UPDATE entries SET kind = 9, (undoes_posting_id, undoes_n)
        = (SELECT posting_id, n FROM entries WHERE lot_id = {b} AND seq = 3) WHERE lot_id = {c} AND seq = 2",
        "entry 2 undoes one that it cannot undo"),
    ("UPDATE entries SET kind = 9, (undoes_posting_id, undoes_n)
        = (SELECT posting_id, n FROM entries WHERE lot_id = {b} AND seq = 3) WHERE lot_id = {b} AND seq = 2",
        "entry 2 undoes one that it cannot undo"),
    // 7 lessons were lost for 105.00, and 8 come back, or 7 for another value, or 6 for all of it.
    ("UPDATE entries SET amount = 8000000, (undoes_posting_id, undoes_n)
        = (SELECT posting_id, n FROM entries WHERE lot_id = {b} AND seq = 3) WHERE lot_id = {b} AND seq = 4",
        "more was undone of entry 3 than it moved"),
    ("UPDATE entries SET value = value - 1, (undoes_posting_id, undoes_n)
        = (SELECT posting_id, n FROM entries WHERE lot_id = {b} AND seq = 3) WHERE lot_id = {b} AND seq = 4",
        "the value that was undone of entry 3 is not its share of what that carried"),
    ("UPDATE entries SET amount = 6000000, (undoes_posting_id, undoes_n)
        = (SELECT posting_id, n FROM entries WHERE lot_id = {b} AND seq = 3) WHERE lot_id = {b} AND seq = 4",
        "the value that was undone of entry 3 is not its share of what that carried"),
    // The copies.
    ("UPDATE packages SET expires_at = expires_at + 1 WHERE id = {package_a}", TERMS),
    ("UPDATE packages SET starts_at = starts_at - 1 WHERE id = {package_a}", TERMS),
    ("UPDATE packages SET revoked_at = 1 WHERE id = {package_a}", TERMS),
    ("UPDATE packages SET frozen_at = 1, frozen_until_max = 2, expires_if_thawed = 3, expires_at = NULL WHERE id = {package_a}", TERMS),
    ("UPDATE packages SET priority = priority + 1 WHERE id = {package_a}", TERMS),
    ("UPDATE lots SET customer_id = {nobody} WHERE id = {a}", TERMS),
    ("UPDATE lots SET package_id = {nobody} WHERE id = {a}", "the lot's package does not exist"),
    // What comes back into a package that has left goes on at once.
    ("UPDATE packages SET revoked_at = 1 WHERE id = {package_b}", STRANDED),
    ("UPDATE packages SET transferred_at = 1, transferred_to = {nobody} WHERE id = {package_b}", STRANDED),
    ("UPDATE lots SET transferred_to = {nobody} WHERE id = {b}", STRANDED),
    // Postings, and what no lot leads to.
    ("UPDATE entries SET n = 5 WHERE lot_id = {b} AND seq = 2", "entry 5 leaves a gap before it"),
    ("UPDATE entries SET request_hash = (SELECT hash FROM entries WHERE lot_id = {a} AND seq = 1)
        WHERE lot_id = {b} AND seq = 2", "entry 1 has the hash of another request"),
    ("UPDATE lots SET last_posting_id = {nobody} WHERE id = {a}",
        "11 entries are stored, 7 are in the chains of lots"),
    ("DELETE FROM lots WHERE id = {c}", "11 entries are stored, 9 are in the chains of lots"),
    // What cannot even be read.
    ("UPDATE entries SET kind = 99 WHERE lot_id = {a} AND seq = 2", "is damaged"),
    ("UPDATE lots SET origin = 99 WHERE id = {a}", "is damaged"),
    ("UPDATE packages SET expiry_source = 99 WHERE id = {package_a}", "is damaged"),
];

/// The complaint of a lot that disagrees with its package.
const TERMS: &str = "the lot's copy of its package's terms is not what the package says";

/// The complaint of a lot that has credits where none may be.
const STRANDED: &str = "credits are available although the lot's package was taken away or moved";

#[rstest]
#[tokio::test]
async fn a_planted_fault_of_each_kind_is_found_and_named(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let lots = history(app).await;
        let names = [
            ("{package_a}", lots[0].package_id.uuid()),
            ("{package_b}", lots[1].package_id.uuid()),
            ("{a}", lots[0].id.uuid()),
            ("{b}", lots[1].id.uuid()),
            ("{c}", lots[2].id.uuid()),
            ("{nobody}", Uuid::from_u128(7)),
        ];
        plant_each(app, &names, PLANTS).await;
    })
    .await;
}

/// Plants one fault after the other, and puts each right again.
pub(super) async fn plant_each(app: &TestApp, names: &[(&str, Uuid)], plants: &[(&str, &str)]) {
    let db: &Connection = &app.context().db;
    let tamperer = Tamperer::of(app).await;
    for (sql, wanted) in plants {
        let sql = names.iter().fold((*sql).to_owned(), |sql, (name, id)| {
            sql.replace(name, &uuid_literal(db, *id))
        });
        tamperer.plant(&sql).await;
        let report = prove(app).await;
        let told: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
        assert!(
            told.iter().any(|fault| fault.ends_with(wanted)),
            "{sql}\nshould be named: {wanted}\nbut is: {told:#?}"
        );
        tamperer.restore().await;
        let report = prove(app).await;
        assert_eq!(report.faults, [], "after {sql} was put right");
    }
    tamperer.done().await;
}

#[rstest]
#[tokio::test]
async fn the_command_names_faults_and_fails(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let lots = history(app).await;
        let tamperer = Tamperer::of(app).await;
        let id = uuid_literal(&app.context().db, lots[0].id.uuid());
        let plant = format!("UPDATE lots SET value_unused = value_unused + 1 WHERE id = {id}");
        tamperer.plant(&plant).await;
        let output = carnet(&["verify"], app.database_url()).await;
        assert_eq!(output.status.code(), Some(1));
        let wanted = format!(
            "{}: {}: the lot's cached numbers are not what its entries add up to\n",
            app.business_id, lots[0].id
        );
        assert!(err(&output).contains(&wanted), "{}", err(&output));
        assert!(err(&output).contains("carnet: 1 faults were found"));
        assert!(out(&output).trim_end().ends_with("faults 1"));
        tamperer.restore().await;
        let output = carnet(&["verify"], app.database_url()).await;
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        tamperer.done().await;
    })
    .await;
}
