//! What one kind of credits pays for.
//!
//! A line is never changed once it exists: packages refer to the line that they were sold with, so a
//! later edit of the template cannot reach them. The members of a category are those at the time of
//! use (semantics 4), so a line names the category and not its items.

use serde::{Deserialize, Serialize};

use crate::domain::credits::Credits;
use crate::ids::{CreditTypeId, ItemId, LineId};

/// Whether the credits of a line pay, or its units are priced and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// The credits pay.
    Prepaid,
    /// The units are priced at the package rate on an invoice, and counted; never pays.
    Rate,
}

/// One item or category that a line covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// What is covered.
    pub subject: Subject,
    /// How many credits one unit takes.
    pub credits_per_unit: Credits,
}

/// What a coverage names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One item.
    Item(ItemId),
    /// Every item that is in this category at the time of use.
    Category(String),
}

/// An item as far as paying for it is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemFacts {
    /// The item.
    pub id: ItemId,
    /// Its category now; empty if it has none.
    pub category: String,
}

/// One line of a template version, or of credits that were given by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The line.
    pub id: LineId,
    /// Its place in the template or package, from 1.
    pub position: i32,
    /// Whether it pays.
    pub kind: LineKind,
    /// The unit that it counts in.
    pub credit_type_id: CreditTypeId,
    /// How finely its credits divide (0–6).
    pub decimal_places: u32,
    /// The credits of one package as sold.
    pub quantity: Credits,
    /// What it covers; nothing means that it is used by credit type and amount only.
    pub covers: Vec<Coverage>,
}

/// How narrow a line is; the narrower pays first (semantics 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Narrowness {
    covers_nothing_by_name: bool,
    names_a_category: bool,
    length: usize,
}

impl Line {
    /// The credits that one unit of `item` takes, or `None` if the line does not cover it. The item
    /// by name goes before its category.
    pub fn credits_per_unit(&self, item: &ItemFacts) -> Option<Credits> {
        let by_name = self
            .covers
            .iter()
            .find(|coverage| coverage.subject == Subject::Item(item.id));
        let by_category = || {
            self.covers
                .iter()
                .filter(|_| !item.category.is_empty())
                .find(|coverage| coverage.subject == Subject::Category(item.category.clone()))
        };
        by_name
            .or_else(by_category)
            .map(|coverage| coverage.credits_per_unit)
    }

    /// A list of items goes before a list with categories, then the shorter list as sold.
    pub fn narrowness(&self) -> Narrowness {
        Narrowness {
            covers_nothing_by_name: self.covers.is_empty(),
            names_a_category: self
                .covers
                .iter()
                .any(|coverage| matches!(coverage.subject, Subject::Category(_))),
            length: self.covers.len(),
        }
    }
}
