//! `ReportService`.

use tonic::{Request, Response, Status};

use crate::domain::refusal::Refusal;
use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::history::to_entry;
use crate::grpc::convert::reporting as convert;
use crate::grpc::exporting;
use crate::grpc::faults::timestamp;
use crate::grpc::refusal::failure;
use crate::grpc::stream::Messages;
use crate::proto::v1;
use crate::service::reports::{balance_as_of, ledger, liability, outstanding, packages};

/// The handlers of `ReportService`.
#[derive(Clone, Debug)]
pub struct Reports(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::report_service_server::ReportService for Reports {
    async fn outstanding(
        &self,
        request: Request<v1::OutstandingRequest>,
    ) -> Answered<v1::OutstandingResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            convert::outstanding(message, faults)
        })?;
        let currency = call.currency();
        let found = self.0.run(call, input, use_case!(outstanding::get)).await?;
        let totals = found.totals.iter();
        let holders = found.holders.into_iter();
        Ok(Response::new(v1::OutstandingResponse {
            as_of: Some(timestamp(found.as_of)),
            totals: totals
                .map(|(id, total)| convert::to_outstanding(*id, total, currency))
                .collect(),
            holders: holders
                .map(|holder| convert::to_holder(holder, currency))
                .collect(),
            next_page_token: page.token_of(found.next_before)?,
        }))
    }

    async fn packages(
        &self,
        request: Request<v1::PackagesRequest>,
    ) -> Answered<v1::PackagesResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            convert::packages(message, faults)
        })?;
        let currency = call.currency();
        let found = self.0.run(call, input, use_case!(packages::get)).await?;
        let rows = found.rows.into_iter();
        Ok(Response::new(v1::PackagesResponse {
            as_of: Some(timestamp(found.as_of)),
            packages: rows.map(|row| convert::to_row(row, currency)).collect(),
            next_page_token: page.token_of(found.next_before)?,
        }))
    }

    async fn ledger(&self, request: Request<v1::LedgerRequest>) -> Answered<v1::LedgerResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            convert::ledger(message, faults)
        })?;
        let currency = call.currency();
        let found = self.0.run(call, input, use_case!(ledger::list)).await?;
        let rows = found.rows.into_iter();
        Ok(Response::new(v1::LedgerResponse {
            entries: rows.map(|row| to_entry(row, currency)).collect(),
            next_page_token: page.token_of(found.next)?,
        }))
    }

    async fn liability(
        &self,
        request: Request<v1::LiabilityRequest>,
    ) -> Answered<v1::LiabilityResponse> {
        let (call, input) = Api::query(request, |message, _, faults| {
            convert::liability(message, faults)
        })?;
        let currency = call.currency();
        let found = self.0.run(call, input, use_case!(liability::get)).await?;
        let answer = convert::to_liability(&found, currency);
        let answer = answer.ok_or_else(|| failure(&Refusal::AmountTooLarge).into_status())?;
        Ok(Response::new(answer))
    }

    async fn balance_as_of(
        &self,
        request: Request<v1::BalanceAsOfRequest>,
    ) -> Answered<v1::BalanceAsOfResponse> {
        self.0
            .read(
                request,
                convert::past_balance,
                use_case!(balance_as_of::get),
                |found, call| convert::to_past_balances(found, call.currency()),
            )
            .await
    }

    type ExportStream = Messages<v1::ExportResponse>;

    async fn export(
        &self,
        request: Request<v1::ExportRequest>,
    ) -> Answered<Messages<v1::ExportResponse>> {
        let (call, of) = Api::query(request, |message, _, faults| {
            exporting::export(message, faults)
        })?;
        call.require(exporting::needed(&of))
            .map_err(|refusal| failure(&refusal).into_status())?;
        let api = self.0.clone();
        self.0.stream(move |feeder| {
            Box::pin(async move { exporting::write(api, &call.caller, of, feeder).await })
        })
    }
}
