//! The handlers of `PackageService` for closures.

use tonic::{Request, Response};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::bulk;
use crate::grpc::convert::closure::{self, to_closure};
use crate::grpc::packages::Answered;
use crate::proto::v1;
use crate::service::closures;

pub(super) async fn create_closure(
    api: &Api,
    request: Request<v1::CreateClosureRequest>,
) -> Answered<v1::CreateClosureResponse> {
    api.write(
        request,
        closure::new_closure,
        use_case!(closures::create),
        |answer, _| v1::CreateClosureResponse {
            closure: Some(to_closure(&answer.value)),
            replayed: answer.replayed,
        },
    )
    .await
}

pub(super) async fn get_closure(
    api: &Api,
    request: Request<v1::GetClosureRequest>,
) -> Answered<v1::GetClosureResponse> {
    api.read(
        request,
        |message, faults| faults.id("closure_id", &message.closure_id),
        use_case!(closures::get),
        |view, _| v1::GetClosureResponse {
            closure: Some(to_closure(&view)),
        },
    )
    .await
}

pub(super) async fn list_closures(
    api: &Api,
    request: Request<v1::ListClosuresRequest>,
) -> Answered<v1::ListClosuresResponse> {
    api.list(
        request,
        closure::closure_list,
        use_case!(closures::list),
        |view| view.closure.id,
        |found, next_page_token, _| v1::ListClosuresResponse {
            closures: found.iter().map(to_closure).collect(),
            next_page_token,
        },
    )
    .await
}

pub(super) async fn preview_closure(
    api: &Api,
    request: Request<v1::PreviewClosureRequest>,
) -> Answered<v1::PreviewClosureResponse> {
    let (call, (input, page)) = Api::query(request, |message, _, faults| {
        closure::closure_preview(message, faults)
    })?;
    let found = api.run(call, input, use_case!(closures::preview)).await?;
    let next_page_token = match found.next_before {
        Some(before) => page.next_token(before)?,
        None => String::new(),
    };
    Ok(Response::new(v1::PreviewClosureResponse {
        results: found.results.iter().map(bulk::to_result).collect(),
        next_page_token,
    }))
}

pub(super) async fn update_closure(
    api: &Api,
    request: Request<v1::UpdateClosureRequest>,
) -> Answered<v1::UpdateClosureResponse> {
    api.write(
        request,
        closure::closure_update,
        use_case!(closures::update),
        |answer, _| v1::UpdateClosureResponse {
            closure: Some(to_closure(&answer.value)),
            replayed: answer.replayed,
        },
    )
    .await
}

pub(super) async fn undo_closure(
    api: &Api,
    request: Request<v1::UndoClosureRequest>,
) -> Answered<v1::UndoClosureResponse> {
    api.write(
        request,
        closure::closure_undoing,
        use_case!(closures::undo),
        |answer, _| v1::UndoClosureResponse {
            closure: Some(to_closure(&answer.value)),
            replayed: answer.replayed,
        },
    )
    .await
}
