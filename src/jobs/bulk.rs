//! Goes on with runs: work on many packages that a call has begun.
//!
//! How far a run is lies in its row, so a step that breaks off, is missed, or runs on several replicas at
//! once does no harm. Each run gets a bounded part of a step, so that a long one does not hold up others.

use crate::service::{Context, ServiceError, bulk};
use crate::store::bulk_runs;

/// How many runs one step looks at.
const RUNS_MAX: u64 = 20;
/// How many parts of one run a step does.
const PARTS_PER_RUN_MAX: usize = 20;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BulkReport {
    /// How many runs it worked on.
    pub runs: usize,
    /// How many of them have more to do.
    pub unfinished: usize,
}

/// Goes on with the runs that are not done, the oldest first.
///
/// # Errors
/// A failure of the database. What goes wrong with one run alone is logged and holds up no other.
pub async fn step(ctx: &Context) -> Result<BulkReport, ServiceError> {
    let mut report = BulkReport::default();
    for (business_id, run_id) in bulk_runs::open(ctx.db.reader(), RUNS_MAX).await? {
        report.runs = report.runs.saturating_add(1);
        for part in 1..=PARTS_PER_RUN_MAX {
            match bulk::advance(ctx, business_id, run_id).await {
                Ok(true) if part < PARTS_PER_RUN_MAX => {}
                Ok(true) => report.unfinished = report.unfinished.saturating_add(1),
                Ok(false) => break,
                Err(error @ ServiceError::Unavailable(_)) => return Err(error),
                Err(error) if error.is_contention() => {
                    tracing::warn!(%run_id, %error, "{run_id} is put off: {error}");
                    break;
                }
                Err(error) => {
                    tracing::error!(%run_id, %error, "{run_id} failed: {error}");
                    break;
                }
            }
        }
    }
    Ok(report)
}
