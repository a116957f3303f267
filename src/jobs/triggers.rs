//! Lets triggers act on what has happened (C7, semantics 35).
//!
//! Most events are rows already. What happened to packages by using them or by time alone is read from the
//! ledger, so that no use of credits pays for it: each step looks through what was written since the last
//! one and a little before, for transactions that took their time. An event is there once whatever is read
//! twice.

mod scan;

use chrono::{DateTime, Utc};

use crate::domain::business::Business;
use crate::domain::line::Line;
use crate::domain::trigger::Event;
use crate::ids::EventId;
use crate::service::{Context, ServiceError, awarding};
use crate::store::{businesses, events, lots, packages, triggers};

/// How many events one look finds.
const EVENTS_PER_PASS_MAX: u64 = 200;
/// How many looks one step has for each business.
const PASSES_MAX: usize = 50;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Triggered {
    /// How many events were dealt with.
    pub events: usize,
    /// How many packages were issued.
    pub issued: usize,
}

/// Deals with what has happened, business by business.
///
/// # Errors
/// A failure of the database. What goes wrong with one business alone is logged and holds up no other.
pub async fn step(ctx: &Context) -> Result<Triggered, ServiceError> {
    let mut triggered = Triggered::default();
    for business in businesses::all(ctx.db.reader()).await? {
        // Switched off, nothing is lost: it is dealt with once the feature is on again (semantics 39).
        if !business.feature_enabled {
            continue;
        }
        let business_id = business.id;
        match of_business(ctx, &business, &mut triggered).await {
            Ok(()) => {}
            Err(error @ ServiceError::Unavailable(_)) => return Err(error),
            Err(error) if error.is_contention() => {
                tracing::warn!(%business_id, %error, "the triggers of {business_id} are put off: {error}");
            }
            Err(error) => {
                tracing::error!(%business_id, %error, "the triggers of {business_id} failed: {error}");
            }
        }
    }
    if triggered.events > 0 {
        let Triggered { events, issued } = triggered;
        tracing::info!(
            events,
            issued,
            "triggers issued {issued} packages for {events} events"
        );
    }
    Ok(triggered)
}

async fn of_business(
    ctx: &Context,
    business: &Business,
    triggered: &mut Triggered,
) -> Result<(), ServiceError> {
    scan::look(ctx, business.id).await?;
    let mut after: Option<(DateTime<Utc>, EventId)> = None;
    for _ in 0..PASSES_MAX {
        let found =
            events::pending(ctx.db.reader(), business.id, after, EVENTS_PER_PASS_MAX).await?;
        let Some(last) = found.last() else {
            break;
        };
        after = Some((last.occurred_at, last.id));
        for event in found {
            let issued = deal_with(ctx, business, &event).await?;
            triggered.events = triggered.events.saturating_add(1);
            triggered.issued = triggered.issued.saturating_add(issued);
        }
    }
    Ok(())
}

/// Lets every trigger that waits for the event act on it, each in a transaction of its own, and says how
/// many issued something.
async fn deal_with(
    ctx: &Context,
    business: &Business,
    event: &Event,
) -> Result<usize, ServiceError> {
    let reader = ctx.db.reader();
    let package = match event.package_id {
        Some(id) => packages::get(reader, business.id, id).await?,
        None => None,
    };
    let ids: Vec<_> = event.package_id.into_iter().collect();
    let lots = lots::of_packages(reader, business.id, &ids).await?;
    let lines: Vec<Line> = lots.iter().map(|lot| Line::clone(&lot.line)).collect();
    let about = package.as_ref().map(|package| (package, lines.as_slice()));
    let mut issued = 0_usize;
    for trigger in triggers::of_kind(reader, business.id, event.kind).await? {
        if trigger.acts_on(event, about) && awarding::act(ctx, business, &trigger, event).await? {
            issued = issued.saturating_add(1);
        }
    }
    let txn = ctx.db.begin().await?;
    events::mark_done(&txn, business.id, event.id, ctx.clock.now()).await?;
    txn.commit().await?;
    Ok(issued)
}
