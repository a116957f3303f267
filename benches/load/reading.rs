//! The bookkeeper of the business whose credits are used: what is owed, and the whole ledger as CSV.

use std::time::Instant;

use anyhow::Context as _;
use carnet::clock::Clock;
use carnet::proto::v1;
use carnet::proto::v1::report_service_client::ReportServiceClient;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use clap::ValueEnum;
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::calls::{Bearer, Bearing};
use crate::dataset::Dataset;

/// How many days the roll-forward is over, up to and with today.
const ROLLED_DAYS: u64 = 30;

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    /// What is owed, rolled forward over thirty days.
    Liability,
    /// Every entry of the ledger as CSV.
    LedgerCsv,
}

/// Reads one report to its end; the answer is one line of results, of `rows` if it has any.
pub(crate) async fn read(
    dataset: &Dataset,
    channel: Channel,
    report: Report,
) -> anyhow::Result<Value> {
    let bearer = Bearer::new(&dataset.business)?;
    let mut reports = ReportServiceClient::with_interceptor(channel, bearer);
    let began = Instant::now();
    let rows = match report {
        Report::Liability => roll_forward(&mut reports).await?,
        Report::LedgerCsv => export_ledger(&mut reports).await?,
    };
    let seconds = began.elapsed().as_secs_f64();
    let microseconds = seconds * 1e6;
    Ok(json!({
        "seconds": seconds,
        "rows": rows,
        "per_second": 1.0 / seconds,
        "p50_us": microseconds,
        "p99_us": microseconds,
    }))
}

async fn roll_forward(reports: &mut ReportServiceClient<Bearing>) -> anyhow::Result<i64> {
    let today = Clock::System.now().date_naive();
    let tomorrow = today.checked_add_days(Days::new(1));
    let tomorrow = tomorrow.context("there is a tomorrow")?;
    let first = tomorrow.checked_sub_days(Days::new(ROLLED_DAYS));
    let midnight = |day: NaiveDate| {
        let at: DateTime<Utc> = day.and_time(NaiveTime::MIN).and_utc();
        prost_types::Timestamp {
            seconds: at.timestamp(),
            nanos: 0,
        }
    };
    let range = v1::TimeRange {
        from: first.map(midnight),
        before: Some(midnight(tomorrow)),
    };
    let period = v1::ReportPeriod {
        named: Some(v1::report_period::Named::Instants(range)),
    };
    let request = v1::LiabilityRequest {
        period: Some(period),
        ..v1::LiabilityRequest::default()
    };
    let answer = reports.liability(request).await?.into_inner();
    anyhow::ensure!(
        answer.credit_types.len() == 1,
        "one credit type: {answer:?}"
    );
    Ok(1)
}

async fn export_ledger(reports: &mut ReportServiceClient<Bearing>) -> anyhow::Result<i64> {
    let request = v1::ExportRequest {
        of: Some(v1::export_request::Of::Ledger(v1::LedgerRequest::default())),
    };
    let mut parts = reports.export(request).await?.into_inner();
    let mut rows = 0;
    while let Some(part) = parts.message().await? {
        rows = part.rows;
    }
    anyhow::ensure!(rows > 0, "the ledger has entries");
    Ok(rows)
}
