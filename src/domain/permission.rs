//! What a token or a role may allow. The names are those of the API's `Permission` without its prefix; a test holds
//! the two lists against each other.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)+) => {
        /// One thing that a token may be allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl Permission {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The permission of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

permissions! {
    /// Read the settings.
    SettingsRead = "SETTINGS_READ";
    /// Change the settings.
    SettingsManage = "SETTINGS_MANAGE";
    /// Make, list, rotate and revoke tokens.
    TokensManage = "TOKENS_MANAGE";
    /// Read the staff.
    UsersRead = "USERS_READ";
    /// Change the staff.
    UsersManage = "USERS_MANAGE";
    /// Read the catalogue.
    CatalogRead = "CATALOG_READ";
    /// Change the catalogue.
    CatalogManage = "CATALOG_MANAGE";
    /// Read customers.
    CustomersRead = "CUSTOMERS_READ";
    /// Change customers.
    CustomersManage = "CUSTOMERS_MANAGE";
    /// Read packages and balances.
    PackagesRead = "PACKAGES_READ";
    /// Sell packages.
    PackagesSell = "PACKAGES_SELL";
    /// Sell at another price or expiry than the template's.
    PackagesOverridePrice = "PACKAGES_OVERRIDE_PRICE";
    /// Extend packages.
    PackagesExtend = "PACKAGES_EXTEND";
    /// Restore packages after their quarantine.
    PackagesForceRestore = "PACKAGES_FORCE_RESTORE";
    /// Give credits by hand.
    CreditsIssue = "CREDITS_ISSUE";
    /// Use credits.
    CreditsConsume = "CREDITS_CONSUME";
    /// Read the ledger.
    LedgerRead = "LEDGER_READ";
    /// Read e-mails and their policy.
    EmailsRead = "EMAILS_READ";
    /// Change the policy of e-mails, and what becomes of single ones.
    EmailsManage = "EMAILS_MANAGE";
    /// Undo uses of credits, and move them to other packages.
    CreditsReverse = "CREDITS_REVERSE";
    /// Correct how many credits there are.
    CreditsAdjust = "CREDITS_ADJUST";
    /// Use packages that have ended since the service was delivered.
    CreditsConsumePastExpiry = "CREDITS_CONSUME_PAST_EXPIRY";
    /// Take packages away, bring them back, and undo sales.
    PackagesRevoke = "PACKAGES_REVOKE";
    /// Freeze and unfreeze packages.
    PackagesFreeze = "PACKAGES_FREEZE";
    /// Edit packages that were sold.
    PackagesUpdate = "PACKAGES_UPDATE";
    /// Move the end of a package to an earlier day.
    PackagesShorten = "PACKAGES_SHORTEN";
    /// Move packages to other customers.
    PackagesTransfer = "PACKAGES_TRANSFER";
    /// Write down payments of what was sold.
    PaymentsRecord = "PAYMENTS_RECORD";
    /// Make, change and undo closures.
    ClosuresManage = "CLOSURES_MANAGE";
    /// Make and cancel subscriptions.
    SubscriptionsManage = "SUBSCRIPTIONS_MANAGE";
    /// Write down that periods of subscriptions were paid.
    SubscriptionsRenew = "SUBSCRIPTIONS_RENEW";
    /// Read bookings.
    BookingsRead = "BOOKINGS_READ";
    /// Make, change, complete and cancel bookings.
    BookingsManage = "BOOKINGS_MANAGE";
    /// Reopen bookings, change what pays them, and cancel them for the business.
    BookingsAmend = "BOOKINGS_AMEND";
    /// Read triggers and what they did.
    TriggersRead = "TRIGGERS_READ";
    /// Make, change and archive triggers.
    TriggersManage = "TRIGGERS_MANAGE";
    /// Say that something happened that triggers wait for.
    EventsFire = "EVENTS_FIRE";
    /// Read invoices.
    InvoicesRead = "INVOICES_READ";
    /// Change and issue invoices.
    InvoicesManage = "INVOICES_MANAGE";
    /// Void invoices.
    InvoicesVoid = "INVOICES_VOID";
    /// Take back payments that bounced.
    PaymentsReverse = "PAYMENTS_REVERSE";
    /// Write refunds down.
    RefundsRecord = "REFUNDS_RECORD";
    /// Write the business's own e-mail templates.
    EmailTemplatesManage = "EMAIL_TEMPLATES_MANAGE";
    /// Send e-mails to any address, to try templates out.
    EmailTestsSend = "EMAIL_TESTS_SEND";
    /// Read reports over the whole business.
    ReportsRead = "REPORTS_READ";
    /// Make roles and change them.
    RolesManage = "ROLES_MANAGE";
    /// Read who did what, and what was refused to whom.
    AuditRead = "AUDIT_READ";
    /// Add invoices.
    InvoicesCreate = "INVOICES_CREATE";
    /// Take out everything that is held on a customer.
    CustomersExport = "CUSTOMERS_EXPORT";
    /// Erase what is known of a customer as a person.
    CustomersErase = "CUSTOMERS_ERASE";
    /// See one's own packages and what became of their credits, as a customer.
    PortalRead = "PORTAL_READ";
    /// Buy what is sold online, as a customer.
    PortalBuy = "PORTAL_BUY";
}

impl Permission {
    /// Whether its holder can change nothing by it.
    pub fn only_reads(self) -> bool {
        self.as_str().ends_with("_READ")
    }

    /// Whether tokens of customers hold it, and no others.
    pub fn is_for_customers(self) -> bool {
        matches!(self, Self::PortalRead | Self::PortalBuy)
    }

    /// All that staff can hold.
    pub fn of_staff() -> impl Iterator<Item = Self> {
        let all = Self::ALL.iter().copied();
        all.filter(|held| !held.is_for_customers())
    }
}

/// The permissions of a token or role.
pub type Permissions = BTreeSet<Permission>;

/// What staff must hold to give these on: to let a customer do something for itself takes the right to do it for
/// everybody.
pub fn needed_to_give(permissions: &Permissions) -> Permissions {
    let given = permissions.iter().copied();
    let (of_customers, mut needed): (Permissions, Permissions) =
        given.partition(|held| held.is_for_customers());
    if of_customers.contains(&Permission::PortalRead) {
        needed.extend([Permission::PackagesRead, Permission::LedgerRead]);
    }
    if of_customers.contains(&Permission::PortalBuy) {
        needed.insert(Permission::PackagesSell);
    }
    needed
}

/// Their stable names, in a row.
pub fn names(permissions: &Permissions) -> String {
    let names: Vec<_> = permissions.iter().map(|held| held.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_reads_says_so_in_its_name() {
        assert!(Permission::AuditRead.only_reads());
        assert!(!Permission::InvoicesVoid.only_reads());
    }

    #[test]
    fn who_may_for_everybody_may_let_a_customer_for_itself() {
        let of_customer = [Permission::PortalRead].into();
        let seen = [Permission::PackagesRead, Permission::LedgerRead].into();
        assert_eq!(needed_to_give(&of_customer), seen);
        let of_buyer = [Permission::PortalBuy].into();
        assert_eq!(needed_to_give(&of_buyer), [Permission::PackagesSell].into());
        let of_staff = [Permission::InvoicesVoid].into();
        assert_eq!(needed_to_give(&of_staff), of_staff);
    }

    #[test]
    fn permissions_are_named_in_a_row() {
        let held = [Permission::InvoicesRead, Permission::InvoicesVoid];
        let names = names(&held.into_iter().collect());
        assert_eq!(names, "INVOICES_READ, INVOICES_VOID");
    }
}
