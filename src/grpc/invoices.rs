//! `InvoiceService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::package::{Detail, to_sale};
use crate::grpc::convert::selling::sale_payment;
use crate::proto::v1;
use crate::service::payments;

/// The handlers of `InvoiceService`.
#[derive(Clone, Debug)]
pub struct Invoices(pub Api);

#[tonic::async_trait]
impl v1::invoice_service_server::InvoiceService for Invoices {
    async fn record_payment(
        &self,
        request: Request<v1::RecordPaymentRequest>,
    ) -> Result<Response<v1::RecordPaymentResponse>, Status> {
        self.0
            .write(
                request,
                sale_payment,
                use_case!(payments::record),
                |answer, call| v1::RecordPaymentResponse {
                    sale: Some(to_sale(&answer.value, call.currency(), Detail::Full)),
                    replayed: answer.replayed,
                },
            )
            .await
    }
}
