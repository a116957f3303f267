//! What a run measured.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The longest latency that is told apart, in microseconds.
const LATENCY_MICROSECONDS_MAX: u64 = 120_000_000;
/// How many unexpected ends are told in words.
const TOLD_MAX: usize = 3;

/// Latencies and ends of calls.
#[derive(Debug)]
pub(crate) struct Tally {
    latencies: Histogram<u64>,
    failures: u64,
    told: Vec<String>,
}

impl Tally {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            latencies: Histogram::new_with_bounds(1, LATENCY_MICROSECONDS_MAX, 3)?,
            failures: 0,
            told: Vec::new(),
        })
    }

    /// Counts a call that ended as it should.
    pub(crate) fn done(&mut self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(microseconds.max(1));
    }

    /// Counts a call that ended otherwise.
    pub(crate) fn failed(&mut self, error: &anyhow::Error) {
        self.failures = self.failures.saturating_add(1);
        if self.told.len() < TOLD_MAX {
            self.told.push(format!("{error:#}"));
        }
    }

    /// Takes over what another one counted.
    pub(crate) fn add(&mut self, other: Self) -> anyhow::Result<()> {
        self.latencies.add(&other.latencies)?;
        self.failures = self.failures.saturating_add(other.failures);
        self.told.extend(other.told);
        self.told.truncate(TOLD_MAX);
        Ok(())
    }
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) work: &'static str,
    pub(crate) in_flight: u32,
    pub(crate) rate: Option<u32>,
    pub(crate) measured: Duration,
    pub(crate) tally: Tally,
}

impl Outcome {
    /// One flat object.
    pub(crate) fn to_json(&self) -> Value {
        let Tally {
            latencies,
            failures,
            ..
        } = &self.tally;
        let calls = latencies.len();
        let seconds = self.measured.as_secs_f64();
        let per_second = u32::try_from(calls).map_or(f64::INFINITY, f64::from) / seconds;
        json!({
            "work": self.work,
            "in_flight": self.in_flight,
            "rate": self.rate,
            "seconds": seconds,
            "calls": calls,
            "per_second": per_second,
            "p50_us": latencies.value_at_quantile(0.5),
            "p99_us": latencies.value_at_quantile(0.99),
            "max_us": latencies.max(),
            "failures": failures,
        })
    }

    /// Fails if a call ended otherwise than it should.
    pub(crate) fn must_be_clean(&self) -> anyhow::Result<()> {
        let Tally { failures, told, .. } = &self.tally;
        anyhow::ensure!(
            *failures == 0,
            "{failures} calls ended otherwise than they should, such as: {}",
            told.join(" | ")
        );
        Ok(())
    }
}
