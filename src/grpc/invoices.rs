//! `InvoiceService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::amending::detail;
use crate::grpc::convert::invoice::{self as convert, to_invoice};
use crate::grpc::convert::package::{Detail, to_sale};
use crate::grpc::convert::rate::{rate_question, to_rates};
use crate::grpc::convert::selling::payment_of;
use crate::proto::v1;
use crate::service::invoices::InvoiceView;
use crate::service::invoices::{self, counting, crediting, paying, rates};
use crate::service::payments::{self, Paid};
use crate::service::{Answer, Call};

/// The handlers of `InvoiceService`.
#[derive(Clone, Debug)]
pub struct Invoices(pub Api);

type Answered<T> = Result<Response<T>, Status>;

/// An invoice that was changed, as the parts of an answer.
fn changed(answer: &Answer<InvoiceView>, call: &Call) -> (Option<v1::Invoice>, bool) {
    let invoice = to_invoice(&answer.value, call.currency(), detail(call));
    (Some(invoice), answer.replayed)
}

macro_rules! changing {
    ($($method:ident: $request:ident -> $response:ident = $read:expr, $work:path;)+) => {
        #[tonic::async_trait]
        impl v1::invoice_service_server::InvoiceService for Invoices {
            $(
                async fn $method(
                    &self,
                    request: Request<v1::$request>,
                ) -> Answered<v1::$response> {
                    self.0
                        .write(request, $read, use_case!($work), |answer, call| {
                            let (invoice, replayed) = changed(&answer, call);
                            v1::$response { invoice, replayed }
                        })
                        .await
                }
            )+

            async fn get_invoice(
                &self,
                request: Request<v1::GetInvoiceRequest>,
            ) -> Answered<v1::GetInvoiceResponse> {
                self.0
                    .read(
                        request,
                        |message, faults| faults.reference("invoice_id", &message.invoice_id),
                        use_case!(invoices::get),
                        |found, call| v1::GetInvoiceResponse {
                            invoice: Some(to_invoice(&found, call.currency(), Detail::Full)),
                        },
                    )
                    .await
            }

            async fn resolve_rate(
                &self,
                request: Request<v1::ResolveRateRequest>,
            ) -> Answered<v1::ResolveRateResponse> {
                self.0
                    .read(
                        request,
                        rate_question,
                        use_case!(rates::resolve),
                        |found, call| to_rates(&found, call.currency()),
                    )
                    .await
            }

            async fn list_invoices(
                &self,
                request: Request<v1::ListInvoicesRequest>,
            ) -> Answered<v1::ListInvoicesResponse> {
                self.0
                    .list(
                        request,
                        convert::invoice_list,
                        use_case!(invoices::list),
                        |row| row.invoice.id,
                        |found, next_page_token, call| v1::ListInvoicesResponse {
                            invoices: found
                                .iter()
                                .map(|row| to_invoice(row, call.currency(), Detail::Full))
                                .collect(),
                            next_page_token,
                        },
                    )
                    .await
            }

            async fn record_payment(
                &self,
                request: Request<v1::RecordPaymentRequest>,
            ) -> Answered<v1::RecordPaymentResponse> {
                self.0
                    .write(
                        request,
                        payment_of,
                        use_case!(payments::record),
                        |answer, call| {
                            let mut response = v1::RecordPaymentResponse {
                                replayed: answer.replayed,
                                ..Default::default()
                            };
                            let currency = call.currency();
                            match &answer.value {
                                Paid::Sale(sale) => {
                                    response.sale = Some(to_sale(sale, currency, Detail::Full));
                                }
                                Paid::Invoice(view) => {
                                    let invoice = to_invoice(view, currency, detail(call));
                                    response.invoice = Some(invoice);
                                }
                            }
                            response
                        },
                    )
                    .await
            }
        }
    };
}

changing! {
    create_invoice: CreateInvoiceRequest -> CreateInvoiceResponse =
        convert::new_invoice, invoices::create;
    update_invoice: UpdateInvoiceRequest -> UpdateInvoiceResponse =
        convert::edit, invoices::update;
    issue_invoice: IssueInvoiceRequest -> IssueInvoiceResponse =
        convert::issue, counting::issue;
    void_invoice: VoidInvoiceRequest -> VoidInvoiceResponse =
        convert::void, counting::void;
    apply_credits: ApplyCreditsRequest -> ApplyCreditsResponse =
        convert::application, crediting::apply;
    remove_credits: RemoveCreditsRequest -> RemoveCreditsResponse =
        convert::removal, crediting::remove;
    reverse_payment: ReversePaymentRequest -> ReversePaymentResponse =
        |message: &v1::ReversePaymentRequest, _, faults| faults.id("payment_id", &message.payment_id),
        paying::reverse;
    record_refund: RecordRefundRequest -> RecordRefundResponse =
        convert::refund, paying::refund;
}
