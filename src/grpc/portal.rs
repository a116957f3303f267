//! `PortalService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::portal::{to_bought, to_my_entry, to_my_package, wish};
use crate::grpc::page::Page;
use crate::proto::v1;
use crate::service::history::Position;
use crate::service::portal::{self, MyEntryList, MyPackageList};

/// The handlers of `PortalService`.
#[derive(Clone, Debug)]
pub struct Portal(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::portal_service_server::PortalService for Portal {
    async fn get_my_packages(
        &self,
        request: Request<v1::GetMyPackagesRequest>,
    ) -> Answered<v1::GetMyPackagesResponse> {
        self.0
            .list(
                request,
                |_, page, _| {
                    Some(MyPackageList {
                        before: page.after,
                        limit: usize::from(page.size).saturating_add(1),
                    })
                },
                use_case!(portal::packages),
                |mine| mine.view.package.id,
                |found, next_page_token, call| v1::GetMyPackagesResponse {
                    packages: found
                        .into_iter()
                        .map(|mine| to_my_package(mine, call.currency()))
                        .collect(),
                    next_page_token,
                    business_name: call.caller.business.name.clone(),
                    time_zone: call.caller.business.zone.name().to_owned(),
                },
            )
            .await
    }

    async fn list_my_entries(
        &self,
        request: Request<v1::ListMyEntriesRequest>,
    ) -> Answered<v1::ListMyEntriesResponse> {
        let (call, page) = Api::query(request, |message, _, faults| {
            Page::<Position>::read(message, faults)
        })?;
        let input = MyEntryList {
            after: page.after,
            size: page.size.into(),
        };
        let found = self.0.run(call, input, use_case!(portal::entries)).await?;
        Ok(Response::new(v1::ListMyEntriesResponse {
            entries: found.rows.into_iter().map(to_my_entry).collect(),
            next_page_token: page.token_of(found.next)?,
        }))
    }

    async fn buy_package(
        &self,
        request: Request<v1::BuyPackageRequest>,
    ) -> Answered<v1::BuyPackageResponse> {
        self.0
            .write(
                request,
                |message, _, faults| wish(message, faults),
                use_case!(portal::buy),
                |answer, call| to_bought(&answer, call),
            )
            .await
    }
}
