//! Roles: what a member of staff may do (F6, J3). Four are built in and the same for every business; a
//! business makes others from the permissions that it chooses.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::permission::{Permission, Permissions};
use crate::ids::{InvalidId, RoleId};

/// A role that every business has and none can change. A permission that is added later is in those roles
/// whose rule covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BuiltInRole {
    /// Everything.
    Owner,
    /// The daily business and its catalogue, but not who may do what, nor the settings.
    Manager,
    /// Selling, booking, taking payments and using credits.
    FrontDesk,
    /// Seeing what a manager sees, changing nothing.
    ReadOnly,
}

/// What a manager may not do.
const OWNERS_ONLY: [Permission; 6] = [
    Permission::SettingsManage,
    Permission::TokensManage,
    Permission::UsersManage,
    Permission::RolesManage,
    Permission::AuditRead,
    Permission::CustomersErase,
];

/// What the front desk may do.
const FRONT_DESK: [Permission; 14] = [
    Permission::SettingsRead,
    Permission::UsersRead,
    Permission::CatalogRead,
    Permission::CustomersRead,
    Permission::CustomersManage,
    Permission::PackagesRead,
    Permission::PackagesSell,
    Permission::CreditsConsume,
    Permission::LedgerRead,
    Permission::BookingsRead,
    Permission::BookingsManage,
    Permission::InvoicesRead,
    Permission::InvoicesCreate,
    Permission::PaymentsRecord,
];

impl BuiltInRole {
    /// All of them, the mightiest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Manager, Self::FrontDesk, Self::ReadOnly];

    /// The stable name, which stands where an id does.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Manager => "manager",
            Self::FrontDesk => "front_desk",
            Self::ReadOnly => "read_only",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Owner => "Owner",
            Self::Manager => "Manager",
            Self::FrontDesk => "Front desk",
            Self::ReadOnly => "Read-only",
        }
    }

    /// The role of this stable name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What its holder may do.
    pub fn permissions(self) -> Permissions {
        match self {
            Self::Owner => Permission::of_staff().collect(),
            Self::Manager => Permission::of_staff()
                .filter(|held| !OWNERS_ONLY.contains(held))
                .collect(),
            Self::FrontDesk => FRONT_DESK.into(),
            Self::ReadOnly => {
                let seen = Self::Manager.permissions().into_iter();
                seen.filter(|held| held.only_reads()).collect()
            }
        }
    }
}

/// How a role is named: a built-in one by its name, one of the business by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoleKey {
    /// One that is built in.
    BuiltIn(BuiltInRole),
    /// One that the business made.
    Own(RoleId),
}

impl fmt::Display for RoleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(role) => f.write_str(role.as_str()),
            Self::Own(id) => id.fmt(f),
        }
    }
}

impl FromStr for RoleKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match BuiltInRole::from_name(text) {
            Some(role) => Ok(Self::BuiltIn(role)),
            None => text.parse().map(Self::Own),
        }
    }
}

/// A role that a business made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The role.
    pub id: RoleId,
    /// What people call it; no two of a business alike, in any case of letters.
    pub name: String,
    /// What its holders may do.
    pub permissions: Permissions,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_built_in_role_holds_less_than_the_one_before_it_and_the_last_only_reads() {
        let [owner, manager, front_desk, read_only] =
            BuiltInRole::ALL.map(BuiltInRole::permissions);
        assert!(owner.iter().copied().eq(Permission::of_staff()));
        assert!(owner.is_superset(&manager) && manager.len() < owner.len());
        assert!(manager.is_superset(&front_desk) && front_desk.len() < manager.len());
        assert!(manager.is_superset(&read_only));
        assert!(read_only.iter().all(|held| held.only_reads()));
        assert!(!manager.contains(&Permission::RolesManage));
        assert!(!front_desk.contains(&Permission::PackagesOverridePrice));
    }

    #[test]
    fn a_role_is_named_by_its_name_or_its_id() {
        for role in BuiltInRole::ALL {
            let key = RoleKey::BuiltIn(role);
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        let own = RoleKey::Own(RoleId::generate(DateTime::UNIX_EPOCH));
        assert_eq!(own.to_string().parse(), Ok(own));
        assert!("Owner".parse::<RoleKey>().is_err());
        assert!("".parse::<RoleKey>().is_err());
    }
}
