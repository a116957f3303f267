//! `InvoiceService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::amending::detail;
use crate::grpc::convert::charge::{self, to_charge_request};
use crate::grpc::convert::invoice::{self as convert, to_invoice};
use crate::grpc::convert::package::{Detail, to_sale};
use crate::grpc::convert::payment::{payment_of, refund_of};
use crate::grpc::convert::rate::{rate_question, to_rates};
use crate::proto::v1;
use crate::service::invoices::InvoiceView;
use crate::service::invoices::{self, counting, crediting, rates};
use crate::service::payments::{self, Paid};
use crate::service::{Answer, Call, charges};

/// The handlers of `InvoiceService`.
#[derive(Clone, Debug)]
pub struct Invoices(pub Api);

type Answered<T> = Result<Response<T>, Status>;

/// An invoice that was changed, as the parts of an answer.
fn changed(answer: &Answer<InvoiceView>, call: &Call) -> (Option<v1::Invoice>, bool) {
    let invoice = to_invoice(&answer.value, call.currency(), detail(call));
    (Some(invoice), answer.replayed)
}

/// What money was of, as the parts of an answer.
fn paid(answer: &Answer<Paid>, call: &Call) -> (Option<v1::Sale>, Option<v1::Invoice>) {
    let currency = call.currency();
    match &answer.value {
        Paid::Sale(sale) => (Some(to_sale(sale, currency, detail(call))), None),
        Paid::Invoice(view) => (None, Some(to_invoice(view, currency, detail(call)))),
    }
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
                    .write(request, payment_of, use_case!(payments::record), |answer, call| {
                        let (sale, invoice) = paid(&answer, call);
                        let replayed = answer.replayed;
                        v1::RecordPaymentResponse { sale, invoice, replayed }
                    })
                    .await
            }

            async fn reverse_payment(
                &self,
                request: Request<v1::ReversePaymentRequest>,
            ) -> Answered<v1::ReversePaymentResponse> {
                self.0
                    .write(
                        request,
                        |message, _, faults| faults.id("payment_id", &message.payment_id),
                        use_case!(payments::reverse),
                        |answer, call| {
                            let (sale, invoice) = paid(&answer, call);
                            let replayed = answer.replayed;
                            v1::ReversePaymentResponse { sale, invoice, replayed }
                        },
                    )
                    .await
            }

            async fn record_refund(
                &self,
                request: Request<v1::RecordRefundRequest>,
            ) -> Answered<v1::RecordRefundResponse> {
                self.0
                    .write(request, refund_of, use_case!(payments::refund), |answer, call| {
                        let (sale, invoice) = paid(&answer, call);
                        let replayed = answer.replayed;
                        v1::RecordRefundResponse { sale, invoice, replayed }
                    })
                    .await
            }

            async fn list_charge_requests(
                &self,
                request: Request<v1::ListChargeRequestsRequest>,
            ) -> Answered<v1::ListChargeRequestsResponse> {
                self.0
                    .list(
                        request,
                        charge::charge_list,
                        use_case!(charges::list),
                        |row| row.position,
                        |found, next_page_token, _| v1::ListChargeRequestsResponse {
                            charge_requests: found
                                .iter()
                                .map(|row| to_charge_request(&row.request, Detail::Full))
                                .collect(),
                            next_page_token,
                        },
                    )
                    .await
            }

            async fn fail_charge(
                &self,
                request: Request<v1::FailChargeRequest>,
            ) -> Answered<v1::FailChargeResponse> {
                self.0
                    .write(request, charge::failure, use_case!(charges::fail), |answer, call| {
                        let request = to_charge_request(&answer.value, detail(call));
                        v1::FailChargeResponse {
                            charge_request: Some(request),
                            replayed: answer.replayed,
                        }
                    })
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
}
