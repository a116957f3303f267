//! What can be sold: credit types, items and templates.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::booking_rules::BookingRules;
use crate::domain::entry::coded;
use crate::domain::freeze::FreezePolicy;
use crate::domain::line::{self, Line};
use crate::domain::overlap::SellingRules;
use crate::domain::pricing::Pricing;
use crate::domain::refusal::Refusal;
use crate::domain::template_emails::TemplateEmails;
use crate::domain::use_limit::UseLimit;
use crate::domain::validity::Validity;
use crate::ids::{CreditTypeId, ItemId, TemplateId};

/// The unit that credits of a kind are counted in (A1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditType {
    /// The credit type.
    pub id: CreditTypeId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What one is called.
    pub name: String,
    /// What several are called.
    pub name_plural: String,
    /// What the customer reads.
    pub description: String,
    /// How finely a credit divides, 0 to 6; never changes.
    pub decimal_places: u32,
    /// The validity of packages that have no other.
    pub default_validity: Option<Validity>,
    /// When it was archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// A product or service that credits can pay for (A2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The item.
    pub id: ItemId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What it is called.
    pub name: String,
    /// Its category; empty if it has none.
    pub category: String,
    /// What one unit costs without a package, in minor units.
    pub standard_rate_minor: Option<i64>,
    /// Whether it is still offered.
    pub active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

coded! {
    /// What a template is at one moment.
    TemplateState {
        /// In the making; cannot be sold.
        Draft = 1, "draft";
        /// Can be sold.
        Active = 2, "active";
        /// Put away; cannot be sold or changed.
        Archived = 3, "archived";
    }
}

/// A package as it is offered (A3), in its current version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The template.
    pub id: TemplateId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// Whether it can be sold.
    pub state: TemplateState,
    /// What it offers.
    pub definition: Definition,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// One version of what a template offers; never changed, since it may have been sold (A5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Its number, from 1.
    pub number: i32,
    /// What the customer reads.
    pub name: String,
    /// What the customer reads.
    pub description: String,
    /// What it costs, in minor units, as the business writes prices.
    pub price_minor: i64,
    /// The tax in it or on it, in hundredths of a percent.
    pub tax_basis_points: i32,
    /// Its validity; none: that of the first line's credit type.
    pub validity: Option<Validity>,
    /// The lower number pays first; none: the business's.
    pub priority: Option<i32>,
    /// Days after expiry in which a package can be restored; none: the business's.
    pub quarantine_days: Option<i32>,
    /// Days before expiry on which reminders go out; none: the business's.
    pub reminder_leads: Option<Vec<u32>>,
    /// Which other e-mails are sent of its packages.
    pub emails: TemplateEmails,
    /// How often and for how long its packages may be frozen; none: as the business says.
    pub freeze: Option<FreezePolicy>,
    /// How much of a package each customer may use on a day or in a week; none: as the business says.
    pub use_limit: Option<UseLimit>,
    /// How bookings are judged and cancelled that its packages pay; none: as the business says.
    pub booking_rules: Option<BookingRules>,
    /// Whether its packages may be moved to other customers; none: as the business says.
    pub transferable: Option<bool>,
    /// What it consists of, in the order of their positions.
    #[serde(with = "line::shared")]
    pub lines: Vec<Arc<Line>>,
    /// What it asks for how much.
    pub pricing: Pricing,
    /// What selling it depends on.
    pub selling: SellingRules,
}

impl Definition {
    /// Whether a line covers an item or a category, without which nothing can be sold (A4).
    pub fn covers_something(&self) -> bool {
        self.lines.iter().any(|line| !line.covers.is_empty())
    }

    /// Refuses parts that do not fit each other.
    ///
    /// # Errors
    /// Those of [`Pricing::check_lines`].
    pub fn check(&self) -> Result<(), Refusal> {
        self.pricing.check_lines(self.lines.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::line::Subject;
    use crate::domain::pricing::QuantityChoice;
    use crate::domain::testing::line;

    fn definition(lines: Vec<Arc<Line>>) -> Definition {
        Definition {
            number: 1,
            name: "Eight lessons".to_owned(),
            description: String::new(),
            price_minor: 12_000,
            tax_basis_points: 0,
            validity: None,
            priority: None,
            quarantine_days: None,
            reminder_leads: None,
            emails: TemplateEmails::default(),
            freeze: None,
            use_limit: None,
            booking_rules: None,
            transferable: None,
            lines,
            pricing: Pricing::default(),
            selling: SellingRules::default(),
        }
    }

    #[test]
    fn a_template_covers_something_if_one_of_its_lines_does() {
        let lessons = line(&[(Subject::Category("lessons".to_owned()), "1")]);
        let nothing = line(&[]);
        assert!(!definition(vec![]).covers_something());
        assert!(!definition(vec![Arc::clone(&nothing)]).covers_something());
        assert!(definition(vec![nothing, lessons]).covers_something());
    }

    #[test]
    fn a_template_of_several_lines_lets_nobody_choose_a_quantity() {
        let mut two_lines = definition(vec![line(&[]), line(&[])]);
        assert_eq!(two_lines.check(), Ok(()));
        two_lines.pricing.quantity = Some(QuantityChoice {
            minimum: 1,
            maximum: None,
            step: 1,
        });
        let refusal = two_lines.check().unwrap_err();
        assert_eq!(refusal.reason(), "CHOSEN_QUANTITY_NEEDS_ONE_LINE");
    }
}
