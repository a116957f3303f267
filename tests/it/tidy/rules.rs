//! The rules, each from one source to its faults.

use super::lexer::{Kind, Token};
use super::{Fault, Source};

/// The most lines of a file of the program.
const SOURCE_LINES_MAX: usize = 450;

/// The most lines of a file of tests.
const TEST_LINES_MAX: usize = 500;

/// The one place that may ask a database for the time: it compares that with our clock.
pub(super) const DATABASE_CLOCK: &str = "src/store/database_clock.rs";

/// The one place that may delete entries: a business leaves, after its export was verified.
pub(super) const LEAVING: &str = "src/store/leaving.rs";

/// A Rust file begins by saying what it is for.
pub(super) fn module_doc(source: &Source) -> Vec<Fault> {
    let first = source.text.lines().find(|line| !line.trim().is_empty());
    if source.is_rust() && !first.is_some_and(|line| line.starts_with("//! ")) {
        return vec![Fault::new(1, "begin with a module doc (`//! …`)")];
    }
    Vec::new()
}

/// No Rust file is longer than one can keep in mind.
pub(super) fn file_length(source: &Source) -> Vec<Fault> {
    let lines = source.text.lines().count();
    let max = if source.is_under("src/") {
        SOURCE_LINES_MAX
    } else {
        TEST_LINES_MAX
    };
    if source.is_rust() && lines > max {
        return vec![Fault::new(
            lines,
            format!("{lines} lines, at most {max}: split it"),
        )];
    }
    Vec::new()
}

/// A module is `foo.rs` beside `foo/`.
pub(super) fn no_mod_rs(source: &Source) -> Vec<Fault> {
    if source.path.ends_with("/mod.rs") {
        return vec![Fault::new(1, "name it after its folder, beside the folder")];
    }
    Vec::new()
}

/// What a layer may name of this crate, beside itself, and what it must not name of others.
struct Layer {
    name: &'static str,
    may_name: &'static [&'static str],
    crates_banned: &'static [&'static str],
}

const fn layer(
    name: &'static str,
    may_name: &'static [&'static str],
    crates_banned: &'static [&'static str],
) -> Layer {
    Layer {
        name,
        may_name,
        crates_banned,
    }
}

/// main → app → grpc → service → store → domain; jobs and web beside grpc, ledger between service
/// and store; mail, clock, config and ids are leaves. A module that is not here may name all.
const LAYERS: [Layer; 12] = [
    layer(
        "clock",
        &[],
        &["axum", "sea_orm", "sqlx", "tokio", "tonic", "tracing"],
    ),
    layer(
        "ids",
        &[],
        &["axum", "sea_orm", "sqlx", "tokio", "tonic", "tracing"],
    ),
    layer("config", &[], &["axum", "sea_orm", "sqlx", "tonic"]),
    layer("proto", &[], &["axum", "sea_orm", "sqlx", "tokio"]),
    layer("mail", &[], &["axum", "prost", "sea_orm", "sqlx", "tonic"]),
    layer(
        "domain",
        &["ids"],
        &[
            "async",
            "await",
            "axum",
            "futures_util",
            "handlebars",
            "lettre",
            "prost",
            "rand",
            "sea_orm",
            "sqlx",
            "tokio",
            "tonic",
            "tower",
            "tracing",
        ],
    ),
    layer(
        "store",
        &["clock", "config", "domain", "ids"],
        &[
            "axum",
            "handlebars",
            "lettre",
            "prost",
            "tokio_cron_scheduler",
            "tonic",
        ],
    ),
    layer(
        "ledger",
        &["clock", "config", "domain", "ids", "store"],
        &[
            "axum",
            "handlebars",
            "lettre",
            "prost",
            "tokio_cron_scheduler",
            "tonic",
        ],
    ),
    layer(
        "service",
        &[
            "clock", "config", "domain", "ids", "ledger", "mail", "store",
        ],
        &["axum", "prost", "tokio_cron_scheduler", "tonic"],
    ),
    layer(
        "grpc",
        &[
            "clock", "config", "domain", "ids", "mail", "proto", "service",
        ],
        &[
            "handlebars",
            "lettre",
            "sea_orm",
            "sqlx",
            "tokio_cron_scheduler",
        ],
    ),
    layer(
        "web",
        &["clock", "config", "domain", "ids", "mail", "service"],
        &[
            "lettre",
            "prost",
            "sea_orm",
            "sqlx",
            "tokio_cron_scheduler",
            "tonic",
        ],
    ),
    layer(
        "jobs",
        &[
            "clock", "config", "domain", "ids", "ledger", "mail", "service", "store",
        ],
        &["axum", "prost", "tonic"],
    ),
];

/// A layer names only those below it.
pub(super) fn layers(source: &Source) -> Vec<Fault> {
    let Some(path) = source
        .path
        .strip_prefix("src/")
        .filter(|_| source.is_rust())
    else {
        return Vec::new();
    };
    let own = path.split(['/', '.']).next().unwrap_or_default();
    let mut faults = Vec::new();
    for window in source.tokens.windows(4) {
        if window[0].is_word("super") && is_path(&window[1..3]) && window[3].is_word("super") {
            let message = "name it from `crate`, so that the layers can be seen";
            faults.push(Fault::new(window[0].line, message));
        }
    }
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == own) else {
        return faults;
    };
    for module in named_modules(&source.tokens) {
        if module.text != own && !layer.may_name.contains(&module.text.as_str()) {
            let message = format!("`{own}` may not name `crate::{}`", module.text);
            faults.push(Fault::new(module.line, message));
        }
    }
    for name in named_crates(&source.tokens, layer.crates_banned) {
        let message = format!("`{own}` may not name `{}`", name.text);
        faults.push(Fault::new(name.line, message));
    }
    faults
}

fn is_path(tokens: &[Token]) -> bool {
    tokens.len() >= 2 && tokens[0].is_mark(":") && tokens[1].is_mark(":")
}

/// What stands after `crate::`, in groups too.
fn named_modules(tokens: &[Token]) -> Vec<&Token> {
    let mut named = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let after = &tokens[at + 1..];
        if !token.is_word("crate") || !is_path(after) {
            continue;
        }
        let (mut depth, mut expected) = (0_usize, true);
        for token in &after[2..] {
            match (token.kind, token.text.as_str()) {
                (Kind::Mark, "{") => (depth, expected) = (depth + 1, depth == 0),
                (Kind::Mark, "}") => (depth, expected) = (depth.saturating_sub(1), false),
                (Kind::Mark, ",") => expected = depth == 1,
                (Kind::Word, _) if expected => {
                    named.push(token);
                    expected = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    named
}

/// Where one of `banned` stands as a crate, or as a keyword of its own.
fn named_crates<'a>(tokens: &'a [Token], banned: &[&str]) -> Vec<&'a Token> {
    let mut named = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Word || !banned.contains(&token.text.as_str()) {
            continue;
        }
        let keyword = matches!(token.text.as_str(), "async" | "await");
        let used = at > 0 && tokens[at - 1].is_word("use");
        let grouped = at > 1 && is_path(&tokens[at - 2..at]) && at > 2;
        let of_another =
            grouped && tokens[at - 3].kind == Kind::Word && !tokens[at - 3].is_word("use");
        if keyword || used || (is_path(&tokens[at + 1..]) && !of_another) {
            named.push(token);
        }
    }
    named
}

/// What asks a database for the time, in lower case and without blanks.
const SQL_CLOCKS: [&str; 12] = [
    "now()",
    "'now'",
    "clock_timestamp()",
    "statement_timestamp()",
    "transaction_timestamp()",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "localtimestamp",
    "unixepoch()",
    "timeofday()",
];

/// The time comes from `Clock` and is bound as a parameter, never asked for in SQL.
pub(super) fn no_sql_clock(source: &Source) -> Vec<Fault> {
    if source.path == DATABASE_CLOCK {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (line, sql) in statements(source) {
        let packed: String = sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let packed = packed.replace(" (", "(").replace("( ", "(");
        if SQL_CLOCKS.iter().any(|clock| has_word(&packed, clock)) {
            faults.push(Fault::new(line, "bind the time of `Clock` as a parameter"));
        }
    }
    faults
}

/// Entries are never changed or deleted (design: the ledger).
pub(super) fn entries_append_only(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (line, sql) in statements(source) {
        let leaves = source.path == LEAVING && !has_word(&sql, "update entries");
        let changes = has_word(&sql, "update entries") || has_word(&sql, "delete from entries");
        if changes && !leaves {
            faults.push(Fault::new(line, "entries are never changed or deleted"));
        }
    }
    faults
}

/// Entries are written in one file only.
pub(super) fn entries_in_one_file(sources: &[Source]) -> Vec<String> {
    let writers: Vec<&str> = sources
        .iter()
        .filter(|source| writes_entries(source))
        .map(|source| source.path.as_str())
        .collect();
    match writers.len() {
        0 | 1 => Vec::new(),
        _ => vec![format!(
            "entries are written in more than one file: {}",
            writers.join(", ")
        )],
    }
}

fn writes_entries(source: &Source) -> bool {
    let by_sql = statements(source)
        .iter()
        .any(|(_, sql)| has_word(sql, "insert into entries"));
    let by_entity = source.is_under("src/")
        && source.tokens.windows(7).any(|tokens| {
            let named = tokens[0].is_word("entries") || tokens[0].is_word("entry");
            let path = named && is_path(&tokens[1..3]);
            let inserts = tokens[6].text.starts_with("insert") && is_path(&tokens[4..6]);
            path && (tokens[3].is_word("ActiveModel") || (tokens[3].is_word("Entity") && inserts))
        });
    by_sql || by_entity
}

/// The SQL of the program and of the migrations: the line where it begins, and the text in lower
/// case with single blanks and without double quotes.
fn statements(source: &Source) -> Vec<(usize, String)> {
    let tidied = |text: &str| {
        let text = text
            .replace("\\\n", " ")
            .replace("\\\"", "")
            .replace('"', "");
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").to_lowercase()
    };
    if source.is_under("migrations/") {
        let commands = migration_commands(&source.text).into_iter();
        return commands.map(|(line, sql)| (line, tidied(&sql))).collect();
    }
    if !source.is_under("src/") || !source.is_rust() {
        return Vec::new();
    }
    let texts = source
        .tokens
        .iter()
        .filter(|token| token.kind == Kind::Text);
    texts
        .map(|token| (token.line, tidied(&token.text)))
        .collect()
}

/// The commands of a migration without comments, each with the line where it begins.
fn migration_commands(text: &str) -> Vec<(usize, String)> {
    let mut commands = vec![(1, String::new())];
    for (index, line) in text.lines().enumerate() {
        let code = line.split("--").next().unwrap_or_default();
        for (nth, piece) in code.split(';').enumerate() {
            let fresh = commands
                .last()
                .is_none_or(|(_, command)| command.trim().is_empty());
            if fresh {
                commands.pop();
            }
            if nth > 0 || fresh {
                commands.push((index + 1, String::new()));
            }
            if let Some((_, command)) = commands.last_mut() {
                command.push_str(piece);
                command.push('\n');
            }
        }
    }
    commands
}

/// Whether `wanted` stands in `text` without a letter, digit or underscore at either side.
fn has_word(text: &str, wanted: &str) -> bool {
    let of_word = |character: char| character.is_alphanumeric() || character == '_';
    text.match_indices(wanted).any(|(at, _)| {
        let free_before = !wanted.starts_with(of_word) || !text[..at].ends_with(of_word);
        let free_after =
            !wanted.ends_with(of_word) || !text[at + wanted.len()..].starts_with(of_word);
        free_before && free_after
    })
}

/// Nothing is left for later, no test is switched off, and a lint is expected, not allowed.
pub(super) fn no_markers(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    let markers = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    for (index, line) in source.text.lines().enumerate() {
        if markers.iter().any(|marker| has_word(line, marker)) {
            faults.push(Fault::new(index + 1, "do it, or leave it out"));
        }
    }
    for (at, token) in source.tokens.iter().enumerate() {
        let opened = source.is_rust() && at > 0 && source.tokens[at - 1].is_mark("[");
        if opened && token.is_word("ignore") {
            faults.push(Fault::new(token.line, "every test runs"));
        }
        if opened && token.is_word("allow") {
            faults.push(Fault::new(token.line, "use #[expect(…, reason = …)]"));
        }
    }
    faults
}
