//! The numbers and names of refusals that are about invoices and the credits on their lines.

use super::rfc3339;
use crate::domain::entry::Purpose;
use crate::domain::refusal::InvoiceRefusal;
use crate::grpc::status::Failure;

/// An error with the numbers and names of the refusal.
pub(super) fn with(failure: Failure, refusal: &InvoiceRefusal) -> Failure {
    match refusal {
        InvoiceRefusal::CreditsBound { purpose } => match purpose {
            Purpose::InvoiceLine(id) => failure.with("invoice_line_id", id),
            Purpose::Booking(id) => failure.with("booking_id", id),
        },
        InvoiceRefusal::NotDraft { state } | InvoiceRefusal::AlreadyIssued { state } => {
            failure.with("state", state.as_str())
        }
        InvoiceRefusal::NotIssued
        | InvoiceRefusal::AlreadyPaid
        | InvoiceRefusal::Void
        | InvoiceRefusal::Empty => failure,
        InvoiceRefusal::Overpaid {
            paid_minor,
            total_minor,
        } => failure
            .with("paid_minor_units", paid_minor)
            .with("total_minor_units", total_minor),
        InvoiceRefusal::CreditsApplied {
            invoice_line_id,
            units,
        } => failure
            .with("invoice_line_id", invoice_line_id)
            .with("units", units),
        InvoiceRefusal::UnitsExceedLine {
            invoice_line_id,
            requested,
            quantity,
        } => failure
            .with("invoice_line_id", invoice_line_id)
            .with("requested", requested)
            .with("quantity", quantity),
        InvoiceRefusal::NoCredits { invoice_line_id }
        | InvoiceRefusal::LineSellsPackage { invoice_line_id }
        | InvoiceRefusal::LineVoided { invoice_line_id } => {
            failure.with("invoice_line_id", invoice_line_id)
        }
        InvoiceRefusal::SaleOnInvoice {
            sale_id,
            invoice_id,
        } => failure
            .with("sale_id", sale_id)
            .with("invoice_id", invoice_id),
        InvoiceRefusal::CreditsUsed {
            invoice_line_id,
            posting_id,
        } => failure
            .with("invoice_line_id", invoice_line_id)
            .with("posting_id", posting_id),
        InvoiceRefusal::PriceMissing { item_id } => failure.with("item_id", item_id),
        InvoiceRefusal::PaymentReversed {
            payment_id,
            reversed_at,
        } => failure
            .with("payment_id", payment_id)
            .with("reversed_at", &rfc3339(*reversed_at)),
        InvoiceRefusal::RefundExceedsPaid {
            refunded_minor,
            paid_minor,
        } => failure
            .with("refunded_minor_units", refunded_minor)
            .with("paid_minor_units", paid_minor),
    }
}
