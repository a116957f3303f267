//! Lines that sell packages (C2): when each is issued, and what is still charged for it once its invoice is voided.

use serde::{Deserialize, Serialize};

use super::{Invoice, InvoiceLine, InvoiceState, LineOf, Owed};
use crate::domain::entry::coded;
use crate::domain::payment::MoneyKind;
use crate::domain::refusal::Refusal;
use crate::domain::value;
use crate::ids::{HoldId, InvoiceLineId, PackageId, SaleId, TemplateId};

coded! {
    /// When a package is issued that an invoice or a charge is to pay (C2).
    IssueWhen {
        /// With the invoice, or at the sale, before anything is paid.
        Issued = 1, "issued";
        /// Once something is paid.
        FirstPaid = 2, "first_paid";
        /// Once all of it is paid.
        FullyPaid = 3, "fully_paid";
    }
}

/// A package that a line sells, as it was agreed on when the line was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageLine {
    /// The template and its version.
    pub template: (TemplateId, i32),
    /// When the package is issued.
    pub issue_when: IssueWhen,
    /// What was issued; none: nothing yet.
    pub sold: Option<LineSale>,
}

/// What a line has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSale {
    /// The sale.
    pub sale_id: SaleId,
    /// Its package.
    pub package_id: PackageId,
}

impl IssueWhen {
    /// Whether it has come to that, by what is asked for and paid.
    pub fn has_come(self, owed: Owed) -> bool {
        match self {
            Self::Issued => true,
            Self::FirstPaid => owed.paid_minor > 0 || owed.due_minor() == 0,
            Self::FullyPaid => owed.due_minor() == 0,
        }
    }
}

impl Invoice {
    /// The lines whose packages are to be issued now.
    ///
    /// # Errors
    /// [`Refusal::AmountTooLarge`].
    pub fn packages_due(&self) -> Result<Vec<InvoiceLine>, Refusal> {
        if matches!(self.state, InvoiceState::Draft | InvoiceState::Void) {
            return Ok(Vec::new());
        }
        let owed = self.owed()?;
        let is_due = |line: &&InvoiceLine| {
            line.kept_minor.is_none()
                && line
                    .package()
                    .is_some_and(|it| it.sold.is_none() && it.issue_when.has_come(owed))
        };
        Ok(self.lines.iter().filter(is_due).cloned().collect())
    }

    /// Writes down what was issued for a line.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub fn issued_for(&mut self, id: InvoiceLineId, sold: LineSale) -> Result<(), Refusal> {
        if let LineOf::Package(package) = &mut self.line_mut(id)?.of {
            package.sold = Some(sold);
        }
        Ok(())
    }

    /// What was issued, by lines.
    pub fn sold(&self) -> impl Iterator<Item = (&InvoiceLine, LineSale)> {
        let sold = |line: &InvoiceLine| line.package().and_then(|package| package.sold);
        self.lines
            .iter()
            .filter_map(move |line| sold(line).map(|sold| (line, sold)))
    }

    /// The part of what was paid that falls to each sale, in minor units: by what its line asks for.
    pub fn paid_of_sales(&self) -> Vec<(SaleId, i64)> {
        let total = |line: &InvoiceLine| line.price(self.prices_include_tax).unwrap_or_default();
        let totals: Vec<i64> = self.lines.iter().map(|it| total(it).total_minor).collect();
        let weights: Vec<i128> = totals.iter().map(|total| i128::from(*total)).collect();
        let paid = self.money.sum(MoneyKind::Payment);
        let asked = totals.iter().fold(0_i64, |sum, it| sum.saturating_add(*it));
        let shares = value::allocate(paid.min(asked), &weights);
        let of_line = self.lines.iter().zip(shares);
        of_line
            .filter_map(|(line, share)| {
                let sold = line.package()?.sold?;
                Some((sold.sale_id, share))
            })
            .collect()
    }

    /// The holds of the credits that were used for it although it is not paid: a payment bounced since.
    pub fn used_unpaid(&self) -> Vec<HoldId> {
        match self.state {
            InvoiceState::Issued | InvoiceState::PartlyPaid => {
                let used = self.lines.iter().filter_map(InvoiceLine::used);
                used.map(|credits| credits.hold_id).collect()
            }
            InvoiceState::Draft | InvoiceState::Paid | InvoiceState::Void => Vec::new(),
        }
    }

    /// Asks for nothing any more but these values without tax, by lines: what was used of the packages that it
    /// sold.
    ///
    /// # Errors
    /// Those of [`InvoiceState::reduced`], [`Refusal::AmountTooLarge`].
    pub fn keep_only(&mut self, kept: &[(InvoiceLineId, i64)]) -> Result<(), Refusal> {
        for line in &mut self.lines {
            let kept = kept.iter().find(|(id, _)| *id == line.id);
            line.kept_minor = Some(kept.map_or(0, |(_, kept_minor)| *kept_minor));
        }
        self.state = self.state.reduced(self.owed()?)?;
        Ok(())
    }
}
