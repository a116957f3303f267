//! The refusals of what is offered and how it is sold: quantities, freestyle, overlap.

use crate::domain::package::Status;
use crate::ids::{PackageId, SaleId, TemplateId};

/// Why a template cannot be offered or sold like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SellingRefusal {
    /// Less than the least that can be chosen.
    #[error("{quantity} is below the minimum of {minimum}")]
    QuantityBelowMinimum {
        /// What was asked for.
        quantity: u32,
        /// The least.
        minimum: u32,
    },
    /// More than the most that can be chosen.
    #[error("{quantity} is above the maximum of {maximum}")]
    QuantityAboveMaximum {
        /// What was asked for.
        quantity: u32,
        /// The most.
        maximum: u32,
    },
    /// Between two quantities that can be chosen.
    #[error("{quantity} is not {minimum} and so many times {step}")]
    QuantityOffStep {
        /// What was asked for.
        quantity: u32,
        /// The least.
        minimum: u32,
        /// By how much it can rise.
        step: u32,
    },
    /// The template's quantity is not chosen at the sale.
    #[error("the quantity of template {template_id} is fixed; {quantity} were asked for")]
    QuantityFixed {
        /// The template.
        template_id: TemplateId,
        /// What was asked for.
        quantity: u32,
    },
    /// A chosen quantity would be of several lines.
    #[error("a template whose quantity is chosen has one line, not {lines}")]
    ChosenQuantityNeedsOneLine {
        /// How many there are.
        lines: usize,
    },
    /// The template is sold by subscription only.
    #[error("template {template_id} is sold by subscription only")]
    SubscriptionOnly {
        /// The template.
        template_id: TemplateId,
    },
    /// Customers cannot buy the template themselves.
    #[error("template {template_id} is not sold online")]
    NotOnline {
        /// The template.
        template_id: TemplateId,
    },
    /// Something may not be changed at the sale of this template.
    #[error("template {template_id} is not freestyle: its {field} cannot be changed at the sale")]
    NotFreestyle {
        /// The template.
        template_id: TemplateId,
        /// What was to be changed.
        field: &'static str,
    },
    /// An earlier package of the template has something to use.
    #[error("package {package_id} of template {template_id} is {}", status.as_str())]
    PackageOverlaps {
        /// The template.
        template_id: TemplateId,
        /// The earlier package.
        package_id: PackageId,
        /// What it is.
        status: Status,
    },
    /// An earlier package of the template is not used up or not paid.
    #[error(
        "package {package_id} of template {template_id} is {}, not used up and paid",
        status.as_str()
    )]
    PackageNotComplete {
        /// The template.
        template_id: TemplateId,
        /// The earlier package.
        package_id: PackageId,
        /// What it is.
        status: Status,
    },
    /// Nothing of the sale is due.
    #[error("all {total_minor} minor units of sale {sale_id} are paid")]
    SaleAlreadyPaid {
        /// The sale.
        sale_id: SaleId,
        /// What was to pay, in minor units.
        total_minor: i64,
    },
}

impl SellingRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::QuantityBelowMinimum { .. } => "QUANTITY_BELOW_MINIMUM",
            Self::QuantityAboveMaximum { .. } => "QUANTITY_ABOVE_MAXIMUM",
            Self::QuantityOffStep { .. } => "QUANTITY_OFF_STEP",
            Self::QuantityFixed { .. } => "QUANTITY_FIXED",
            Self::ChosenQuantityNeedsOneLine { .. } => "CHOSEN_QUANTITY_NEEDS_ONE_LINE",
            Self::SubscriptionOnly { .. } => "SUBSCRIPTION_ONLY",
            Self::NotOnline { .. } => "TEMPLATE_NOT_ONLINE",
            Self::NotFreestyle { .. } => "TEMPLATE_NOT_FREESTYLE",
            Self::PackageOverlaps { .. } => "PACKAGE_OVERLAPS",
            Self::PackageNotComplete { .. } => "PACKAGE_NOT_COMPLETE",
            Self::SaleAlreadyPaid { .. } => "SALE_ALREADY_PAID",
        }
    }
}
