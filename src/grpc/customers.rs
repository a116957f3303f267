//! `CustomerService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::customer::{self, to_customer};
use crate::grpc::convert::group::{self, to_group, to_group_view};
use crate::grpc::holding;
use crate::grpc::stream::Messages;
use crate::proto::v1;
use crate::service::{customers, erasing, groups, holdings, merging};

/// The handlers of `CustomerService`.
#[derive(Clone, Debug)]
pub struct Customers(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::customer_service_server::CustomerService for Customers {
    async fn create_customer(
        &self,
        request: Request<v1::CreateCustomerRequest>,
    ) -> Answered<v1::CreateCustomerResponse> {
        self.0
            .write(
                request,
                customer::new_customer,
                use_case!(customers::create),
                |answer, _| v1::CreateCustomerResponse {
                    customer: Some(to_customer(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_customer(
        &self,
        request: Request<v1::GetCustomerRequest>,
    ) -> Answered<v1::GetCustomerResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("customer_id", &message.customer_id),
                use_case!(customers::get),
                |found, _| v1::GetCustomerResponse {
                    customer: Some(to_customer(found)),
                },
            )
            .await
    }

    async fn resolve_customer(
        &self,
        request: Request<v1::ResolveCustomerRequest>,
    ) -> Answered<v1::ResolveCustomerResponse> {
        self.0
            .read(
                request,
                customer::resolved_email,
                |ctx, call, email| Box::pin(customers::resolve_email(ctx, call, email)),
                |found, _| v1::ResolveCustomerResponse {
                    customer: Some(to_customer(found)),
                },
            )
            .await
    }

    async fn list_customers(
        &self,
        request: Request<v1::ListCustomersRequest>,
    ) -> Answered<v1::ListCustomersResponse> {
        self.0
            .list(
                request,
                customer::customer_list,
                use_case!(customers::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListCustomersResponse {
                    customers: found.into_iter().map(to_customer).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn update_customer(
        &self,
        request: Request<v1::UpdateCustomerRequest>,
    ) -> Answered<v1::UpdateCustomerResponse> {
        self.0
            .write(
                request,
                customer::customer_update,
                use_case!(customers::update),
                |answer, _| v1::UpdateCustomerResponse {
                    customer: Some(to_customer(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn merge_customers(
        &self,
        request: Request<v1::MergeCustomersRequest>,
    ) -> Answered<v1::MergeCustomersResponse> {
        self.0
            .write(
                request,
                customer::merge,
                use_case!(merging::merge),
                |answer, _| v1::MergeCustomersResponse {
                    customer: Some(to_customer(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    type ExportCustomerStream = Messages<v1::ExportCustomerResponse>;

    async fn export_customer(
        &self,
        request: Request<v1::ExportCustomerRequest>,
    ) -> Answered<Messages<v1::ExportCustomerResponse>> {
        let (call, id) = Api::query(request, |message, _, faults| {
            faults.reference("customer_id", &message.customer_id)
        })?;
        let people = self.0.run(call.clone(), id, use_case!(holdings::people));
        let people = people.await?;
        let api = self.0.clone();
        self.0.stream(move |feeder| {
            Box::pin(async move { holding::write(api, &call, people, feeder).await })
        })
    }

    async fn erase_customer(
        &self,
        request: Request<v1::EraseCustomerRequest>,
    ) -> Answered<v1::EraseCustomerResponse> {
        self.0
            .write(
                request,
                customer::erasure,
                use_case!(erasing::erase),
                |answer, _| v1::EraseCustomerResponse {
                    customer: Some(to_customer(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn create_group(
        &self,
        request: Request<v1::CreateGroupRequest>,
    ) -> Answered<v1::CreateGroupResponse> {
        self.0
            .write(
                request,
                group::new_group,
                use_case!(groups::create),
                |answer, _| v1::CreateGroupResponse {
                    group: Some(to_group_view(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_group(
        &self,
        request: Request<v1::GetGroupRequest>,
    ) -> Answered<v1::GetGroupResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("group_id", &message.group_id),
                use_case!(groups::get),
                |found, _| v1::GetGroupResponse {
                    group: Some(to_group_view(found)),
                },
            )
            .await
    }

    async fn list_groups(
        &self,
        request: Request<v1::ListGroupsRequest>,
    ) -> Answered<v1::ListGroupsResponse> {
        self.0
            .list(
                request,
                group::group_list,
                use_case!(groups::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListGroupsResponse {
                    groups: found.into_iter().map(to_group).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn update_group(
        &self,
        request: Request<v1::UpdateGroupRequest>,
    ) -> Answered<v1::UpdateGroupResponse> {
        self.0
            .write(
                request,
                group::group_update,
                use_case!(groups::update),
                |answer, _| v1::UpdateGroupResponse {
                    group: Some(to_group_view(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn add_group_member(
        &self,
        request: Request<v1::AddGroupMemberRequest>,
    ) -> Answered<v1::AddGroupMemberResponse> {
        self.0
            .write(
                request,
                |message, _, faults| {
                    group::membership(
                        &message.group_id,
                        &message.customer_id,
                        &message.etag,
                        faults,
                    )
                },
                use_case!(groups::add_member),
                |answer, _| v1::AddGroupMemberResponse {
                    group: Some(to_group_view(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn remove_group_member(
        &self,
        request: Request<v1::RemoveGroupMemberRequest>,
    ) -> Answered<v1::RemoveGroupMemberResponse> {
        self.0
            .write(
                request,
                |message, _, faults| {
                    group::membership(
                        &message.group_id,
                        &message.customer_id,
                        &message.etag,
                        faults,
                    )
                },
                use_case!(groups::remove_member),
                |answer, _| v1::RemoveGroupMemberResponse {
                    group: Some(to_group_view(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }
}
