//! The stable name of each refusal.

use crate::domain::refusal::Refusal;

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
            Self::CreditTypeNotInPackage { .. } => "CREDIT_TYPE_NOT_IN_PACKAGE",
            Self::PackageOfOtherCustomer { .. } => "PACKAGE_OF_OTHER_CUSTOMER",
            Self::DeliveredInFuture { .. } => "DELIVERED_IN_FUTURE",
            Self::HoldAlreadyCaptured { .. } => "HOLD_ALREADY_CAPTURED",
            Self::HoldAlreadyReleased { .. } => "HOLD_ALREADY_RELEASED",
            Self::HoldTimedOut { .. } => "HOLD_TIMED_OUT",
            Self::CaptureExceedsHold { .. } => "CAPTURE_EXCEEDS_HOLD",
            Self::TimeOutNotLater { .. } => "TIME_OUT_NOT_LATER",
            Self::NothingToReverse { .. } => "NOTHING_TO_REVERSE",
            Self::ReversalExceedsUse { .. } => "REVERSAL_EXCEEDS_USE",
            Self::NotCountedInUnits => "NOT_COUNTED_IN_UNITS",
            Self::UnitsTooFine => "UNITS_TOO_FINE",
            Self::NothingToRevalue { .. } => "NOTHING_TO_REVALUE",
            Self::LineNotInPackage { .. } => "LINE_NOT_IN_PACKAGE",
            Self::CustomerInactive { .. } => "CUSTOMER_INACTIVE",
            Self::CustomerMayNotPurchaseOnAccount { .. } => "CUSTOMER_MAY_NOT_PURCHASE_ON_ACCOUNT",
            Self::AccountPaymentsInactive => "ACCOUNT_PAYMENTS_INACTIVE",
            Self::CreditTypeArchived { .. } => "CREDIT_TYPE_ARCHIVED",
            Self::CreditTypeInUse { .. } => "CREDIT_TYPE_IN_USE",
            Self::ItemInactive { .. } => "ITEM_INACTIVE",
            Self::TemplateArchived { .. } => "TEMPLATE_ARCHIVED",
            Self::TemplateNotActive { .. } => "TEMPLATE_NOT_ACTIVE",
            Self::TemplateIncomplete { .. } => "TEMPLATE_INCOMPLETE",
            Self::CoverageAmbiguous { .. } => "COVERAGE_AMBIGUOUS",
            Self::CoverageRepeated { .. } => "COVERAGE_REPEATED",
            Self::ValidityImpossible { .. } => "VALIDITY_IMPOSSIBLE",
            Self::PaymentExceedsPrice { .. } => "PAYMENT_EXCEEDS_PRICE",
            Self::ExpiryNotLater { .. } => "EXPIRY_NOT_LATER",
            Self::PackageNeverExpires { .. } => "PACKAGE_NEVER_EXPIRES",
            Self::QuarantineOver { .. } => "QUARANTINE_OVER",
            Self::EtagMismatch { .. } => "ETAG_MISMATCH",
            Self::RequestIdReused { .. } => "REQUEST_ID_REUSED",
            Self::AnswerCleared { .. } => "ANSWER_CLEARED",
            Self::ExternalIdTaken { .. } => "EXTERNAL_ID_TAKEN",
            Self::FeatureOff => "FEATURE_OFF",
            Self::FeedRestarted => "FEED_RESTARTED",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::PermissionDenied { .. } => "PERMISSION_DENIED",
            Self::CannotAmend(refusal) => refusal.reason(),
            Self::Holder(refusal) => refusal.reason(),
            Self::Selling(refusal) => refusal.reason(),
            Self::Subscribing(refusal) => refusal.reason(),
            Self::Triggering(refusal) => refusal.reason(),
            Self::Invoicing(refusal) => refusal.reason(),
            Self::Rating(refusal) => refusal.reason(),
            Self::Booking(refusal) => refusal.reason(),
            Self::Emailing(refusal) => refusal.reason(),
            Self::Charging(refusal) => refusal.reason(),
            Self::Access(refusal) => refusal.reason(),
            Self::LotCorrupt(_) => "LEDGER_CORRUPT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::refusal::{
        AccessRefusal, EmailingRefusal, SubscribingRefusal, TriggeringRefusal,
    };
    use crate::domain::testing::start;
    use crate::ids::TriggerId;

    #[test]
    fn a_refusal_of_a_part_has_the_reason_that_the_part_gives() {
        let ends_late = AccessRefusal::TokenExpiryTooLate { latest: start() };
        let unpaid = SubscribingRefusal::NotPaidInFull {
            paid_minor: 1,
            total_minor: 2,
        };
        let archived = TriggeringRefusal::TriggerArchived {
            trigger_id: TriggerId::generate(start()),
            archived_at: start(),
        };
        let told: [(Refusal, &str); 4] = [
            (ends_late.into(), "TOKEN_EXPIRY_TOO_LATE"),
            (
                EmailingRefusal::TemplateFaulty(Vec::new()).into(),
                "EMAIL_TEMPLATE_FAULTY",
            ),
            (unpaid.into(), "RENEWAL_NOT_PAID_IN_FULL"),
            (archived.into(), "TRIGGER_ARCHIVED"),
        ];
        for (refusal, reason) in told {
            assert_eq!(refusal.reason(), reason);
        }
    }
}
