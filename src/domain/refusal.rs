//! Every "no" that the rules can say.
//!
//! A refusal carries the numbers and names of its message as fields. Its [`Refusal::reason`] is part of
//! the API and never changes; a test holds it against the published list of reasons.

mod access;
mod amending;
mod booking;
mod charging;
mod counted;
mod emailing;
mod holder;
mod invoice;
mod rate;
mod reason;
mod selling;
mod subscribing;
mod triggering;

use chrono::{DateTime, Utc};
use uuid::Uuid;

pub use access::AccessRefusal;
pub use amending::CannotAmend;
pub use booking::BookingRefusal;
pub use charging::ChargeRefusal;
pub use counted::CountedIn;
pub use emailing::EmailingRefusal;
pub use holder::HolderRefusal;
pub use invoice::InvoiceRefusal;
pub use rate::RateRefusal;
pub use selling::SellingRefusal;
pub use subscribing::SubscribingRefusal;
pub use triggering::TriggeringRefusal;

use crate::domain::credits::Credits;
use crate::domain::hold::OnTimeOut;
use crate::ids::{CreditTypeId, CustomerId, HoldId, ItemId, LineId, LotId, PackageId, TemplateId};

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
    #[error("{amount} is finer than the {decimal_places} decimal places of {credit_type_id}")]
    AmountTooFine {
        /// The amount.
        amount: Credits,
        /// What the credit type allows.
        decimal_places: u32,
        /// The credit type.
        credit_type_id: CreditTypeId,
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
    #[error("package {package_id} can be used from {} on", crate::domain::queue::told(*starts_at))]
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
    /// A named package does not cover the item.
    #[error("package {package_id} does not cover item {item_id}")]
    ItemNotCovered {
        /// The package.
        package_id: PackageId,
        /// The item.
        item_id: ItemId,
    },
    /// A named package has no credits of the type that was asked for.
    #[error("package {package_id} has no credits of type {credit_type_id}")]
    CreditTypeNotInPackage {
        /// The package.
        package_id: PackageId,
        /// The credit type.
        credit_type_id: CreditTypeId,
    },
    /// A package belongs to somebody else.
    #[error("package {package_id} does not belong to customer {customer_id}")]
    PackageOfOtherCustomer {
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
    /// The hold was captured before.
    #[error("hold {hold_id} was captured by request {posting_id}")]
    HoldAlreadyCaptured {
        /// The hold.
        hold_id: HoldId,
        /// The posting that captured it.
        posting_id: Uuid,
    },
    /// The hold was released before.
    #[error("hold {hold_id} was released by request {posting_id}")]
    HoldAlreadyReleased {
        /// The hold.
        hold_id: HoldId,
        /// The posting that released it.
        posting_id: Uuid,
    },
    /// The hold ended by itself.
    #[error("hold {hold_id} timed out at {timed_out_at} ({})", outcome.as_str())]
    HoldTimedOut {
        /// The hold.
        hold_id: HoldId,
        /// When.
        timed_out_at: DateTime<Utc>,
        /// What became of the credits.
        outcome: OnTimeOut,
    },
    /// More is to be captured than the hold holds.
    #[error("the hold has {held} {counted_in}, {requested} are to be captured")]
    CaptureExceedsHold {
        /// What is held.
        held: Credits,
        /// What was asked for.
        requested: Credits,
        /// What both count.
        counted_in: CountedIn,
    },
    /// A hold is to time out in the past.
    #[error("times_out_at {times_out_at} is not later than now")]
    TimeOutNotLater {
        /// The instant that was given.
        times_out_at: DateTime<Utc>,
    },
    /// The posting did not use anything, or all that it used was undone.
    #[error("nothing is left to undo of posting {posting_id}")]
    NothingToReverse {
        /// The posting.
        posting_id: Uuid,
    },
    /// More is to be undone than is left of a use.
    #[error("{left} {counted_in} are left of the use, {requested} are to be undone")]
    ReversalExceedsUse {
        /// What was used and not undone.
        left: Credits,
        /// What was asked for.
        requested: Credits,
        /// What both count.
        counted_in: CountedIn,
    },
    /// Units were asked for where credits were taken by hand.
    #[error("credits were taken by hand here: ask for an amount of credits, not for units")]
    NotCountedInUnits,
    /// So many units are no exact amount of credits.
    #[error("these units are no amount of credits that can be kept: ask for an amount of credits")]
    UnitsTooFine,
    /// The value of a package cannot be changed by so much.
    #[error("the value of what is unused is {unused_minor} and cannot change by {change_minor}")]
    NothingToRevalue {
        /// What the unused credits are worth, in minor units.
        unused_minor: i64,
        /// By how much it was to change.
        change_minor: i64,
    },
    /// The package has no line of this id.
    #[error("package {package_id} has no line {line_id}")]
    LineNotInPackage {
        /// The package.
        package_id: PackageId,
        /// The line.
        line_id: LineId,
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
    /// The credit type is archived.
    #[error("credit type {credit_type_id} is archived")]
    CreditTypeArchived {
        /// The credit type.
        credit_type_id: CreditTypeId,
    },
    /// The credit type is used by a template that is not archived.
    #[error("credit type {credit_type_id} is used by template {template_id}")]
    CreditTypeInUse {
        /// The credit type.
        credit_type_id: CreditTypeId,
        /// A template that uses it.
        template_id: TemplateId,
    },
    /// The item is no longer offered.
    #[error("item {item_id} is no longer offered")]
    ItemInactive {
        /// The item.
        item_id: ItemId,
    },
    /// The template is archived and cannot be changed.
    #[error("template {template_id} is archived")]
    TemplateArchived {
        /// The template.
        template_id: TemplateId,
    },
    /// Lines of this credit type ask different amounts for the same thing.
    #[error(
        "lines with credit type {credit_type_id} ask different credits per unit of {target}; name what the credits are for"
    )]
    CoverageAmbiguous {
        /// The credit type.
        credit_type_id: CreditTypeId,
        /// The item or category.
        target: String,
    },
    /// A line covers the same thing twice.
    #[error("line {line} covers {target} twice")]
    CoverageRepeated {
        /// The line's place in the template, from 1.
        line: i32,
        /// The item or category.
        target: String,
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
    /// More was paid than is due.
    #[error("{paid_minor} minor units were paid, the total is {total_minor}")]
    PaymentExceedsPrice {
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
    #[error("{kind} {id} was changed meanwhile: read it again")]
    EtagMismatch {
        /// What it is.
        kind: &'static str,
        /// Which one.
        id: String,
    },
    /// The request id was used for another request.
    #[error("request_id {request_id} was used for another request")]
    RequestIdReused {
        /// The id.
        request_id: Uuid,
    },
    /// What was answered to the request is kept no more.
    #[error("{method} with the request_id {request_id} took effect; its answer is kept no more")]
    AnswerCleared {
        /// The id.
        request_id: Uuid,
        /// The method that was called.
        method: String,
        /// When.
        requested_at: DateTime<Utc>,
    },
    /// Another thing of this kind has this external id.
    #[error("another {kind} has the external id {external_id:?}")]
    ExternalIdTaken {
        /// What it is.
        kind: &'static str,
        /// The external id.
        external_id: String,
    },
    /// The business has not switched the feature on.
    #[error("packages are switched off for this business")]
    FeatureOff,
    /// A place in the feed is one of another history than the database's.
    #[error("this place in the feed is of another database, or of one that was restored since")]
    FeedRestarted,
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
    /// A package that was sold cannot be changed so.
    #[error(transparent)]
    CannotAmend(#[from] CannotAmend),
    /// It is about customers and what they share.
    #[error(transparent)]
    Holder(#[from] HolderRefusal),
    /// It cannot be offered or sold like this.
    #[error(transparent)]
    Selling(#[from] SellingRefusal),
    /// It cannot be subscribed to or renewed like this.
    #[error(transparent)]
    Subscribing(#[from] SubscribingRefusal),
    /// A trigger cannot be changed, or an event not be kept.
    #[error(transparent)]
    Triggering(#[from] TriggeringRefusal),
    /// An invoice does not allow it, or the credits are those of one.
    #[error(transparent)]
    Invoicing(#[from] InvoiceRefusal),
    /// A package rate does not allow it.
    #[error(transparent)]
    Rating(#[from] RateRefusal),
    /// A booking does not allow it.
    #[error(transparent)]
    Booking(#[from] BookingRefusal),
    /// An e-mail template is not right, or a trial not possible.
    #[error(transparent)]
    Emailing(#[from] EmailingRefusal),
    /// A charge request does not allow it.
    #[error(transparent)]
    Charging(#[from] ChargeRefusal),
    /// Who may do what cannot be changed so.
    #[error(transparent)]
    Access(#[from] AccessRefusal),
    /// A lot does not add up; nothing is written on it.
    #[error("lot {0} does not add up; run `carnet verify`")]
    LotCorrupt(LotId),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_its_numbers_count() {
        let refusal = |counted_in| Refusal::InsufficientCredits {
            available: Credits::UNIT,
            requested: Credits::ZERO,
            counted_in,
        };
        let said = [CountedIn::Credits, CountedIn::Units].map(|it| refusal(it).to_string());
        assert_eq!(
            said,
            [
                "1 credits available, 0 requested",
                "1 units available, 0 requested"
            ]
        );
    }
}
