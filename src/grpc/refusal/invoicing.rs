//! The numbers and names of refusals that are about invoices and the credits on their lines.

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
    }
}
