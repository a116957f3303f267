//! `EmailService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::Api;
use crate::grpc::convert::email as convert;
use crate::ids::EmailId;
use crate::proto::v1;
use crate::service::{emails, reminder_policy};

/// The handlers of `EmailService`.
#[derive(Clone, Debug)]
pub struct Emails(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::email_service_server::EmailService for Emails {
    async fn get_reminder_policy(
        &self,
        request: Request<v1::GetReminderPolicyRequest>,
    ) -> Answered<v1::GetReminderPolicyResponse> {
        let (call, input) = Api::query(request, |_, _, _| Some(()))?;
        let policy = self
            .0
            .run(call, input, |ctx, call, ()| {
                Box::pin(reminder_policy::get(ctx, call))
            })
            .await?;
        Ok(Response::new(v1::GetReminderPolicyResponse {
            policy: Some(convert::to_policy(&policy)),
        }))
    }

    async fn update_reminder_policy(
        &self,
        request: Request<v1::UpdateReminderPolicyRequest>,
    ) -> Answered<v1::UpdateReminderPolicyResponse> {
        let (call, input) = Api::command(request, |message, _, faults| {
            convert::policy_update(message, faults)
        })?;
        let answer = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(reminder_policy::update(ctx, call, input))
            })
            .await?;
        Ok(Response::new(v1::UpdateReminderPolicyResponse {
            policy: Some(convert::to_policy(&answer.value)),
            replayed: answer.replayed,
        }))
    }

    async fn list_emails(
        &self,
        request: Request<v1::ListEmailsRequest>,
    ) -> Answered<v1::ListEmailsResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            convert::email_list(message, faults)
        })?;
        let found = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(emails::list(ctx, call, input))
            })
            .await?;
        let (found, next_page_token) = page.cut(found, |details| details.email.id)?;
        Ok(Response::new(v1::ListEmailsResponse {
            emails: found.into_iter().map(convert::to_listed_email).collect(),
            next_page_token,
        }))
    }

    async fn get_email(
        &self,
        request: Request<v1::GetEmailRequest>,
    ) -> Answered<v1::GetEmailResponse> {
        let (call, id) = Api::query(request, |message, _, faults| {
            faults.id::<EmailId>("email_id", &message.email_id)
        })?;
        let details = self
            .0
            .run(call, id, |ctx, call, id| {
                Box::pin(emails::get(ctx, call, id))
            })
            .await?;
        Ok(Response::new(v1::GetEmailResponse {
            email: Some(convert::to_email(details)),
        }))
    }
}
