//! Marks the periods of subscriptions that have begun as due (C6).
//!
//! It issues nothing: a package comes only with the payment of its period, which waits for no job. Every
//! reader sees what is due from the time alone; this job only makes the rows say it.

use crate::ids::{BusinessId, SubscriptionId};
use crate::service::{Context, ServiceError, subscriptions as service};
use crate::store::subscriptions;

/// How often one step looks for more.
const PASSES_MAX: usize = 20;
/// How many subscriptions one look finds.
const SUBSCRIPTIONS_PER_PASS_MAX: u64 = 1_000;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// How many periods have become due.
    pub periods: usize,
}

/// Marks what is due, until nothing is or the bound of a step is reached.
pub async fn step(ctx: &Context) -> Result<Marked, ServiceError> {
    let mut marked = Marked::default();
    for _ in 0..PASSES_MAX {
        let now = ctx.clock.now();
        let due = subscriptions::due(ctx.db.reader(), now, SUBSCRIPTIONS_PER_PASS_MAX).await?;
        if due.is_empty() {
            break;
        }
        for (business_id, id) in due {
            let periods = mark(ctx, business_id, id).await?;
            marked.periods = marked.periods.saturating_add(periods);
        }
    }
    if marked.periods > 0 {
        let periods = marked.periods;
        tracing::info!(periods, "{periods} periods of subscriptions are due");
    }
    Ok(marked)
}

/// Marks the periods of one subscription, in a transaction of their own.
async fn mark(
    ctx: &Context,
    business_id: BusinessId,
    id: SubscriptionId,
) -> Result<usize, ServiceError> {
    let txn = ctx.db.begin().await?;
    let Some(mut subscription) = subscriptions::lock(&txn, business_id, id).await? else {
        txn.rollback().await?;
        return Ok(0);
    };
    let periods = service::mark_due(&txn, &mut subscription, ctx.clock.now()).await?;
    subscriptions::update(&txn, &subscription).await?;
    txn.commit().await?;
    Ok(periods)
}
