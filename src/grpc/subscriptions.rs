//! `SubscriptionService`.

use tonic::{Request, Response, Status};

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::amending::detail;
use crate::grpc::convert::package::{Detail, to_package, to_sale};
use crate::grpc::convert::subscription::{
    self as convert, to_subscription, to_subscription_period,
};
use crate::proto::v1;
use crate::service::{renewals, subscriptions};

/// The handlers of `SubscriptionService`.
#[derive(Clone, Debug)]
pub struct Subscriptions(pub Api);

type Answered<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::subscription_service_server::SubscriptionService for Subscriptions {
    async fn create_subscription(
        &self,
        request: Request<v1::CreateSubscriptionRequest>,
    ) -> Answered<v1::CreateSubscriptionResponse> {
        self.0
            .write(
                request,
                convert::new_subscription,
                use_case!(subscriptions::create),
                |answer, call| v1::CreateSubscriptionResponse {
                    subscription: Some(to_subscription(
                        answer.value,
                        call.currency(),
                        detail(call),
                    )),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn get_subscription(
        &self,
        request: Request<v1::GetSubscriptionRequest>,
    ) -> Answered<v1::GetSubscriptionResponse> {
        self.0
            .read(
                request,
                |message, faults| faults.reference("subscription_id", &message.subscription_id),
                use_case!(subscriptions::get),
                |found, call| v1::GetSubscriptionResponse {
                    periods: found
                        .periods
                        .iter()
                        .map(|period| to_subscription_period(period, found.now, Detail::Full))
                        .collect(),
                    subscription: Some(to_subscription(found.view, call.currency(), Detail::Full)),
                },
            )
            .await
    }

    async fn list_subscriptions(
        &self,
        request: Request<v1::ListSubscriptionsRequest>,
    ) -> Answered<v1::ListSubscriptionsResponse> {
        self.0
            .list(
                request,
                convert::subscription_list,
                use_case!(subscriptions::list),
                |row| row.subscription.id,
                |found, next_page_token, call| v1::ListSubscriptionsResponse {
                    subscriptions: found
                        .into_iter()
                        .map(|row| to_subscription(row, call.currency(), Detail::Summary))
                        .collect(),
                    next_page_token,
                },
            )
            .await
    }

    async fn cancel_subscription(
        &self,
        request: Request<v1::CancelSubscriptionRequest>,
    ) -> Answered<v1::CancelSubscriptionResponse> {
        self.0
            .write(
                request,
                convert::cancellation,
                use_case!(subscriptions::cancel),
                |answer, call| v1::CancelSubscriptionResponse {
                    subscription: Some(to_subscription(
                        answer.value,
                        call.currency(),
                        Detail::Full,
                    )),
                    replayed: answer.replayed,
                },
            )
            .await
    }

    async fn record_renewal(
        &self,
        request: Request<v1::RecordRenewalRequest>,
    ) -> Answered<v1::RecordRenewalResponse> {
        self.0
            .write(
                request,
                convert::renewal,
                use_case!(renewals::record),
                |answer, call| {
                    let (renewed, detail) = (answer.value, detail(call));
                    v1::RecordRenewalResponse {
                        period: Some(to_subscription_period(&renewed.period, renewed.at, detail)),
                        package: Some(to_package(renewed.package, call.currency(), detail)),
                        sale: Some(to_sale(&renewed.sale, call.currency(), detail)),
                        carried_over: renewed
                            .carried_over
                            .map(|package| to_package(package, call.currency(), detail)),
                        replayed: answer.replayed,
                    }
                },
            )
            .await
    }
}
