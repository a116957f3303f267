//! The echo: what gRPC alone costs on this machine. Same messages as the real calls, no layers, no
//! database; each answer carries back the ids of its request and is as large as a real one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use carnet::proto::v1;
use futures_util::future::BoxFuture;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService};
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// Serves until the process ends; says where, as one line of JSON.
pub(crate) async fn serve(address: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    crate::print(&json!({ "address": listener.local_addr()?.to_string() }))?;
    Server::builder()
        .add_routes(Routes::default().add_service(Echo))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}

/// Answers to the names of the real calls.
#[derive(Clone, Copy, Debug)]
struct Echo;

impl NamedService for Echo {
    const NAME: &'static str = "carnet.v1.CreditService";
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/carnet.v1.CreditService/Consume" => {
                    let answer = async |request: Request<_>| {
                        Ok(Response::new(consumed(request.into_inner())))
                    };
                    let answer = tower::service_fn(answer);
                    Grpc::new(ProstCodec::default())
                        .unary(answer, request)
                        .await
                }
                "/carnet.v1.CreditService/GetBalance" => {
                    let answer = async |request: Request<_>| {
                        Ok(Response::new(balance(request.into_inner())))
                    };
                    let answer = tower::service_fn(answer);
                    Grpc::new(ProstCodec::default())
                        .unary(answer, request)
                        .await
                }
                _ => Status::unimplemented("the echo does not know this call").into_http(),
            })
        })
    }
}

fn consumed(request: v1::ConsumeRequest) -> v1::ConsumeResponse {
    let part = v1::ConsumedPart {
        package_id: request.customer_id.clone(),
        line_id: request.customer_id.clone(),
        lot_id: request.customer_id.clone(),
        credit_type_id: request.customer_id,
        amount: "1".to_owned(),
        units: "1".to_owned(),
        value: Some(v1::Money {
            currency_code: "EUR".to_owned(),
            minor_units: 100,
        }),
        balances: Some(balances()),
    };
    let now = Some(prost_types::Timestamp::default());
    v1::ConsumeResponse {
        posting_id: request.request_id,
        parts: vec![part],
        total: "1".to_owned(),
        effective_at: now,
        recorded_at: now,
        replayed: false,
    }
}

fn balance(request: v1::GetBalanceRequest) -> v1::GetBalanceResponse {
    let Some(v1::get_balance_request::Scope::CustomerId(id)) = request.scope else {
        return v1::GetBalanceResponse::default();
    };
    v1::GetBalanceResponse {
        balances: vec![v1::CreditTypeBalance {
            credit_type_id: id,
            balances: Some(balances()),
            usable: "799999".to_owned(),
        }],
        as_of: Some(prost_types::Timestamp::default()),
    }
}

fn balances() -> v1::Balances {
    v1::Balances {
        available: "799999".to_owned(),
        consumed: "1".to_owned(),
        ..v1::Balances::default()
    }
}
