//! The people who own and use packages.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::ids::CustomerId;

/// A customer (B1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The customer.
    pub id: CustomerId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What the customer is called.
    pub name: String,
    /// Where e-mails go; none: the customer gets none.
    pub email: Option<String>,
    /// Whether the address is known to be the customer's.
    pub email_verified: bool,
    /// The telephone number, as it was written.
    pub phone: Option<String>,
    /// The language of e-mails, as a BCP 47 tag; none: the business's.
    pub locale: Option<String>,
    /// The customer's time zone; no date of a package depends on it.
    pub time_zone: Option<Tz>,
    /// Whether packages can be sold and given to the customer.
    pub active: bool,
    /// Whether the customer may pay on account (B3).
    pub may_purchase_on_account: bool,
    /// Since when the customer wants no e-mails but mandatory ones.
    pub unsubscribed_at: Option<DateTime<Utc>>,
    /// The customer that took this one's place when both were merged.
    pub merged_into: Option<CustomerId>,
    /// When what was known of the customer was erased.
    pub erased_at: Option<DateTime<Utc>>,
    /// When the customer was added.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

impl Customer {
    /// What a search looks through, folded; the fields lie on lines of their own, so that no search
    /// reaches from one into the next.
    pub fn search_text(&self) -> String {
        let fields = [
            Some(self.name.as_str()),
            self.email.as_deref(),
            self.external_id.as_deref(),
            self.phone.as_deref(),
        ];
        let given: Vec<&str> = fields.into_iter().flatten().collect();
        fold(&given.join("\n"))
    }
}

impl Customer {
    /// Forgets the person; what is left is the row that entries, sales and invoices name (B5).
    pub fn erase(&mut self, now: DateTime<Utc>) {
        self.external_id = None;
        self.name = String::new();
        self.email = None;
        self.email_verified = false;
        self.phone = None;
        self.locale = None;
        self.time_zone = None;
        self.active = false;
        self.may_purchase_on_account = false;
        self.unsubscribed_at = None;
        self.erased_at = Some(now);
    }
}

/// What is open of a customer: how much must be settled before it can be erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Packages with credits that are held or can still be used.
    pub packages: i64,
    /// Bookings that are not ended.
    pub bookings: i64,
    /// Invoices that are neither paid nor void.
    pub invoices: i64,
    /// Sales that wait for money before they are issued, or for what the payment system charges.
    pub sales: i64,
    /// Subscriptions that run.
    pub subscriptions: i64,
    /// Active groups whose contact it is.
    pub groups: i64,
}

impl Open {
    /// Whether there is nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Every number by its published key.
    pub const fn counts(&self) -> [(&'static str, i64); 6] {
        [
            ("packages", self.packages),
            ("bookings", self.bookings),
            ("invoices", self.invoices),
            ("sales", self.sales),
            ("subscriptions", self.subscriptions),
            ("groups", self.groups),
        ]
    }
}

/// A text as searches compare it: without surrounding blanks, in lower case, in any script.
pub fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::somebody;

    #[test]
    fn a_search_finds_every_field_in_any_case() {
        let customer = Customer {
            external_id: Some("CRM-7".to_owned()),
            email: Some("onne@example.com".to_owned()),
            ..somebody()
        };
        let text = customer.search_text();
        for query in ["ÕNNE õ", " Example.COM ", "crm-7"] {
            assert!(text.contains(&fold(query)), "{query}");
        }
        assert!(!text.contains(&fold("CRM-8")), "{text}");
        assert!(!text.contains("õun onne"), "{text}");
    }

    #[test]
    fn nothing_is_open_only_where_no_number_is_above_zero() {
        assert!(Open::default().is_nothing());
        let open = Open {
            groups: 1,
            ..Open::default()
        };
        assert!(!open.is_nothing());
    }
}
