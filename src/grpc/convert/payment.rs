//! Payments and refunds as messages.

use crate::domain::money::Currency;
use crate::domain::payment::{MoneyKind, MoneyRecord, Payment, PaymentMethod, Takings};
use crate::grpc::convert::common::{money, to_money, to_timestamp};
use crate::grpc::convert::package::Detail;
use crate::grpc::faults::{Faults, timestamp};
use crate::proto::v1;
use crate::proto::v1::{record_payment_request as paying, record_refund_request as refunding};
use crate::service::Caller;
use crate::service::payments::{Charged, MoneyEntry, PaymentOf, RefundOf};
use crate::service::sales::{ChargeEntry, PaymentEntry};

/// The longest reference of a payment, in characters.
const REFERENCE_LENGTH_MAX: usize = 200;

/// What was paid, as it is written down.
pub(super) fn payment(
    recorded: &v1::RecordedPayment,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<PaymentEntry> {
    let method = faults.choice::<v1::PaymentMethod>("method", recorded.method);
    let amount_minor = amount_above_zero(recorded.amount.as_ref(), caller, faults);
    let reference = faults.text("reference", &recorded.reference, REFERENCE_LENGTH_MAX);
    let method = match method? {
        v1::PaymentMethod::Cash => PaymentMethod::Cash,
        v1::PaymentMethod::Card => PaymentMethod::Card,
        v1::PaymentMethod::Transfer => PaymentMethod::Transfer,
        v1::PaymentMethod::OnAccount => PaymentMethod::OnAccount,
        v1::PaymentMethod::Other | v1::PaymentMethod::Unspecified => PaymentMethod::Other,
        v1::PaymentMethod::Charged => {
            faults.add(
                "method",
                "must not be CHARGED: that answers a charge request",
            );
            return None;
        }
    };
    Some(PaymentEntry {
        method,
        amount_minor: amount_minor?,
        reference: reference?,
    })
}

/// What is to be charged.
pub(super) fn charge(
    message: &v1::Charge,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<ChargeEntry> {
    let amount_minor = amount_above_zero(message.amount.as_ref(), caller, faults)?;
    Some(ChargeEntry { amount_minor })
}

/// An amount that may be left out.
pub fn amount_above_zero(
    amount: Option<&v1::Money>,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<Option<i64>> {
    match amount {
        None => Some(None),
        Some(amount) if amount.minor_units == 0 => {
            faults.add("amount.minor_units", "must be more than 0");
            None
        }
        Some(amount) => money(faults, "amount", amount, caller.business.currency).map(Some),
    }
}

/// A payment to be written down.
pub fn payment_of(
    request: &v1::RecordPaymentRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<PaymentOf> {
    let recorded = ("payment", request.payment.as_ref());
    match &request.target {
        Some(paying::Target::SaleId(id)) => {
            let sale_id = faults.id("sale_id", id);
            money_of(sale_id, recorded, caller, faults).map(PaymentOf::Sale)
        }
        Some(paying::Target::InvoiceId(id)) => {
            let invoice = faults.reference("invoice_id", id);
            money_of(invoice, recorded, caller, faults).map(PaymentOf::Invoice)
        }
        Some(paying::Target::ChargeRequestId(id)) => {
            charged(id, request.payment.as_ref(), caller, faults).map(PaymentOf::Charge)
        }
        None => {
            faults.add(
                "target",
                "must be given: sale_id, invoice_id or charge_request_id",
            );
            recorded_money(recorded, caller, faults);
            None
        }
    }
}

/// A refund to be written down.
pub fn refund_of(
    request: &v1::RecordRefundRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<RefundOf> {
    let recorded = ("refund", request.refund.as_ref());
    match &request.target {
        Some(refunding::Target::SaleId(id)) => {
            let sale_id = faults.id("sale_id", id);
            money_of(sale_id, recorded, caller, faults).map(RefundOf::Sale)
        }
        Some(refunding::Target::InvoiceId(id)) => {
            let invoice = faults.reference("invoice_id", id);
            money_of(invoice, recorded, caller, faults).map(RefundOf::Invoice)
        }
        None => {
            faults.add("target", "must be given: sale_id or invoice_id");
            recorded_money(recorded, caller, faults);
            None
        }
    }
}

/// Money as `field` tells it.
fn recorded_money(
    (field, recorded): (&str, Option<&v1::RecordedPayment>),
    caller: &Caller,
    faults: &mut Faults,
) -> Option<PaymentEntry> {
    let recorded = faults.required(field, recorded)?;
    faults.within(field, |faults| payment(recorded, caller, faults))
}

/// Money of what `of` is, if that could be read.
fn money_of<T>(
    of: Option<T>,
    recorded: (&str, Option<&v1::RecordedPayment>),
    caller: &Caller,
    faults: &mut Faults,
) -> Option<MoneyEntry<T>> {
    let recorded = recorded_money(recorded, caller, faults);
    Some(MoneyEntry {
        of: of?,
        recorded: recorded?,
        charge_id: None,
    })
}

/// What answers a charge request; how it was paid goes without saying.
fn charged(
    id: &str,
    recorded: Option<&v1::RecordedPayment>,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<Charged> {
    let id = faults.id("charge_request_id", id);
    let recorded = recorded.cloned().unwrap_or_default();
    let (amount_minor, reference) = faults.within("payment", |faults| {
        let method = recorded.method();
        if !matches!(
            method,
            v1::PaymentMethod::Unspecified | v1::PaymentMethod::Charged
        ) {
            faults.add("method", "must be CHARGED or left out");
        }
        let amount_minor = amount_above_zero(recorded.amount.as_ref(), caller, faults);
        let reference = faults.text("reference", &recorded.reference, REFERENCE_LENGTH_MAX);
        Some((amount_minor?, reference?))
    })?;
    Some(Charged {
        id: id?,
        amount_minor,
        reference,
    })
}

/// A payment as a message.
fn to_payment(payment: &Payment, currency: Currency) -> v1::RecordedPayment {
    let method = match payment.method {
        PaymentMethod::Cash => v1::PaymentMethod::Cash,
        PaymentMethod::Card => v1::PaymentMethod::Card,
        PaymentMethod::Transfer => v1::PaymentMethod::Transfer,
        PaymentMethod::OnAccount => v1::PaymentMethod::OnAccount,
        PaymentMethod::Other => v1::PaymentMethod::Other,
        PaymentMethod::Charged => v1::PaymentMethod::Charged,
    };
    v1::RecordedPayment {
        method: method.into(),
        amount: Some(to_money(payment.amount_minor, currency)),
        reference: payment.reference.clone(),
    }
}

/// Payments and refunds as messages; what was not kept has no ids.
pub fn to_money_records(
    money: &Takings,
    currency: Currency,
    detail: Detail,
) -> Vec<v1::MoneyRecord> {
    let message = |record: &MoneyRecord| {
        let direction = match record.kind {
            MoneyKind::Payment => v1::MoneyDirection::In,
            MoneyKind::Refund => v1::MoneyDirection::Out,
        };
        v1::MoneyRecord {
            id: if detail == Detail::Unkept {
                String::new()
            } else {
                record.payment.id.to_string()
            },
            direction: direction.into(),
            payment: Some(to_payment(&record.payment, currency)),
            recorded_at: Some(timestamp(record.payment.recorded_at)),
            reversed_at: to_timestamp(record.reversed_at),
        }
    };
    money.records().iter().map(message).collect()
}
