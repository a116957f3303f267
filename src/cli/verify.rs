//! `carnet verify`: proves the ledger of all businesses, or of one.
//!
//! It prints a line for each business with its head. An auditor keeps these lines, and has them checked at
//! any later time (`--heads`), whatever was recorded in between.

mod kept;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Args;

pub(super) use self::kept::hex;
use self::kept::{Kept, NamedHead};
use crate::app;
use crate::cli::progress::{Progress, ProgressStyle, bar};
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::ids::BusinessId;
use crate::ledger::verify::{
    Asked, Done, Fault, Flaw, Head, Place, Report, Step, instant, settled_at, verify,
};
use crate::store::db::Database;
use crate::store::{businesses, migrate};

/// What to prove.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Only this business.
    #[arg(long, value_name = "ID")]
    pub business: Option<BusinessId>,
    /// Tell the heads as of this instant, such as 2026-01-15T10:00:00Z; not younger than five minutes.
    #[arg(long, value_name = "INSTANT")]
    pub as_of: Option<DateTime<Utc>>,
    /// Check this head that was kept as of `--as-of`; may be given for several businesses.
    #[arg(long, value_name = "BUSINESS=HEX", requires = "as_of")]
    pub head: Vec<NamedHead>,
    /// Check the heads in this file: lines that an earlier run printed.
    #[arg(long, value_name = "FILE")]
    pub heads: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Proves what is there, while others may write to it. Writes a line for each business with its head to
/// the first stream, faults and progress to the second.
///
/// # Errors
/// If anything does not add up, after all was looked at.
pub async fn run(
    args: &VerifyArgs,
    clock: &Clock,
    style: ProgressStyle,
    (out, err): (&mut impl Write, &mut impl Write),
) -> anyhow::Result<()> {
    let settled_at = settled_at(clock.now());
    let as_of = args.as_of.unwrap_or(settled_at);
    let mut kept = kept_heads(args, as_of)?;
    for instant_wanted in kept.iter().map(|kept| kept.as_of).chain([as_of]) {
        let text = instant(instant_wanted);
        anyhow::ensure!(
            instant_wanted <= settled_at,
            "what was recorded until {text} may still be under way; there is no head of it yet"
        );
    }
    let db = app::connect(&args.database).await?;
    migrate::check(&db).await?;
    let mut wanted = businesses::all(db.reader()).await?;
    if let Some(id) = args.business {
        wanted.retain(|business| business.id == id);
        wanted
            .first()
            .with_context(|| format!("there is no business {id}"))?;
        kept.remove_other_than(id);
    }
    let mut faults_count = 0_u64;
    for business in wanted {
        let id = business.id;
        let of_business = kept.take(id);
        let mut progress = Progress::new(style);
        let asked = Asked {
            settled_at,
            heads: of_business
                .iter()
                .map(|kept| kept.as_of)
                .chain([as_of])
                .collect(),
        };
        let report = prove(&db, id, &asked, &mut progress, err).await?;
        progress.clear(err);
        let rewritten = rewritten(&of_business, &report.heads);
        for fault in report.faults.iter().chain(&rewritten) {
            writeln!(err, "{id}: {fault}")?;
        }
        let count = u64::try_from(rewritten.len()).unwrap_or(u64::MAX);
        let count = report.faults_count.saturating_add(count);
        faults_count = faults_count.saturating_add(count);
        if let Some(head) = report.heads.last() {
            writeln!(out, "{}", line(id, head, count))?;
        }
    }
    for id in kept.businesses() {
        writeln!(err, "{id}: a head was kept of it, and it is gone")?;
        faults_count = faults_count.saturating_add(1);
    }
    db.close().await?;
    anyhow::ensure!(faults_count == 0, "{faults_count} faults were found");
    Ok(())
}

async fn prove(
    db: &Database,
    id: BusinessId,
    asked: &Asked,
    progress: &mut Progress,
    err: &mut impl Write,
) -> anyhow::Result<Report> {
    let report = verify(db, id, asked, |done| {
        progress.show(err, |progress| how_far(id, done, progress));
        ControlFlow::Continue(())
    })
    .await?;
    Ok(report)
}

fn how_far(id: BusinessId, done: Done, progress: &Progress) -> String {
    let Done {
        step,
        lots,
        lots_total,
        entries,
    } = done;
    match step {
        Step::Lots => {
            let (bar, rate) = (bar(lots, lots_total), progress.per_second(entries));
            format!("{id}: {bar} {lots} of {lots_total} lots, {entries} entries, {rate} entries/s")
        }
        Step::Holds(read) => format!("{id}: all lots proved; {read} holds"),
        Step::Postings(read) => {
            let bar = bar(read, entries);
            format!("{id}: lots and holds proved; {bar} {read} of {entries} entries by posting")
        }
    }
}

/// The heads to check, by business.
struct KeptHeads(BTreeMap<BusinessId, Vec<Kept>>);

impl KeptHeads {
    fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.0.values().flatten()
    }

    fn remove_other_than(&mut self, id: BusinessId) {
        self.0.retain(|business_id, _| *business_id == id);
    }

    fn take(&mut self, id: BusinessId) -> Vec<Kept> {
        self.0.remove(&id).unwrap_or_default()
    }

    fn businesses(&self) -> impl Iterator<Item = &BusinessId> {
        self.0.keys()
    }
}

fn kept_heads(args: &VerifyArgs, as_of: DateTime<Utc>) -> anyhow::Result<KeptHeads> {
    let mut all: Vec<Kept> = Vec::new();
    if let Some(path) = &args.heads {
        let name = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        all = kept::parse(&text).with_context(|| format!("cannot use {name}"))?;
    }
    all.extend(args.head.iter().map(|named| Kept {
        business_id: named.business_id,
        as_of,
        hash: named.hash,
    }));
    let mut by_business: BTreeMap<BusinessId, Vec<Kept>> = BTreeMap::new();
    for kept in all {
        by_business.entry(kept.business_id).or_default().push(kept);
    }
    Ok(KeptHeads(by_business))
}

/// A fault for each kept head that is not that of today's history; `heads` are in the order of `kept`.
fn rewritten(kept: &[Kept], heads: &[Head]) -> Vec<Fault> {
    kept.iter()
        .zip(heads)
        .filter(|(kept, head)| kept.hash != head.hash)
        .map(|(kept, _)| Fault {
            place: Place::Business,
            flaw: Flaw::Head { as_of: kept.as_of },
        })
        .collect()
}

fn line(id: BusinessId, head: &Head, faults_count: u64) -> String {
    let Head {
        as_of,
        lots,
        entries,
        hash,
    } = head;
    format!(
        "{id}  as of {}  lots {lots}  entries {entries}  head {}  faults {faults_count}",
        instant(*as_of),
        hex(hash)
    )
}
