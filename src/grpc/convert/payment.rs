//! Payments and refunds as messages.

use crate::domain::money::Currency;
use crate::domain::payment::{MoneyKind, MoneyRecord, Payment, PaymentMethod, Takings};
use crate::grpc::convert::common::{money, to_money, to_timestamp};
use crate::grpc::convert::package::Detail;
use crate::grpc::faults::{Faults, timestamp};
use crate::proto::v1;
use crate::proto::v1::{record_payment_request as paying, record_refund_request as refunding};
use crate::service::Caller;
use crate::service::invoices::paying::MoneyEntry;
use crate::service::payments::MoneyOf;
use crate::service::sales::PaymentEntry;
use crate::service::sales::paying::SaleMoney;

/// The longest reference of a payment, in characters.
const REFERENCE_LENGTH_MAX: usize = 200;

/// What was paid, as it is written down.
pub(super) fn payment(
    recorded: &v1::RecordedPayment,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<PaymentEntry> {
    let method = faults.choice::<v1::PaymentMethod>("method", recorded.method);
    let amount_minor = match &recorded.amount {
        None => Some(None),
        Some(paid) if paid.minor_units == 0 => {
            faults.add("amount.minor_units", "must be more than 0");
            None
        }
        Some(paid) => money(faults, "amount", paid, caller.business.currency).map(Some),
    };
    let reference = faults.text("reference", &recorded.reference, REFERENCE_LENGTH_MAX);
    let method = match method? {
        v1::PaymentMethod::Cash => PaymentMethod::Cash,
        v1::PaymentMethod::Card => PaymentMethod::Card,
        v1::PaymentMethod::Transfer => PaymentMethod::Transfer,
        v1::PaymentMethod::OnAccount => PaymentMethod::OnAccount,
        v1::PaymentMethod::Other | v1::PaymentMethod::Unspecified => PaymentMethod::Other,
    };
    Some(PaymentEntry {
        method,
        amount_minor: amount_minor?,
        reference: reference?,
    })
}

/// What money is of, as a request names it.
enum Named<'a> {
    Sale(&'a str),
    Invoice(&'a str),
}

/// A payment to be written down.
pub fn payment_of(
    request: &v1::RecordPaymentRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<MoneyOf> {
    let named = request.target.as_ref().map(|target| match target {
        paying::Target::SaleId(id) => Named::Sale(id),
        paying::Target::InvoiceId(id) => Named::Invoice(id),
    });
    let recorded = ("payment", request.payment.as_ref());
    money_of(named, recorded, caller, faults)
}

/// A refund to be written down.
pub fn refund_of(
    request: &v1::RecordRefundRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<MoneyOf> {
    let named = request.target.as_ref().map(|target| match target {
        refunding::Target::SaleId(id) => Named::Sale(id),
        refunding::Target::InvoiceId(id) => Named::Invoice(id),
    });
    let recorded = ("refund", request.refund.as_ref());
    money_of(named, recorded, caller, faults)
}

/// Money of a sale or an invoice, told in `field`.
fn money_of(
    named: Option<Named<'_>>,
    (field, recorded): (&str, Option<&v1::RecordedPayment>),
    caller: &Caller,
    faults: &mut Faults,
) -> Option<MoneyOf> {
    if named.is_none() {
        faults.add("target", "must be given: sale_id or invoice_id");
    }
    let recorded = faults
        .required(field, recorded)
        .and_then(|recorded| faults.within(field, |faults| payment(recorded, caller, faults)));
    match named? {
        Named::Sale(id) => {
            let sale_id = faults.id("sale_id", id);
            let recorded = recorded?;
            Some(MoneyOf::Sale(SaleMoney {
                sale_id: sale_id?,
                method: recorded.method,
                amount_minor: recorded.amount_minor,
                reference: recorded.reference,
            }))
        }
        Named::Invoice(id) => {
            let invoice = faults.reference("invoice_id", id);
            let recorded = recorded?;
            Some(MoneyOf::Invoice(MoneyEntry {
                invoice: invoice?,
                method: recorded.method,
                amount_minor: recorded.amount_minor,
                reference: recorded.reference,
            }))
        }
    }
}

/// A payment as a message.
fn to_payment(payment: &Payment, currency: Currency) -> v1::RecordedPayment {
    let method = match payment.method {
        PaymentMethod::Cash => v1::PaymentMethod::Cash,
        PaymentMethod::Card => v1::PaymentMethod::Card,
        PaymentMethod::Transfer => v1::PaymentMethod::Transfer,
        PaymentMethod::OnAccount => v1::PaymentMethod::OnAccount,
        PaymentMethod::Other => v1::PaymentMethod::Other,
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
