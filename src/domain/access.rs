//! API tokens.

use chrono::{DateTime, Utc};

use crate::domain::entry::Hash;
use crate::domain::permission::Permissions;
use crate::ids::{TokenId, UserId};

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// SHA-256 of its secret.
    pub secret_hash: Hash,
    /// What it may do.
    pub permissions: Permissions,
    /// The member of staff that it belongs to.
    pub user_id: Option<UserId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the hour.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}
