//! `PackageService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::Api;
use crate::grpc::convert::package::{Detail, to_change, to_package, to_sale};
use crate::grpc::convert::selling as convert;
use crate::grpc::page::Page;
use crate::proto::v1;
use crate::service::packages::{self, ChangeList};
use crate::service::{Call, extension, sales};

/// The handlers of `PackageService`.
#[derive(Clone, Debug)]
pub struct Packages(pub Api);

type Answered<T> = Result<Response<T>, Status>;

/// How much an answer shows: what was not kept has no ids.
fn detail(call: &Call) -> Detail {
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
        let (call, entries) = Api::command(request, convert::sale_entries)?;
        let (detail, business) = (detail(&call), call.caller.business.clone());
        let answer = self
            .0
            .run(call, entries, |ctx, call, entries| {
                Box::pin(sales::sell(ctx, call, entries))
            })
            .await?;
        let sales = answer.value.sales;
        let results = answer
            .value
            .packages
            .into_iter()
            .zip(0_i32..)
            .map(|(view, index)| {
                let package = to_package(view, business.currency, detail);
                v1::SaleResult {
                    index,
                    sale_id: package.sale_id.clone(),
                    package: Some(package),
                }
            })
            .collect();
        Ok(Response::new(v1::SellPackagesResponse {
            results,
            sales: sales
                .iter()
                .map(|sale| to_sale(sale, &business, detail))
                .collect(),
            replayed: answer.replayed,
        }))
    }

    async fn get_sale(
        &self,
        request: Request<v1::GetSaleRequest>,
    ) -> Answered<v1::GetSaleResponse> {
        let (call, id) = Api::query(request, |message, _, faults| {
            faults.id("sale_id", &message.sale_id)
        })?;
        let business = call.caller.business.clone();
        let sale = self
            .0
            .run(call, id, |ctx, call, id| {
                Box::pin(sales::get(ctx, call, id))
            })
            .await?;
        Ok(Response::new(v1::GetSaleResponse {
            sale: Some(to_sale(&sale, &business, Detail::Full)),
        }))
    }

    async fn get_package(
        &self,
        request: Request<v1::GetPackageRequest>,
    ) -> Answered<v1::GetPackageResponse> {
        let (call, id) = Api::query(request, |message, _, faults| {
            faults.reference("package_id", &message.package_id)
        })?;
        let currency = call.caller.business.currency;
        let view = self
            .0
            .run(call, id, |ctx, call, id| {
                Box::pin(packages::get(ctx, call, id))
            })
            .await?;
        Ok(Response::new(v1::GetPackageResponse {
            package: Some(to_package(view, currency, Detail::Full)),
        }))
    }

    async fn list_packages(
        &self,
        request: Request<v1::ListPackagesRequest>,
    ) -> Answered<v1::ListPackagesResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            convert::package_list(message, faults)
        })?;
        let currency = call.caller.business.currency;
        let found = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(packages::list(ctx, call, input))
            })
            .await?;
        let next_page_token = match found.next_before {
            Some(before) => page.next_token(before)?,
            None => String::new(),
        };
        Ok(Response::new(v1::ListPackagesResponse {
            packages: found
                .packages
                .into_iter()
                .map(|view| to_package(view, currency, Detail::Summary))
                .collect(),
            next_page_token,
        }))
    }

    async fn extend_package(
        &self,
        request: Request<v1::ExtendPackageRequest>,
    ) -> Answered<v1::ExtendPackageResponse> {
        let (call, input) = Api::command(request, |message, _, faults| {
            convert::extension(message, faults)
        })?;
        let currency = call.caller.business.currency;
        let reason = input.reason.clone();
        let answer = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(extension::extend_package(ctx, call, input))
            })
            .await?;
        Ok(Response::new(v1::ExtendPackageResponse {
            package: Some(to_package(answer.value.package, currency, Detail::Full)),
            change: Some(to_change(&answer.value.change, reason)),
            replayed: answer.replayed,
        }))
    }

    async fn list_changes(
        &self,
        request: Request<v1::ListChangesRequest>,
    ) -> Answered<v1::ListChangesResponse> {
        let (call, (input, page)) = Api::query(request, |message, _, faults| {
            let page = Page::<i32>::read(message, faults);
            let package = faults.reference("package_id", &message.package_id);
            let page = page?;
            let input = ChangeList {
                package: package?,
                before: page.after,
                limit: page.limit(),
            };
            Some((input, page))
        })?;
        let found = self
            .0
            .run(call, input, |ctx, call, input| {
                Box::pin(packages::list_changes(ctx, call, input))
            })
            .await?;
        let (found, next_page_token) = page.cut(found, |(change, _)| change.seq)?;
        Ok(Response::new(v1::ListChangesResponse {
            changes: found
                .into_iter()
                .map(|(change, reason)| to_change(&change, reason))
                .collect(),
            next_page_token,
        }))
    }
}
