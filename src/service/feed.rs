//! The change feed (H6): entries, changes and charge requests as they come to be there for good, from any place
//! on.
//!
//! What a client keeps is a [`Token`]: the place behind all that it has seen. It stays good for as long as the
//! database is the same one; a copy of it that was restored, or another database, has another history behind
//! the same numbers, and says so.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::change::Change;
use crate::domain::charge::ChargeRequest;
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::ids::BusinessId;
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::history::{self, EntryRow};
use crate::store::feed::{self, Place, Source};
use crate::store::posting_notes;

/// How many of each are read at once.
const PART_MAX: usize = 500;
/// What the feed is made of, in the order of a token's places.
const SOURCES: [Source; 3] = [Source::Entries, Source::Changes, Source::ChargeRequests];

/// Where a client is in the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    #[serde(rename = "b")]
    business_id: BusinessId,
    #[serde(rename = "t")]
    timeline: String,
    #[serde(rename = "e")]
    entries: Place,
    #[serde(rename = "c")]
    changes: Place,
    #[serde(rename = "r")]
    charge_requests: Place,
}

/// Where to begin.
#[derive(Clone, Debug)]
pub enum Begin {
    /// With what comes from now on.
    Now,
    /// With the oldest there is.
    Oldest,
    /// Behind what was seen.
    Behind(Token),
}

/// Something that came to be.
#[derive(Clone, Debug)]
pub enum News {
    /// An entry of the ledger.
    Entry(Box<EntryRow>),
    /// A change of a package, with its reason.
    Change(Box<Change>, String),
    /// Something to charge.
    ChargeRequest(Box<ChargeRequest>),
}

/// A part of the feed.
#[derive(Clone, Debug)]
pub struct Part {
    /// What is new, each with the place behind it.
    pub news: Vec<(News, Token)>,
    /// The place behind all that was read.
    pub reached: Token,
    /// Whether there is more already.
    pub has_more: bool,
}

/// The place where a client begins.
///
/// # Errors
/// [`Refusal::FeedRestarted`] if its place is one of another history, or of another business.
pub async fn begin(ctx: &Context, call: &Call, input: &Begin) -> Result<Token, ServiceError> {
    let reader = ctx.db.reader();
    let business_id = call.business_id();
    let places = match input {
        Begin::Oldest => [Place::OLDEST; 3],
        Begin::Now => {
            let mut places = [Place::OLDEST; 3];
            for (place, source) in places.iter_mut().zip(SOURCES) {
                *place = Place::before(feed::horizon(reader, source).await?);
            }
            places
        }
        Begin::Behind(token) => {
            let timeline = feed::timeline(reader, token.entries).await?;
            if token.business_id != business_id || token.timeline != timeline {
                return Err(Refusal::FeedRestarted.into());
            }
            return Ok(token.clone());
        }
    };
    let [entries, changes, charge_requests] = places;
    Ok(Token {
        business_id,
        timeline: feed::timeline(reader, entries).await?,
        entries,
        changes,
        charge_requests,
    })
}

/// What there is behind a place.
///
/// # Errors
/// A failure of the database.
pub async fn next(ctx: &Context, call: &Call, from: &Token) -> Result<Part, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let mut reading = Reading {
        txn: &txn,
        business_id: call.business_id(),
        part: Part {
            news: Vec::new(),
            reached: from.clone(),
            has_more: false,
        },
    };
    reading.entries().await?;
    reading.changes().await?;
    reading.charge_requests(ctx.clock.now()).await?;
    let part = reading.part;
    txn.commit().await?;
    Ok(part)
}

/// A part of the feed in the making.
struct Reading<'a> {
    txn: &'a DatabaseTransaction,
    business_id: BusinessId,
    part: Part,
}

impl Reading<'_> {
    async fn entries(&mut self) -> Result<(), ServiceError> {
        let (txn, business_id) = (self.txn, self.business_id);
        let part = &mut self.part;
        let until = feed::horizon(txn, Source::Entries).await?;
        let from = part.reached.entries;
        let found = feed::entries(txn, business_id, from, until, PART_MAX).await?;
        let (places, entries): (Vec<Place>, Vec<_>) = found.rows.into_iter().unzip();
        let rows = history::rows(txn, business_id, entries).await?;
        for (place, row) in places.into_iter().zip(rows) {
            let before = &part.reached.timeline;
            part.reached.timeline = feed::timeline_behind(txn, before, &row.entry);
            part.reached.entries = place;
            part.tell(News::Entry(Box::new(row)));
        }
        if part.reached.entries != found.reached {
            part.reached.timeline = feed::timeline(txn, found.reached).await?;
            part.reached.entries = found.reached;
        }
        part.has_more |= found.reached < Place::before(until);
        Ok(())
    }

    async fn changes(&mut self) -> Result<(), ServiceError> {
        let (txn, business_id) = (self.txn, self.business_id);
        let part = &mut self.part;
        let until = feed::horizon(txn, Source::Changes).await?;
        let from = part.reached.changes;
        let found = feed::changes(txn, business_id, from, until, PART_MAX).await?;
        let requests = found.rows.iter().map(|(_, change)| change.request_id);
        let reasons = posting_notes::of_postings(txn, business_id, requests).await?;
        for (place, change) in found.rows {
            let reason = reasons.get(&change.request_id).cloned();
            part.reached.changes = place;
            part.tell(News::Change(Box::new(change), reason.unwrap_or_default()));
        }
        part.reached.changes = found.reached;
        part.has_more |= found.reached < Place::before(until);
        Ok(())
    }

    async fn charge_requests(&mut self, now: DateTime<Utc>) -> Result<(), ServiceError> {
        let (txn, business_id) = (self.txn, self.business_id);
        let part = &mut self.part;
        let until = feed::horizon(txn, Source::ChargeRequests).await?;
        let from = part.reached.charge_requests;
        let found = feed::charge_requests(txn, business_id, from, until, PART_MAX).await?;
        for (place, request) in found.rows {
            part.reached.charge_requests = place;
            part.tell(News::ChargeRequest(Box::new(request.as_of(now))));
        }
        part.reached.charge_requests = found.reached;
        part.has_more |= found.reached < Place::before(until);
        Ok(())
    }
}

impl Part {
    fn tell(&mut self, news: News) {
        self.news.push((news, self.reached.clone()));
    }
}

/// Refuses a caller who was let in once and would not be now.
///
/// # Errors
/// [`Refusal::PermissionDenied`], [`Refusal::FeatureOff`].
pub async fn check(ctx: &Context, call: &Call, (): &()) -> Result<(), ServiceError> {
    let business_id = call.business_id();
    let known = ctx.token(business_id, call.caller.token_id).await?;
    let permission = Permission::LedgerRead;
    let now = ctx.clock.now();
    let is_good = known.as_ref().is_some_and(|known| {
        let held = &known.held;
        held.token.secrets(now).next().is_some()
            && held
                .permissions
                .as_ref()
                .is_some_and(|allowed| allowed.contains(&permission))
    });
    if !is_good {
        let permission = permission.as_str();
        return Err(Refusal::PermissionDenied { permission }.into());
    }
    let business = known.as_ref().and_then(|known| known.business.as_ref());
    if !business.is_some_and(|business| business.feature_enabled) {
        return Err(Refusal::FeatureOff.into());
    }
    Ok(())
}
