//! Why a role, a user or a token cannot be made or changed so.

use chrono::{DateTime, Utc};

use crate::domain::permission::{Permissions, names};
use crate::domain::role::BuiltInRole;
use crate::ids::{TokenId, UserId};

/// A change of who may do what that the rules do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefusal {
    /// Somebody would be given, or lose, more than the caller holds.
    #[error("the caller does not hold {}", names(missing))]
    PermissionsExceedCaller {
        /// What the caller lacks.
        missing: Permissions,
    },
    /// A built-in role cannot be changed.
    #[error("the role {} is built in", role.as_str())]
    RoleBuiltIn {
        /// The role.
        role: BuiltInRole,
    },
    /// Another role has this name, in any case of letters.
    #[error("there is a role {name:?} already")]
    RoleNameTaken {
        /// The name as it was given.
        name: String,
    },
    /// A token is for a user who is not active.
    #[error("user {user_id} is not active")]
    UserInactive {
        /// The user.
        user_id: UserId,
    },
    /// A token is for a user without a role, so it could do nothing.
    #[error("user {user_id} has no role")]
    UserWithoutRole {
        /// The user.
        user_id: UserId,
    },
    /// The token was revoked.
    #[error("token {token_id} was revoked at {revoked_at}")]
    TokenRevoked {
        /// The token.
        token_id: TokenId,
        /// When.
        revoked_at: DateTime<Utc>,
    },
    /// A token would end before it begins.
    #[error("expires_at {expires_at} does not lie ahead")]
    TokenExpiryNotAhead {
        /// The end that was asked for, or that the token has.
        expires_at: DateTime<Utc>,
    },
    /// A token of a customer would be good for too long.
    #[error("a customer's token ends at {latest} at the latest")]
    TokenExpiryTooLate {
        /// The latest end there can be.
        latest: DateTime<Utc>,
    },
}

impl AccessRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::PermissionsExceedCaller { .. } => "PERMISSIONS_EXCEED_CALLER",
            Self::RoleBuiltIn { .. } => "ROLE_BUILT_IN",
            Self::RoleNameTaken { .. } => "ROLE_NAME_TAKEN",
            Self::UserInactive { .. } => "USER_INACTIVE",
            Self::UserWithoutRole { .. } => "USER_WITHOUT_ROLE",
            Self::TokenRevoked { .. } => "TOKEN_REVOKED",
            Self::TokenExpiryNotAhead { .. } => "TOKEN_EXPIRY_NOT_AHEAD",
            Self::TokenExpiryTooLate { .. } => "TOKEN_EXPIRY_TOO_LATE",
        }
    }
}
