//! `CatalogService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::credit_type::{self, to_credit_type};
use crate::grpc::convert::item::{self, to_item};
use crate::grpc::convert::pricing::{quote_entry, to_quote};
use crate::grpc::convert::template::{self, template_copy, template_step, to_template};
use crate::proto::v1;
use crate::service::{credit_types, items, quotes, templates};

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
        self.0
            .write(
                request,
                credit_type::new_credit_type,
                use_case!(credit_types::create),
                |answer, _| v1::CreateCreditTypeResponse {
                    credit_type: Some(to_credit_type(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_credit_type(
        &self,
        request: Request<v1::GetCreditTypeRequest>,
    ) -> Answered<v1::GetCreditTypeResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("credit_type_id", &message.credit_type_id),
                use_case!(credit_types::get),
                |found, _| v1::GetCreditTypeResponse {
                    credit_type: Some(to_credit_type(found)),
                },
            )
            .await
    }

    async fn list_credit_types(
        &self,
        request: Request<v1::ListCreditTypesRequest>,
    ) -> Answered<v1::ListCreditTypesResponse> {
        self.0
            .list(
                request,
                credit_type::credit_type_list,
                use_case!(credit_types::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListCreditTypesResponse {
                    credit_types: found.into_iter().map(to_credit_type).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn update_credit_type(
        &self,
        request: Request<v1::UpdateCreditTypeRequest>,
    ) -> Answered<v1::UpdateCreditTypeResponse> {
        self.0
            .write(
                request,
                credit_type::credit_type_update,
                use_case!(credit_types::update),
                |answer, _| v1::UpdateCreditTypeResponse {
                    credit_type: Some(to_credit_type(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn archive_credit_type(
        &self,
        request: Request<v1::ArchiveCreditTypeRequest>,
    ) -> Answered<v1::ArchiveCreditTypeResponse> {
        self.0
            .write(
                request,
                credit_type::credit_type_archiving,
                use_case!(credit_types::archive),
                |answer, _| v1::ArchiveCreditTypeResponse {
                    credit_type: Some(to_credit_type(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn create_item(
        &self,
        request: Request<v1::CreateItemRequest>,
    ) -> Answered<v1::CreateItemResponse> {
        self.0
            .write(
                request,
                item::new_item,
                use_case!(items::create),
                |answer, call| v1::CreateItemResponse {
                    item: Some(to_item(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_item(
        &self,
        request: Request<v1::GetItemRequest>,
    ) -> Answered<v1::GetItemResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("item_id", &message.item_id),
                use_case!(items::get),
                |found, call| v1::GetItemResponse {
                    item: Some(to_item(found, call.currency())),
                },
            )
            .await
    }

    async fn list_items(
        &self,
        request: Request<v1::ListItemsRequest>,
    ) -> Answered<v1::ListItemsResponse> {
        self.0
            .list(
                request,
                item::item_list,
                use_case!(items::list),
                |row| row.id,
                |found, next_page_token, call| v1::ListItemsResponse {
                    items: found
                        .into_iter()
                        .map(|item| to_item(item, call.currency()))
                        .collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn update_item(
        &self,
        request: Request<v1::UpdateItemRequest>,
    ) -> Answered<v1::UpdateItemResponse> {
        self.0
            .write(
                request,
                item::item_update,
                use_case!(items::update),
                |answer, call| v1::UpdateItemResponse {
                    item: Some(to_item(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn archive_item(
        &self,
        request: Request<v1::ArchiveItemRequest>,
    ) -> Answered<v1::ArchiveItemResponse> {
        self.0
            .write(
                request,
                item::item_archiving,
                use_case!(items::archive),
                |answer, call| v1::ArchiveItemResponse {
                    item: Some(to_item(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn create_template(
        &self,
        request: Request<v1::CreateTemplateRequest>,
    ) -> Answered<v1::CreateTemplateResponse> {
        self.0
            .write(
                request,
                template::new_template,
                use_case!(templates::create),
                |answer, call| v1::CreateTemplateResponse {
                    template: Some(to_template(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_template(
        &self,
        request: Request<v1::GetTemplateRequest>,
    ) -> Answered<v1::GetTemplateResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("template_id", &message.template_id),
                use_case!(templates::get),
                |found, call| v1::GetTemplateResponse {
                    template: Some(to_template(found, call.currency())),
                },
            )
            .await
    }

    async fn list_templates(
        &self,
        request: Request<v1::ListTemplatesRequest>,
    ) -> Answered<v1::ListTemplatesResponse> {
        self.0
            .list(
                request,
                template::template_list,
                use_case!(templates::list),
                |row| row.id,
                |found, next_page_token, call| v1::ListTemplatesResponse {
                    templates: found
                        .into_iter()
                        .map(|template| to_template(template, call.currency()))
                        .collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn update_template(
        &self,
        request: Request<v1::UpdateTemplateRequest>,
    ) -> Answered<v1::UpdateTemplateResponse> {
        self.0
            .write(
                request,
                template::template_update,
                use_case!(templates::update),
                |answer, call| v1::UpdateTemplateResponse {
                    template: Some(to_template(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn activate_template(
        &self,
        request: Request<v1::ActivateTemplateRequest>,
    ) -> Answered<v1::ActivateTemplateResponse> {
        self.0
            .write(
                request,
                |message, _, faults| template_step(&message.template_id, &message.etag, faults),
                use_case!(templates::activate),
                |answer, call| v1::ActivateTemplateResponse {
                    template: Some(to_template(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn archive_template(
        &self,
        request: Request<v1::ArchiveTemplateRequest>,
    ) -> Answered<v1::ArchiveTemplateResponse> {
        self.0
            .write(
                request,
                |message, _, faults| template_step(&message.template_id, &message.etag, faults),
                use_case!(templates::archive),
                |answer, call| v1::ArchiveTemplateResponse {
                    template: Some(to_template(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn unarchive_template(
        &self,
        request: Request<v1::UnarchiveTemplateRequest>,
    ) -> Answered<v1::UnarchiveTemplateResponse> {
        self.0
            .write(
                request,
                |message, _, faults| template_step(&message.template_id, &message.etag, faults),
                use_case!(templates::unarchive),
                |answer, call| v1::UnarchiveTemplateResponse {
                    template: Some(to_template(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn clone_template(
        &self,
        request: Request<v1::CloneTemplateRequest>,
    ) -> Answered<v1::CloneTemplateResponse> {
        self.0
            .write(
                request,
                template_copy,
                use_case!(templates::copy),
                |answer, call| v1::CloneTemplateResponse {
                    template: Some(to_template(answer.value, call.currency())),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn quote(&self, request: Request<v1::QuoteRequest>) -> Answered<v1::QuoteResponse> {
        self.0
            .read(
                request,
                quote_entry,
                use_case!(quotes::quote),
                |found, call| v1::QuoteResponse {
                    quote: Some(to_quote(&found, call.currency())),
                },
            )
            .await
    }
}
