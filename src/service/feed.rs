//! The change feed (H6): entries and changes as they come to be there for good, from any place on.
//!
//! What a client keeps is a [`Token`]: the place behind all that it has seen. It stays good for as long as the
//! database is the same one; a copy of it that was restored, or another database, has another history behind
//! the same numbers, and says so.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::change::Change;
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::ids::BusinessId;
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::history::{self, EntryRow};
use crate::store::feed::{self, Place, Source};
use crate::store::posting_notes;

/// How many entries, and how many changes, are read at once.
const PART_MAX: usize = 500;

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
    let (entries, changes) = match input {
        Begin::Oldest => (Place::OLDEST, Place::OLDEST),
        Begin::Now => (
            Place::before(feed::horizon(reader, Source::Entries).await?),
            Place::before(feed::horizon(reader, Source::Changes).await?),
        ),
        Begin::Behind(token) => {
            let timeline = feed::timeline(reader, token.entries).await?;
            if token.business_id != business_id || token.timeline != timeline {
                return Err(Refusal::FeedRestarted.into());
            }
            return Ok(token.clone());
        }
    };
    Ok(Token {
        business_id,
        timeline: feed::timeline(reader, entries).await?,
        entries,
        changes,
    })
}

/// What there is behind a place.
///
/// # Errors
/// A failure of the database.
pub async fn next(ctx: &Context, call: &Call, from: &Token) -> Result<Part, ServiceError> {
    let business_id = call.business_id();
    let txn = ctx.db.snapshot().await?;
    let entries_until = feed::horizon(&txn, Source::Entries).await?;
    let changes_until = feed::horizon(&txn, Source::Changes).await?;
    let entries = feed::entries(&txn, business_id, from.entries, entries_until, PART_MAX).await?;
    let changes = feed::changes(&txn, business_id, from.changes, changes_until, PART_MAX).await?;
    let has_more = entries.rows.len() >= PART_MAX
        || changes.rows.len() >= PART_MAX
        || entries.reached < Place::before(entries_until)
        || changes.reached < Place::before(changes_until);
    let mut reached = from.clone();
    let mut news = Vec::with_capacity(entries.rows.len().saturating_add(changes.rows.len()));
    let (places, found): (Vec<Place>, Vec<_>) = entries.rows.into_iter().unzip();
    for (place, row) in places
        .into_iter()
        .zip(history::rows(&txn, business_id, found).await?)
    {
        reached.entries = place;
        reached.timeline = feed::timeline_behind(&txn, &reached.timeline, &row.entry);
        news.push((News::Entry(Box::new(row)), reached.clone()));
    }
    let requests = changes.rows.iter().map(|(_, change)| change.request_id);
    let reasons: HashMap<Uuid, String> =
        posting_notes::of_postings(&txn, business_id, requests).await?;
    for (place, change) in changes.rows {
        reached.changes = place;
        let reason = reasons.get(&change.request_id).cloned();
        let change = News::Change(Box::new(change), reason.unwrap_or_default());
        news.push((change, reached.clone()));
    }
    if entries.reached != reached.entries {
        reached.timeline = feed::timeline(&txn, entries.reached).await?;
    }
    reached.entries = entries.reached;
    reached.changes = changes.reached;
    txn.commit().await?;
    Ok(Part {
        news,
        reached,
        has_more,
    })
}

/// Refuses a caller who was let in once and would not be now.
///
/// # Errors
/// [`Refusal::PermissionDenied`], [`Refusal::FeatureOff`].
pub async fn check(ctx: &Context, call: &Call, (): &()) -> Result<(), ServiceError> {
    let business_id = call.business_id();
    let token = ctx.token(business_id, call.caller.token_id).await?;
    let permission = Permission::LedgerRead;
    let is_good = token
        .is_some_and(|token| token.revoked_at.is_none() && token.permissions.contains(&permission));
    if !is_good {
        let permission = permission.as_str();
        return Err(Refusal::PermissionDenied { permission }.into());
    }
    let business = ctx.business(business_id).await?;
    if !business.is_some_and(|business| business.feature_enabled) {
        return Err(Refusal::FeatureOff.into());
    }
    Ok(())
}
