//! Writes that charge requests timed out (J6). Every reader sees that from the time alone; this job only makes the
//! rows say it.

use crate::service::{Context, ServiceError, charges};
use crate::store::charge_requests;

/// How often one step looks for more.
const PASSES_MAX: usize = 20;
/// How many requests one look finds.
const REQUESTS_PER_PASS_MAX: u64 = 500;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimedOut {
    /// How many requests timed out.
    pub requests: usize,
}

/// Writes what is over, until nothing is or the bound of a step is reached.
///
/// # Errors
/// Failures of the database.
pub async fn step(ctx: &Context) -> Result<TimedOut, ServiceError> {
    let mut timed_out = TimedOut::default();
    for _ in 0..PASSES_MAX {
        let now = ctx.clock.now();
        let due = charge_requests::overdue(ctx.db.reader(), now, REQUESTS_PER_PASS_MAX).await?;
        if due.is_empty() {
            break;
        }
        for request in due {
            let written = charges::time_out(ctx, request).await?;
            timed_out.requests = timed_out.requests.saturating_add(usize::from(written));
        }
    }
    if timed_out.requests > 0 {
        let requests = timed_out.requests;
        tracing::info!(requests, "{requests} charge requests timed out");
    }
    Ok(timed_out)
}
