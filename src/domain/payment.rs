//! Money that moved elsewhere and is written down here: what was paid of a sale or an invoice, what of it bounced,
//! and what went back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::business::Business;
use crate::domain::customer::Customer;
use crate::domain::entry::coded;
use crate::domain::refusal::{InvoiceRefusal, Refusal};
use crate::ids::{InvoiceId, PaymentId, SaleId};

coded! {
    /// Whether money came in or went back.
    MoneyKind {
        /// It came in.
        Payment = 1, "payment";
        /// It went back.
        Refund = 2, "refund";
    }
}

coded! {
    /// How something was paid elsewhere.
    PaymentMethod {
        /// In cash.
        Cash = 1, "cash";
        /// By card, on another system.
        Card = 2, "card";
        /// By bank transfer.
        Transfer = 3, "transfer";
        /// On the customer's account.
        OnAccount = 4, "on_account";
        /// In some other way.
        Other = 5, "other";
        /// By the payment system, which answered a charge request (J6).
        Charged = 6, "charged";
    }
}

/// A payment that took place elsewhere and is written down here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// The payment.
    pub id: PaymentId,
    /// How it was paid.
    pub method: PaymentMethod,
    /// How much, in minor units.
    pub amount_minor: i64,
    /// The receipt's or transfer's number.
    pub reference: String,
    /// When it was written down.
    pub recorded_at: DateTime<Utc>,
}

/// What money is paid of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payable {
    /// A sale.
    Sale(SaleId),
    /// An invoice.
    Invoice(InvoiceId),
}

impl Payable {
    /// The ids of the two, of which one is there.
    pub const fn ids(self) -> (Option<SaleId>, Option<InvoiceId>) {
        match self {
            Self::Sale(id) => (Some(id), None),
            Self::Invoice(id) => (None, Some(id)),
        }
    }

    /// What these ids name: exactly one of them is there.
    pub const fn from_ids(sale_id: Option<SaleId>, invoice_id: Option<InvoiceId>) -> Option<Self> {
        match (sale_id, invoice_id) {
            (Some(id), None) => Some(Self::Sale(id)),
            (None, Some(id)) => Some(Self::Invoice(id)),
            _ => None,
        }
    }
}

/// A payment or a refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneyRecord {
    /// Which way it went.
    pub kind: MoneyKind,
    /// How and how much.
    pub payment: Payment,
    /// When it bounced, if it did.
    pub reversed_at: Option<DateTime<Utc>>,
}

/// What was paid of something and given back, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Takings(Vec<MoneyRecord>);

impl Takings {
    /// All of it, oldest first.
    pub fn records(&self) -> &[MoneyRecord] {
        &self.0
    }

    /// What came in and did not bounce, or what went back, in minor units.
    pub fn sum(&self, kind: MoneyKind) -> i64 {
        let counting = self.0.iter();
        let counting = counting.filter(|it| it.kind == kind && it.reversed_at.is_none());
        counting.fold(0, |sum, it| sum.saturating_add(it.payment.amount_minor))
    }

    /// What came in and can go back, in minor units.
    pub fn refundable(&self) -> i64 {
        let (paid, refunded) = (self.sum(MoneyKind::Payment), self.sum(MoneyKind::Refund));
        paid.saturating_sub(refunded).max(0)
    }

    /// Writes down that money moved.
    pub fn add(&mut self, kind: MoneyKind, payment: Payment) {
        self.0.push(MoneyRecord {
            kind,
            payment,
            reversed_at: None,
        });
    }

    /// Takes a payment back that bounced.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`InvoiceRefusal::PaymentReversed`].
    pub fn reverse(&mut self, id: PaymentId, now: DateTime<Utc>) -> Result<(), Refusal> {
        let payments = self.0.iter_mut();
        let bounced = payments
            .filter(|it| it.kind == MoneyKind::Payment)
            .find(|it| it.payment.id == id)
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
        Ok(())
    }

    /// Writes down that money went back: something, and no more than came in.
    ///
    /// # Errors
    /// [`InvoiceRefusal::RefundExceedsPaid`].
    pub fn refund(&mut self, payment: Payment) -> Result<(), InvoiceRefusal> {
        let (paid_minor, before) = (self.sum(MoneyKind::Payment), self.sum(MoneyKind::Refund));
        let refunded_minor = before.saturating_add(payment.amount_minor);
        if refunded_minor > paid_minor || payment.amount_minor <= 0 {
            return Err(InvoiceRefusal::RefundExceedsPaid {
                refunded_minor,
                paid_minor,
            });
        }
        self.add(MoneyKind::Refund, payment);
        Ok(())
    }
}

impl FromIterator<MoneyRecord> for Takings {
    fn from_iter<T: IntoIterator<Item = MoneyRecord>>(records: T) -> Self {
        Self(records.into_iter().collect())
    }
}

/// Refuses a payment on account where the business or the customer does not allow it (B3).
///
/// # Errors
/// [`Refusal::AccountPaymentsInactive`], [`Refusal::CustomerMayNotPurchaseOnAccount`].
pub fn check_method(
    method: PaymentMethod,
    business: &Business,
    customer: &Customer,
) -> Result<(), Refusal> {
    if method != PaymentMethod::OnAccount {
        return Ok(());
    }
    if !business.account_payments_active {
        return Err(Refusal::AccountPaymentsInactive);
    }
    if !customer.may_purchase_on_account {
        return Err(Refusal::CustomerMayNotPurchaseOnAccount {
            customer_id: customer.id,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{business, somebody};

    fn payment(amount_minor: i64) -> Payment {
        Payment {
            id: PaymentId::generate(DateTime::UNIX_EPOCH),
            method: PaymentMethod::Cash,
            amount_minor,
            reference: String::new(),
            recorded_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn on_account_pays_only_who_may_where_that_is_possible() {
        for (method, active, may, refusal) in [
            (PaymentMethod::OnAccount, true, true, None),
            (
                PaymentMethod::OnAccount,
                false,
                true,
                Some("ACCOUNT_PAYMENTS_INACTIVE"),
            ),
            (
                PaymentMethod::OnAccount,
                true,
                false,
                Some("CUSTOMER_MAY_NOT_PURCHASE_ON_ACCOUNT"),
            ),
            (PaymentMethod::Cash, false, false, None),
        ] {
            let business = Business {
                account_payments_active: active,
                ..business()
            };
            let customer = Customer {
                may_purchase_on_account: may,
                ..somebody()
            };
            let told = check_method(method, &business, &customer);
            assert_eq!(told.err().map(|it| it.reason()), refusal);
        }
    }

    #[test]
    fn what_bounced_was_not_paid_and_no_more_goes_back_than_was() {
        let mut money = Takings::default();
        let bouncing = payment(250);
        money.add(MoneyKind::Payment, payment(700));
        money.add(MoneyKind::Payment, bouncing.clone());
        assert_eq!(money.sum(MoneyKind::Payment), 950);
        money.reverse(bouncing.id, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(money.sum(MoneyKind::Payment), 700);
        let again = money.reverse(bouncing.id, DateTime::UNIX_EPOCH);
        assert_eq!(again.unwrap_err().reason(), "PAYMENT_ALREADY_REVERSED");
        money.refund(payment(300)).unwrap();
        assert_eq!(money.refundable(), 400);
        let refusal = money.refund(payment(401)).unwrap_err();
        let told = InvoiceRefusal::RefundExceedsPaid {
            refunded_minor: 701,
            paid_minor: 700,
        };
        assert_eq!(refusal, told);
        money.refund(payment(400)).unwrap();
        let nothing = money.refund(payment(money.refundable())).unwrap_err();
        assert_eq!(nothing.reason(), "REFUND_EXCEEDS_PAID");
    }

    #[test]
    fn what_is_paid_is_one_sale_or_one_invoice() {
        let sale = SaleId::generate(DateTime::UNIX_EPOCH);
        let invoice = InvoiceId::generate(DateTime::UNIX_EPOCH);
        for payable in [Payable::Sale(sale), Payable::Invoice(invoice)] {
            let (sale_id, invoice_id) = payable.ids();
            assert_eq!(Payable::from_ids(sale_id, invoice_id), Some(payable));
        }
        assert_eq!(Payable::from_ids(Some(sale), Some(invoice)), None);
        assert_eq!(Payable::from_ids(None, None), None);
    }
}
