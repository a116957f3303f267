//! `CreditService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::package::to_package;
use crate::grpc::convert::using as convert;
use crate::grpc::packages::detail;
use crate::grpc::page::Page;
use crate::ids::PackageId;
use crate::proto::v1;
use crate::service::{balances, consume, history, issue, usable};

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
                |message, _, faults| convert::gift(message, faults),
                use_case!(issue::issue),
                |answer, call| v1::IssueResponse {
                    package: Some(to_package(answer.value, call.currency(), detail(call))),
                    posting_id: convert::to_posting_id(call),
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
        let found = self.0.run(call, input, use_case!(usable::list)).await?;
        let seen = page.after.and_then(|after| {
            let place = found.iter().position(|package| package.package_id == after);
            place.map(|place| place.saturating_add(1))
        });
        let rest = found.into_iter().skip(seen.unwrap_or(0)).collect();
        let (found, next_page_token) = page.cut(rest, |package| package.package_id)?;
        Ok(Response::new(v1::ListUsablePackagesResponse {
            packages: found.into_iter().map(convert::to_usable).collect(),
            next_page_token,
        }))
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Answered<v1::ListEntriesResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            convert::entry_list(message, faults)
        })?;
        let currency = call.currency();
        let found = self.0.run(call, input, use_case!(history::list)).await?;
        let next_page_token = match found.next {
            Some(position) => page.next_token(position)?,
            None => String::new(),
        };
        let rows = found.rows.into_iter();
        Ok(Response::new(v1::ListEntriesResponse {
            entries: rows.map(|row| convert::to_entry(row, currency)).collect(),
            next_page_token,
        }))
    }
}
