//! Invoices (F1, F2): what a customer is to pay in money, and which units of its lines credits pay instead.
//!
//! What is due is the sum of the lines less what was paid; refunds are written down and owe nothing.
//!
//! The one rounding: every line is rounded by itself, half a minor unit up, first its price, then its tax.
//! Totals are sums of lines.

mod state;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::coded;
use crate::domain::refusal::{InvoiceRefusal, RateRefusal, Refusal};
use crate::domain::sale::{Payment, Price};
use crate::ids::{
    BusinessId, CustomerId, HoldId, InvoiceId, InvoiceLineId, ItemId, LineId, PackageId, PaymentId,
};

pub use state::{InvoiceState, Owed};

/// Hundredths of a percent in the whole.
const BASIS_POINTS: i128 = 10_000;

coded! {
    /// Whether money came in or went back.
    MoneyKind {
        /// It came in.
        Payment = 1, "payment";
        /// It went back.
        Refund = 2, "refund";
    }
}

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
    /// What was paid and given back, oldest first.
    pub money: Vec<InvoiceMoney>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it got its number.
    pub issued_at: Option<DateTime<Utc>>,
    /// When it was voided.
    pub voided_at: Option<DateTime<Utc>>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// Units of an item at a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceLine {
    /// The line.
    pub id: InvoiceLineId,
    /// What was delivered.
    pub item_id: ItemId,
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

/// A payment or a refund that took place elsewhere and is written down here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceMoney {
    /// Which way it went.
    pub kind: MoneyKind,
    /// How and how much.
    pub payment: Payment,
    /// When it bounced, if it did.
    pub reversed_at: Option<DateTime<Utc>>,
}

impl InvoiceLine {
    /// Refuses a line at a package rate, which credits do not pay.
    fn refuse_at_rate(&self) -> Result<(), RateRefusal> {
        match &self.credits {
            Some(counted) if counted.rate_line_id.is_some() => Err(RateRefusal::LineAtRate {
                invoice_line_id: self.id,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// What is to be paid in money: the units that no credits pay. `None` if a number leaves its range.
    pub fn price(&self, prices_include_tax: bool) -> Option<Price> {
        let paying = self.credits.as_ref().filter(|it| it.rate_line_id.is_none());
        let in_credits = paying.map_or(Credits::ZERO, |it| it.units);
        let units = i128::from(self.quantity.checked_sub(in_credits)?.millionths());
        let written = half_up(
            units.checked_mul(i128::from(self.unit_price_minor))?,
            i128::from(Credits::UNIT.millionths()),
        )?;
        let rate = i128::from(self.tax_basis_points);
        if prices_include_tax {
            let whole = BASIS_POINTS.checked_add(rate)?;
            let net_minor = half_up(i128::from(written).checked_mul(BASIS_POINTS)?, whole)?;
            Some(Price {
                net_minor,
                tax_minor: written.checked_sub(net_minor)?,
                total_minor: written,
            })
        } else {
            let tax_minor = half_up(i128::from(written).checked_mul(rate)?, BASIS_POINTS)?;
            Some(Price {
                net_minor: written,
                tax_minor,
                total_minor: written.checked_add(tax_minor)?,
            })
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
            paid_minor: self.sum(MoneyKind::Payment),
        })
    }

    /// What came in and did not bounce, or what went back, in minor units.
    pub fn sum(&self, kind: MoneyKind) -> i64 {
        self.money
            .iter()
            .filter(|money| money.kind == kind && money.reversed_at.is_none())
            .fold(0, |sum, money| {
                sum.saturating_add(money.payment.amount_minor)
            })
    }

    /// What came in and can go back, in minor units.
    pub fn refundable(&self) -> i64 {
        let (paid, refunded) = (self.sum(MoneyKind::Payment), self.sum(MoneyKind::Refund));
        paid.saturating_sub(refunded).max(0)
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
        self.money.push(InvoiceMoney {
            kind: MoneyKind::Payment,
            payment,
            reversed_at: None,
        });
        self.state = self.state.paid(self.owed()?)?;
        Ok(())
    }

    /// Takes a payment back that bounced.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`InvoiceRefusal::PaymentReversed`], those of [`InvoiceState::bounced`].
    pub fn reverse(&mut self, id: PaymentId, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.state.bounced(self.owed()?)?;
        let payments = self.money.iter_mut();
        let bounced = payments
            .filter(|money| money.kind == MoneyKind::Payment)
            .find(|money| money.payment.id == id)
            .ok_or_else(|| Refusal::NotFound {
                kind: "payment",
                id: id.to_string(),
            })?;
        if let Some(reversed_at) = bounced.reversed_at {
            let payment_id = id;
            return Err(InvoiceRefusal::PaymentReversed {
                payment_id,
                reversed_at,
            }
            .into());
        }
        bounced.reversed_at = Some(now);
        self.state = self.state.bounced(self.owed()?)?;
        Ok(())
    }

    /// Writes down that money went back.
    ///
    /// # Errors
    /// Those of [`InvoiceState::refunded`]; [`InvoiceRefusal::RefundExceedsPaid`].
    pub fn refund(&mut self, payment: Payment) -> Result<(), Refusal> {
        self.state = self.state.refunded()?;
        let (paid_minor, before) = (self.sum(MoneyKind::Payment), self.sum(MoneyKind::Refund));
        let refunded_minor = before.saturating_add(payment.amount_minor);
        if refunded_minor > paid_minor {
            return Err(InvoiceRefusal::RefundExceedsPaid {
                refunded_minor,
                paid_minor,
            }
            .into());
        }
        self.money.push(InvoiceMoney {
            kind: MoneyKind::Refund,
            payment,
            reversed_at: None,
        });
        Ok(())
    }

    /// Lets credits pay units of a line.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`InvoiceRefusal::CreditsApplied`], [`InvoiceRefusal::UnitsExceedLine`],
    /// [`RateRefusal::LineAtRate`], [`InvoiceRefusal::Overpaid`], those of [`InvoiceState::priced_again`].
    pub fn apply(&mut self, id: InvoiceLineId, credits: LineCredits) -> Result<(), Refusal> {
        self.state.priced_again(self.owed()?)?;
        let line = self.line_mut(id)?;
        line.refuse_at_rate()?;
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
    /// [`Refusal::NotFound`], [`RateRefusal::LineAtRate`], [`InvoiceRefusal::NoCredits`],
    /// [`InvoiceRefusal::CreditsUsed`], those of [`InvoiceState::priced_again`].
    pub fn unapply(&mut self, id: InvoiceLineId) -> Result<LineCredits, Refusal> {
        self.state.priced_again(self.owed()?)?;
        let line = self.line_mut(id)?;
        line.refuse_at_rate()?;
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
