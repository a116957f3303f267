//! `TriggerService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::amending::detail;
use crate::grpc::convert::package::Detail;
use crate::grpc::convert::trigger::{self as convert, to_event, to_outcome, to_trigger};
use crate::proto::v1;
use crate::service::{events, triggers};

/// The handlers of `TriggerService`.
#[derive(Clone, Debug)]
pub struct Triggers(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::trigger_service_server::TriggerService for Triggers {
    async fn create_trigger(
        &self,
        request: Request<v1::CreateTriggerRequest>,
    ) -> Answered<v1::CreateTriggerResponse> {
        self.0
            .write(
                request,
                convert::new_trigger,
                use_case!(triggers::create),
                |answer, call| v1::CreateTriggerResponse {
                    trigger: Some(to_trigger(answer.value, detail(call))),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_trigger(
        &self,
        request: Request<v1::GetTriggerRequest>,
    ) -> Answered<v1::GetTriggerResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.id("trigger_id", &message.trigger_id),
                use_case!(triggers::get),
                |found, _| v1::GetTriggerResponse {
                    outcomes: found.outcomes.iter().map(to_outcome).collect(),
                    trigger: Some(to_trigger(found.trigger, Detail::Full)),
                },
            )
            .await
    }

    async fn list_triggers(
        &self,
        request: Request<v1::ListTriggersRequest>,
    ) -> Answered<v1::ListTriggersResponse> {
        self.0
            .list(
                request,
                convert::trigger_list,
                use_case!(triggers::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListTriggersResponse {
                    triggers: found
                        .into_iter()
                        .map(|trigger| to_trigger(trigger, Detail::Full))
                        .collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn update_trigger(
        &self,
        request: Request<v1::UpdateTriggerRequest>,
    ) -> Answered<v1::UpdateTriggerResponse> {
        self.0
            .write(
                request,
                convert::trigger_update,
                use_case!(triggers::update),
                |answer, _| v1::UpdateTriggerResponse {
                    trigger: Some(to_trigger(answer.value, Detail::Full)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn archive_trigger(
        &self,
        request: Request<v1::ArchiveTriggerRequest>,
    ) -> Answered<v1::ArchiveTriggerResponse> {
        self.0
            .write(
                request,
                convert::trigger_archiving,
                use_case!(triggers::archive),
                |answer, _| v1::ArchiveTriggerResponse {
                    trigger: Some(to_trigger(answer.value, Detail::Full)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn fire_event(
        &self,
        request: Request<v1::FireEventRequest>,
    ) -> Answered<v1::FireEventResponse> {
        self.0
            .write(
                request,
                convert::firing,
                use_case!(events::fire),
                |answer, _| {
                    let fired = answer.value;
                    v1::FireEventResponse {
                        event: fired.event.as_ref().map(to_event),
                        triggers: i32::try_from(fired.triggers).unwrap_or(i32::MAX),
                        already_fired: fired.is_known,
                        replayed: answer.replayed,
                    }
                },
            )
            .await
    }
}
