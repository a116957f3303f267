//! The members of a business's staff.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::UserId;

/// A member of staff, in whose name calls are recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user.
    pub id: UserId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What the user is called.
    pub name: String,
    /// When the user was added.
    pub created_at: DateTime<Utc>,
}
