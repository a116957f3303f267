//! `CreditService.WatchChanges`: looks for news again and again, and sends them to one reader.

use std::time::Duration;

use tokio::time::Instant;

use crate::grpc::api::{Api, use_case};
use crate::grpc::convert::feed::to_message;
use crate::grpc::stream::{End, Feeder};
use crate::proto::v1;
use crate::service::Call;
use crate::service::feed::{self, Token};

/// How long it is waited until the next look, if there was no news.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Sends everything behind a place, and what comes then, until nobody reads it any more.
pub async fn watch(
    api: Api,
    call: &Call,
    mut place: Token,
    heartbeat: Duration,
    feeder: &mut Feeder<v1::WatchChangesResponse>,
) -> Result<(), End> {
    let currency = call.currency();
    feeder.send(to_message(None, &place, currency)?).await?;
    let mut told_at = Instant::now();
    let mut checked_at = told_at;
    loop {
        if checked_at.elapsed() >= heartbeat {
            api.run(call.clone(), (), use_case!(feed::check)).await?;
            checked_at = Instant::now();
        }
        let part = api.run(call.clone(), place, use_case!(feed::next)).await?;
        let has_news = !part.news.is_empty();
        for (news, behind) in part.news {
            feeder
                .send(to_message(Some(news), &behind, currency)?)
                .await?;
        }
        place = part.reached;
        if has_news {
            told_at = Instant::now();
        } else if told_at.elapsed() >= heartbeat {
            feeder.send(to_message(None, &place, currency)?).await?;
            told_at = Instant::now();
        }
        if !part.has_more {
            feeder.pause(LOOK_EVERY).await?;
        }
    }
}
