//! `EmailService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::{
    email as convert, email_template as template, reminder_policy as policies, suppression,
};
use crate::proto::v1;
use crate::service::{
    email_templates, email_trials, emails, reminder_policy, resending, suppressions, upcoming,
};

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
        self.0
            .read(
                request,
                |_, _| Some(()),
                use_case!(reminder_policy::get),
                |policy, _| v1::GetReminderPolicyResponse {
                    policy: Some(policies::to_policy(&policy)),
                },
            )
            .await
    }

    async fn update_reminder_policy(
        &self,
        request: Request<v1::UpdateReminderPolicyRequest>,
    ) -> Answered<v1::UpdateReminderPolicyResponse> {
        self.0
            .write(
                request,
                |message, _, faults| policies::policy_update(message, faults),
                use_case!(reminder_policy::update),
                |answer, _| v1::UpdateReminderPolicyResponse {
                    policy: Some(policies::to_policy(&answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn list_emails(
        &self,
        request: Request<v1::ListEmailsRequest>,
    ) -> Answered<v1::ListEmailsResponse> {
        self.0
            .list(
                request,
                convert::email_list,
                use_case!(emails::list),
                |details| details.email.id,
                |found, next_page_token, _| v1::ListEmailsResponse {
                    emails: found.into_iter().map(convert::to_listed_email).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn get_email(
        &self,
        request: Request<v1::GetEmailRequest>,
    ) -> Answered<v1::GetEmailResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.id("email_id", &message.email_id),
                use_case!(emails::get),
                |details, _| v1::GetEmailResponse {
                    email: Some(convert::to_email(details)),
                },
            )
            .await
    }

    async fn list_upcoming(
        &self,
        request: Request<v1::ListUpcomingRequest>,
    ) -> Answered<v1::ListUpcomingResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            convert::upcoming_list(message, faults)
        })?;
        let found = self.0.run(call, input, use_case!(upcoming::list)).await?;
        let next_page_token = match found.next {
            Some(place) => page.next_token(place)?,
            None => String::new(),
        };
        Ok(Response::new(v1::ListUpcomingResponse {
            notices: found
                .notices
                .into_iter()
                .map(convert::to_upcoming)
                .collect(),
            next_page_token,
        }))
    }

    async fn list_suppressions(
        &self,
        request: Request<v1::ListSuppressionsRequest>,
    ) -> Answered<v1::ListSuppressionsResponse> {
        self.0
            .list(
                request,
                |_, page, _| Some(suppression::suppression_list(page)),
                use_case!(suppressions::list),
                |suppression| suppression.address.clone(),
                |found, next_page_token, _| v1::ListSuppressionsResponse {
                    suppressions: found.into_iter().map(suppression::to_suppression).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn add_suppression(
        &self,
        request: Request<v1::AddSuppressionRequest>,
    ) -> Answered<v1::AddSuppressionResponse> {
        self.0
            .write(
                request,
                |message, _, faults| suppression::address_entry(faults, &message.email),
                use_case!(suppressions::add),
                |answer, _| v1::AddSuppressionResponse {
                    suppression: Some(suppression::to_suppression(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn remove_suppression(
        &self,
        request: Request<v1::RemoveSuppressionRequest>,
    ) -> Answered<v1::RemoveSuppressionResponse> {
        self.0
            .write(
                request,
                |message, _, faults| suppression::address_entry(faults, &message.email),
                use_case!(suppressions::remove),
                |answer, _| v1::RemoveSuppressionResponse {
                    suppression: Some(suppression::to_suppression(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn report_bounce(
        &self,
        request: Request<v1::ReportBounceRequest>,
    ) -> Answered<v1::ReportBounceResponse> {
        self.0
            .write(
                request,
                |message, _, faults| suppression::bounce(message, faults),
                use_case!(suppressions::report_bounce),
                |answer, _| v1::ReportBounceResponse {
                    suppression: answer.value.map(suppression::to_suppression),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn retry_email(
        &self,
        request: Request<v1::RetryEmailRequest>,
    ) -> Answered<v1::RetryEmailResponse> {
        self.0
            .write(
                request,
                |message, _, faults| faults.id("email_id", &message.email_id),
                use_case!(resending::retry),
                |answer, _| v1::RetryEmailResponse {
                    email: Some(convert::to_listed_email(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn cancel_email(
        &self,
        request: Request<v1::CancelEmailRequest>,
    ) -> Answered<v1::CancelEmailResponse> {
        self.0
            .write(
                request,
                |message, _, faults| faults.id("email_id", &message.email_id),
                use_case!(resending::cancel),
                |answer, _| v1::CancelEmailResponse {
                    email: Some(convert::to_listed_email(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn list_email_templates(
        &self,
        request: Request<v1::ListEmailTemplatesRequest>,
    ) -> Answered<v1::ListEmailTemplatesResponse> {
        self.0
            .list(
                request,
                |_, page, _| Some(template::template_list(page)),
                use_case!(email_templates::list),
                template::position,
                |found, next_page_token, _| v1::ListEmailTemplatesResponse {
                    templates: found.into_iter().map(template::to_template).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn get_email_template(
        &self,
        request: Request<v1::GetEmailTemplateRequest>,
    ) -> Answered<v1::GetEmailTemplateResponse> {
        self.0
            .read(
                request,
                template::template_key,
                use_case!(email_templates::get),
                |details, _| template::to_details(details),
            )
            .await
    }

    async fn save_email_template(
        &self,
        request: Request<v1::SaveEmailTemplateRequest>,
    ) -> Answered<v1::SaveEmailTemplateResponse> {
        self.0
            .write(
                request,
                |message, _, faults| template::template_saving(message, faults),
                use_case!(email_templates::save),
                |answer, _| v1::SaveEmailTemplateResponse {
                    template: Some(template::to_template(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn reset_email_template(
        &self,
        request: Request<v1::ResetEmailTemplateRequest>,
    ) -> Answered<v1::ResetEmailTemplateResponse> {
        self.0
            .write(
                request,
                |message, _, faults| template::template_reset(message, faults),
                use_case!(email_templates::reset),
                |answer, _| v1::ResetEmailTemplateResponse {
                    template: Some(template::to_template(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn preview_email_template(
        &self,
        request: Request<v1::PreviewEmailTemplateRequest>,
    ) -> Answered<v1::PreviewEmailTemplateResponse> {
        self.0
            .read(
                request,
                |message, faults| template::trial(message.trial.as_ref(), faults),
                use_case!(email_trials::preview),
                |preview, _| template::to_preview(preview),
            )
            .await
    }

    async fn send_test(
        &self,
        request: Request<v1::SendTestRequest>,
    ) -> Answered<v1::SendTestResponse> {
        self.0
            .write(
                request,
                |message, _, faults| template::test_order(message, faults),
                use_case!(email_trials::send),
                |answer, _| v1::SendTestResponse {
                    email: Some(convert::to_email(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }
}
