//! The sources keep the rules that neither the compiler nor clippy knows.
//!
//! A rule is a function from one source (or from all) to its faults; each is tried on a planted
//! violation, so a rule that no longer sees anything fails here too.

mod lexer;
mod rules;
mod words;

use std::fs;
use std::path::Path;

use lexer::{Language, Token};

/// One file as the rules see it.
#[derive(Debug)]
struct Source {
    /// Relative to the root of the repository, with slashes.
    path: String,
    text: String,
    /// Empty for files in a language that the rules do not read.
    tokens: Vec<Token>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens: Language::of(path).map_or_else(Vec::new, |language| language.tokens(text)),
        }
    }

    fn is_rust(&self) -> bool {
        Language::of(&self.path) == Some(Language::Rust)
    }

    fn is_under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

/// What is wrong, and on which line, counted from 1.
#[derive(Debug)]
struct Fault {
    line: usize,
    message: String,
}

impl Fault {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

type Rule = fn(&Source) -> Vec<Fault>;

/// The rules that need only one file, by name.
const RULES: [(&str, Rule); 8] = [
    ("module_doc", rules::module_doc),
    ("file_length", rules::file_length),
    ("no_mod_rs", rules::no_mod_rs),
    ("layers", rules::layers),
    ("no_sql_clock", rules::no_sql_clock),
    ("entries_append_only", rules::entries_append_only),
    ("no_markers", rules::no_markers),
    ("words", words::words),
];

/// Every fault of `sources`, as lines to print.
fn faults(sources: &[Source]) -> Vec<String> {
    let mut all = Vec::new();
    for source in sources {
        for (name, rule) in RULES {
            for fault in rule(source) {
                all.push(format!(
                    "{}:{}: {} [{name}]",
                    source.path, fault.line, fault.message
                ));
            }
        }
    }
    all.extend(rules::entries_in_one_file(sources));
    all
}

/// Where the project's own text lies; what is not there yet is passed over.
const PLACES: [&str; 15] = [
    ".ci",
    ".github",
    "Cargo.toml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "benches",
    "build.rs",
    "deploy",
    "docs",
    "email-templates",
    "examples",
    "migrations",
    "proto",
    "src",
];

fn collect(root: &Path, relative: &str, sources: &mut Vec<Source>) {
    let path = root.join(relative);
    if path.is_dir() {
        let mut names: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        for name in names {
            collect(root, &format!("{relative}/{name}"), sources);
        }
    } else if let Ok(text) = fs::read_to_string(&path) {
        sources.push(Source::new(relative, &text));
    }
}

#[test]
fn the_sources_are_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for place in PLACES.into_iter().chain(["tests"]) {
        collect(root, place, &mut sources);
    }
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"));
    let faults = faults(&sources);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// The names of the rules that find fault with a file of this path and text.
fn complaints(path: &str, text: &str) -> Vec<&'static str> {
    let source = Source::new(path, text);
    RULES
        .into_iter()
        .filter(|(_, rule)| !rule(&source).is_empty())
        .map(|(name, _)| name)
        .collect()
}

/// A Rust file of `code` that is documented.
fn documented(code: &str) -> String {
    format!("//! What it is.\n\n{code}\n")
}

#[test]
fn every_planted_violation_is_seen_by_its_rule_alone() {
    let marker = ["// TO", "DO: later"].concat();
    let long = "//! Long.\n".repeat(451);
    let longer = "//! Long.\n".repeat(501);
    let planted: &[(&str, &str, &str)] = &[
        ("module_doc", "src/service/sales.rs", "use std::fmt;\n"),
        ("module_doc", "src/service/empty.rs", ""),
        ("file_length", "src/service/sales.rs", &long),
        ("file_length", "tests/it/sales.rs", &longer),
        ("no_mod_rs", "src/service/mod.rs", "//! Doc.\n"),
        ("no_markers", "src/a.rs", &documented(&marker)),
        ("no_markers", "proto/carnet/v1/a.proto", &marker),
        (
            "no_markers",
            "src/a.rs",
            &documented("#[ignore = \"slow\"]\nfn f() {}"),
        ),
        ("no_markers", "src/a.rs", &documented("#![allow(unused)]")),
        (
            "no_markers",
            "tests/it/a.rs",
            &documented("#[allow(unused)] fn f() {}"),
        ),
    ];
    for (rule, path, text) in planted {
        assert_eq!(complaints(path, text), [*rule], "{path}:\n{text:.200}");
    }
}

#[test]
fn every_planted_crossing_of_layers_is_seen() {
    for (path, code) in [
        ("src/domain/credits.rs", "use crate::store::lots;"),
        ("src/domain.rs", "use crate::clock::Clock;"),
        ("src/domain/a.rs", "use sea_orm::Value;"),
        ("src/domain/a.rs", "use ::tonic::Status;"),
        ("src/domain/a.rs", "use tokio;"),
        ("src/domain/a.rs", "fn f() { tracing::info!(\"said\"); }"),
        ("src/domain/a.rs", "pub async fn f() {}"),
        ("src/domain/a.rs", "fn f() { g().await; }"),
        (
            "src/store/lots.rs",
            "use crate::{\n    domain::{a, b},\n    ledger::post,\n};",
        ),
        ("src/store/lots.rs", "fn f(_: crate::grpc::Server) {}"),
        ("src/store/lots.rs", "use crate::service;"),
        ("src/store/lots.rs", "use super::super::jobs;"),
        ("src/ledger/post.rs", "use crate::service::sales;"),
        ("src/service/sales.rs", "use crate::grpc::status;"),
        ("src/service/sales.rs", "use tonic::Status;"),
        ("src/service/sales.rs", "use crate::proto::v1;"),
        ("src/grpc/sales.rs", "use sea_orm::DatabaseTransaction;"),
        ("src/grpc/sales.rs", "use crate::store::lots;"),
        ("src/web/page.rs", "use crate::grpc::convert;"),
        ("src/jobs/expire.rs", "use crate::web::page;"),
        ("src/mail/render.rs", "use crate::store::emails;"),
        ("src/mail.rs", "use crate::{clock::Clock, service};"),
        ("src/ids.rs", "use crate::domain::credits;"),
    ] {
        assert_eq!(
            complaints(path, &documented(code)),
            ["layers"],
            "{path}: {code}"
        );
    }
}

#[test]
fn every_planted_clock_in_sql_is_seen() {
    for sql in [
        "UPDATE lots SET read_at = now()",
        "SELECT NOW ( )",
        "SELECT current_timestamp",
        "SELECT datetime('now')",
        "SELECT strftime('%s', 'now')",
        "SELECT clock_timestamp()",
        "SELECT unixepoch()",
        "SELECT LOCALTIMESTAMP",
    ] {
        let code = documented(&format!("const SQL: &str = r#\"{sql}\"#;"));
        assert_eq!(
            complaints("src/store/lots.rs", &code),
            ["no_sql_clock"],
            "{sql}"
        );
        assert_eq!(
            complaints("migrations/sqlite/0001_a.sql", sql),
            ["no_sql_clock"],
            "{sql}"
        );
        assert!(complaints(rules::DATABASE_CLOCK, &code).is_empty(), "{sql}");
    }
}

#[test]
fn every_planted_change_of_entries_is_seen() {
    for sql in [
        "UPDATE entries SET n = 0",
        "delete from \"entries\"",
        "DELETE  FROM\n entries",
    ] {
        let code = documented(&format!("const SQL: &str = r#\"{sql}\"#;"));
        assert_eq!(
            complaints("src/store/lots.rs", &code),
            ["entries_append_only"],
            "{sql}"
        );
        assert!(
            complaints("tests/it/ledger.rs", &code).is_empty(),
            "tests try the guard: {sql}"
        );
    }
    let leaving = documented("const SQL: &str = \"DELETE FROM entries\";");
    assert!(complaints(rules::LEAVING, &leaving).is_empty());
    for code in [
        "const SQL: &str = \"INSERT INTO \\\n    entries (n) VALUES ($1)\";",
        "fn f() { entries::Entity::insert_many(rows); }",
        "fn f() { entry::ActiveModel { n: Set(0) }; }",
    ] {
        let writer = |path| Source::new(path, &documented(code));
        let one = [writer("src/store/entries.rs")];
        assert!(rules::entries_in_one_file(&one).is_empty());
        let two = [writer("src/store/entries.rs"), writer("src/ledger/post.rs")];
        assert_eq!(rules::entries_in_one_file(&two).len(), 1, "{code}");
    }
}

#[test]
fn every_planted_unwanted_word_is_seen() {
    for (path, code) in [
        ("src/a.rs", "fn debit() {}"),
        ("src/a.rs", "struct WalletRow;"),
        ("src/a.rs", "const BURNED_MAX: u8 = 1;"),
        ("src/a.rs", "mod outbox;"),
        ("src/a.rs", "fn grant_credits() {}"),
        ("src/a.rs", "fn refund_credits() {}"),
        ("src/a.rs", "fn void_package() {}"),
        ("src/a.rs", "enum E { PackageInactive }"),
        ("src/a.rs", "let lapsed_at = 1;"),
        ("proto/carnet/v1/a.proto", "message RedeemRequest {}"),
        ("proto/carnet/v1/a.proto", "string purchase_id = 1;"),
        (
            "migrations/postgres/0001_a.sql",
            "CREATE TABLE outbox (id bigint);",
        ),
    ] {
        assert_eq!(
            complaints(path, &documented(code)),
            ["words"],
            "{path}: {code}"
        );
    }
}

#[test]
fn what_only_looks_like_a_violation_is_left_alone() {
    for (path, code) in [
        (
            "src/domain/a.rs",
            "use crate::domain::credits::Credits;\nuse crate::ids::LotId;",
        ),
        (
            "src/domain/a.rs",
            "/// As [`crate::store`] keeps it, and tonic::Status says.\nfn f() {}",
        ),
        (
            "src/domain/a.rs",
            "fn f(tokio: &'static str) -> char { '\"' }",
        ),
        ("src/grpc/a.rs", "use crate::{proto::v1, service::sales};"),
        (
            "src/service/a.rs",
            "use crate::{ledger::post, store::{lots, grpc}};",
        ),
        ("src/app.rs", "use crate::{grpc, jobs, store, web};"),
        ("src/store/a.rs", "fn f(clock: &Clock) { clock.now(); }"),
        (
            "src/store/a.rs",
            "const SQL: &str = \"SELECT known(), renow() FROM entries\";",
        ),
        (
            "src/store/a.rs",
            "// UPDATE entries is refused; now() is not asked.\nfn f() {}",
        ),
        (
            "src/a.rs",
            "fn elapsed() { avoid(); let voided_invoice = Invoice::Void; }",
        ),
        (
            "src/a.rs",
            "const TEXT: &str = \"GRANT SELECT\"; // no wallet",
        ),
        ("src/a.rs", "enum Permission { PurchaseOnAccount }"),
        ("src/a.rs", "const TODOS: u8 = 1; // mastodon"),
        (
            "src/a.rs",
            "#[expect(clippy::allow_attributes, reason = \"\")] fn allow() {}",
        ),
        ("src/invoices.rs", "enum State { Void }"),
        ("src/a.rs", "fn record_refund() {} struct CustomerInactive;"),
        (
            "migrations/postgres/0001_a.sql",
            "GRANT SELECT ON entries TO reader; -- now()",
        ),
    ] {
        let none: [&str; 0] = [];
        assert_eq!(complaints(path, &documented(code)), none, "{path}: {code}");
    }
}
