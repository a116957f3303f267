//! The schema of PostgreSQL with every table of tenants' data partitioned by hash of `business_id`, made
//! from the migrations by changing how tables are made and nothing else.
//!
//! PostgreSQL wants the partition key in every primary, unique and foreign key then, as a distributed
//! database does: a key that breaks this rule makes the whole suite fail here.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use sea_orm::ConnectionTrait;

use crate::support::postgres;

/// How many partitions a table has.
pub(crate) const PARTITIONS: usize = 4;

/// The tables that belong to no business (design section 8); `schema_state` is the migrator's.
pub(crate) const GLOBAL: [&str; 4] = ["businesses", "job_runs", "schema_state", "transports"];

/// Drops what a migration made in the database of `url` and makes it again, partitioned.
pub(crate) async fn remake_schema(url: &str) {
    let connection = postgres::connect(url).await;
    let drop_all = "DO $$ DECLARE made RECORD; BEGIN
            FOR made IN SELECT tablename FROM pg_tables
                WHERE schemaname = 'public' AND tablename <> 'schema_state'
            LOOP EXECUTE format('DROP TABLE %I CASCADE', made.tablename); END LOOP;
            FOR made IN SELECT oid::regprocedure AS name FROM pg_proc
                WHERE pronamespace = 'public'::regnamespace
            LOOP EXECUTE format('DROP FUNCTION %s CASCADE', made.name); END LOOP;
        END $$";
    connection.execute_unprepared(drop_all).await.unwrap();
    for sql in migrations() {
        let partitioned: String = commands(&sql).iter().map(|sql| partition(sql)).collect();
        let made = connection.execute_unprepared(&partitioned).await;
        made.unwrap_or_else(|error| panic!("{error}\n{partitioned}"));
    }
    connection.close().await.unwrap();
}

/// The texts of the migrations, in their order.
fn migrations() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// The commands of a migration without comments; a body between `$$` is left whole.
fn commands(sql: &str) -> Vec<String> {
    let mut commands = vec![String::new()];
    let mut in_body = false;
    for line in sql.lines() {
        let code = line.split("--").next().unwrap().trim_end();
        if code.is_empty() {
            continue;
        }
        let command = commands.last_mut().unwrap();
        command.push_str(code);
        command.push('\n');
        in_body ^= code.matches("$$").count() % 2 == 1;
        if !in_body && code.ends_with(';') {
            commands.push(String::new());
        }
    }
    commands
}

/// A command, changed if it makes a table of tenants' data.
fn partition(command: &str) -> String {
    let name = command
        .strip_prefix("CREATE TABLE ")
        .and_then(|rest| rest.split([' ', '\n']).next())
        .filter(|name| !GLOBAL.contains(name));
    let Some(name) = name else {
        return command.to_owned();
    };
    let body = command.trim_end().strip_suffix(';').unwrap();
    // What is said of a table's storage holds for its partitions.
    let (body, storage) = match body.rsplit_once("\n) WITH (") {
        Some((body, storage)) => (format!("{body}\n)"), format!(" WITH ({storage}")),
        None => (body.to_owned(), String::new()),
    };
    let mut made = format!("{body} PARTITION BY HASH (business_id);\n");
    for remainder in 0..PARTITIONS {
        writeln!(
            made,
            "CREATE TABLE {name}_p{remainder} PARTITION OF {name}
             FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {remainder}){storage};"
        )
        .unwrap();
    }
    made
}

#[test]
fn a_command_is_changed_only_in_how_its_table_is_stored() {
    let sql = "-- A comment; and more.
CREATE TABLE lots (
    business_id UUID, -- whose
    CHECK (a = b)
) WITH (fillfactor = 80);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE;
END $$;
CREATE TABLE businesses (
    id UUID
);
";
    let changed: Vec<String> = commands(sql).iter().map(|sql| partition(sql)).collect();
    let lots = "CREATE TABLE lots (
    business_id UUID,
    CHECK (a = b)
) PARTITION BY HASH (business_id);
";
    assert!(changed[0].starts_with(lots), "{}", changed[0]);
    let last = "REMAINDER 3) WITH (fillfactor = 80);\n";
    assert!(changed[0].ends_with(last), "{}", changed[0]);
    assert_eq!(changed[0].matches("CREATE TABLE").count(), 1 + PARTITIONS);
    assert!(changed[1].starts_with("CREATE FUNCTION") && changed[1].ends_with("END $$;\n"));
    assert_eq!(changed[2], "CREATE TABLE businesses (\n    id UUID\n);\n");
    assert_eq!(changed.len(), 4);
}
