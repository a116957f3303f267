//! The handlers of `PackageService` for runs over many packages.

use tonic::{Request, Response};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::bulk;
use crate::grpc::packages::Answered;
use crate::proto::v1;
use crate::service::extensions;

pub(super) async fn extend_packages(
    api: &Api,
    request: Request<v1::ExtendPackagesRequest>,
) -> Answered<v1::ExtendPackagesResponse> {
    let (call, (input, page)) = Api::command(request, |message, _, faults| {
        bulk::extension(message, faults)
    })?;
    let answer = api
        .run(call.clone(), input, use_case!(extensions::extend_packages))
        .await?;
    let next_page_token = match answer.value.next_before {
        Some(before) => page.next_token(before)?,
        None => String::new(),
    };
    let begun = bulk::to_begun(&answer, &call, next_page_token);
    Ok(Response::new(begun))
}

pub(super) async fn get_bulk_run(
    api: &Api,
    request: Request<v1::GetBulkRunRequest>,
) -> Answered<v1::GetBulkRunResponse> {
    api.read(
        request,
        |message, faults| faults.id("run_id", &message.run_id),
        use_case!(extensions::get_run),
        |run, _| v1::GetBulkRunResponse {
            run: Some(bulk::to_run(&run)),
        },
    )
    .await
}

pub(super) async fn list_bulk_results(
    api: &Api,
    request: Request<v1::ListBulkResultsRequest>,
) -> Answered<v1::ListBulkResultsResponse> {
    api.list(
        request,
        bulk::result_list,
        use_case!(extensions::list_results),
        |result| result.package_id,
        |found, next_page_token, _| v1::ListBulkResultsResponse {
            results: found.iter().map(bulk::to_result).collect(),
            next_page_token,
        },
    )
    .await
}
