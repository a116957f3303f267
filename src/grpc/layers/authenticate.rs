//! Finds out who calls, before anything of the request is read.
//!
//! Every method of Carnet needs a token with the permission that the method declares; health and
//! reflection need none. A caller learns that a token is wrong, never why. Once it is known who calls, the call
//! counts against its limits, whatever becomes of it.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::grpc::connection::Peer;
use crate::grpc::limits::Limits;
use crate::grpc::permission::{Permissions, permission_name};
use crate::grpc::refusal;
use crate::grpc::status::{Failure, reason_name};
use crate::proto::v1::Reason;
use crate::service::access::Found;
use crate::service::denials::{self, Denial};
use crate::service::{Caller, Context, access};

/// The methods that anybody may call begin with one of these.
const OPEN_TO_ALL: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];
/// The service that answers while packages are switched off (C10).
const ALWAYS_ON: &str = "/carnet.v1.BusinessService/";

/// Puts the [`Caller`] into the request's extensions, or refuses the call.
#[derive(Clone, Debug)]
pub struct AuthenticateLayer(Arc<Gate>);

/// What it knows of.
#[derive(Debug)]
struct Gate {
    ctx: Context,
    permissions: Permissions,
    limits: Limits,
}

impl AuthenticateLayer {
    /// A layer that looks tokens up through `ctx`.
    pub fn new(ctx: Context, permissions: Permissions, limits: Limits) -> Self {
        Self(Arc::new(Gate {
            ctx,
            permissions,
            limits,
        }))
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate {
            inner,
            gate: Arc::clone(&self.0),
        }
    }
}

/// The service behind [`AuthenticateLayer`].
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S> Service<Request<Body>> for Authenticate<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            if OPEN_TO_ALL.iter().any(|prefix| path.starts_with(prefix)) {
                return inner.call(request).await;
            }
            let token = bearer(&request).map(str::to_owned);
            let peer = request.extensions().get::<Peer>().copied();
            match admit(&gate, &path, token, peer).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(status) => Ok(status.into_http()),
            }
        })
    }
}

async fn admit(
    gate: &Gate,
    path: &str,
    token: Option<String>,
    peer: Option<Peer>,
) -> Result<Caller, Status> {
    let text = token.ok_or_else(unauthenticated)?;
    if let Some(peer) = peer {
        gate.limits.may_try(peer, &text)?;
    }
    let found = access::authenticate(&gate.ctx, &text)
        .await
        .map_err(|error| refusal::status(&error))?;
    let needed = gate.permissions.required(path);
    let method = path.rsplit('/').next().unwrap_or_default();
    let caller = match found {
        Found::Caller(caller) => {
            gate.limits.was_right(&text);
            gate.limits.count(&caller)?;
            caller
        }
        Found::Nobody(named) => {
            if let Some(peer) = peer {
                gate.limits.was_wrong(peer);
            }
            // Who guesses neither names a method of ours nor a token of anybody's.
            if let Some((business_id, token_id)) = named.filter(|_| needed.is_some()) {
                let denial = Denial {
                    business_id,
                    token_id: Some(token_id),
                    user_id: None,
                    method: method.to_owned(),
                    reason: reason_name(Reason::Unauthenticated),
                };
                denials::note(&gate.ctx, denial).await;
            }
            return Err(unauthenticated());
        }
    };
    let held = needed.filter(|needed| {
        let known = Permission::from_name(permission_name(*needed));
        known.is_some_and(|known| caller.permissions.contains(&known))
    });
    let checked = gate.permissions.check(path, held.as_slice());
    if checked.is_err() && needed.is_some() {
        let reason = reason_name(Reason::PermissionDenied);
        denials::note(&gate.ctx, denials::of(&caller, method, reason)).await;
    }
    checked?;
    if !caller.business.feature_enabled && !path.starts_with(ALWAYS_ON) {
        return Err(refusal::failure(&Refusal::FeatureOff).into_status());
    }
    Ok(caller)
}

fn bearer(request: &Request<Body>) -> Option<&str> {
    let value = request.headers().get(http::header::AUTHORIZATION)?;
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

fn unauthenticated() -> Status {
    Failure::new(
        Code::Unauthenticated,
        Reason::Unauthenticated,
        "send a valid token as `authorization: Bearer carnet_…`",
    )
    .into_status()
}
