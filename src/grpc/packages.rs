//! `PackageService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::amending::{self, to_changed};
use crate::grpc::convert::bulk;
use crate::grpc::convert::closure::{self, to_closure};
use crate::grpc::convert::package::{Detail, to_change, to_package, to_results, to_sale};
use crate::grpc::convert::selling as convert;
use crate::proto::v1;
use crate::service::{
    Call, closures, extension, extensions, freezing, packages, revocation, sales,
};

/// The handlers of `PackageService`.
#[derive(Clone, Debug)]
pub struct Packages(pub Api);

type Answered<T> = Result<Response<T>, Status>;

/// How much the answer to a call that makes packages shows: what was not kept has no ids.
pub(super) fn detail(call: &Call) -> Detail {
    if call.validate_only {
        Detail::Unkept
    } else {
        Detail::Full
    }
}

#[tonic::async_trait]
impl v1::package_service_server::PackageService for Packages {
    async fn sell_packages(
        &self,
        request: Request<v1::SellPackagesRequest>,
    ) -> Answered<v1::SellPackagesResponse> {
        self.0
            .write(
                request,
                convert::sale_entries,
                |ctx, call, entries| Box::pin(sales::sell(ctx, call, entries)),
                |answer, call| v1::SellPackagesResponse {
                    results: to_results(answer.value.packages, call.currency(), detail(call)),
                    sales: answer
                        .value
                        .sales
                        .iter()
                        .map(|sale| to_sale(sale, call.currency(), detail(call)))
                        .collect(),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_sale(
        &self,
        request: Request<v1::GetSaleRequest>,
    ) -> Answered<v1::GetSaleResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.id("sale_id", &message.sale_id),
                use_case!(sales::get),
                |sale, call| v1::GetSaleResponse {
                    sale: Some(to_sale(&sale, call.currency(), Detail::Full)),
                },
            )
            .await
    }

    async fn get_package(
        &self,
        request: Request<v1::GetPackageRequest>,
    ) -> Answered<v1::GetPackageResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("package_id", &message.package_id),
                use_case!(packages::get),
                |view, call| v1::GetPackageResponse {
                    package: Some(to_package(view, call.currency(), Detail::Full)),
                },
            )
            .await
    }

    async fn list_packages(
        &self,
        request: Request<v1::ListPackagesRequest>,
    ) -> Answered<v1::ListPackagesResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            convert::package_list(message, faults)
        })?;
        let currency = call.currency();
        let found = self.0.run(call, input, use_case!(packages::list)).await?;
        let next_page_token = match found.next_before {
            Some(before) => page.next_token(before)?,
            None => String::new(),
        };
        let packages = found.packages.into_iter();
        Ok(Response::new(v1::ListPackagesResponse {
            packages: packages
                .map(|view| to_package(view, currency, Detail::Summary))
                .collect(),
            next_page_token,
        }))
    }

    async fn extend_package(
        &self,
        request: Request<v1::ExtendPackageRequest>,
    ) -> Answered<v1::ExtendPackageResponse> {
        let reason = request.get_ref().reason.trim().to_owned();
        self.0
            .write(
                request,
                |message, _, faults| convert::extension(message, faults),
                use_case!(extension::extend_package),
                |answer, call| {
                    let changed = to_changed(answer, call, &reason);
                    v1::ExtendPackageResponse {
                        package: Some(changed.package),
                        change: changed.changes.into_iter().next(),
                        replayed: changed.replayed,
                    }
                },
            )
            .await
    }

    async fn preview_revoke(
        &self,
        request: Request<v1::PreviewRevokeRequest>,
    ) -> Answered<v1::PreviewRevokeResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("package_id", &message.package_id),
                use_case!(revocation::preview),
                |preview, call| amending::to_preview(preview, call.currency()),
            )
            .await
    }

    async fn revoke_package(
        &self,
        request: Request<v1::RevokePackageRequest>,
    ) -> Answered<v1::RevokePackageResponse> {
        let reason = request.get_ref().reason.trim().to_owned();
        self.0
            .write(
                request,
                |message, _, faults| amending::target(message, faults),
                use_case!(revocation::revoke_package),
                |answer, call| {
                    let changed = to_changed(answer, call, &reason);
                    v1::RevokePackageResponse {
                        package: Some(changed.package),
                        change: changed.changes.into_iter().next(),
                        released: changed.holds,
                        replayed: changed.replayed,
                    }
                },
            )
            .await
    }

    async fn reinstate_package(
        &self,
        request: Request<v1::ReinstatePackageRequest>,
    ) -> Answered<v1::ReinstatePackageResponse> {
        let reason = request.get_ref().reason.trim().to_owned();
        self.0
            .write(
                request,
                |message, _, faults| amending::target(message, faults),
                use_case!(revocation::reinstate_package),
                |answer, call| {
                    let changed = to_changed(answer, call, &reason);
                    v1::ReinstatePackageResponse {
                        package: Some(changed.package),
                        change: changed.changes.into_iter().next(),
                        replayed: changed.replayed,
                    }
                },
            )
            .await
    }

    async fn freeze_package(
        &self,
        request: Request<v1::FreezePackageRequest>,
    ) -> Answered<v1::FreezePackageResponse> {
        let reason = request.get_ref().reason.trim().to_owned();
        self.0
            .write(
                request,
                |message, _, faults| amending::freeze(message, faults),
                use_case!(freezing::freeze_package),
                |answer, call| {
                    let changed = to_changed(answer, call, &reason);
                    v1::FreezePackageResponse {
                        package: Some(changed.package),
                        change: changed.changes.into_iter().next(),
                        holds: changed.holds,
                        replayed: changed.replayed,
                    }
                },
            )
            .await
    }

    async fn unfreeze_package(
        &self,
        request: Request<v1::UnfreezePackageRequest>,
    ) -> Answered<v1::UnfreezePackageResponse> {
        let reason = request.get_ref().reason.trim().to_owned();
        self.0
            .write(
                request,
                |message, _, faults| amending::target(message, faults),
                use_case!(freezing::unfreeze_package),
                |answer, call| {
                    let changed = to_changed(answer, call, &reason);
                    v1::UnfreezePackageResponse {
                        package: Some(changed.package),
                        change: changed.changes.into_iter().next(),
                        holds: changed.holds,
                        replayed: changed.replayed,
                    }
                },
            )
            .await
    }

    async fn extend_packages(
        &self,
        request: Request<v1::ExtendPackagesRequest>,
    ) -> Answered<v1::ExtendPackagesResponse> {
        let (call, (input, page)) = Api::command(request, |message, _, faults| {
            bulk::extension(message, faults)
        })?;
        let answer = self
            .0
            .run(call.clone(), input, use_case!(extensions::extend_packages))
            .await?;
        let next_page_token = match answer.value.next_before {
            Some(before) => page.next_token(before)?,
            None => String::new(),
        };
        let begun = bulk::to_begun(&answer, &call, next_page_token);
        Ok(Response::new(begun))
    }

    async fn get_bulk_run(
        &self,
        request: Request<v1::GetBulkRunRequest>,
    ) -> Answered<v1::GetBulkRunResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.id("run_id", &message.run_id),
                use_case!(extensions::get_run),
                |run, _| v1::GetBulkRunResponse {
                    run: Some(bulk::to_run(&run)),
                },
            )
            .await
    }

    async fn list_bulk_results(
        &self,
        request: Request<v1::ListBulkResultsRequest>,
    ) -> Answered<v1::ListBulkResultsResponse> {
        self.0
            .list(
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

    async fn create_closure(
        &self,
        request: Request<v1::CreateClosureRequest>,
    ) -> Answered<v1::CreateClosureResponse> {
        self.0
            .write(
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

    async fn get_closure(
        &self,
        request: Request<v1::GetClosureRequest>,
    ) -> Answered<v1::GetClosureResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.id("closure_id", &message.closure_id),
                use_case!(closures::get),
                |view, _| v1::GetClosureResponse {
                    closure: Some(to_closure(&view)),
                },
            )
            .await
    }

    async fn list_closures(
        &self,
        request: Request<v1::ListClosuresRequest>,
    ) -> Answered<v1::ListClosuresResponse> {
        self.0
            .list(
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

    async fn preview_closure(
        &self,
        request: Request<v1::PreviewClosureRequest>,
    ) -> Answered<v1::PreviewClosureResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            closure::closure_preview(message, faults)
        })?;
        let found = self
            .0
            .run(call, input, use_case!(closures::preview))
            .await?;
        let next_page_token = match found.next_before {
            Some(before) => page.next_token(before)?,
            None => String::new(),
        };
        Ok(Response::new(v1::PreviewClosureResponse {
            results: found.results.iter().map(bulk::to_result).collect(),
            next_page_token,
        }))
    }

    async fn update_closure(
        &self,
        request: Request<v1::UpdateClosureRequest>,
    ) -> Answered<v1::UpdateClosureResponse> {
        self.0
            .write(
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

    async fn undo_closure(
        &self,
        request: Request<v1::UndoClosureRequest>,
    ) -> Answered<v1::UndoClosureResponse> {
        self.0
            .write(
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

    async fn list_changes(
        &self,
        request: Request<v1::ListChangesRequest>,
    ) -> Answered<v1::ListChangesResponse> {
        self.0
            .list(
                request,
                convert::change_list,
                use_case!(packages::list_changes),
                |(change, _)| change.seq,
                |found, next_page_token, _| v1::ListChangesResponse {
                    changes: found
                        .into_iter()
                        .map(|(change, reason)| to_change(&change, reason))
                        .collect(),
                    next_page_token,
                },
            )
            .await
    }
}
