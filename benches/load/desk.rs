//! The front desk of the business whose credits are used: invoices that they pay in part, and bookings.

use std::time::SystemTime;

use anyhow::Context as _;
use carnet::clock::Clock;
use carnet::proto::v1;
use carnet::proto::v1::booking_service_client::BookingServiceClient;
use carnet::proto::v1::invoice_service_client::InvoiceServiceClient;
use tonic::transport::Channel;

use crate::calls::{Bearer, Bearing, request_id};
use crate::dataset::{Dataset, Group};

/// Its staff.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    dataset: Dataset,
    invoices: InvoiceServiceClient<Bearing>,
    bookings: BookingServiceClient<Bearing>,
}

impl Desk {
    pub(crate) fn new(dataset: &Dataset, channel: Channel) -> anyhow::Result<Self> {
        let bearer = Bearer::new(&dataset.business)?;
        Ok(Self {
            dataset: dataset.clone(),
            invoices: InvoiceServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            bookings: BookingServiceClient::with_interceptor(channel, bearer),
        })
    }

    fn customer_id(&self, customer: u64) -> String {
        self.dataset.customer_id(Group::Deep, customer).to_string()
    }

    /// Writes an invoice of two lessons, lets credits pay one of them, issues it and takes money for the other.
    pub(crate) async fn invoice(&mut self, customer: u64) -> anyhow::Result<()> {
        let line = v1::InvoiceLineInput {
            item_id: self.dataset.business.item_id.clone(),
            quantity: "2".to_owned(),
            ..v1::InvoiceLineInput::default()
        };
        let creating = v1::CreateInvoiceRequest {
            request_id: request_id(),
            customer_id: self.customer_id(customer),
            lines: vec![line],
            ..v1::CreateInvoiceRequest::default()
        };
        let made = self.invoices.create_invoice(creating).await?.into_inner();
        let draft = made.invoice.context("an invoice was made")?;
        let line = draft.lines.first().context("it has its line")?;
        let applying = v1::ApplyCreditsRequest {
            request_id: request_id(),
            invoice_id: draft.id.clone(),
            invoice_line_id: line.id.clone(),
            units: "1".to_owned(),
            ..v1::ApplyCreditsRequest::default()
        };
        self.invoices.apply_credits(applying).await?;
        let issuing = v1::IssueInvoiceRequest {
            request_id: request_id(),
            invoice_id: draft.id.clone(),
            ..v1::IssueInvoiceRequest::default()
        };
        self.invoices.issue_invoice(issuing).await?;
        let paying = v1::RecordPaymentRequest {
            request_id: request_id(),
            target: Some(v1::record_payment_request::Target::InvoiceId(draft.id)),
            payment: Some(v1::RecordedPayment {
                method: v1::PaymentMethod::Cash.into(),
                ..v1::RecordedPayment::default()
            }),
            ..v1::RecordPaymentRequest::default()
        };
        let paid = self.invoices.record_payment(paying).await?.into_inner();
        let paid = paid.invoice.context("an invoice was paid")?;
        anyhow::ensure!(
            paid.state() == v1::InvoiceState::Paid,
            "all of it is paid: {paid:?}"
        );
        Ok(())
    }

    /// Books a lesson that takes place now, and writes down that it did.
    pub(crate) async fn book(&mut self, customer: u64) -> anyhow::Result<()> {
        let booking = v1::CreateBookingRequest {
            request_id: request_id(),
            customer_id: self.customer_id(customer),
            item_id: self.dataset.business.item_id.clone(),
            starts_at: Some(SystemTime::from(Clock::System.now()).into()),
            package_choice: v1::PackageChoice::Best.into(),
            ..v1::CreateBookingRequest::default()
        };
        let made = self.bookings.create_booking(booking).await?.into_inner();
        let completing = v1::CompleteBookingRequest {
            request_id: request_id(),
            booking_id: made.booking.context("a booking was made")?.id,
            ..v1::CompleteBookingRequest::default()
        };
        let ended = self.bookings.complete_booking(completing).await?;
        let ended = ended.into_inner().booking.context("it was completed")?;
        anyhow::ensure!(
            !ended.posting_id.is_empty(),
            "credits were used for it: {ended:?}"
        );
        Ok(())
    }
}
