//! Invoices (F1, F2): what a customer is to pay in money, and which units of its lines credits pay instead.
//!
//! What is due is the sum of the lines less what was paid; refunds are written down and owe nothing.
//!
//! The one rounding: every line is rounded by itself, half a minor unit up, first its price, then its tax.
//! Totals are sums of lines.

mod package_line;
mod state;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::payment::{MoneyKind, Payment, Takings};
use crate::domain::refusal::{InvoiceRefusal, RateRefusal, Refusal};
use crate::domain::sale::Price;
use crate::ids::{
    BusinessId, CustomerId, HoldId, InvoiceId, InvoiceLineId, ItemId, LineId, PackageId, PaymentId,
};

pub use package_line::{IssueWhen, LineSale, PackageLine};
pub use state::{InvoiceState, Owed};

/// Hundredths of a percent in the whole.
const BASIS_POINTS: i128 = 10_000;

/// An invoice to one customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// The invoice.
    pub id: InvoiceId,
    /// Whose.
    pub business_id: BusinessId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// Who is to pay.
    pub customer_id: CustomerId,
    /// What it is.
    pub state: InvoiceState,
    /// Its number among the issued invoices of the business, from 1 and without gaps.
    pub number: Option<i64>,
    /// Whether the lines' prices have the tax in them, as the business wrote prices when it was made.
    pub prices_include_tax: bool,
    /// What is to be paid, in the caller's order.
    pub lines: Vec<InvoiceLine>,
    /// What was paid and given back.
    pub money: Takings,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it got its number.
    pub issued_at: Option<DateTime<Utc>>,
    /// When it was voided.
    pub voided_at: Option<DateTime<Utc>>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// Units of something at a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// The line.
    pub id: InvoiceLineId,
    /// What they are units of.
    pub of: LineOf,
    /// What the customer reads.
    pub description: String,
    /// How many units.
    pub quantity: Credits,
    /// What one unit costs, in minor units, as the business writes prices.
    pub unit_price_minor: i64,
    /// The tax in it or on it, in hundredths of a percent.
    pub tax_basis_points: i32,
    /// When it was or will be delivered; none: whenever it is charged.
    pub delivered_at: Option<DateTime<Utc>>,
    /// The units that credits pay, or all of it if it is at a package rate.
    pub credits: Option<LineCredits>,
    /// What is still asked for since the rest of the invoice was voided, in minor units without tax.
    pub kept_minor: Option<i64>,
}

/// What a line asks money for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineOf {
    /// An item that is delivered.
    Item(ItemId),
    /// A package that is sold (C2).
    Package(PackageLine),
}

/// The credits that pay for units of a line, or the units of a rate line that it charges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineCredits {
    /// What sets them aside.
    pub hold_id: HoldId,
    /// How many units they pay or are.
    pub units: Credits,
    /// Only these packages; none: the best ones.
    pub package_ids: Vec<PackageId>,
    /// The rate line that counts the units: then money pays them, at its rate (semantics 32).
    pub rate_line_id: Option<LineId>,
    /// When they are free again unless the invoice is issued; none: they stay set aside.
    pub times_out_at: Option<DateTime<Utc>>,
    /// The posting that used them.
    pub used_by: Option<Uuid>,
    /// When they were given back, because the invoice was voided.
    pub returned_at: Option<DateTime<Utc>>,
}

impl InvoiceLine {
    /// The item that is delivered, if one is.
    pub fn item_id(&self) -> Option<ItemId> {
        match &self.of {
            LineOf::Item(item_id) => Some(*item_id),
            LineOf::Package(_) => None,
        }
    }

    /// The package that is sold, if one is.
    pub fn package(&self) -> Option<&PackageLine> {
        match &self.of {
            LineOf::Package(package) => Some(package),
            LineOf::Item(_) => None,
        }
    }

    /// The credits that are used and not given back.
    pub fn used(&self) -> Option<&LineCredits> {
        let credits = self.credits.as_ref();
        credits.filter(|it| it.used_by.is_some() && it.returned_at.is_none())
    }

    /// The credits that are to be used once it is paid.
    pub fn unused_mut(&mut self) -> Option<&mut LineCredits> {
        let credits = self.credits.as_mut();
        credits.filter(|it| it.used_by.is_none() && it.returned_at.is_none())
    }

    /// Whether it is charged at the rate of a package: then money pays it, though units are set aside for it.
    fn is_at_rate(&self) -> bool {
        let counted = self.credits.as_ref();
        counted.is_some_and(|it| it.rate_line_id.is_some())
    }

    /// What is to be paid in money: the units that no credits pay, or what is kept of it. `None` if a number
    /// leaves its range.
    pub fn price(&self, prices_include_tax: bool) -> Option<Price> {
        if let Some(kept_minor) = self.kept_minor {
            return self.with_tax_on_top(kept_minor);
        }
        let paying = self.credits.as_ref().filter(|_| !self.is_at_rate());
        let in_credits = paying.map_or(Credits::ZERO, |it| it.units);
        let units = i128::from(self.quantity.checked_sub(in_credits)?.millionths());
        let written = half_up(
            units.checked_mul(i128::from(self.unit_price_minor))?,
            i128::from(Credits::UNIT.millionths()),
        )?;
        if !prices_include_tax {
            return self.with_tax_on_top(written);
        }
        let whole = BASIS_POINTS.checked_add(i128::from(self.tax_basis_points))?;
        let net_minor = half_up(i128::from(written).checked_mul(BASIS_POINTS)?, whole)?;
        Some(Price {
            net_minor,
            tax_minor: written.checked_sub(net_minor)?,
            total_minor: written,
        })
    }

    fn with_tax_on_top(&self, net_minor: i64) -> Option<Price> {
        let rate = i128::from(self.tax_basis_points);
        let tax_minor = half_up(i128::from(net_minor).checked_mul(rate)?, BASIS_POINTS)?;
        Some(Price {
            net_minor,
            tax_minor,
            total_minor: net_minor.checked_add(tax_minor)?,
        })
    }

    /// Refuses to let credits pay it, or to stop that.
    fn refuse_credits(&self) -> Result<(), Refusal> {
        let invoice_line_id = self.id;
        if self.kept_minor.is_some() {
            return Err(InvoiceRefusal::LineVoided { invoice_line_id }.into());
        }
        match self.of {
            LineOf::Item(_) if self.is_at_rate() => {
                Err(RateRefusal::LineAtRate { invoice_line_id }.into())
            }
            LineOf::Item(_) => Ok(()),
            LineOf::Package(_) => Err(InvoiceRefusal::LineSellsPackage { invoice_line_id }.into()),
        }
    }
}

/// A fraction of nothing below 0 as the nearest integer, a half as the one above.
fn half_up(part: i128, whole: i128) -> Option<i64> {
    let doubled = part.checked_mul(2)?.checked_add(whole)?;
    let rounded = doubled.checked_div(whole.checked_mul(2)?)?;
    i64::try_from(rounded).ok()
}

impl Invoice {
    /// The sum of its lines.
    ///
    /// # Errors
    /// [`Refusal::AmountTooLarge`].
    pub fn price(&self) -> Result<Price, Refusal> {
        let prices = self
            .lines
            .iter()
            .map(|line| line.price(self.prices_include_tax));
        let sum = prices.into_iter().try_fold(Price::default(), |sum, line| {
            line.and_then(|line| sum.checked_add(line))
        });
        sum.ok_or(Refusal::AmountTooLarge)
    }

    /// What it asks for, and what was paid.
    ///
    /// # Errors
    /// [`Refusal::AmountTooLarge`].
    pub fn owed(&self) -> Result<Owed, Refusal> {
        Ok(Owed {
            total_minor: self.price()?.total_minor,
            paid_minor: self.money.sum(MoneyKind::Payment),
        })
    }

    /// One of its lines.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub fn line_mut(&mut self, id: InvoiceLineId) -> Result<&mut InvoiceLine, Refusal> {
        self.lines
            .iter_mut()
            .find(|line| line.id == id)
            .ok_or_else(|| Refusal::NotFound {
                kind: "invoice line",
                id: id.to_string(),
            })
    }

    /// Takes a payment in, and says what it is now.
    ///
    /// # Errors
    /// Those of [`InvoiceState::paid`]; [`Refusal::PaymentExceedsPrice`].
    pub fn pay(&mut self, payment: Payment) -> Result<(), Refusal> {
        let before = self.owed()?;
        // What it cannot be paid at all comes before how much.
        self.state.paid(before)?;
        if payment.amount_minor > before.due_minor() {
            return Err(Refusal::PaymentExceedsPrice {
                paid_minor: before.paid_minor.saturating_add(payment.amount_minor),
                total_minor: before.total_minor,
            });
        }
        self.money.add(MoneyKind::Payment, payment);
        self.state = self.state.paid(self.owed()?)?;
        Ok(())
    }

    /// Takes a payment back that bounced.
    ///
    /// # Errors
    /// Those of [`InvoiceState::bounced`] and of [`Takings::reverse`].
    pub fn reverse(&mut self, id: PaymentId, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.state.bounced(self.owed()?)?;
        self.money.reverse(id, now)?;
        self.state = self.state.bounced(self.owed()?)?;
        Ok(())
    }

    /// Writes down that money went back.
    ///
    /// # Errors
    /// Those of [`InvoiceState::refunded`] and of [`Takings::refund`].
    pub fn refund(&mut self, payment: Payment) -> Result<(), Refusal> {
        self.state = self.state.refunded()?;
        Ok(self.money.refund(payment)?)
    }

    /// Lets credits pay units of a line.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`InvoiceRefusal::LineSellsPackage`], [`InvoiceRefusal::LineVoided`],
    /// [`InvoiceRefusal::CreditsApplied`], [`InvoiceRefusal::UnitsExceedLine`], [`InvoiceRefusal::Overpaid`],
    /// [`RateRefusal::LineAtRate`], those of [`InvoiceState::priced_again`].
    pub fn apply(&mut self, id: InvoiceLineId, credits: LineCredits) -> Result<(), Refusal> {
        self.state.priced_again(self.owed()?)?;
        let line = self.line_mut(id)?;
        line.refuse_credits()?;
        if let Some(applied) = &line.credits {
            return Err(InvoiceRefusal::CreditsApplied {
                invoice_line_id: id,
                units: applied.units,
            }
            .into());
        }
        if credits.units > line.quantity {
            return Err(InvoiceRefusal::UnitsExceedLine {
                invoice_line_id: id,
                requested: credits.units,
                quantity: line.quantity,
            }
            .into());
        }
        line.credits = Some(credits);
        let owed = self.owed()?;
        if owed.paid_minor > owed.total_minor {
            return Err(InvoiceRefusal::Overpaid {
                paid_minor: owed.paid_minor,
                total_minor: owed.total_minor,
            }
            .into());
        }
        self.state = self.state.priced_again(owed)?;
        Ok(())
    }

    /// Lets a line be paid in money again, and says which credits it had.
    ///
    /// # Errors
    /// Those of [`Invoice::apply`] but for how much; [`InvoiceRefusal::NoCredits`],
    /// [`InvoiceRefusal::CreditsUsed`].
    pub fn unapply(&mut self, id: InvoiceLineId) -> Result<LineCredits, Refusal> {
        self.state.priced_again(self.owed()?)?;
        let line = self.line_mut(id)?;
        line.refuse_credits()?;
        let invoice_line_id = id;
        let credits = line
            .credits
            .clone()
            .ok_or(InvoiceRefusal::NoCredits { invoice_line_id })?;
        if let Some(posting_id) = credits.used_by {
            return Err(InvoiceRefusal::CreditsUsed {
                invoice_line_id,
                posting_id,
            }
            .into());
        }
        line.credits = None;
        self.state = self.state.priced_again(self.owed()?)?;
        Ok(credits)
    }
}

#[cfg(test)]
mod tests;
