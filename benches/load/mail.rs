//! The mail day of the packages that are due, and the delivery of its e-mails: in this process, by the jobs and
//! the sessions of the server.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use carnet::clock::Clock;
use carnet::jobs::deliver::{Deliverer, Mail, MailSettings, Workers};
use carnet::jobs::mail_day;
use carnet::mail::capture::CaptureFolder;
use carnet::mail::reload::Templates;
use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::SmtpSettings;
use carnet::mail::transport::Transport;
use carnet::service::Context;
use carnet::store::db::Database;
use chrono::{Days, NaiveTime, TimeDelta};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::dataset::Dataset;
use crate::{DeliverArgs, MailArgs};

/// The time of day at which a mail day is run, after the hour at which it is due.
const RUN_AT: TimeDelta = TimeDelta::hours(12);
/// Connections to the database beside one for each connection to the mail server.
const CONNECTIONS: u32 = 2;

/// Runs the mail day.
pub(crate) async fn run_day(args: &MailArgs) -> anyhow::Result<Value> {
    let ctx = open(args, CONNECTIONS).await?;
    let begun = Instant::now();
    let report = mail_day::step(&ctx).await?;
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(report.told > 0, "no package is due on day {}", args.day);
    let microseconds = seconds / float(report.told) * 1e6;
    ctx.db.close().await?;
    Ok(json!({
        "work": "mail-day",
        "seconds": seconds,
        "packages": report.told,
        "emails": report.emails,
        "per_second": float(report.told) / seconds,
        "p50_us": microseconds,
        "p99_us": microseconds,
        "memory_mb": peak_megabytes()?,
    }))
}

/// Delivers the e-mails of a mail day that was run. A few go into a folder before, which tells their size.
pub(crate) async fn deliver(args: &DeliverArgs) -> anyhow::Result<Value> {
    let ctx = open(&args.mail, CONNECTIONS + args.connections).await?;
    let bytes = bytes_of_each(&ctx).await?;
    let server = SmtpSettings::parse(&format!("smtp://{}?tls=none", args.smtp_address), None)?;
    let mails = (0..args.connections).map(|_| {
        let session = SmtpSession::new(server.clone());
        mail(Transport::Smtp(Box::new(session)))
    });
    let stop = CancellationToken::new();
    let workers = Workers::new(&ctx, mails.collect(), &stop);
    let (alarm, limit) = (stop.clone(), Duration::from_secs(args.seconds));
    tokio::spawn(async move {
        tokio::time::sleep(limit).await;
        alarm.cancel();
    });
    let begun = Instant::now();
    let mut sent = 0;
    while !stop.is_cancelled() {
        let delivered = workers.run().await?.context("nobody else delivers")?;
        let others = delivered.postponed + delivered.failed + delivered.cancelled;
        anyhow::ensure!(others == 0, "not all were taken: {delivered:?}");
        sent += delivered.sent;
        if delivered.sent == 0 {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    anyhow::ensure!(sent > 0, "no e-mail is due on day {}", args.mail.day);
    workers.close().await;
    ctx.db.close().await?;
    let microseconds = seconds * f64::from(args.connections) / float(sent) * 1e6;
    Ok(json!({
        "work": "deliver",
        "connections": args.connections,
        "seconds": seconds,
        "emails": sent,
        "bytes": bytes,
        "per_second": float(sent) / seconds,
        "p50_us": microseconds,
        "p99_us": microseconds,
        "memory_mb": peak_megabytes()?,
    }))
}

/// The database at noon of the mail day.
async fn open(args: &MailArgs, connections: u32) -> anyhow::Result<Context> {
    let day = Dataset::read(&args.dataset)?.first_mail_day + Days::new(args.day - 1);
    let now = day.and_time(NaiveTime::MIN).and_utc() + RUN_AT;
    let db = Box::pin(Database::connect(&args.database_url, connections)).await?;
    Ok(Context::new(db, Clock::manual(now)))
}

fn mail(transport: Transport) -> Mail {
    Mail {
        settings: MailSettings::default(),
        templates: Templates::default(),
        transport,
    }
}

/// How many bytes an e-mail has on average.
async fn bytes_of_each(ctx: &Context) -> anyhow::Result<u64> {
    let folder = tempfile::tempdir()?;
    let transport = Transport::Capture(CaptureFolder::new(folder.path()));
    Deliverer::new(ctx.clone(), mail(transport)).step().await?;
    let (mut count, mut bytes) = (0_u64, 0_u64);
    for file in fs::read_dir(folder.path())? {
        count += 1;
        bytes += file?.metadata()?.len();
    }
    bytes.checked_div(count).context("no e-mail is due")
}

/// The peak of this process's resident set.
fn peak_megabytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|text| text.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.context("no peak is told")?.trim().parse()?;
    Ok(kilobytes / 1024)
}

fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
