//! How often who may call: each token, each business, and each address with tokens that are wrong.
//!
//! Counted in this process alone, in memory, by the rate at which an allowance fills up again. Who has not called
//! for as long as theirs takes to fill is forgotten, so the memory is bounded by who calls. A streamed answer is
//! one call. Tokens and businesses are counted once a token has proved to be right: nobody can use up what
//! belongs to another.

mod rate;
mod wrong_tokens;

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, describe_counter};
use tokio::time::sleep;
use tonic::{Code, Status};

use crate::clock::Clock;
use crate::config::LimitSettings;
use crate::grpc::connection::Peer;
use crate::grpc::limits::rate::{Exceeded, Rate};
use crate::grpc::limits::wrong_tokens::WrongTokens;
use crate::grpc::status::Failure;
use crate::ids::{BusinessId, TokenId};
use crate::proto::v1::Reason;
use crate::service::Caller;

/// How often those who no longer call are forgotten.
const FORGET_EVERY: Duration = Duration::from_mins(1);
/// Calls that were refused for a limit, by which.
const LIMITED: &str = "carnet_grpc_calls_limited_total";

/// The limits in force; all clones are one.
#[derive(Clone, Debug)]
pub struct Limits {
    per_token: Arc<Rate<TokenId>>,
    per_business: Arc<Rate<BusinessId>>,
    wrong_tokens: Arc<WrongTokens>,
}

impl Limits {
    /// Limits as `settings` say, of which nothing is used yet.
    pub fn new(settings: &LimitSettings, clock: &Clock) -> Self {
        describe_counter!(LIMITED, "Calls that were refused for a limit, by which.");
        Self {
            per_token: Arc::new(Rate::new(settings.rate_per_token, clock)),
            per_business: Arc::new(Rate::new(settings.rate_per_business, clock)),
            wrong_tokens: Arc::new(WrongTokens::new(settings.rate_of_wrong_tokens, clock)),
        }
    }

    /// Counts a call of somebody whose token is right.
    pub(super) fn count(&self, caller: &Caller) -> Result<(), Status> {
        let token_id = caller.token_id;
        self.per_token
            .count(&token_id)
            .map_err(|exceeded| refused("token", &token_id.to_string(), &exceeded))?;
        let business_id = caller.business.id;
        self.per_business
            .count(&business_id)
            .map_err(|exceeded| refused("business", &business_id.to_string(), &exceeded))
    }

    /// Whether this token may be tried from there.
    pub(super) fn may_try(&self, peer: Peer, token: &str) -> Result<(), Status> {
        self.wrong_tokens
            .may_try(peer, token)
            .map_err(|exceeded| refused("address", &peer.0.to_string(), &exceeded))
    }

    /// Takes note that a token was right.
    pub(super) fn was_right(&self, token: &str) {
        self.wrong_tokens.was_right(token);
    }

    /// Takes note that a token was wrong.
    pub(super) fn was_wrong(&self, peer: Peer) {
        self.wrong_tokens.was_wrong(peer);
    }

    /// Forgets those who no longer call, for as long as it is polled.
    pub(super) async fn keep_forgetting(&self) {
        loop {
            sleep(FORGET_EVERY).await;
            self.per_token.forget();
            self.per_business.forget();
            self.wrong_tokens.forget();
        }
    }
}

fn refused(limit: &'static str, subject: &str, exceeded: &Exceeded) -> Status {
    counter!(LIMITED, "limit" => limit).increment(1);
    let Exceeded {
        per_second,
        burst,
        wait,
    } = exceeded;
    let what = match limit {
        "address" => "calls with a wrong token from one address",
        "business" => "calls of one business",
        _ => "calls with one token",
    };
    let text = format!("more than {per_second} {what} a second, {burst} at once; try again later");
    Failure::new(Code::ResourceExhausted, Reason::RateLimited, &text)
        .with("limit", limit)
        .with("calls_per_second", per_second)
        .with("burst", burst)
        .with_quota(&format!("{limit}:{subject}"), &text)
        .retry_after(*wait)
        .into_status()
}
