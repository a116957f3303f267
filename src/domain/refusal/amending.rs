//! Why a package that was sold cannot be changed as asked.

use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::credits::Credits;
use crate::ids::{ClosureId, CustomerId, PackageId, SaleId};

/// A change of a sold package that the rules do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotAmend {
    /// The package to be taken away was taken away before.
    #[error("package {package_id} was revoked at {revoked_at}")]
    AlreadyRevoked {
        /// The package.
        package_id: PackageId,
        /// When.
        revoked_at: DateTime<Utc>,
    },
    /// The package to be brought back was not taken away.
    #[error("package {package_id} is not revoked")]
    NotRevoked {
        /// The package.
        package_id: PackageId,
    },
    /// The package was moved to another customer.
    #[error("package {package_id} was transferred at {transferred_at}")]
    Transferred {
        /// The package.
        package_id: PackageId,
        /// When.
        transferred_at: DateTime<Utc>,
    },
    /// The template that the package was sold with does not let it be moved, or there is none.
    #[error("package {package_id} may not be moved to another customer")]
    NotTransferable {
        /// The package.
        package_id: PackageId,
    },
    /// A package is to be moved to the customer who owns it.
    #[error("package {package_id} belongs to customer {customer_id} already")]
    TransferToOwner {
        /// The package.
        package_id: PackageId,
        /// The customer.
        customer_id: CustomerId,
    },
    /// Credits of the package are held.
    #[error("{holds} holds hold credits of package {package_id}")]
    HoldsCredits {
        /// The package.
        package_id: PackageId,
        /// How many holds.
        holds: usize,
    },
    /// Nothing is available in the package to be moved.
    #[error("nothing is available in package {package_id}")]
    NothingToTransfer {
        /// The package.
        package_id: PackageId,
    },
    /// The end is to be moved earlier and is not.
    #[error("the new expiry {new} is not earlier than {old}")]
    ExpiryNotEarlier {
        /// The expiry now.
        old: DateTime<Utc>,
        /// The expiry that was asked for.
        new: DateTime<Utc>,
    },
    /// The sale was undone before, and its packages with it.
    #[error("sale {sale_id} was undone at {undone_at}")]
    SaleUndone {
        /// The sale.
        sale_id: SaleId,
        /// When.
        undone_at: DateTime<Utc>,
    },
    /// Something of a package of the sale was used and not undone, is held, or was moved elsewhere.
    #[error(
        "of package {package_id} {consumed} credits were used, {held} are held and {moved} were moved elsewhere"
    )]
    SaleUsed {
        /// The package.
        package_id: PackageId,
        /// How many credits were used.
        consumed: Credits,
        /// How many are held.
        held: Credits,
        /// How many were moved to another package.
        moved: Credits,
    },
    /// The package to be thawed is not frozen.
    #[error("package {package_id} is not frozen")]
    NotFrozen {
        /// The package.
        package_id: PackageId,
    },
    /// The package has not started: it waits for an earlier one.
    #[error("package {package_id} waits for package {behind}")]
    Queued {
        /// The package.
        package_id: PackageId,
        /// The one that it waits for.
        behind: PackageId,
    },
    /// A freeze is to end before today.
    #[error("the last frozen day {until} is before {today}")]
    FreezeNotAhead {
        /// The day that was asked for.
        until: NaiveDate,
        /// The local day now.
        today: NaiveDate,
    },
    /// The package was frozen as often as it may be.
    #[error("package {package_id} may be frozen {times_max} times")]
    FrozenTooOften {
        /// The package.
        package_id: PackageId,
        /// How often.
        times_max: i32,
    },
    /// The freeze is longer than it may be.
    #[error("the freeze of package {package_id} has {days} days, {days_max} are left")]
    FrozenTooLong {
        /// The package.
        package_id: PackageId,
        /// How many days were asked for.
        days: i64,
        /// How many it may have.
        days_max: i32,
    },
    /// The closure to be changed was undone.
    #[error("closure {closure_id} was undone at {undone_at}")]
    ClosureUndone {
        /// The closure.
        closure_id: ClosureId,
        /// When.
        undone_at: DateTime<Utc>,
    },
}

impl CannotAmend {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyRevoked { .. } => "PACKAGE_ALREADY_REVOKED",
            Self::NotRevoked { .. } => "PACKAGE_NOT_REVOKED",
            Self::NotTransferable { .. } => "TRANSFER_NOT_ALLOWED",
            Self::TransferToOwner { .. } => "TRANSFER_TO_OWNER",
            Self::HoldsCredits { .. } => "PACKAGE_HOLDS_CREDITS",
            Self::NothingToTransfer { .. } => "NOTHING_TO_TRANSFER",
            Self::ExpiryNotEarlier { .. } => "EXPIRY_NOT_EARLIER",
            Self::SaleUndone { .. } => "SALE_ALREADY_UNDONE",
            Self::SaleUsed { .. } => "SALE_USED",
            Self::NotFrozen { .. } => "PACKAGE_NOT_FROZEN",
            Self::FreezeNotAhead { .. } => "FREEZE_NOT_AHEAD",
            Self::FrozenTooOften { .. } => "FREEZE_TOO_OFTEN",
            Self::FrozenTooLong { .. } => "FREEZE_TOO_LONG",
            Self::Transferred { .. } => "PACKAGE_TRANSFERRED",
            Self::Queued { .. } => "PACKAGE_QUEUED",
            Self::ClosureUndone { .. } => "CLOSURE_UNDONE",
        }
    }
}
