//! Every "no" that the rules can say.
//!
//! A refusal carries the numbers and names of its message as fields. Its [`Refusal::reason`] is part of
//! the API and never changes; a test holds it against the published list of reasons.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::domain::credits::Credits;
use crate::ids::{CustomerId, LotId, PackageId, TemplateId};

/// What the numbers of a refusal count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedIn {
    /// Credits.
    Credits,
    /// Units of the item that was asked for.
    Units,
}

impl fmt::Display for CountedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credits => "credits",
            Self::Units => "units",
        })
    }
}

/// Why a command was refused. Nothing of a refused command is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More was asked for than can be used.
    #[error("{available} {counted_in} available, {requested} requested")]
    InsufficientCredits {
        /// What could be used.
        available: Credits,
        /// What was asked for.
        requested: Credits,
        /// What both count.
        counted_in: CountedIn,
    },
    /// The amount has more decimal places than the credit type.
    #[error("{amount} is finer than the {decimal_places} decimal places of the credit type")]
    AmountTooFine {
        /// The amount.
        amount: Credits,
        /// What the credit type allows.
        decimal_places: u32,
    },
    /// A number left the range that the ledger keeps.
    #[error("the amount is larger than Carnet can keep")]
    AmountTooLarge,
    /// A named package had already ended.
    #[error("package {package_id} ended at {expires_at}")]
    PackageExpired {
        /// The package.
        package_id: PackageId,
        /// From when on it could not be used.
        expires_at: DateTime<Utc>,
    },
    /// A named package had not begun, or did not exist yet.
    #[error("package {package_id} can be used from {starts_at} on")]
    PackageNotStarted {
        /// The package.
        package_id: PackageId,
        /// From when on it can be used.
        starts_at: DateTime<Utc>,
    },
    /// A named package is frozen.
    #[error("package {package_id} is frozen")]
    PackageFrozen {
        /// The package.
        package_id: PackageId,
    },
    /// A named package was taken away.
    #[error("package {package_id} was revoked")]
    PackageRevoked {
        /// The package.
        package_id: PackageId,
    },
    /// A named package does not pay for what was asked.
    #[error("package {package_id} does not cover this")]
    ItemNotCovered {
        /// The package.
        package_id: PackageId,
    },
    /// A package belongs to somebody else.
    #[error("package {package_id} does not belong to customer {customer_id}")]
    PackageOfAnotherCustomer {
        /// The package.
        package_id: PackageId,
        /// The customer who wanted to use it.
        customer_id: CustomerId,
    },
    /// A service is said to have been delivered later than now.
    #[error("delivered_at {delivered_at} lies in the future")]
    DeliveredInFuture {
        /// The instant that was given.
        delivered_at: DateTime<Utc>,
    },
    /// The customer is not active.
    #[error("customer {customer_id} is not active")]
    CustomerInactive {
        /// The customer.
        customer_id: CustomerId,
    },
    /// The customer may not buy on account.
    #[error("customer {customer_id} may not purchase on account")]
    CustomerMayNotPurchaseOnAccount {
        /// The customer.
        customer_id: CustomerId,
    },
    /// The business does not sell on account.
    #[error("account payments are not active for this business")]
    AccountPaymentsInactive,
    /// The template cannot be sold.
    #[error("template {template_id} is {state}, not active")]
    TemplateNotActive {
        /// The template.
        template_id: TemplateId,
        /// The state that it is in.
        state: &'static str,
    },
    /// The template lacks what selling it needs.
    #[error("template {template_id} needs at least one line that covers at least one item")]
    TemplateIncomplete {
        /// The template.
        template_id: TemplateId,
    },
    /// The validity cannot be resolved for this sale.
    #[error("validity: {problem}")]
    ValidityImpossible {
        /// What is wrong with it.
        problem: String,
    },
    /// Something is archived and cannot be used anew.
    #[error("{what} is archived")]
    Archived {
        /// Which thing, with its id.
        what: String,
    },
    /// Something is still used by a template that can be sold.
    #[error("{what} is still used by template {template_id}")]
    StillInUse {
        /// Which thing, with its id.
        what: String,
        /// The template that uses it.
        template_id: TemplateId,
    },
    /// The payment is larger than the price.
    #[error("the payment of {paid_minor} is more than the total of {total_minor} minor units")]
    PaymentTooLarge {
        /// What was paid.
        paid_minor: i64,
        /// What was to pay.
        total_minor: i64,
    },
    /// An extension does not move the expiry forward.
    #[error("the new expiry {new} is not later than {old}")]
    ExpiryNotLater {
        /// The expiry now.
        old: DateTime<Utc>,
        /// The expiry that was asked for.
        new: DateTime<Utc>,
    },
    /// A package that never ends cannot be extended.
    #[error("package {package_id} never expires")]
    PackageNeverExpires {
        /// The package.
        package_id: PackageId,
    },
    /// An expired package can no longer be restored.
    #[error("package {package_id} could be restored until {restorable_until}")]
    QuarantineOver {
        /// The package.
        package_id: PackageId,
        /// The end of its quarantine.
        restorable_until: DateTime<Utc>,
    },
    /// Another change came first.
    #[error("it was changed meanwhile: its etag is {current}, not {given}")]
    EtagMismatch {
        /// The etag that the caller knew.
        given: String,
        /// The etag now.
        current: String,
    },
    /// The request id was used for another request.
    #[error("this request_id was used for another request ({method})")]
    RequestIdReused {
        /// The method of that request.
        method: String,
    },
    /// The business has not switched the feature on.
    #[error("packages are switched off for this business")]
    FeatureOff,
    /// Something with this external id or name is there already.
    #[error("{field} {value:?} is taken")]
    AlreadyExists {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// There is nothing of this id, or it is another business's.
    #[error("there is no {kind} {id}")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// The id as it was given.
        id: String,
    },
    /// The caller's token lacks a permission that this use needs.
    #[error("this needs the permission {permission}")]
    PermissionDenied {
        /// The permission's name.
        permission: &'static str,
    },
    /// A lot does not add up; nothing is written on it.
    #[error("lot {0} does not add up; run `carnet verify`")]
    LotCorrupt(LotId),
}

impl Refusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InsufficientCredits { .. } => "INSUFFICIENT_CREDITS",
            Self::AmountTooFine { .. } => "AMOUNT_TOO_FINE",
            Self::AmountTooLarge => "AMOUNT_TOO_LARGE",
            Self::PackageExpired { .. } => "PACKAGE_EXPIRED",
            Self::PackageNotStarted { .. } => "PACKAGE_NOT_STARTED",
            Self::PackageFrozen { .. } => "PACKAGE_FROZEN",
            Self::PackageRevoked { .. } => "PACKAGE_REVOKED",
            Self::ItemNotCovered { .. } => "ITEM_NOT_COVERED",
            Self::PackageOfAnotherCustomer { .. } => "PACKAGE_OF_ANOTHER_CUSTOMER",
            Self::DeliveredInFuture { .. } => "DELIVERED_IN_FUTURE",
            Self::CustomerInactive { .. } => "CUSTOMER_INACTIVE",
            Self::CustomerMayNotPurchaseOnAccount { .. } => "CUSTOMER_MAY_NOT_PURCHASE_ON_ACCOUNT",
            Self::AccountPaymentsInactive => "ACCOUNT_PAYMENTS_INACTIVE",
            Self::TemplateNotActive { .. } => "TEMPLATE_NOT_ACTIVE",
            Self::TemplateIncomplete { .. } => "TEMPLATE_INCOMPLETE",
            Self::ValidityImpossible { .. } => "VALIDITY_IMPOSSIBLE",
            Self::Archived { .. } => "ARCHIVED",
            Self::StillInUse { .. } => "STILL_IN_USE",
            Self::PaymentTooLarge { .. } => "PAYMENT_TOO_LARGE",
            Self::ExpiryNotLater { .. } => "EXPIRY_NOT_LATER",
            Self::PackageNeverExpires { .. } => "PACKAGE_NEVER_EXPIRES",
            Self::QuarantineOver { .. } => "QUARANTINE_OVER",
            Self::EtagMismatch { .. } => "ETAG_MISMATCH",
            Self::RequestIdReused { .. } => "REQUEST_ID_REUSED",
            Self::FeatureOff => "FEATURE_OFF",
            Self::AlreadyExists { .. } => "ALREADY_EXISTS",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::PermissionDenied { .. } => "PERMISSION_DENIED",
            Self::LotCorrupt(_) => "LOT_CORRUPT",
        }
    }
}
