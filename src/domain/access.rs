//! API tokens, and what they may do in the hands of who holds them (J3).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::entry::Hash;
use crate::domain::permission::Permissions;
use crate::ids::{CustomerId, TokenId, UserId};

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// SHA-256 of its secret.
    pub secret_hash: Hash,
    /// The secret before the last rotation.
    pub previous: Option<PreviousSecret>,
    /// What it may do at most.
    pub permissions: Permissions,
    /// The member of staff that it belongs to.
    pub user_id: Option<UserId>,
    /// The customer that it belongs to, who sees its own with it and nothing else.
    pub customer_id: Option<CustomerId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is good for nothing; none: it does not end.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A secret that was replaced and is taken for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// SHA-256 of it.
    pub hash: Hash,
    /// From when on it is not taken any more.
    pub until: DateTime<Utc>,
}

impl Token {
    /// The hashes of the secrets that the token is known by at `now`: none once it was revoked or has ended.
    pub fn secrets(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Hash> {
        let is_good = self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at);
        let previous = self.previous.as_ref().filter(|it| now < it.until);
        let hashes = [
            Some(&self.secret_hash),
            previous.map(|previous| &previous.hash),
        ];
        hashes.into_iter().flatten().filter(move |_| is_good)
    }
}

/// The member of staff that a token belongs to, as far as it decides what the token may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Whether the user is still one.
    pub active: bool,
    /// What the user's role allows; nothing without a role.
    pub permissions: Permissions,
}

/// A token and what who holds it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldToken {
    /// The token.
    pub token: Token,
    /// What calls with it may do; none if they may do nothing.
    pub permissions: Option<Arc<Permissions>>,
}

impl HeldToken {
    /// A token that belongs to `holder`, or stands alone. Calls with it may do what the token allows and, if it
    /// belongs to a user, the user's role as well; nothing if that user is no longer active.
    pub fn new(token: Token, holder: Option<&Holder>) -> Self {
        let own = &token.permissions;
        let permissions = match holder {
            None => Some(own.clone()),
            Some(holder) if holder.active => Some(own & &holder.permissions),
            Some(_) => None,
        };
        Self {
            permissions: permissions.map(Arc::new),
            token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::permission::Permission;

    fn token() -> Token {
        Token {
            id: TokenId::generate(DateTime::UNIX_EPOCH),
            name: "The till".to_owned(),
            secret_hash: [1; 32],
            previous: None,
            permissions: [Permission::CatalogRead, Permission::CreditsConsume].into(),
            user_id: None,
            customer_id: None,
            created_at: DateTime::UNIX_EPOCH,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        }
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_token_is_known_by_its_old_secret_until_the_grace_is_over_and_by_none_once_it_has_ended() {
        let mut token = token();
        token.previous = Some(PreviousSecret {
            hash: [2; 32],
            until: at(10),
        });
        token.expires_at = Some(at(20));
        let known = |token: &Token, now| token.secrets(now).map(|hash| hash[0]).collect::<Vec<_>>();
        assert_eq!(known(&token, at(9)), [1, 2]);
        assert_eq!(known(&token, at(10)), [1]);
        assert_eq!(known(&token, at(20)), [0; 0]);
        token.revoked_at = Some(at(0));
        assert_eq!(known(&token, at(9)), [0; 0]);
    }

    #[test]
    fn a_users_token_may_do_what_both_it_and_the_role_allow() {
        let permissions: Permissions = [Permission::CatalogRead, Permission::PackagesSell].into();
        let held = |holder: Option<Holder>| HeldToken::new(token(), holder.as_ref()).permissions;
        let of = |active| {
            held(Some(Holder {
                active,
                permissions: permissions.clone(),
            }))
        };
        assert_eq!(held(None).as_deref(), Some(&token().permissions));
        assert_eq!(of(true).as_deref(), Some(&[Permission::CatalogRead].into()));
        assert_eq!(of(false), None);
    }
}
