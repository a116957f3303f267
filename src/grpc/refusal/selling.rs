//! The numbers and names of refusals that are about what is offered and how it is sold.

use crate::domain::refusal::SellingRefusal;
use crate::grpc::status::Failure;

/// An error with the numbers and names of the refusal.
pub(super) fn with(failure: Failure, refusal: &SellingRefusal) -> Failure {
    match refusal {
        SellingRefusal::QuantityBelowMinimum { quantity, minimum } => {
            failure.with("quantity", quantity).with("minimum", minimum)
        }
        SellingRefusal::QuantityAboveMaximum { quantity, maximum } => {
            failure.with("quantity", quantity).with("maximum", maximum)
        }
        SellingRefusal::QuantityOffStep {
            quantity,
            minimum,
            step,
        } => failure
            .with("quantity", quantity)
            .with("minimum", minimum)
            .with("step", step),
        SellingRefusal::QuantityFixed {
            template_id,
            quantity,
        } => failure
            .with("template_id", template_id)
            .with("quantity", quantity),
        SellingRefusal::ChosenQuantityNeedsOneLine { lines } => failure.with("lines", lines),
        SellingRefusal::SubscriptionOnly { template_id }
        | SellingRefusal::NotOnline { template_id } => failure.with("template_id", template_id),
        SellingRefusal::NotFreestyle { template_id, field } => failure
            .with("template_id", template_id)
            .with("field", *field),
        SellingRefusal::PackageOverlaps {
            template_id,
            package_id,
            status,
        }
        | SellingRefusal::PackageNotComplete {
            template_id,
            package_id,
            status,
        } => failure
            .with("template_id", template_id)
            .with("package_id", package_id)
            .with("status", status.as_str()),
        SellingRefusal::SaleAlreadyPaid {
            sale_id,
            total_minor,
        } => failure
            .with("sale_id", sale_id)
            .with("total_minor_units", total_minor),
    }
}
