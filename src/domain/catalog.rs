//! What can be sold: credit types, items and templates.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::validity::Validity;
use crate::ids::CreditTypeId;

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
