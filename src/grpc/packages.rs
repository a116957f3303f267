//! `PackageService`.

mod bulk;
mod closures;

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::amending::{self, detail, to_changed};
use crate::grpc::convert::editing;
use crate::grpc::convert::group::sharing;
use crate::grpc::convert::package::{Detail, to_change, to_package, to_results, to_sale};
use crate::grpc::convert::selling as convert;
use crate::proto::v1;
use crate::service::{
    extension, freezing, package_edit, packages, revocation, sales, sharing, transfer, undo_sale,
};

/// The handlers of `PackageService`.
#[derive(Clone, Debug)]
pub struct Packages(pub Api);

type Answered<T> = Result<Response<T>, Status>;

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
                    results: to_results(answer.value.entries, call.currency(), detail(call)),
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

    async fn undo_sale(
        &self,
        request: Request<v1::UndoSaleRequest>,
    ) -> Answered<v1::UndoSaleResponse> {
        self.0
            .write(
                request,
                |message, _, faults| convert::undone_sale(message, faults),
                use_case!(undo_sale::undo_sale),
                |answer, call| {
                    let packages = answer.value.packages.into_iter();
                    v1::UndoSaleResponse {
                        sale: Some(to_sale(&answer.value.sale, call.currency(), Detail::Full)),
                        packages: packages
                            .map(|view| to_package(view, call.currency(), Detail::Full))
                            .collect(),
                        replayed: answer.replayed,
                    }
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

    async fn update_package(
        &self,
        request: Request<v1::UpdatePackageRequest>,
    ) -> Answered<v1::UpdatePackageResponse> {
        let reason = request.get_ref().reason.trim().to_owned();
        self.0
            .write(
                request,
                editing::edit,
                use_case!(package_edit::update_package),
                |answer, call| {
                    let changed = to_changed(answer, call, &reason);
                    v1::UpdatePackageResponse {
                        package: Some(changed.package),
                        changes: changed.changes,
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

    async fn add_member(
        &self,
        request: Request<v1::AddMemberRequest>,
    ) -> Answered<v1::AddMemberResponse> {
        self.0
            .write(
                request,
                |message, _, faults| {
                    sharing(
                        &message.package_id,
                        &message.customer_id,
                        &message.etag,
                        faults,
                    )
                },
                use_case!(sharing::add_member),
                |answer, call| v1::AddMemberResponse {
                    change: Some(to_change(
                        &answer.value.change,
                        String::new(),
                        call.currency(),
                    )),
                    package: Some(to_package(
                        answer.value.package,
                        call.currency(),
                        Detail::Full,
                    )),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn remove_member(
        &self,
        request: Request<v1::RemoveMemberRequest>,
    ) -> Answered<v1::RemoveMemberResponse> {
        self.0
            .write(
                request,
                |message, _, faults| {
                    sharing(
                        &message.package_id,
                        &message.customer_id,
                        &message.etag,
                        faults,
                    )
                },
                use_case!(sharing::remove_member),
                |answer, call| v1::RemoveMemberResponse {
                    change: Some(to_change(
                        &answer.value.change,
                        String::new(),
                        call.currency(),
                    )),
                    package: Some(to_package(
                        answer.value.package,
                        call.currency(),
                        Detail::Full,
                    )),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn transfer_package(
        &self,
        request: Request<v1::TransferPackageRequest>,
    ) -> Answered<v1::TransferPackageResponse> {
        let reason = request.get_ref().reason.trim().to_owned();
        self.0
            .write(
                request,
                |message, _, faults| amending::transfer(message, faults),
                use_case!(transfer::transfer_package),
                |answer, call| amending::to_transferred(answer, call, &reason),
            )
            .await
    }

    async fn extend_packages(
        &self,
        request: Request<v1::ExtendPackagesRequest>,
    ) -> Answered<v1::ExtendPackagesResponse> {
        bulk::extend_packages(&self.0, request).await
    }

    async fn get_bulk_run(
        &self,
        request: Request<v1::GetBulkRunRequest>,
    ) -> Answered<v1::GetBulkRunResponse> {
        bulk::get_bulk_run(&self.0, request).await
    }

    async fn list_bulk_results(
        &self,
        request: Request<v1::ListBulkResultsRequest>,
    ) -> Answered<v1::ListBulkResultsResponse> {
        bulk::list_bulk_results(&self.0, request).await
    }

    async fn create_closure(
        &self,
        request: Request<v1::CreateClosureRequest>,
    ) -> Answered<v1::CreateClosureResponse> {
        closures::create_closure(&self.0, request).await
    }

    async fn get_closure(
        &self,
        request: Request<v1::GetClosureRequest>,
    ) -> Answered<v1::GetClosureResponse> {
        closures::get_closure(&self.0, request).await
    }

    async fn list_closures(
        &self,
        request: Request<v1::ListClosuresRequest>,
    ) -> Answered<v1::ListClosuresResponse> {
        closures::list_closures(&self.0, request).await
    }

    async fn preview_closure(
        &self,
        request: Request<v1::PreviewClosureRequest>,
    ) -> Answered<v1::PreviewClosureResponse> {
        closures::preview_closure(&self.0, request).await
    }

    async fn update_closure(
        &self,
        request: Request<v1::UpdateClosureRequest>,
    ) -> Answered<v1::UpdateClosureResponse> {
        closures::update_closure(&self.0, request).await
    }

    async fn undo_closure(
        &self,
        request: Request<v1::UndoClosureRequest>,
    ) -> Answered<v1::UndoClosureResponse> {
        closures::undo_closure(&self.0, request).await
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
                |found, next_page_token, call| v1::ListChangesResponse {
                    changes: found
                        .into_iter()
                        .map(|(change, reason)| to_change(&change, reason, call.currency()))
                        .collect(),
                    next_page_token,
                },
            )
            .await
    }
}
