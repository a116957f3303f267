//! `CatalogService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::Api;
use crate::grpc::convert::catalog as convert;
use crate::grpc::page::Page;
use crate::ids::CreditTypeId;
use crate::proto::v1;
use crate::service::credit_types::{self, CreditTypeList};

/// The handlers of `CatalogService`.
#[derive(Clone, Debug)]
pub struct Catalog(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::catalog_service_server::CatalogService for Catalog {
    async fn create_credit_type(
        &self,
        request: Request<v1::CreateCreditTypeRequest>,
    ) -> Answered<v1::CreateCreditTypeResponse> {
        let (call, input) =
            Api::command(request, |message, _, faults| convert::new_credit_type(message, faults))?;
        let answer = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(credit_types::create(ctx, call, input))
            })
            .await?;
        Ok(Response::new(v1::CreateCreditTypeResponse {
            credit_type: Some(convert::to_credit_type(answer.value)),
            replayed: answer.replayed,
        }))
    }

    async fn get_credit_type(
        &self,
        request: Request<v1::GetCreditTypeRequest>,
    ) -> Answered<v1::GetCreditTypeResponse> {
        let (call, id) = Api::query(request, |message, _, faults| {
            faults.reference("credit_type_id", &message.credit_type_id)
        })?;
        let credit_type = self
            .0
            .run(call, id, |ctx, call, id| {
                Box::pin(credit_types::get(ctx, call, id))
            })
            .await?;
        Ok(Response::new(v1::GetCreditTypeResponse {
            credit_type: Some(convert::to_credit_type(credit_type)),
        }))
    }

    async fn list_credit_types(
        &self,
        request: Request<v1::ListCreditTypesRequest>,
    ) -> Answered<v1::ListCreditTypesResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            let page = Page::<CreditTypeId>::read(message, faults)?;
            let input = CreditTypeList {
                include_archived: message.include_archived,
                before: page.after,
                limit: page.limit(),
            };
            Some((input, page))
        })?;
        let found = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(credit_types::list(ctx, call, input))
            })
            .await?;
        let (found, next_page_token) = page.cut(found, |credit_type| credit_type.id)?;
        Ok(Response::new(v1::ListCreditTypesResponse {
            credit_types: found.into_iter().map(convert::to_credit_type).collect(),
            next_page_token,
        }))
    }

    async fn update_credit_type(
        &self,
        request: Request<v1::UpdateCreditTypeRequest>,
    ) -> Answered<v1::UpdateCreditTypeResponse> {
        let (call, input) = Api::command(request, |message, _, faults| {
            convert::credit_type_update(message, faults)
        })?;
        let answer = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(credit_types::update(ctx, call, input))
            })
            .await?;
        Ok(Response::new(v1::UpdateCreditTypeResponse {
            credit_type: Some(convert::to_credit_type(answer.value)),
            replayed: answer.replayed,
        }))
    }

    async fn archive_credit_type(
        &self,
        request: Request<v1::ArchiveCreditTypeRequest>,
    ) -> Answered<v1::ArchiveCreditTypeResponse> {
        let (call, input) = Api::command(request, |message, _, faults| {
            convert::credit_type_archiving(message, faults)
        })?;
        let answer = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(credit_types::archive(ctx, call, input))
            })
            .await?;
        Ok(Response::new(v1::ArchiveCreditTypeResponse {
            credit_type: Some(convert::to_credit_type(answer.value)),
            replayed: answer.replayed,
        }))
    }
}
