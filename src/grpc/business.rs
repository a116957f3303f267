//! `BusinessService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::access::{self, to_role, to_token, to_user};
use crate::grpc::convert::audit::{audit_list, to_audit_event};
use crate::grpc::convert::business::{settings_update, to_settings};
use crate::proto::v1;
use crate::service::{audit, business, roles, tokens, users};

/// The handlers of `BusinessService`.
#[derive(Clone, Debug)]
pub struct Business(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::business_service_server::BusinessService for Business {
    async fn get_settings(
        &self,
        request: Request<v1::GetSettingsRequest>,
    ) -> Answered<v1::GetSettingsResponse> {
        self.0
            .read(
                request,
                |_, _| Some(()),
                use_case!(business::get_settings),
                |found, _| v1::GetSettingsResponse {
                    settings: Some(to_settings(found)),
                },
            )
            .await
    }

    async fn update_settings(
        &self,
        request: Request<v1::UpdateSettingsRequest>,
    ) -> Answered<v1::UpdateSettingsResponse> {
        self.0
            .write(
                request,
                settings_update,
                use_case!(business::update_settings),
                |answer, _| v1::UpdateSettingsResponse {
                    settings: Some(to_settings(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Answered<v1::CreateTokenResponse> {
        self.0
            .write(
                request,
                access::token_order,
                use_case!(tokens::create),
                |answer, _| v1::CreateTokenResponse {
                    token: Some(to_token(answer.value.token)),
                    secret: answer.value.text.unwrap_or_default(),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Answered<v1::ListTokensResponse> {
        self.0
            .list(
                request,
                access::token_list,
                use_case!(tokens::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListTokensResponse {
                    tokens: found.into_iter().map(to_token).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn rotate_token(
        &self,
        request: Request<v1::RotateTokenRequest>,
    ) -> Answered<v1::RotateTokenResponse> {
        self.0
            .write(
                request,
                access::rotation,
                use_case!(tokens::rotate),
                |answer, _| v1::RotateTokenResponse {
                    token: Some(to_token(answer.value.token)),
                    secret: answer.value.text.unwrap_or_default(),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Answered<v1::RevokeTokenResponse> {
        self.0
            .write(
                request,
                |message, _, faults| faults.id("token_id", &message.token_id),
                use_case!(tokens::revoke),
                |answer, _| v1::RevokeTokenResponse {
                    token: Some(to_token(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn create_user(
        &self,
        request: Request<v1::CreateUserRequest>,
    ) -> Answered<v1::CreateUserResponse> {
        self.0
            .write(
                request,
                access::new_user,
                use_case!(users::create),
                |answer, _| v1::CreateUserResponse {
                    user: Some(to_user(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Answered<v1::ListUsersResponse> {
        self.0
            .list(
                request,
                access::user_list,
                use_case!(users::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListUsersResponse {
                    users: found.into_iter().map(to_user).collect(),
                    next_page_token,
                },
            )
            .await
    }
    async fn update_user(
        &self,
        request: Request<v1::UpdateUserRequest>,
    ) -> Answered<v1::UpdateUserResponse> {
        self.0
            .write(
                request,
                access::user_update,
                use_case!(users::update),
                |answer, _| v1::UpdateUserResponse {
                    user: Some(to_user(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn create_role(
        &self,
        request: Request<v1::CreateRoleRequest>,
    ) -> Answered<v1::CreateRoleResponse> {
        self.0
            .write(
                request,
                access::new_role,
                use_case!(roles::create),
                |answer, _| v1::CreateRoleResponse {
                    role: Some(to_role(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn list_roles(
        &self,
        request: Request<v1::ListRolesRequest>,
    ) -> Answered<v1::ListRolesResponse> {
        self.0
            .list(
                request,
                access::role_list,
                use_case!(roles::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListRolesResponse {
                    roles: found.into_iter().map(to_role).collect(),
                    next_page_token,
                    built_in_roles: access::built_in_roles(),
                },
            )
            .await
    }

    async fn update_role(
        &self,
        request: Request<v1::UpdateRoleRequest>,
    ) -> Answered<v1::UpdateRoleResponse> {
        self.0
            .write(
                request,
                access::role_update,
                use_case!(roles::update),
                |answer, _| v1::UpdateRoleResponse {
                    role: Some(to_role(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn list_audit_events(
        &self,
        request: Request<v1::ListAuditEventsRequest>,
    ) -> Answered<v1::ListAuditEventsResponse> {
        self.0
            .list(
                request,
                audit_list,
                use_case!(audit::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListAuditEventsResponse {
                    audit_events: found.into_iter().map(to_audit_event).collect(),
                    next_page_token,
                },
            )
            .await
    }
}
