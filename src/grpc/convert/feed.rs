//! Places in the change feed as tokens, and its news as messages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::Status;

use crate::domain::money::Currency;
use crate::grpc::convert::charge::to_charge_request;
use crate::grpc::convert::history::to_entry;
use crate::grpc::convert::package::{Detail, to_change};
use crate::grpc::faults::Faults;
use crate::grpc::layers::panic::internal;
use crate::proto::v1;
use crate::proto::v1::watch_changes_response::Event;
use crate::service::feed::{Begin, News, Token};

/// The longest token, in characters.
const TOKEN_LENGTH_MAX: usize = 1_024;
/// After how many seconds without news a heartbeat comes, if the client does not say.
const HEARTBEAT_DEFAULT: i32 = 15;
/// The most seconds between heartbeats.
const HEARTBEAT_MAX: i32 = 300;

/// Where to begin, and the seconds between heartbeats.
pub fn watch(message: &v1::WatchChangesRequest, faults: &mut Faults) -> Option<(Begin, u64)> {
    use v1::watch_changes_request::Begin as Asked;
    let begin = match &message.begin {
        Some(Asked::ResumeToken(token)) => place(token, faults).map(Begin::Behind),
        Some(Asked::Start(start)) => match v1::FeedStart::try_from(*start) {
            Ok(v1::FeedStart::Oldest) => Some(Begin::Oldest),
            Ok(v1::FeedStart::Now | v1::FeedStart::Unspecified) => Some(Begin::Now),
            Err(_) => {
                faults.add("start", "must be one of the known values");
                None
            }
        },
        None => Some(Begin::Now),
    };
    let seconds = match message.heartbeat_seconds {
        0 => Some(HEARTBEAT_DEFAULT),
        asked => faults.number("heartbeat_seconds", asked, 1..=HEARTBEAT_MAX),
    };
    Some((begin?, u64::try_from(seconds?).ok()?))
}

fn place(text: &str, faults: &mut Faults) -> Option<Token> {
    let token = (text.len() <= TOKEN_LENGTH_MAX)
        .then(|| URL_SAFE_NO_PAD.decode(text).ok())
        .flatten()
        .and_then(|json| serde_json::from_slice(&json).ok());
    if token.is_none() {
        faults.add("resume_token", "must be the resume_token of a message");
    }
    token
}

/// What is new, as a message.
pub fn to_message(
    news: Option<News>,
    behind: &Token,
    currency: Currency,
) -> Result<v1::WatchChangesResponse, Status> {
    let event = match news {
        Some(News::Entry(row)) => Event::Entry(to_entry(*row, currency)),
        Some(News::Change(change, reason)) => Event::Change(to_change(&change, reason, currency)),
        Some(News::ChargeRequest(request)) => {
            Event::ChargeRequest(to_charge_request(&request, Detail::Full))
        }
        None => Event::Heartbeat(v1::Heartbeat {}),
    };
    let json = serde_json::to_vec(behind).map_err(|_| internal())?;
    Ok(v1::WatchChangesResponse {
        event: Some(event),
        resume_token: URL_SAFE_NO_PAD.encode(json),
    })
}
