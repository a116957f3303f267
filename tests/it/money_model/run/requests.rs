//! Verbs as requests, and how these are sent.

use carnet::proto::v1;
use chrono::TimeDelta;
use tonic::Status;

use super::{Instant, Service, sent_at};
use crate::money_model::reference::Payer;
use crate::money_model::verbs::Verb;
use crate::support::shop::euros;
use crate::support::tenant::Tenant;

/// What came back.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) invoice: Option<v1::Invoice>,
    pub(super) booking: Option<v1::Booking>,
    pub(super) replayed: bool,
}

macro_rules! requests {
    ($($name:ident $request:ident: $service:ident.$method:ident $(-> $noun:ident)?;)+) => {
        /// A request that can be sent again.
        #[derive(Clone, Debug)]
        pub(super) enum Request {
            $($name(v1::$request),)+
        }

        impl Request {
            pub(super) async fn send(&self, tenant: &Tenant) -> Result<Answer, Status> {
                match self {
                    $(Self::$name(request) => {
                        let answer = tenant.$service().$method(request.clone()).await?;
                        let answer = answer.into_inner();
                        Ok(Answer {
                            $($noun: answer.$noun,)?
                            replayed: answer.replayed,
                            ..Answer::default()
                        })
                    })+
                }
            }
        }
    };
}

requests! {
    Draft CreateInvoiceRequest: invoices.create_invoice -> invoice;
    Change UpdateInvoiceRequest: invoices.update_invoice -> invoice;
    Apply ApplyCreditsRequest: invoices.apply_credits -> invoice;
    Remove RemoveCreditsRequest: invoices.remove_credits -> invoice;
    Issue IssueInvoiceRequest: invoices.issue_invoice -> invoice;
    Pay RecordPaymentRequest: invoices.record_payment -> invoice;
    Bounce ReversePaymentRequest: invoices.reverse_payment -> invoice;
    Refund RecordRefundRequest: invoices.record_refund -> invoice;
    Void VoidInvoiceRequest: invoices.void_invoice -> invoice;
    Book CreateBookingRequest: bookings.create_booking -> booking;
    Complete CompleteBookingRequest: bookings.complete_booking -> booking;
    Cancel CancelBookingRequest: bookings.cancel_booking -> booking;
    NoShow MarkNoShowRequest: bookings.mark_no_show -> booking;
    Reopen ReopenBookingRequest: bookings.reopen_booking -> booking;
    Switch ChangePackageRequest: bookings.change_package -> booking;
    Consume ConsumeRequest: credits.consume;
}

fn recorded(cents: Option<i64>) -> Option<v1::RecordedPayment> {
    Some(v1::RecordedPayment {
        method: v1::PaymentMethod::Cash.into(),
        amount: cents.map(euros),
        reference: String::new(),
    })
}

fn choice(payer: Payer) -> i32 {
    let choice = match payer {
        Payer::BestIfAny => v1::PackageChoice::BestIfAny,
        Payer::Best => v1::PackageChoice::Best,
        Payer::Nothing => v1::PackageChoice::None,
    };
    choice.into()
}

impl Service<'_> {
    /// The request for a verb, with an id of its own.
    pub(super) fn request(&self, verb: &Verb, now: Instant) -> Request {
        match verb {
            Verb::Draft(_)
            | Verb::Change(..)
            | Verb::Apply(..)
            | Verb::Remove(..)
            | Verb::Issue(_)
            | Verb::Void(_) => self.request_of_invoice(verb),
            Verb::Pay(..) | Verb::Bounce(..) | Verb::Refund(..) => self.request_of_money(verb),
            Verb::Consume(units) => Request::Consume(self.shop.use_lessons(&units.to_string())),
            Verb::Book(..)
            | Verb::Complete(_)
            | Verb::Cancel(..)
            | Verb::NoShow(_)
            | Verb::Reopen(_)
            | Verb::Switch(..) => self.request_of_booking(verb, now),
            Verb::Wait(_) | Verb::Repeat(_) => panic!("{verb:?} is no request"),
        }
    }

    fn request_id(&self) -> String {
        self.shop.tenant.request_id()
    }

    fn lines(&self, asked: &[(i64, bool)]) -> Vec<v1::InvoiceLineInput> {
        let line = |(quantity, at_package_rate): &(i64, bool)| v1::InvoiceLineInput {
            item_id: self.shop.swim.clone(),
            quantity: quantity.to_string(),
            at_package_rate: *at_package_rate,
            ..Default::default()
        };
        asked.iter().map(line).collect()
    }

    fn request_of_invoice(&self, verb: &Verb) -> Request {
        let request_id = self.request_id();
        let id = |number: &usize| self.invoices[*number].id.clone();
        let line = |number: &usize, line: &usize| self.invoices[*number].lines[*line].id.clone();
        match verb {
            Verb::Draft(asked) => Request::Draft(v1::CreateInvoiceRequest {
                request_id,
                customer_id: self.shop.customer.clone(),
                lines: self.lines(asked),
                ..Default::default()
            }),
            Verb::Change(number, asked) => Request::Change(v1::UpdateInvoiceRequest {
                request_id,
                invoice_id: id(number),
                edit: Some(v1::InvoiceEdit {
                    lines: self.lines(asked),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            Verb::Apply(number, place, units) => Request::Apply(v1::ApplyCreditsRequest {
                request_id,
                invoice_id: id(number),
                invoice_line_id: line(number, place),
                units: units.to_string(),
                ..Default::default()
            }),
            Verb::Remove(number, place) => Request::Remove(v1::RemoveCreditsRequest {
                request_id,
                invoice_id: id(number),
                invoice_line_id: line(number, place),
                ..Default::default()
            }),
            Verb::Issue(number) => Request::Issue(v1::IssueInvoiceRequest {
                request_id,
                invoice_id: id(number),
                ..Default::default()
            }),
            Verb::Void(number) => Request::Void(v1::VoidInvoiceRequest {
                request_id,
                invoice_id: id(number),
                ..Default::default()
            }),
            other => panic!("{other:?} is about no invoice"),
        }
    }

    fn request_of_money(&self, verb: &Verb) -> Request {
        let request_id = self.request_id();
        let id = |number: &usize| self.invoices[*number].id.clone();
        match verb {
            Verb::Pay(number, cents) => Request::Pay(v1::RecordPaymentRequest {
                request_id,
                target: Some(v1::record_payment_request::Target::InvoiceId(id(number))),
                payment: recorded(*cents),
                ..Default::default()
            }),
            Verb::Bounce(number, place) => {
                let money = self.invoices[*number].money.iter();
                let payments = money.filter(|it| it.direction() == v1::MoneyDirection::In);
                Request::Bounce(v1::ReversePaymentRequest {
                    request_id,
                    payment_id: payments.map(|it| it.id.clone()).nth(*place).unwrap(),
                    ..Default::default()
                })
            }
            Verb::Refund(number, cents) => Request::Refund(v1::RecordRefundRequest {
                request_id,
                target: Some(v1::record_refund_request::Target::InvoiceId(id(number))),
                refund: recorded(Some(*cents)),
                ..Default::default()
            }),
            other => panic!("{other:?} is about no money"),
        }
    }

    fn request_of_booking(&self, verb: &Verb, now: Instant) -> Request {
        let request_id = self.request_id();
        let id = |number: &usize| self.bookings[*number].id.clone();
        match verb {
            Verb::Book(hours, units, payer) => Request::Book(v1::CreateBookingRequest {
                request_id,
                customer_id: self.shop.customer.clone(),
                item_id: self.shop.swim.clone(),
                units: units.to_string(),
                starts_at: sent_at(now + TimeDelta::hours(*hours)),
                package_choice: choice(*payer),
                ..Default::default()
            }),
            Verb::Complete(number) => Request::Complete(v1::CompleteBookingRequest {
                request_id,
                booking_id: id(number),
                ..Default::default()
            }),
            Verb::Cancel(number, by_business) => Request::Cancel(v1::CancelBookingRequest {
                request_id,
                booking_id: id(number),
                by_business: *by_business,
                ..Default::default()
            }),
            Verb::NoShow(number) => Request::NoShow(v1::MarkNoShowRequest {
                request_id,
                booking_id: id(number),
                ..Default::default()
            }),
            Verb::Reopen(number) => Request::Reopen(v1::ReopenBookingRequest {
                request_id,
                booking_id: id(number),
                ..Default::default()
            }),
            Verb::Switch(number, payer) => Request::Switch(v1::ChangePackageRequest {
                request_id,
                booking_id: id(number),
                package_choice: choice(*payer),
                ..Default::default()
            }),
            other => panic!("{other:?} is about no booking"),
        }
    }
}
