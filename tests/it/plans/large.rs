//! A business with many rows in every table: a few are made through gRPC, and copied with other keys.

use std::fmt::Write;

use carnet::app::{App, Running};
use carnet::clock::Clock;
use carnet::ids::BusinessId;
use carnet::store::db::Database as Connection;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::seeds::{Seeds, copied, plant};
use crate::support::app::{Database, STARTS_AT, channel, settings};
use crate::support::fresh::Fresh;
use crate::support::tenant::Tenant;

/// How many connections the server has for all but batches: few, so that each executes everything again.
pub(super) const CONNECTIONS: usize = 2;
/// How many copies each table has.
const COPIES: u32 = 20_000;
/// The first so many packages are those of one customer and of one group.
pub(super) const OF_ONE_OWNER: u32 = 2_000;
/// The first so many packages are of a template that hardly sells.
const OF_RARE_TEMPLATE: u32 = 10;
/// What copies have in place of the zeros: they are older than all that is made through gRPC.
const KEYS: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;

/// The key of a copy, counted from 1.
pub(super) fn key(copy: u32) -> Uuid {
    Uuid::from_u128(KEYS | u128::from(copy))
}

/// Takes statistics, and never again.
const NO_STATISTICS_FROM_NOW_ON: [&str; 2] = [
    "ANALYZE",
    "DO $$ DECLARE name regclass; BEGIN
        FOR name IN SELECT oid FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', name); END LOOP;
     END $$",
];

/// A server on a database that is full.
pub(super) struct Large {
    pub(super) fresh: Fresh,
    pub(super) running: Running,
    pub(super) tenant: Tenant,
    pub(super) seeds: Seeds,
    pub(super) clock: Clock,
}

/// A table, and what copies have in some of its columns: `{key}` is the copy's key, `{owner}` that of the
/// customer who owns it, and `{n}` its number.
type Copied = (&'static str, &'static [(&'static str, &'static str)]);

/// In an order in which nothing refers to what is not there yet.
const TABLES: [Copied; 39] = [
    ("roles", &[("id", "{key}"), ("name_folded", "'copy {n}'")]),
    ("users", &[("id", "{key}"), ("external_id", "NULL")]),
    ("tokens", &[("id", "{key}")]),
    (
        "audit_events",
        &[
            ("id", "{key}"),
            ("token_id", "{key}"),
            ("user_id", "{key}"),
            ("denied_reason", "CASE WHEN {n} % 1000 = 0 THEN method END"),
        ],
    ),
    (
        "audit_subjects",
        &[("audit_event_id", "{key}"), ("subject", "'copy {n}'")],
    ),
    ("requests", &[("request_id", "{key}")]),
    ("credit_types", &[("id", "{key}"), ("external_id", "NULL")]),
    (
        "items",
        &[
            ("id", "{key}"),
            ("external_id", "NULL"),
            ("category", "'category ' || {n} % 20"),
        ],
    ),
    ("templates", &[("id", "{key}"), ("external_id", "NULL")]),
    ("template_versions", &[("template_id", "{key}")]),
    ("lines", &[("id", "{key}"), ("template_id", "{key}")]),
    ("customers", &[("id", "{key}"), ("external_id", "NULL")]),
    (
        "groups",
        &[
            ("id", "{key}"),
            ("external_id", "NULL"),
            ("contact_id", "{key}"),
        ],
    ),
    (
        "group_members",
        &[("group_id", "{key}"), ("customer_id", "{key}")],
    ),
    (
        "sales",
        &[
            ("id", "{key}"),
            ("customer_id", "{owner}"),
            ("request_id", "{key}"),
        ],
    ),
    (
        "packages",
        &[
            ("id", "{key}"),
            ("external_id", "NULL"),
            ("sale_id", "{key}"),
            ("customer_id", "{owner}"),
            ("group_id", "{group}"),
            ("template_id", "{template}"),
            ("starts_at", "starts_at - 86400000000"),
            ("expires_at", "starts_at + ({n} - 10) * 3600000000"),
        ],
    ),
    (
        "subscriptions",
        &[
            ("id", "{key}"),
            ("external_id", "NULL"),
            ("customer_id", "{owner}"),
            ("next_due_at", "created_at + ({n} - 10) * 3600000000"),
        ],
    ),
    (
        "invoices",
        &[
            ("id", "{key}"),
            ("external_id", "NULL"),
            ("customer_id", "{owner}"),
            ("number", "number + {n}"),
        ],
    ),
    ("invoice_lines", &[("id", "{key}"), ("invoice_id", "{key}")]),
    (
        "payments",
        &[
            ("id", "{key}"),
            ("sale_id", "CASE WHEN {n} % 2 = 0 THEN {key} END"),
            ("invoice_id", "CASE WHEN {n} % 2 = 1 THEN {key} END"),
        ],
    ),
    (
        "charge_requests",
        &[
            ("id", "{key}"),
            ("sale_id", "{key}"),
            ("customer_id", "{owner}"),
            ("feed", "-{n}"),
        ],
    ),
    (
        "package_members",
        &[("customer_id", "{key}"), ("package_id", "{key}")],
    ),
    (
        "lots",
        &[
            ("id", "{key}"),
            ("package_id", "{key}"),
            ("customer_id", "{owner}"),
            ("last_posting_id", "{key}"),
            ("last_n", "0"),
            ("starts_at", "starts_at - 86400000000"),
            ("expires_at", "starts_at + ({n} - 10) * 3600000000"),
        ],
    ),
    (
        "entries",
        &[
            ("posting_id", "{key}"),
            ("n", "0"),
            ("lot_id", "{key}"),
            ("recorded_at", "recorded_at - (20000 - {n}) * 60000000"),
            ("feed", "-{n}"),
        ],
    ),
    ("changes", &[("package_id", "{key}"), ("feed", "-{n}")]),
    ("posting_notes", &[("posting_id", "{key}")]),
    ("holds", &[("id", "{key}"), ("customer_id", "{owner}")]),
    (
        "bookings",
        &[
            ("id", "{key}"),
            ("external_id", "NULL"),
            ("customer_id", "{owner}"),
            ("hold_id", "NULL"),
            ("series_id", "{key}"),
            ("series_index", "0"),
            ("starts_at", "starts_at + {n} * 3600000000"),
        ],
    ),
    ("suppressions", &[("address_folded", "'copy {n}'")]),
    ("hold_lots", &[("hold_id", "{key}"), ("lot_id", "{key}")]),
    ("triggers", &[("id", "{key}")]),
    (
        "events",
        &[
            ("id", "{key}"),
            ("customer_id", "{owner}"),
            ("subject", "'copy {n}'"),
        ],
    ),
    ("bulk_runs", &[("id", "{key}")]),
    ("bulk_results", &[("package_id", "{key}")]),
    ("closures", &[("id", "{key}")]),
    ("closure_packages", &[("package_id", "{key}")]),
    (
        "emails",
        &[
            ("id", "{key}"),
            ("customer_id", "{owner}"),
            ("occasion", "'copy {n}'"),
            (
                "finished_at",
                "CASE WHEN {n} % 1000 = 0 THEN NULL ELSE created_at END",
            ),
        ],
    ),
    ("email_templates", &[("locale", "'copy {n}'")]),
    (
        "notices",
        &[
            ("id", "{key}"),
            ("package_id", "{key}"),
            ("customer_id", "{owner}"),
            ("email_id", "{key}"),
        ],
    ),
];

impl Large {
    /// A full database, of which no statistics are kept yet.
    pub(super) async fn filled(database: Database) -> Self {
        Self::filled_beside(database, &[]).await
    }

    /// A database whose statistics know another business that is as large, but not this one.
    pub(super) async fn grown_since_the_statistics() -> Self {
        Self::filled_beside(Database::Postgres, &NO_STATISTICS_FROM_NOW_ON).await
    }

    /// A full database; with statements, another business fills it and these are run before this one comes.
    async fn filled_beside(database: Database, after_the_other: &[&str]) -> Self {
        let fresh = Fresh::migrated(database).await;
        let clock = Clock::manual(STARTS_AT.parse::<DateTime<Utc>>().unwrap());
        if !after_the_other.is_empty() {
            let _ = fill(&fresh, &clock, "Sailing school").await;
            let connection = fresh.connect().await;
            for statement in after_the_other {
                run(&connection, statement).await;
            }
            connection.close().await.unwrap();
        }
        let (tenant, seeds) = fill(&fresh, &clock, "Swim school").await;
        let running = serve(&fresh, &clock).await;
        Self {
            tenant: tenant.through(channel(&running)),
            fresh,
            running,
            seeds,
            clock,
        }
    }

    /// Runs statements from another connection, and serves on new connections afterwards.
    pub(super) async fn restarted_after(mut self, statements: &[&str]) -> Self {
        self.running.stop().await;
        let connection = self.fresh.connect().await;
        let database = database_name(&self.fresh.url);
        for statement in statements {
            run(&connection, &statement.replace("{database}", &database)).await;
        }
        connection.close().await.unwrap();
        self.running = serve(&self.fresh, &self.clock).await;
        self.tenant = self.tenant.through(channel(&self.running));
        self
    }

    pub(super) async fn close(self) {
        self.running.stop().await;
        self.fresh.remove().await;
    }
}

/// Makes a business with copies of all that it has.
async fn fill(fresh: &Fresh, clock: &Clock, name: &str) -> (Tenant, Seeds) {
    let running = serve(fresh, clock).await;
    let tenant = Tenant::create(running.context(), name, channel(&running)).await;
    let seeds = Box::pin(plant(&tenant, running.context())).await;
    running.stop().await;
    let connection = fresh.connect().await;
    copy_all(&connection, tenant.business_id).await;
    connection.close().await.unwrap();
    (tenant, seeds)
}

async fn serve(fresh: &Fresh, clock: &Clock) -> Running {
    let mut settings = settings(&fresh.url);
    settings.database.database_connections_max = u32::try_from(CONNECTIONS).unwrap();
    settings.mail.mail_capture_folder = fresh.folder.path().join("mail");
    let app = App::build(settings, clock.clone()).await.unwrap();
    app.bind().await.unwrap()
}

async fn run(connection: &Connection, sql: &str) {
    let txn = connection.begin().await.unwrap();
    let done = txn.execute_unprepared(sql).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    txn.commit().await.unwrap();
}

async fn copy_all(connection: &Connection, business_id: BusinessId) {
    let business = literal(business_id.uuid(), connection.backend());
    for (table, changed) in TABLES {
        let columns = columns(connection, table).await;
        let (mut names, mut cells) = (String::new(), String::new());
        for column in &columns {
            let changed = changed.iter().find(|(name, _)| name == column);
            let cell =
                changed.map_or_else(|| format!("seed.{column}"), |(_, cell)| (*cell).to_owned());
            let comma = if names.is_empty() { "" } else { ", " };
            write!(names, "{comma}{column}").unwrap();
            write!(cells, "{comma}{cell}").unwrap();
        }
        for (name, _) in changed {
            assert!(
                columns.iter().any(|column| column == name),
                "{table} has no {name}"
            );
        }
        let sql = format!(
            "INSERT INTO {table} ({names}) SELECT {cells}
             FROM (SELECT * FROM {table} WHERE business_id = {business} AND {} LIMIT 1) AS seed
             CROSS JOIN {}",
            copied(table),
            series(connection.backend())
        );
        let rare = connection.backend();
        let sql = sql
            .replace("{group}", "CASE WHEN {n} <= {many} THEN {one} END")
            .replace(
                "{template}",
                "CASE WHEN {n} <= {few} THEN {one} ELSE template_id END",
            )
            .replace(
                "{owner}",
                &keyed("CASE WHEN {n} <= {many} THEN 1 ELSE {n} END", rare),
            )
            .replace("{key}", &keyed("{n}", rare))
            .replace("{one}", &keyed("1", rare))
            .replace("{many}", &OF_ONE_OWNER.to_string())
            .replace("{few}", &OF_RARE_TEMPLATE.to_string())
            .replace("'copy {n}'", "'copy ' || copies.copy")
            .replace("{n}", "copies.copy");
        run(connection, &sql).await;
        let count = Statement::from_string(
            connection.backend(),
            format!("SELECT count(*) FROM {table} WHERE business_id = {business}"),
        );
        let row = connection.reader().query_one_raw(count).await.unwrap();
        let count: i64 = row.unwrap().try_get_by_index(0).unwrap();
        assert!(
            count > i64::from(COPIES),
            "{table} has nothing to be copied"
        );
    }
}

fn keyed(number: &str, backend: DbBackend) -> String {
    if backend == DbBackend::Postgres {
        format!("('01900000-0000-7000-8000-' || lpad(to_hex({number}), 12, '0'))::uuid")
    } else {
        format!("unhex('01900000000070008000' || printf('%012x', {number}))")
    }
}

fn literal(id: Uuid, backend: DbBackend) -> String {
    if backend == DbBackend::Postgres {
        format!("'{id}'::uuid")
    } else {
        format!("x'{}'", id.simple())
    }
}

fn series(backend: DbBackend) -> String {
    if backend == DbBackend::Postgres {
        format!("generate_series(1::bigint, {COPIES}) AS copies(copy)")
    } else {
        format!(
            "(WITH RECURSIVE counted(copy) AS (
                SELECT 1 UNION ALL SELECT copy + 1 FROM counted WHERE copy < {COPIES}
             ) SELECT copy FROM counted) AS copies"
        )
    }
}

async fn columns(connection: &Connection, table: &str) -> Vec<String> {
    let sql = if connection.backend() == DbBackend::Postgres {
        format!(
            "SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}'
             AND table_schema = 'public'"
        )
    } else {
        format!("SELECT name FROM pragma_table_info('{table}')")
    };
    let statement = Statement::from_string(connection.backend(), sql);
    let rows = connection.reader().query_all_raw(statement).await.unwrap();
    let names = rows.iter().map(|row| row.try_get_by_index(0).unwrap());
    names.collect()
}

/// The database of a URL, as SQL names it.
fn database_name(url: &str) -> String {
    let (path, _) = url.split_once('?').unwrap_or((url, ""));
    let (_, name) = path.rsplit_once('/').unwrap();
    format!("\"{name}\"")
}
