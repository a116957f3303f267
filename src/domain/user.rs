//! The members of a business's staff.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::role::RoleKey;
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
    /// What the user's tokens may do at most; none: nothing.
    pub role: Option<RoleKey>,
    /// Whether the user still belongs to the staff; the tokens of one who does not are good for nothing.
    pub active: bool,
    /// When the user was added.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}
