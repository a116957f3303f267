//! One word per idea: the words that the design leaves out are no part of any name.

use super::lexer::Kind;
use super::{Fault, Source};

/// A word that is not used, and the one that is.
const UNWANTED: [(&str, &str); 22] = [
    ("debit", "consume"),
    ("debits", "consume"),
    ("debited", "consumed"),
    ("burn", "consume"),
    ("burns", "consume"),
    ("burned", "consumed"),
    ("redeem", "consume"),
    ("redeems", "consume"),
    ("redeemed", "consumed"),
    ("redemption", "consumption"),
    ("grant", "package, or issue"),
    ("grants", "packages, or issues"),
    ("granted", "issued"),
    ("wallet", "package"),
    ("wallets", "packages"),
    ("purchase", "sale"),
    ("purchases", "sales"),
    ("purchased", "sold"),
    ("lapse", "expire"),
    ("lapsed", "expired"),
    ("outbox", "emails"),
    ("outboxes", "emails"),
];

/// No name has an unwanted word in it. Strings and comments are free: SQL has a `GRANT`.
pub(super) fn words(source: &Source) -> Vec<Fault> {
    let places = ["src/", "proto/", "migrations/"];
    if !places.iter().any(|place| source.is_under(place)) {
        return Vec::new();
    }
    let lines: Vec<String> = source.text.lines().map(str::to_lowercase).collect();
    let mut faults = Vec::new();
    for token in source
        .tokens
        .iter()
        .filter(|token| token.kind == Kind::Word)
    {
        let around = lines.get(token.line - 1).map_or("", String::as_str);
        if let Some(better) = better_word(source, &parts(&token.text), around) {
            let message = format!("`{}` is not our word: {better}", token.text);
            faults.push(Fault::new(token.line, message));
        }
    }
    faults
}

/// What to say instead of a name of these parts that stands in the line `around`.
fn better_word(source: &Source, parts: &[String], around: &str) -> Option<&'static str> {
    let has = |word: &str| parts.iter().any(|part| part == word);
    let near = |word: &str| around.contains(word) || source.path.contains(word);
    if has("refund") && (has("credit") || has("credits")) {
        return Some("credits are reversed, money is refunded");
    }
    if (has("void") || has("voided")) && !near("invoice") {
        return Some("only an invoice is voided");
    }
    if has("inactive") && near("package") {
        return Some("a package is completed, revoked or expired");
    }
    // The permission of a customer that is known as "make purchases on account".
    let on_account = has("account") && (has("purchase") || has("purchases"));
    let sql_grant = source.is_under("migrations/") && parts.len() == 1 && has("grant");
    UNWANTED
        .iter()
        .filter(|_| !on_account && !sql_grant)
        .find(|(word, _)| has(word))
        .map(|(_, better)| *better)
}

/// The words of a name, in lower case: `creditTypeId`, `CREDIT_TYPE_ID` and `credit_type_id` alike.
fn parts(name: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for piece in name.split('_').filter(|piece| !piece.is_empty()) {
        let mut part = String::new();
        let mut after_lower = false;
        for character in piece.chars() {
            if character.is_uppercase() && after_lower {
                parts.push(std::mem::take(&mut part));
            }
            after_lower = !character.is_uppercase();
            part.extend(character.to_lowercase());
        }
        parts.push(part);
    }
    parts
}

#[test]
fn a_name_is_taken_apart_however_it_is_written() {
    for name in [
        "creditTypeId",
        "CREDIT_TYPE_ID",
        "credit_type_id",
        "CreditTypeId",
    ] {
        assert_eq!(parts(name), ["credit", "type", "id"], "{name}");
    }
}
