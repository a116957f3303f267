//! Why something cannot be done to an invoice, or to the credits of one or of a booking.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::Purpose;
use crate::domain::invoice::InvoiceState;
use crate::ids::{InvoiceId, InvoiceLineId, ItemId, PaymentId, SaleId};

/// What an invoice does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceRefusal {
    /// The credits are held or used for something else, which alone frees or undoes them.
    #[error("the credits are those of {purpose}; only that frees or undoes them")]
    CreditsBound {
        /// For what.
        purpose: Purpose,
    },
    /// Only a draft can be changed.
    #[error("the invoice is {}, and only a draft can be changed", state.as_str())]
    NotDraft {
        /// What it is.
        state: InvoiceState,
    },
    /// It has its number.
    #[error("the invoice is {}: it was issued before", state.as_str())]
    AlreadyIssued {
        /// What it is.
        state: InvoiceState,
    },
    /// It was not issued yet.
    #[error("the invoice is a draft: issue it first")]
    NotIssued,
    /// Nothing is due.
    #[error("the invoice is paid")]
    AlreadyPaid,
    /// It counts no more.
    #[error("the invoice is void")]
    Void,
    /// It asks for nothing.
    #[error("the invoice has no lines")]
    Empty,
    /// More would have been paid than is asked for.
    #[error("{paid_minor} minor units are paid, and only {total_minor} would be asked for")]
    Overpaid {
        /// What was paid, in minor units.
        paid_minor: i64,
        /// What would be asked for, in minor units.
        total_minor: i64,
    },
    /// The line has credits already.
    #[error("credits pay {units} units of line {invoice_line_id} already")]
    CreditsApplied {
        /// The line.
        invoice_line_id: InvoiceLineId,
        /// The units that they pay.
        units: Credits,
    },
    /// More units than the line has.
    #[error("line {invoice_line_id} has {quantity} units, {requested} are to be paid in credits")]
    UnitsExceedLine {
        /// The line.
        invoice_line_id: InvoiceLineId,
        /// What was asked for.
        requested: Credits,
        /// What the line has.
        quantity: Credits,
    },
    /// No credits pay the line.
    #[error("no credits pay line {invoice_line_id}")]
    NoCredits {
        /// The line.
        invoice_line_id: InvoiceLineId,
    },
    /// The line's credits are used.
    #[error("the credits of line {invoice_line_id} were used by posting {posting_id}")]
    CreditsUsed {
        /// The line.
        invoice_line_id: InvoiceLineId,
        /// What used them.
        posting_id: Uuid,
    },
    /// The line sells a package, which credits do not pay.
    #[error("line {invoice_line_id} sells a package, which is paid in money")]
    LineSellsPackage {
        /// The line.
        invoice_line_id: InvoiceLineId,
    },
    /// The line counts no more, but for what was used of its package.
    #[error("line {invoice_line_id} was voided")]
    LineVoided {
        /// The line.
        invoice_line_id: InvoiceLineId,
    },
    /// What was sold is paid and undone by its invoice.
    #[error("sale {sale_id} is a line of invoice {invoice_id}, which is paid and voided instead")]
    SaleOnInvoice {
        /// The sale.
        sale_id: SaleId,
        /// The invoice.
        invoice_id: InvoiceId,
    },
    /// The item has no standard rate, and no price was given.
    #[error("item {item_id} has no standard rate: the line needs a price")]
    PriceMissing {
        /// The item.
        item_id: ItemId,
    },
    /// The payment bounced before.
    #[error("payment {payment_id} was reversed at {reversed_at}")]
    PaymentReversed {
        /// The payment.
        payment_id: PaymentId,
        /// When.
        reversed_at: DateTime<Utc>,
    },
    /// More would have gone back than came in.
    #[error("{refunded_minor} minor units would be refunded, {paid_minor} were paid")]
    RefundExceedsPaid {
        /// What would have gone back, in minor units.
        refunded_minor: i64,
        /// What came in, in minor units.
        paid_minor: i64,
    },
}

impl InvoiceRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::CreditsBound { .. } => "CREDITS_BOUND",
            Self::NotDraft { .. } => "INVOICE_NOT_DRAFT",
            Self::AlreadyIssued { .. } => "INVOICE_ALREADY_ISSUED",
            Self::NotIssued => "INVOICE_NOT_ISSUED",
            Self::AlreadyPaid => "INVOICE_ALREADY_PAID",
            Self::Void => "INVOICE_VOID",
            Self::Empty => "INVOICE_EMPTY",
            Self::Overpaid { .. } => "INVOICE_OVERPAID",
            Self::CreditsApplied { .. } => "CREDITS_ALREADY_APPLIED",
            Self::UnitsExceedLine { .. } => "UNITS_EXCEED_LINE",
            Self::NoCredits { .. } => "NO_CREDITS_APPLIED",
            Self::CreditsUsed { .. } => "CREDITS_ALREADY_USED",
            Self::LineSellsPackage { .. } => "LINE_SELLS_PACKAGE",
            Self::LineVoided { .. } => "INVOICE_LINE_VOIDED",
            Self::SaleOnInvoice { .. } => "SALE_ON_INVOICE",
            Self::PriceMissing { .. } => "PRICE_MISSING",
            Self::PaymentReversed { .. } => "PAYMENT_ALREADY_REVERSED",
            Self::RefundExceedsPaid { .. } => "REFUND_EXCEEDS_PAID",
        }
    }
}
