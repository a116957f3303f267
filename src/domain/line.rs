//! What one kind of credits pays for.
//!
//! A line is never changed once it exists: packages refer to the line that they were sold with, so a
//! later edit of the template cannot reach them. The members of a category are those at the time of
//! use (semantics 4), so a line names the category and not its items.

use std::collections::HashSet;
use std::{fmt, iter};

use serde::{Deserialize, Serialize};

use crate::domain::credits::Credits;
use crate::domain::refusal::Refusal;
use crate::domain::template_emails::UseEmails;
use crate::ids::{CreditTypeId, ItemId, LineId};

/// Whether the credits of a line pay, or its units are priced and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// The credits pay.
    Prepaid,
    /// Lines of invoices are priced at the package rate while it has units, and count them; its credits
    /// never pay (semantics 32).
    Rate {
        /// What one unit of an item costs, in minor units, as the business writes prices.
        rate_minor: i64,
    },
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
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Whether it is still offered.
    pub active: bool,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(id) => id.fmt(f),
            Self::Category(category) => f.write_str(category),
        }
    }
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
    /// What the template of its package wants told of uses; copied from there, so that who uses credits need not ask.
    pub emails: UseEmails,
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

    /// Checks what a new line says of itself; that what it names exists is for others to check.
    ///
    /// # Errors
    /// [`Refusal::AmountTooFine`], [`Refusal::CoverageRepeated`].
    pub fn check(&self) -> Result<(), Refusal> {
        let per_units = self.covers.iter().map(|coverage| coverage.credits_per_unit);
        for amount in iter::once(self.quantity).chain(per_units) {
            if amount.is_finer_than(self.decimal_places) {
                return Err(Refusal::AmountTooFine {
                    amount,
                    decimal_places: self.decimal_places,
                    credit_type_id: self.credit_type_id,
                });
            }
        }
        let mut seen = HashSet::new();
        match self
            .covers
            .iter()
            .find(|coverage| !seen.insert(&coverage.subject))
        {
            Some(repeated) => Err(Refusal::CoverageRepeated {
                line: self.position,
                target: repeated.subject.to_string(),
            }),
            None => Ok(()),
        }
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

/// Lines that are shared, as JSON.
pub mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::Line;

    /// Writes lines.
    pub fn serialize<S: Serializer>(lines: &[Arc<Line>], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(lines.iter().map(Arc::as_ref))
    }

    /// Reads lines.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Arc<Line>>, D::Error> {
        let lines = Vec::<Line>::deserialize(deserializer)?;
        Ok(lines.into_iter().map(Arc::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn line(quantity: &str, covers: &[(Subject, &str)]) -> Line {
        let coverage = |(subject, per_unit): &(Subject, &str)| Coverage {
            subject: subject.clone(),
            credits_per_unit: Credits::parse(per_unit).unwrap(),
        };
        Line {
            id: LineId::generate(DateTime::UNIX_EPOCH),
            position: 2,
            kind: LineKind::Prepaid,
            credit_type_id: CreditTypeId::generate(DateTime::UNIX_EPOCH),
            decimal_places: 1,
            quantity: Credits::parse(quantity).unwrap(),
            covers: covers.iter().map(coverage).collect(),
            emails: UseEmails::default(),
        }
    }

    fn category(name: &str) -> Subject {
        Subject::Category(name.to_owned())
    }

    #[test]
    fn a_line_is_no_finer_than_its_credit_type() {
        assert_eq!(
            line("10.5", &[(category("massage"), "0.5")]).check(),
            Ok(())
        );
        for too_fine in [
            line("10.25", &[]),
            line("10", &[(category("massage"), "0.25")]),
        ] {
            let refusal = too_fine.check().unwrap_err();
            assert_eq!(refusal.reason(), "AMOUNT_TOO_FINE");
        }
    }

    #[test]
    fn a_line_covers_each_item_and_category_once() {
        let item = Subject::Item(ItemId::generate(DateTime::UNIX_EPOCH));
        let both = [(item.clone(), "1"), (category("massage"), "2")];
        assert_eq!(line("10", &both).check(), Ok(()));
        let refusal = line("10", &[(item.clone(), "1"), (item.clone(), "2")]).check();
        let target = item.to_string();
        assert_eq!(refusal, Err(Refusal::CoverageRepeated { line: 2, target }));
    }

    #[test]
    fn an_item_takes_what_its_name_says_before_what_its_category_says() {
        let item = |category: &str| ItemFacts {
            id: ItemId::generate(DateTime::UNIX_EPOCH),
            category: category.to_owned(),
            active: true,
        };
        let (named, massage, plain) = (item("massage"), item("massage"), item(""));
        let covers = [
            (category("facial"), "4"),
            (category("massage"), "2"),
            (Subject::Item(named.id), "1"),
            (category(""), "3"),
        ];
        let line = line("10", &covers);
        let takes = |item: &ItemFacts| line.credits_per_unit(item).map(|it| it.to_string());
        assert_eq!(takes(&named), Some("1".to_owned()));
        assert_eq!(takes(&massage), Some("2".to_owned()));
        assert_eq!(takes(&plain), None, "no category is not one");
        assert_eq!(takes(&item("sauna")), None);
    }

    #[test]
    fn a_narrower_line_names_items_only_or_fewer_things() {
        let item = || Subject::Item(ItemId::generate(DateTime::UNIX_EPOCH));
        let of = |covers: &[(Subject, &str)]| line("10", covers).narrowness();
        let one = of(&[(item(), "1")]);
        let two = of(&[(item(), "1"), (item(), "1")]);
        let a_category = of(&[(category("massage"), "1")]);
        let mixed = of(&[(item(), "1"), (category("massage"), "1")]);
        let nothing = of(&[]);
        assert!(one < two && two < a_category && a_category < mixed && mixed < nothing);
    }

    #[test]
    fn shared_lines_survive_their_json() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Lines(#[serde(with = "shared")] Vec<std::sync::Arc<Line>>);
        let both = [(category("massage"), "2")];
        let lines = Lines(vec![line("10", &both).into(), line("2", &[]).into()]);
        let json = serde_json::to_string(&lines).unwrap();
        assert_eq!(serde_json::from_str::<Lines>(&json).unwrap(), lines);
        assert!(json.contains("massage"), "{json}");
    }

    #[test]
    fn a_category_is_named_as_it_is_written() {
        assert_eq!(category("Massage & more").to_string(), "Massage & more");
    }
}
