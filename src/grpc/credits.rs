//! `CreditService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::Api;
use crate::grpc::convert::package::{Detail, to_package};
use crate::grpc::convert::using as convert;
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
        let (call, gift) =
            Api::command(request, |message, _, faults| convert::gift(message, faults))?;
        let currency = call.caller.business.currency;
        let detail = if call.validate_only {
            Detail::Unkept
        } else {
            Detail::Full
        };
        let posting_id = call.request_id.unwrap_or_default().to_string();
        let answer = self
            .0
            .run(call, gift, |ctx, call, gift| {
                Box::pin(issue::issue(ctx, call, gift))
            })
            .await?;
        Ok(Response::new(v1::IssueResponse {
            package: Some(to_package(answer.value, currency, detail)),
            posting_id,
            replayed: answer.replayed,
        }))
    }

    async fn consume(&self, request: Request<v1::ConsumeRequest>) -> Answered<v1::ConsumeResponse> {
        let (call, input) = Api::command(request, |message, _, faults| {
            convert::consumption(message, faults)
        })?;
        let currency = call.caller.business.currency;
        let posting_id = call.request_id.unwrap_or_default().to_string();
        let answer = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(consume::consume(ctx, call, input))
            })
            .await?;
        Ok(Response::new(convert::to_consumed(
            &answer.value,
            posting_id,
            answer.replayed,
            currency,
        )))
    }

    async fn get_balance(
        &self,
        request: Request<v1::GetBalanceRequest>,
    ) -> Answered<v1::GetBalanceResponse> {
        let (call, input) = Api::query(request, |message, _, faults| {
            convert::balance_query(message, faults)
        })?;
        let sheet = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(balances::get(ctx, call, input))
            })
            .await?;
        Ok(Response::new(convert::to_balance_sheet(sheet)))
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
        let found = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(usable::list(ctx, call, input))
            })
            .await?;
        let rest = page.after.map_or(0, |after| {
            let seen = found.iter().position(|package| package.package_id == after);
            seen.map_or(0, |index| index.saturating_add(1))
        });
        let found = found.into_iter().skip(rest).collect();
        let (found, next_page_token) = page.cut(found, |package| package.package_id)?;
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
        let currency = call.caller.business.currency;
        let found = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(history::list(ctx, call, input))
            })
            .await?;
        let next_page_token = match found.next {
            Some(position) => page.next_token(position)?,
            None => String::new(),
        };
        Ok(Response::new(v1::ListEntriesResponse {
            entries: found
                .rows
                .into_iter()
                .map(|row| convert::to_entry(row, currency))
                .collect(),
            next_page_token,
        }))
    }
}
