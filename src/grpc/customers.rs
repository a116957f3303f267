//! `CustomerService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::customer::{self, to_customer};
use crate::proto::v1;
use crate::service::customers;

/// The handlers of `CustomerService`.
#[derive(Clone, Debug)]
pub struct Customers(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::customer_service_server::CustomerService for Customers {
    async fn create_customer(
        &self,
        request: Request<v1::CreateCustomerRequest>,
    ) -> Answered<v1::CreateCustomerResponse> {
        self.0
            .write(
                request,
                customer::new_customer,
                use_case!(customers::create),
                |answer, _| v1::CreateCustomerResponse {
                    customer: Some(to_customer(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_customer(
        &self,
        request: Request<v1::GetCustomerRequest>,
    ) -> Answered<v1::GetCustomerResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("customer_id", &message.customer_id),
                use_case!(customers::get),
                |found, _| v1::GetCustomerResponse {
                    customer: Some(to_customer(found)),
                },
            )
            .await
    }

    async fn list_customers(
        &self,
        request: Request<v1::ListCustomersRequest>,
    ) -> Answered<v1::ListCustomersResponse> {
        self.0
            .list(
                request,
                customer::customer_list,
                use_case!(customers::list),
                |row| row.id,
                |found, next_page_token, _| v1::ListCustomersResponse {
                    customers: found.into_iter().map(to_customer).collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn update_customer(
        &self,
        request: Request<v1::UpdateCustomerRequest>,
    ) -> Answered<v1::UpdateCustomerResponse> {
        self.0
            .write(
                request,
                customer::customer_update,
                use_case!(customers::update),
                |answer, _| v1::UpdateCustomerResponse {
                    customer: Some(to_customer(answer.value)),
                    replayed: answer.replayed,
                },
            )
            .await
    }
}
