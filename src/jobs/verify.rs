//! Proves the ledger of every business, once a night.
//!
//! It only reads, a page at a time, so it holds nobody up, and several replicas that do it do no harm. A
//! fault is an error in the log, which a person must look into, and a number in the metrics.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use metrics::{Unit, describe_gauge, gauge};
use tokio_util::sync::CancellationToken;

use crate::ledger::verify::{Asked, Report, verify};
use crate::service::{Context, ServiceError};
use crate::store::businesses;

/// How many faults of one business are logged one by one.
const FAULTS_LOGGED_MAX: usize = 20;

/// Faults that the last proof found.
const FAULTS: &str = "carnet_verify_faults";
/// When a proof last found no fault, in seconds since 1970.
const LAST_SUCCESS: &str = "carnet_verify_last_success_timestamp_seconds";
/// Lots that the last proof replayed.
const LOTS: &str = "carnet_verify_lots";
/// Entries that the last proof replayed.
const ENTRIES: &str = "carnet_verify_entries";

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many lots were replayed.
    pub lots: u64,
    /// How many entries they have.
    pub entries: u64,
    /// How many things do not add up.
    pub faults: u64,
}

/// Proves all businesses, and says what it found; nothing if `stop` came before it was done.
pub async fn step(
    ctx: &Context,
    stop: &CancellationToken,
) -> Result<Option<Verified>, ServiceError> {
    let mut verified = Verified::default();
    for business in businesses::all(ctx.db.reader()).await? {
        let asked = Asked::at(ctx.clock.now(), Vec::new());
        let report = verify(&ctx.db, business.id, &asked, |_| {
            if stop.is_cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .await?;
        if report.broken_off {
            return Ok(None);
        }
        log_faults(business.id, &report);
        verified.lots = verified.lots.saturating_add(report.done.lots);
        verified.entries = verified.entries.saturating_add(report.done.entries);
        verified.faults = verified.faults.saturating_add(report.faults_count);
    }
    publish(verified, ctx.clock.now());
    let Verified {
        lots,
        entries,
        faults,
    } = verified;
    tracing::info!(
        lots,
        entries,
        faults,
        "proved {entries} entries in {lots} lots"
    );
    Ok(Some(verified))
}

fn log_faults(business_id: impl std::fmt::Display, report: &Report) {
    for fault in report.faults.iter().take(FAULTS_LOGGED_MAX) {
        tracing::error!(%business_id, %fault, "the ledger of {business_id} does not add up: {fault}");
    }
    if report.faults_count > 0 {
        let faults = report.faults_count;
        tracing::error!(%business_id, faults, "the ledger of {business_id} has {faults} faults");
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a gauge is a float; up to 2^53 nothing is lost"
)]
fn publish(verified: Verified, now: DateTime<Utc>) {
    describe_gauge!(FAULTS, "Faults that the last proof of the ledger found.");
    describe_gauge!(LOTS, "Lots that the last proof of the ledger replayed.");
    describe_gauge!(
        ENTRIES,
        "Entries that the last proof of the ledger replayed."
    );
    gauge!(FAULTS).set(verified.faults as f64);
    gauge!(LOTS).set(verified.lots as f64);
    gauge!(ENTRIES).set(verified.entries as f64);
    if verified.faults == 0 {
        describe_gauge!(
            LAST_SUCCESS,
            Unit::Seconds,
            "When a proof of the ledger last found no fault, since 1970."
        );
        gauge!(LAST_SUCCESS).set(now.timestamp() as f64);
    }
}
