//! Selling: prices, tax, and which part of the price each line's credits are worth.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::charge::ChargeRequest;
use crate::domain::credits::Credits;
use crate::domain::entry::Actor;
use crate::domain::invoice::Owed;
use crate::domain::payment::{MoneyKind, Payment, Takings};
use crate::domain::refusal::{CannotAmend, InvoiceRefusal, Refusal, SellingRefusal};
use crate::domain::value;
use crate::ids::{CustomerId, GroupId, InvoiceId, InvoiceLineId, PackageId, SaleId};

/// Hundredths of a percent in the whole.
const BASIS_POINTS: i64 = 10_000;

/// What one call sold to one customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// The sale.
    pub id: SaleId,
    /// Who bought, or the contact of the group that did.
    pub customer_id: CustomerId,
    /// The group that bought, if one did.
    pub group_id: Option<GroupId>,
    /// Its packages, in the order of the entries.
    pub package_ids: Vec<PackageId>,
    /// What the templates ask, in minor units.
    pub list_price_minor: i64,
    /// What is to be paid.
    pub price: Price,
    /// What was paid and given back.
    pub money: Takings,
    /// Who sold.
    pub sold_by: Actor,
    /// When.
    pub sold_at: DateTime<Utc>,
    /// When it was undone, if it was made by mistake.
    pub undone_at: Option<DateTime<Utc>>,
    /// What of it the payment system is or was to charge, oldest first.
    pub charges: Vec<ChargeRequest>,
    /// The line of an invoice that it is, if it is one; all its money goes through that then.
    pub invoiced: Option<Invoiced>,
}

/// What of an invoice a sale is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoiced {
    /// The invoice.
    pub invoice_id: InvoiceId,
    /// Its line.
    pub line_id: InvoiceLineId,
    /// The part of what was paid of the invoice that falls to the line, in minor units.
    pub paid_minor: i64,
}

/// A price in its parts, in minor units: `net + tax = total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Without tax: the value of the credits.
    pub net_minor: i64,
    /// The tax.
    pub tax_minor: i64,
    /// With tax.
    pub total_minor: i64,
}

impl Price {
    /// The parts of a price as the business writes it: with the tax in it or on top (semantics 26).
    /// Half a minor unit goes to the even one. `None` if a number leaves its range.
    pub fn of(written_minor: i64, tax_basis_points: i32, includes_tax: bool) -> Option<Self> {
        let rate = i64::from(tax_basis_points);
        let whole = BASIS_POINTS.checked_add(rate)?;
        let scaled = |part: i64, of: i64| {
            value::share(
                written_minor,
                Credits::from_millionths(part),
                Credits::from_millionths(of),
            )
        };
        if includes_tax {
            let net_minor = scaled(BASIS_POINTS, whole);
            Some(Self {
                net_minor,
                tax_minor: written_minor.checked_sub(net_minor)?,
                total_minor: written_minor,
            })
        } else {
            let total_minor = written_minor.checked_add(scaled(rate, BASIS_POINTS))?;
            Some(Self {
                net_minor: written_minor,
                tax_minor: total_minor.checked_sub(written_minor)?,
                total_minor,
            })
        }
    }

    /// The sum of two prices, or `None` if a number leaves its range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            net_minor: self.net_minor.checked_add(other.net_minor)?,
            tax_minor: self.tax_minor.checked_add(other.tax_minor)?,
            total_minor: self.total_minor.checked_add(other.total_minor)?,
        })
    }
}

impl Sale {
    /// What was paid and did not bounce, in minor units.
    pub fn paid_minor(&self) -> i64 {
        match self.invoiced {
            Some(invoiced) => invoiced.paid_minor,
            None => self.money.sum(MoneyKind::Payment),
        }
    }

    /// What it asks for, and what was paid.
    pub fn owed(&self) -> Owed {
        Owed {
            total_minor: self.price.total_minor,
            paid_minor: self.paid_minor(),
        }
    }

    /// The sale as it is at `now`.
    #[must_use]
    pub fn as_of(mut self, now: DateTime<Utc>) -> Self {
        let charges = self.charges.into_iter();
        self.charges = charges.map(|charge| charge.as_of(now)).collect();
        self
    }

    /// Whether nothing more is to be paid.
    pub fn is_paid(&self) -> bool {
        self.paid_minor() >= self.price.total_minor
    }

    /// Takes a payment in.
    ///
    /// # Errors
    /// [`CannotAmend::SaleUndone`], [`InvoiceRefusal::SaleOnInvoice`], [`SellingRefusal::SaleAlreadyPaid`],
    /// [`Refusal::PaymentExceedsPrice`].
    pub fn pay(&mut self, payment: Payment) -> Result<(), Refusal> {
        self.refuse_undone()?;
        self.refuse_invoiced()?;
        let (sale_id, total_minor) = (self.id, self.price.total_minor);
        if self.is_paid() {
            return Err(SellingRefusal::SaleAlreadyPaid {
                sale_id,
                total_minor,
            }
            .into());
        }
        let paid_minor = self.paid_minor().saturating_add(payment.amount_minor);
        if paid_minor > total_minor {
            return Err(Refusal::PaymentExceedsPrice {
                paid_minor,
                total_minor,
            });
        }
        self.money.add(MoneyKind::Payment, payment);
        Ok(())
    }

    /// Refuses a sale that was undone.
    ///
    /// # Errors
    /// [`CannotAmend::SaleUndone`].
    pub fn refuse_undone(&self) -> Result<(), CannotAmend> {
        match self.undone_at {
            Some(undone_at) => Err(CannotAmend::SaleUndone {
                sale_id: self.id,
                undone_at,
            }),
            None => Ok(()),
        }
    }

    /// Refuses a sale that is a line of an invoice, which is paid and undone instead.
    ///
    /// # Errors
    /// [`InvoiceRefusal::SaleOnInvoice`].
    pub fn refuse_invoiced(&self) -> Result<(), InvoiceRefusal> {
        match self.invoiced {
            Some(Invoiced { invoice_id, .. }) => Err(InvoiceRefusal::SaleOnInvoice {
                sale_id: self.id,
                invoice_id,
            }),
            None => Ok(()),
        }
    }
}

/// What a line is measured by when a price is spread over lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineWeight {
    /// The credits of the line.
    pub quantity: Credits,
    /// The standard rate of its dearest item, in minor units, and the credits that a unit of it takes.
    pub dearest: Option<(i64, Credits)>,
}

/// The part of `net_minor` that each line's credits are worth (semantics 26): by the standard rate of the
/// line's dearest item and the units that the line pays for; by quantity if any line has no rate. Largest
/// remainder, so the parts sum to the whole.
pub fn allocate(net_minor: i64, lines: &[LineWeight]) -> Vec<i64> {
    let by_rate: Option<Vec<i128>> = lines.iter().map(rated).collect();
    let weights = by_rate.unwrap_or_else(|| {
        lines
            .iter()
            .map(|line| i128::from(line.quantity.millionths()))
            .collect()
    });
    value::allocate(net_minor, &weights)
}

/// Rate × units, in millionths of a minor unit; none without a rate.
pub fn rated(line: &LineWeight) -> Option<i128> {
    let (rate, per_unit) = line.dearest?;
    i128::from(rate)
        .checked_mul(i128::from(line.quantity.millionths()))?
        .checked_mul(i128::from(Credits::UNIT.millionths()))?
        .checked_div(i128::from(per_unit.millionths()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payment::PaymentMethod;
    use crate::domain::testing::{at, customer};
    use crate::ids::PaymentId;

    /// A sale for 10.00 of which nothing is paid.
    fn sale() -> Sale {
        Sale {
            id: SaleId::generate(at(0)),
            customer_id: customer(),
            group_id: None,
            package_ids: Vec::new(),
            list_price_minor: 1_000,
            price: Price::of(1_000, 0, true).unwrap(),
            money: Takings::default(),
            sold_by: Actor::System,
            sold_at: at(0),
            undone_at: None,
            charges: Vec::new(),
            invoiced: None,
        }
    }

    fn payment(amount_minor: i64) -> Payment {
        Payment {
            id: PaymentId::generate(at(0)),
            method: PaymentMethod::Cash,
            amount_minor,
            reference: String::new(),
            recorded_at: at(0),
        }
    }

    #[test]
    fn a_sale_takes_payments_in_up_to_its_price() {
        let mut sale = sale();
        sale.pay(payment(400)).unwrap();
        assert_eq!((sale.paid_minor(), sale.is_paid()), (400, false));
        let refusal = sale.pay(payment(601)).unwrap_err();
        let expected = Refusal::PaymentExceedsPrice {
            paid_minor: 1_001,
            total_minor: 1_000,
        };
        assert_eq!(refusal, expected);
        sale.pay(payment(600)).unwrap();
        assert_eq!((sale.paid_minor(), sale.is_paid()), (1_000, true));
        let refusal = sale.pay(payment(1)).unwrap_err();
        assert_eq!(refusal.reason(), "SALE_ALREADY_PAID");
    }

    #[test]
    fn a_sale_that_was_undone_or_is_on_an_invoice_is_not_paid_itself() {
        let mut undone = Sale {
            undone_at: Some(at(1)),
            ..sale()
        };
        let refusal = undone.pay(payment(1)).unwrap_err();
        assert_eq!(refusal.reason(), "SALE_ALREADY_UNDONE");
        let mut on_invoice = Sale {
            invoiced: Some(Invoiced {
                invoice_id: InvoiceId::generate(at(0)),
                line_id: InvoiceLineId::generate(at(0)),
                paid_minor: 1_000,
            }),
            ..sale()
        };
        assert!(on_invoice.is_paid(), "through its invoice");
        let refusal = on_invoice.pay(payment(1)).unwrap_err();
        assert_eq!(refusal.reason(), "SALE_ON_INVOICE");
    }

    fn credits(text: &str) -> Credits {
        Credits::parse(text).unwrap()
    }

    #[test]
    fn tax_that_is_in_the_price_is_taken_out_of_it() {
        let price = Price::of(12_200, 2_200, true).unwrap();
        assert_eq!((price.net_minor, price.tax_minor), (10_000, 2_200));
        let odd = Price::of(100, 2_200, true).unwrap();
        assert_eq!(
            (odd.net_minor, odd.tax_minor, odd.total_minor),
            (82, 18, 100)
        );
    }

    #[test]
    fn tax_that_is_not_in_the_price_is_put_on_top() {
        let price = Price::of(10_000, 2_200, false).unwrap();
        assert_eq!((price.net_minor, price.total_minor), (10_000, 12_200));
        let untaxed = Price::of(999, 0, false).unwrap();
        assert_eq!((untaxed.net_minor, untaxed.tax_minor), (999, 0));
    }

    #[test]
    fn prices_are_summed_part_by_part() {
        let price = Price::of(10_000, 2_200, false).unwrap();
        let other = Price::of(999, 0, false).unwrap();
        let sum = price.checked_add(other).unwrap();
        let parts = (sum.net_minor, sum.tax_minor, sum.total_minor);
        assert_eq!(parts, (10_999, 2_200, 13_199));
        let most = Price {
            total_minor: i64::MAX,
            ..price
        };
        assert_eq!(most.checked_add(other), None);
    }

    #[test]
    fn a_price_is_spread_by_the_dearest_items_rate() {
        // 5 massages at 60.00 and 2 facials at 50.00, sold for 320.00.
        let lines = [
            LineWeight {
                quantity: credits("5"),
                dearest: Some((6_000, credits("1"))),
            },
            LineWeight {
                quantity: credits("2"),
                dearest: Some((5_000, credits("1"))),
            },
        ];
        assert_eq!(allocate(32_000, &lines), [24_000, 8_000]);
    }

    #[test]
    fn a_unit_that_takes_two_credits_counts_once() {
        let lines = [
            LineWeight {
                quantity: credits("10"),
                dearest: Some((6_000, credits("2"))),
            },
            LineWeight {
                quantity: credits("5"),
                dearest: Some((6_000, credits("1"))),
            },
        ];
        assert_eq!(allocate(10_001, &lines), [5_001, 5_000]);
    }

    #[test]
    fn without_a_rate_a_price_is_spread_by_quantity() {
        let lines = [
            LineWeight {
                quantity: credits("3"),
                dearest: None,
            },
            LineWeight {
                quantity: credits("1"),
                dearest: Some((100, credits("1"))),
            },
        ];
        assert_eq!(allocate(100, &lines), [75, 25]);
    }
}
