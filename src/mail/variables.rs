//! What templates may print, described: the table that is published for each kind of e-mail.
//!
//! Names, types and whether something may be missing come from the views of the samples that templates
//! are tried with, so the table cannot differ from what rendering gives. A test holds the descriptions
//! against them, and another holds `docs/email-variables.md` against it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::content::EmailKind;
use super::sample;
use super::templates::{RenderError, TemplateSet};

/// A name that templates of a kind may print or go over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its path; elements of a list are written `packages[].name`.
    pub path: String,
    /// What it is.
    pub nature: Nature,
    /// What it says.
    pub description: &'static str,
    /// Whether it may be missing; print it inside `{{#if}}` then.
    pub may_be_missing: bool,
    /// What it says in a sample in English; empty for lists.
    pub example: String,
}

/// What a variable is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nature {
    /// A text, in the words of the e-mail's language.
    Text,
    /// A whole number, for `count` of phrases.
    Number,
    /// For `{{#if}}`.
    YesOrNo,
    /// For `{{#each}}`.
    List,
}

impl Nature {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::YesOrNo => "yes or no",
            Self::List => "list",
        }
    }
}

/// What each says. What is said of `packages[]` holds for `first` as well.
const DESCRIPTIONS: [(&str, &str); 43] = [
    (
        "business.accent",
        "The colour of the business, for a style or `bgcolor`",
    ),
    (
        "business.accent_edge",
        "The colour of an edge around a surface in that colour",
    ),
    (
        "business.accent_text",
        "Black or white, whichever can be read on that colour",
    ),
    (
        "business.can_reply",
        "Whether an answer to the e-mail reaches somebody",
    ),
    (
        "business.link_url",
        "The address where customers see their packages",
    ),
    ("business.logo_url", "The address of the logo"),
    ("business.name", "The name of the business"),
    ("customer_name", "The name of the customer"),
    (
        "direction",
        "Which way the language is written: `ltr` or `rtl`",
    ),
    ("end", "Where its lines end: `right` or `left`"),
    ("kind", "The kind of e-mail"),
    ("language", "The language of the text"),
    ("locale", "The language of the words"),
    ("package_count", "How many packages the e-mail is about"),
    ("packages", "The packages; what ends first comes first"),
    (
        "packages[].days_left",
        "Days from today to the last usable day",
    ),
    (
        "packages[].left",
        "What it is about, all lines together: what was sold in a confirmation or renewal, what was used when used up, what was lost when expired, otherwise what is left",
    ),
    ("packages[].lines", "The credits in it, by type"),
    ("packages[].lines[].available", "How many can still be used"),
    (
        "packages[].lines[].legend",
        "What the marks mean, if they are not all alike",
    ),
    ("packages[].lines[].lost", "How many expired"),
    (
        "packages[].lines[].mark_rows",
        "The whole units in rows of ten, if they can be drawn; `{{> units}}` draws them",
    ),
    ("packages[].lines[].mark_rows[]", "A row"),
    (
        "packages[].lines[].mark_rows[][].left",
        "Whether this unit is left",
    ),
    (
        "packages[].lines[].mark_rows[][].lost",
        "Whether this unit expired",
    ),
    (
        "packages[].lines[].mark_rows[][].used",
        "Whether this unit was used",
    ),
    (
        "packages[].lines[].name_of_all",
        "The credit's name, as it goes with the quantity",
    ),
    (
        "packages[].lines[].name_of_available",
        "The same as it goes with what is available",
    ),
    (
        "packages[].lines[].name_of_lost",
        "The same as it goes with what was lost",
    ),
    (
        "packages[].lines[].name_of_used",
        "The same as it goes with what was used",
    ),
    (
        "packages[].lines[].quantity",
        "How many there were at the beginning",
    ),
    ("packages[].lines[].used", "How many were used"),
    ("packages[].name", "Its name"),
    (
        "packages[].price",
        "What was agreed for it; missing if it was given",
    ),
    (
        "packages[].restorable_through",
        "The last day on which it can be restored after its end",
    ),
    (
        "packages[].start_by",
        "The last day for the first use, if it is valid from then on",
    ),
    (
        "packages[].starts",
        "From when on it can be used, if that is not now",
    ),
    (
        "packages[].usable_through",
        "The last day on which it can be used; missing if it never expires",
    ),
    (
        "packages[].usable_through_near",
        "The same without the year, if it is this year",
    ),
    (
        "packages[].valid_for",
        "How long it will be valid, if its end is not known yet",
    ),
    ("preheader", "What mail programs show beside the subject"),
    (
        "start",
        "Where the lines of the language begin: `left` or `right`",
    ),
    (
        "unsubscribe_url",
        "Where the customer unsubscribes; the layout links to it already",
    ),
];

/// What templates of a kind may print, by path; `first` stands for all that the first package has.
///
/// # Errors
///
/// If the set cannot show its samples.
pub fn of_kind(set: &TemplateSet, kind: EmailKind) -> Result<Vec<Variable>, RenderError> {
    let mut found: BTreeMap<String, Variable> = BTreeMap::new();
    for content in sample::all(kind, "en") {
        walk(&set.data(&content)?, String::new(), &mut found);
    }
    Ok(found.into_values().collect())
}

fn walk(value: &Value, path: String, found: &mut BTreeMap<String, Variable>) {
    let nature = match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                if path.is_empty() && name == "first" {
                    continue;
                }
                walk(field, format!("{path}{dot}{name}"), found);
            }
            return;
        }
        Value::Array(items) => {
            for item in items {
                walk(item, format!("{path}[]"), found);
            }
            Nature::List
        }
        Value::Bool(_) => Nature::YesOrNo,
        Value::Number(_) => Nature::Number,
        Value::Null | Value::String(_) => Nature::Text,
    };
    let description = DESCRIPTIONS.iter().find(|(known, _)| *known == path);
    let variable = found.entry(path.clone()).or_insert_with(|| Variable {
        path,
        nature,
        description: description.map_or("", |(_, description)| description),
        may_be_missing: false,
        example: String::new(),
    });
    match value {
        Value::Null => variable.may_be_missing = true,
        Value::String(text) if variable.example.is_empty() => variable.example.clone_from(text),
        Value::Number(number) if variable.example.is_empty() => {
            variable.example = number.to_string();
        }
        Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {}
    }
    if nature > variable.nature {
        variable.nature = nature;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_variable_is_described_and_nothing_else_is() {
        let set = TemplateSet::shipped().unwrap();
        for kind in EmailKind::ALL {
            let variables = of_kind(&set, kind).unwrap();
            let paths: BTreeSet<&str> = variables.iter().map(|it| it.path.as_str()).collect();
            let described: BTreeSet<&str> = DESCRIPTIONS.iter().map(|(path, _)| *path).collect();
            assert_eq!(paths, described, "{}", kind.name());
        }
    }

    #[test]
    fn a_variable_says_what_it_is_and_whether_it_may_be_missing() {
        let set = TemplateSet::shipped().unwrap();
        let variables = of_kind(&set, EmailKind::Confirmation).unwrap();
        let find = |path: &str| variables.iter().find(|it| it.path == path).unwrap();
        let usable = find("packages[].usable_through");
        assert_eq!((usable.nature, usable.may_be_missing), (Nature::Text, true));
        assert_eq!(usable.example, "31 December 2026");
        assert_eq!(find("packages[].lines").nature, Nature::List);
        assert_eq!(find("package_count").nature, Nature::Number);
        assert_eq!(find("business.can_reply").nature, Nature::YesOrNo);
        assert!(!find("packages[].name").may_be_missing);
        let expiring = of_kind(&set, EmailKind::Expiring).unwrap();
        let usable = expiring
            .iter()
            .find(|it| it.path == "packages[].usable_through");
        assert!(!usable.unwrap().may_be_missing);
    }
}
