//! Sentences about invoices, for a shop.

use carnet::proto::v1;
use tonic::Status;

use crate::support::shop::{Shop, euros};

/// Who writes invoices to the shop's customer.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) shop: Shop,
}

type Answered = Result<v1::Invoice, Status>;

macro_rules! calls {
    ($($name:ident: $request:ident;)+) => {$(
        pub(super) async fn $name(&self, request: v1::$request) -> Answered {
            let answer = self.shop.tenant.invoices().$name(request).await?;
            Ok(answer.into_inner().invoice.unwrap())
        }
    )+};
}

impl Desk {
    calls! {
        create_invoice: CreateInvoiceRequest;
        update_invoice: UpdateInvoiceRequest;
        issue_invoice: IssueInvoiceRequest;
        void_invoice: VoidInvoiceRequest;
        apply_credits: ApplyCreditsRequest;
        remove_credits: RemoveCreditsRequest;
        record_payment: RecordPaymentRequest;
        reverse_payment: ReversePaymentRequest;
        record_refund: RecordRefundRequest;
    }

    pub(super) fn request_id(&self) -> String {
        self.shop.tenant.request_id()
    }

    /// So many swimming lessons, at 18.00 each.
    pub(super) fn lessons(&self, quantity: &str) -> v1::InvoiceLineInput {
        v1::InvoiceLineInput {
            item_id: self.shop.swim.clone(),
            quantity: quantity.to_owned(),
            ..Default::default()
        }
    }

    pub(super) fn creating(&self, lines: Vec<v1::InvoiceLineInput>) -> v1::CreateInvoiceRequest {
        v1::CreateInvoiceRequest {
            request_id: self.request_id(),
            customer_id: self.shop.customer.clone(),
            lines,
            ..Default::default()
        }
    }

    /// A draft of so many lessons on one line.
    pub(super) async fn draft(&self, quantity: &str) -> v1::Invoice {
        let lines = vec![self.lessons(quantity)];
        self.create_invoice(self.creating(lines)).await.unwrap()
    }

    /// The same, issued.
    pub(super) async fn issued(&self, quantity: &str) -> v1::Invoice {
        let draft = self.draft(quantity).await;
        self.issue(&draft).await.unwrap()
    }

    pub(super) async fn get(&self, invoice: &v1::Invoice) -> v1::Invoice {
        let request = v1::GetInvoiceRequest {
            invoice_id: invoice.id.clone(),
        };
        let answer = self.shop.tenant.invoices().get_invoice(request).await;
        answer.unwrap().into_inner().invoice.unwrap()
    }

    pub(super) async fn issue(&self, invoice: &v1::Invoice) -> Answered {
        let request = v1::IssueInvoiceRequest {
            request_id: self.request_id(),
            invoice_id: invoice.id.clone(),
            ..Default::default()
        };
        self.issue_invoice(request).await
    }

    pub(super) async fn void(&self, invoice: &v1::Invoice) -> Answered {
        let request = v1::VoidInvoiceRequest {
            request_id: self.request_id(),
            invoice_id: invoice.id.clone(),
            ..Default::default()
        };
        self.void_invoice(request).await
    }

    /// Voids an invoice and keeps what was used of its packages charged.
    pub(super) async fn void_unused(&self, invoice: &v1::Invoice) -> Answered {
        let request = v1::VoidInvoiceRequest {
            request_id: self.request_id(),
            invoice_id: invoice.id.clone(),
            keep_used: true,
            ..Default::default()
        };
        self.void_invoice(request).await
    }

    pub(super) async fn change(
        &self,
        invoice: &v1::Invoice,
        lines: Vec<v1::InvoiceLineInput>,
    ) -> Answered {
        let request = v1::UpdateInvoiceRequest {
            request_id: self.request_id(),
            invoice_id: invoice.id.clone(),
            etag: invoice.etag.clone(),
            edit: Some(v1::InvoiceEdit {
                lines,
                ..Default::default()
            }),
            ..Default::default()
        };
        self.update_invoice(request).await
    }

    pub(super) fn applying(&self, invoice: &v1::Invoice, units: &str) -> v1::ApplyCreditsRequest {
        v1::ApplyCreditsRequest {
            request_id: self.request_id(),
            invoice_id: invoice.id.clone(),
            invoice_line_id: invoice.lines[0].id.clone(),
            units: units.to_owned(),
            ..Default::default()
        }
    }

    /// Lets credits pay so many units of the first line.
    pub(super) async fn apply(&self, invoice: &v1::Invoice, units: &str) -> Answered {
        self.apply_credits(self.applying(invoice, units)).await
    }

    pub(super) async fn remove(&self, invoice: &v1::Invoice) -> Answered {
        let request = v1::RemoveCreditsRequest {
            request_id: self.request_id(),
            invoice_id: invoice.id.clone(),
            invoice_line_id: invoice.lines[0].id.clone(),
            ..Default::default()
        };
        self.remove_credits(request).await
    }

    pub(super) fn paying(
        &self,
        invoice: &v1::Invoice,
        cents: Option<i64>,
    ) -> v1::RecordPaymentRequest {
        let target = v1::record_payment_request::Target::InvoiceId(invoice.id.clone());
        v1::RecordPaymentRequest {
            request_id: self.request_id(),
            target: Some(target),
            payment: Some(recorded(cents)),
            validate_only: false,
        }
    }

    /// Pays so much, or all that is due.
    pub(super) async fn pay(&self, invoice: &v1::Invoice, cents: Option<i64>) -> Answered {
        self.record_payment(self.paying(invoice, cents)).await
    }

    pub(super) async fn bounce(&self, payment: &v1::MoneyRecord) -> Answered {
        let request = v1::ReversePaymentRequest {
            request_id: self.request_id(),
            payment_id: payment.id.clone(),
            validate_only: false,
        };
        self.reverse_payment(request).await
    }

    pub(super) async fn refund(&self, invoice: &v1::Invoice, cents: Option<i64>) -> Answered {
        let target = v1::record_refund_request::Target::InvoiceId(invoice.id.clone());
        let request = v1::RecordRefundRequest {
            request_id: self.request_id(),
            target: Some(target),
            refund: Some(recorded(cents)),
            validate_only: false,
        };
        self.record_refund(request).await
    }

    /// Available, held and used credits of a package.
    pub(super) async fn credits(&self, package: &v1::Package) -> [String; 3] {
        let balances = self.shop.balances(&package.id).await;
        [balances.available, balances.held, balances.consumed]
    }
}

/// A transfer of so much, or of all that there is to pay.
pub(super) fn recorded(cents: Option<i64>) -> v1::RecordedPayment {
    v1::RecordedPayment {
        method: v1::PaymentMethod::Transfer.into(),
        amount: cents.map(euros),
        reference: "T-1".to_owned(),
    }
}

/// What is due, in cents.
pub(super) fn due(invoice: &v1::Invoice) -> i64 {
    invoice.due.as_ref().unwrap().minor_units
}

/// The credits on the first line.
pub(super) fn on_line(invoice: &v1::Invoice) -> &v1::LineCredits {
    invoice.lines[0].credits.as_ref().unwrap()
}

/// A line that sells a package of a template.
pub(super) fn sale_of(template_id: &str) -> v1::InvoiceLineInput {
    v1::InvoiceLineInput {
        template_id: template_id.to_owned(),
        ..Default::default()
    }
}
