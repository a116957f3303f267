//! `CreditService`.

use std::time::Duration;

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::amending::detail;
use crate::grpc::convert::feed::watch as feed_of;
use crate::grpc::convert::package::to_package;
use crate::grpc::convert::{explaining, giving, history, holding, returning, using as convert};
use crate::grpc::page::Page;
use crate::grpc::stream::Messages;
use crate::grpc::watching;
use crate::ids::PackageId;
use crate::proto::v1;
use crate::service::{
    adjust, balances, consume, explain, feed, history as entries, holds, issue, undo, usable,
};

/// The handlers of `CreditService`.
#[derive(Clone, Debug)]
pub struct Credits(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::credit_service_server::CreditService for Credits {
    async fn issue(&self, request: Request<v1::IssueRequest>) -> Answered<v1::IssueResponse> {
        self.0
            .write(
                request,
                |message, _, faults| giving::gift(message, faults),
                use_case!(issue::issue),
                |answer, call| v1::IssueResponse {
                    package: Some(to_package(answer.value, call.currency(), detail(call))),
                    posting_id: call.request_id.unwrap_or_default().to_string(),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn consume(&self, request: Request<v1::ConsumeRequest>) -> Answered<v1::ConsumeResponse> {
        self.0
            .write(
                request,
                |message, _, faults| convert::consumption(message, faults),
                use_case!(consume::consume),
                |answer, call| convert::to_consumed(&answer, call),
            )
            .await
    }

    async fn hold(&self, request: Request<v1::HoldRequest>) -> Answered<v1::HoldResponse> {
        self.0
            .write(
                request,
                |message, _, faults| holding::hold(message, faults),
                use_case!(holds::hold),
                |answer, call| holding::to_held(&answer, call),
            )
            .await
    }

    async fn capture(&self, request: Request<v1::CaptureRequest>) -> Answered<v1::CaptureResponse> {
        self.0
            .write(
                request,
                |message, _, faults| holding::capture(message, faults),
                use_case!(holds::capture),
                |answer, call| holding::to_captured(&answer, call),
            )
            .await
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answered<v1::ReleaseResponse> {
        self.0
            .write(
                request,
                |message, _, faults| holding::release(message, faults),
                use_case!(holds::release),
                |answer, call| holding::to_released(&answer, call),
            )
            .await
    }

    async fn reverse(&self, request: Request<v1::ReverseRequest>) -> Answered<v1::ReverseResponse> {
        self.0
            .write(
                request,
                |message, _, faults| returning::reversal(message, faults),
                use_case!(undo::reverse),
                |answer, call| returning::to_reversed(&answer, call),
            )
            .await
    }

    async fn move_consumption(
        &self,
        request: Request<v1::MoveConsumptionRequest>,
    ) -> Answered<v1::MoveConsumptionResponse> {
        self.0
            .write(
                request,
                |message, _, faults| returning::relocation(message, faults),
                use_case!(undo::relocate),
                |answer, call| returning::to_moved(&answer, call),
            )
            .await
    }

    async fn adjust(&self, request: Request<v1::AdjustRequest>) -> Answered<v1::AdjustResponse> {
        self.0
            .write(
                request,
                returning::adjustment,
                use_case!(adjust::adjust),
                |answer, call| returning::to_adjusted(&answer, call),
            )
            .await
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Answered<v1::ExplainResponse> {
        self.0
            .read(
                request,
                explaining::question,
                use_case!(explain::explain),
                |explanation, _| explaining::to_explanation(explanation),
            )
            .await
    }

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Answered<v1::GetBalanceResponse> {
        self.0
            .read(
                request,
                convert::balance_query,
                use_case!(balances::get),
                |sheet, _| convert::to_balance_sheet(sheet),
            )
            .await
    }

    async fn list_usable_packages(
        &self,
        request: Request<v1::ListUsablePackagesRequest>,
    ) -> Answered<v1::ListUsablePackagesResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            let page = Page::<PackageId>::read(message, faults);
            let input = convert::usable_query(message, faults);
            input.zip(page)
        })?;
        let currency = call.currency();
        let found = self.0.run(call, input, use_case!(usable::list)).await?;
        let seen = page.after.and_then(|after| {
            let place = found.iter().position(|package| package.package_id == after);
            place.map(|place| place.saturating_add(1))
        });
        let rest = found.into_iter().skip(seen.unwrap_or(0)).collect();
        let (found, next_page_token) = page.cut(rest, |package| package.package_id)?;
        Ok(Response::new(v1::ListUsablePackagesResponse {
            packages: found
                .into_iter()
                .map(|package| convert::to_usable(package, currency))
                .collect(),
            next_page_token,
        }))
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Answered<v1::ListEntriesResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            history::entry_list(message, faults)
        })?;
        let currency = call.currency();
        let found = self.0.run(call, input, use_case!(entries::list)).await?;
        let rows = found.rows.into_iter();
        Ok(Response::new(v1::ListEntriesResponse {
            entries: rows.map(|row| history::to_entry(row, currency)).collect(),
            next_page_token: page.token_of(found.next)?,
        }))
    }

    type WatchChangesStream = Messages<v1::WatchChangesResponse>;

    async fn watch_changes(
        &self,
        request: Request<v1::WatchChangesRequest>,
    ) -> Answered<Messages<v1::WatchChangesResponse>> {
        let (call, (begin, heartbeat_seconds)) =
            Api::query(request, |message, _, faults| feed_of(message, faults))?;
        let place = self
            .0
            .run(call.clone(), begin, use_case!(feed::begin))
            .await?;
        let (api, heartbeat) = (self.0.clone(), Duration::from_secs(heartbeat_seconds));
        self.0.stream(move |feeder| {
            Box::pin(async move { watching::watch(api, &call, place, heartbeat, feeder).await })
        })
    }
}
