//! Changes: what changed on a package and is not an entry. Immutable, like entries.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::{Actor, coded};
use crate::ids::{CustomerId, LineId, PackageId};

coded! {
    /// What kind of change of a package that is not an entry.
    ChangeKind {
        /// Its expiry was moved later while it was valid.
        Extended = 1, "extended";
        /// It had expired and was brought back.
        Restored = 2, "restored";
        /// Its first use set the clock of its validity.
        ClockStarted = 3, "clock_started";
        /// All that used or held a unit was undone, so that its validity waits for its first use again.
        ClockStopped = 4, "clock_stopped";
        /// It was taken away.
        Revoked = 5, "revoked";
        /// What was taken away was brought back.
        Reinstated = 6, "reinstated";
        /// It was frozen.
        Frozen = 7, "frozen";
        /// Its freeze ended.
        Thawed = 8, "thawed";
        /// Its expiry was moved earlier.
        Shortened = 9, "shortened";
        /// Another price was agreed.
        PriceChanged = 10, "price_changed";
        /// The caller's own id of it changed.
        ExternalIdChanged = 11, "external_id_changed";
        /// It pays in another order.
        PriorityChanged = 12, "priority_changed";
        /// A line has more or fewer credits.
        QuantityChanged = 13, "quantity_changed";
        /// It was moved to another customer.
        Transferred = 14, "transferred";
        /// The sale that it came from was undone, and it was taken away with that.
        SaleUndone = 15, "sale_undone";
        /// The start of a queued package was moved, and its end with it.
        QueueMoved = 16, "queue_moved";
        /// A customer may use it from then on.
        MemberAdded = 60, "member_added";
        /// A customer may use it no more.
        MemberRemoved = 61, "member_removed";
        /// Another customer took the place of its owner or its group's contact.
        OwnerChanged = 62, "owner_changed";
    }
}

/// The expiry of a package at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// From when on it cannot be used; none: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// From when on it cannot be used once a freeze has reached its limit, if it is frozen.
    pub expires_if_thawed: Option<DateTime<Utc>>,
    /// How often it had been changed.
    pub expiry_epoch: i32,
}

/// The validity of a package at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// From when on it can be used; none: that is not known.
    pub starts_at: Option<DateTime<Utc>>,
    /// Its end.
    pub expiry: Expiry,
}

/// What a change is of, at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// The kind of the change says all.
    Nothing,
    /// When the package ends.
    Expiry(Expiry),
    /// When the package starts and ends.
    Span(Span),
    /// Whose it is, or who shares it.
    Customer(CustomerId),
    /// Whose it is, and in which package.
    Owner(Owner),
    /// What was agreed.
    Price(AgreedPrice),
    /// The caller's own id.
    ExternalId(Option<String>),
    /// The lower number pays first.
    Priority(i32),
    /// How many credits a line has.
    Quantity(LineQuantity),
}

/// What was agreed for a package, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreedPrice {
    /// As the business writes prices.
    pub price_minor: i64,
    /// Without tax.
    pub net_minor: i64,
}

/// How many credits a line has in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineQuantity {
    /// The line.
    pub line_id: LineId,
    /// The credits of all its lots.
    pub amount: Credits,
}

/// Whose the credits of a package are at one time, and in which package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Whose.
    pub customer_id: CustomerId,
    /// In which package.
    pub package_id: PackageId,
}

/// A change that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    /// What kind.
    pub kind: ChangeKind,
    /// What it was.
    pub old: Value,
    /// What it is.
    pub new: Value,
    /// Since when that is true.
    pub effective_at: DateTime<Utc>,
    /// Whether time alone caused it.
    pub by_time: bool,
}

/// One change of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The package.
    pub package_id: PackageId,
    /// Its number within the package, from 1.
    pub seq: i32,
    /// What kind.
    pub kind: ChangeKind,
    /// What it was.
    pub old: Value,
    /// What it is.
    pub new: Value,
    /// The request, which is also the posting's id.
    pub request_id: Uuid,
    /// Who caused it.
    pub actor: Actor,
    /// Since when it is true.
    pub effective_at: DateTime<Utc>,
    /// When it was written.
    pub recorded_at: DateTime<Utc>,
}

impl ChangeKind {
    /// Whether it moves the end of the package.
    pub const fn moves_expiry(self) -> bool {
        match self {
            Self::Extended
            | Self::Restored
            | Self::ClockStarted
            | Self::ClockStopped
            | Self::Frozen
            | Self::Thawed
            | Self::Shortened
            | Self::QueueMoved => true,
            Self::Revoked
            | Self::Reinstated
            | Self::PriceChanged
            | Self::ExternalIdChanged
            | Self::PriorityChanged
            | Self::QuantityChanged
            | Self::Transferred
            | Self::SaleUndone
            | Self::MemberAdded
            | Self::MemberRemoved
            | Self::OwnerChanged => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_moves_the_end_and_a_new_price_does_not() {
        assert!(ChangeKind::Extended.moves_expiry());
        assert!(!ChangeKind::PriceChanged.moves_expiry());
    }
}
