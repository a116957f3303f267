//! What SQLite says of the plans of the statements that the server's connections executed.

use carnet::store::db::Database as Connection;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

/// The text of a statement as it is prepared: sea-orm tells it with the values in it, and a value that is seen
/// makes for other plans than one that is bound.
pub(super) fn prepared(told: &str) -> String {
    let mut text = String::with_capacity(told.len());
    let mut rest = told;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let length = if matches!(first, '\'') {
            quoted(rest, '\'')
        } else if matches!(first, 'x' | 'X') && rest[1..].starts_with('\'') {
            1 + quoted(&rest[1..], '\'')
        } else if first.is_ascii_digit() && !is_word(before) && before != '$' {
            rest.find(|character| !is_word(character) && character != '.')
                .unwrap_or(rest.len())
        } else {
            0
        };
        if length > 0 {
            text.push('?');
            before = '?';
            rest = &rest[length..];
            continue;
        }
        let length = match first {
            '"' => quoted(rest, '"'),
            _ if is_word(first) => rest
                .find(|character| !is_word(character))
                .unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let word = &rest[..length];
        let is_value = matches!(word, "TRUE" | "FALSE");
        text.push_str(if is_value { "?" } else { word });
        before = word.chars().last().unwrap();
        rest = &rest[length..];
    }
    text
}

/// How long a quoted piece is that the text begins with.
fn quoted(text: &str, quote: char) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == quote {
            match characters.peek() {
                Some((_, next)) if *next == quote => {
                    characters.next();
                }
                _ => return at + 1,
            }
        }
    }
    text.len()
}

/// The calls that page through all that a business has of something, and of which table.
const PAGES_OF_ALL: [(&str, &str); 30] = [
    ("Outstanding", "customers"),
    ("Packages", "packages"),
    ("ListBookings", "bookings"),
    ("ListInvoices", "invoices"),
    ("ListChargeRequests", "charge_requests"),
    ("ListSubscriptions", "subscriptions"),
    ("ListPackages", "packages"),
    ("ListPackages of a status", "packages"),
    ("ListCreditTypes", "credit_types"),
    ("ListItems", "items"),
    ("ListTemplates", "templates"),
    ("ListCustomers", "customers"),
    ("ListCustomers, inactive too", "customers"),
    ("ListGroups", "groups"),
    ("ListUsers", "users"),
    ("ListTokens", "tokens"),
    ("ListRoles", "roles"),
    ("ListAuditEvents", "audit_events"),
    ("ListEmails", "emails"),
    ("ListSuppressions", "suppressions"),
    ("ListEmailTemplates", "email_templates"),
    ("ListClosures", "closures"),
    ("ListTriggers", "triggers"),
    // By an index of nothing but those.
    ("ListAuditEvents, refused ones", "audit_events"),
    ("ListUpcoming", "emails"),
    ("ListUpcoming", "template_versions"),
    ("ListUpcoming", "packages"),
    // The newest first, one.
    ("ListUpcoming", "mail_days"),
    ("ListSubscriptions of a state", "subscriptions"),
    // Unlike PostgreSQL, which looks for the ends if they are few.
    ("ListPackages that end in a week", "packages"),
];

/// What a plan does that grows with the business.
pub(super) fn faults(name: &str, steps: &[String]) -> Vec<String> {
    let is_sorted = steps.iter().any(|step| step.contains("TEMP B-TREE"));
    let mut faults = Vec::new();
    for step in steps {
        let mut words = step.split(' ');
        let (verb, table) = (words.next(), words.next().unwrap_or_default());
        // The rows that came with the statement, the chain that it has found, an index of nothing but what is
        // wanted, and the businesses, of which a job does each.
        let is_scan = !step.ends_with("INDEX bulk_runs_open")
            && verb == Some("SCAN")
            && !["json_each", "chain", "CONSTANT", "businesses"].contains(&table);
        let is_walk = step.ends_with("(business_id=?)");
        let is_page = PAGES_OF_ALL.contains(&(name, table)) && !is_sorted;
        if is_scan || is_walk && !is_page {
            faults.push(step.clone());
        }
    }
    faults
}

/// The steps of a statement's plan.
pub(super) async fn steps(connection: &Connection, prepared: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {prepared}");
    let statement = Statement::from_string(DbBackend::Sqlite, explain);
    let rows = connection.reader().query_all_raw(statement).await;
    let rows = rows.unwrap_or_else(|error| panic!("{prepared}: {error}"));
    rows.iter()
        .map(|row| row.try_get_by("detail").unwrap())
        .collect()
}

#[test]
fn values_are_told_from_names_and_taken_out() {
    let told = r#"SELECT "a1", t.b2, 'it''s', x'00ff' FROM "lots" WHERE n = 12 AND f = TRUE AND g = $1 LIMIT 5"#;
    let wanted = r#"SELECT "a1", t.b2, ?, ? FROM "lots" WHERE n = ? AND f = ? AND g = $1 LIMIT ?"#;
    assert_eq!(prepared(told), wanted);
}
