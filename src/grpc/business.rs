//! `BusinessService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::business::{self as convert, to_settings, to_token, to_user};
use crate::proto::v1;
use crate::service::{business, tokens, users};

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
                convert::settings_update,
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
                convert::token_order,
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
                convert::token_list,
                use_case!(tokens::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListTokensResponse {
                    tokens: found.into_iter().map(to_token).collect(),
                    next_page_token,
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
                convert::new_user,
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
                convert::user_list,
                use_case!(users::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListUsersResponse {
                    users: found.into_iter().map(to_user).collect(),
                    next_page_token,
                },
            )
            .await
    }
}
