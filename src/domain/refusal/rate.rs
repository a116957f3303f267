//! Why something cannot be done with the units of a rate line (semantics 32).

use crate::ids::{InvoiceLineId, LineId, PackageId};

/// What a package rate does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateRefusal {
    /// The package has a rate for what is wanted, and no credits that pay for it.
    #[error(
        "package {package_id} pays for none of it: lines of invoices are priced at its rate instead"
    )]
    NeverPays {
        /// The package.
        package_id: PackageId,
    },
    /// The invoice's line is priced at a package rate, so it is paid in money.
    #[error("line {invoice_line_id} is priced at a package rate: credits do not pay it")]
    LineAtRate {
        /// The invoice's line.
        invoice_line_id: InvoiceLineId,
    },
    /// Units of a rate line stand for no money that was paid.
    #[error("line {line_id} of the package is a rate line: its units are worth nothing")]
    WorthNothing {
        /// The package's line.
        line_id: LineId,
    },
}

impl RateRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NeverPays { .. } => "RATE_NEVER_PAYS",
            Self::LineAtRate { .. } => "LINE_AT_PACKAGE_RATE",
            Self::WorthNothing { .. } => "RATE_UNITS_WORTH_NOTHING",
        }
    }
}
