//! `carnet business import`: brings in a business that was exported, from whichever database.
//!
//! All of it is checked first. Then it is written in one transaction, still out of everybody's sight and without its tokens;
//! its ledger is proved; and only then it is opened. So whoever sees it sees all of it, and nothing is
//! left of an import that broke off but, at worst, a business that nobody sees and that can be deleted.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use sea_orm::DatabaseTransaction;
use serde_json::{Map, Value};

use super::archive::{Archive, Content};
use super::open;
use crate::cli::progress::{Progress, ProgressStyle};
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::ids::BusinessId;
use crate::ledger::verify::{Asked, verify};
use crate::service::Context;
use crate::store::businesses;
use crate::store::whole::{Column, Table};

/// The table whose rows come last: with them somebody can call.
const TOKENS: &str = "tokens";
/// How many rows one statement writes.
const ROWS_PER_STATEMENT_MAX: usize = 500;
/// How long they may be together, unless one alone is longer.
const BYTES_PER_STATEMENT_MAX: usize = 1024 * 1024;

/// What to import.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The folder that was exported into.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Brings it in; faults of its ledger and progress go to the second stream.
///
/// # Errors
/// If anything is wrong with the export, or the business is here: then nothing is written. If its ledger does not add
/// up: then it is not opened.
pub(super) async fn run(
    args: &ImportArgs,
    clock: &Clock,
    style: ProgressStyle,
    (out, err): (&mut impl Write, &mut impl Write),
) -> anyhow::Result<()> {
    let archive = Archive::open(&args.folder)?;
    let ctx = open(&args.database, clock).await?;
    let mut arrival = Arrival {
        ctx: &ctx,
        id: archive.manifest.business_id,
        rows_total: archive.rows(),
        archive: &archive,
        style,
        err,
    };
    let done = Box::pin(arrival.all()).await;
    ctx.db.close().await?;
    done?;
    let (id, rows) = (archive.manifest.business_id, archive.rows());
    writeln!(out, "{id} is here, with {rows} rows; its ledger is proved")?;
    Ok(())
}

/// A business that arrives.
struct Arrival<'a, E> {
    ctx: &'a Context,
    archive: &'a Archive,
    id: BusinessId,
    rows_total: u64,
    style: ProgressStyle,
    err: &'a mut E,
}

impl<E: Write> Arrival<'_, E> {
    async fn all(&mut self) -> anyhow::Result<()> {
        self.absent().await?;
        self.check().await?;
        let txn = self.ctx.db.begin().await?;
        self.write(&txn).await?;
        businesses::set_leaving(&txn, self.id, Some(self.ctx.clock.now())).await?;
        txn.commit().await?;
        self.prove().await?;
        let txn = self.ctx.db.begin().await?;
        for (table, content) in self.archive.tables() {
            if table.name == TOKENS {
                write_file(self.archive, &txn, (table, content), |_| {}).await?;
            }
        }
        businesses::set_leaving(&txn, self.id, None).await?;
        txn.commit().await?;
        Ok(())
    }

    /// The business is not here, not even in part.
    async fn absent(&self) -> anyhow::Result<()> {
        let id = self.id;
        let txn = self.ctx.db.begin().await?;
        let found = businesses::lock_to_leave(&txn, id).await?;
        txn.rollback().await?;
        match found {
            None => Ok(()),
            Some((_, None)) => anyhow::bail!("{id} is here already"),
            Some((_, Some(_))) => anyhow::bail!(
                "{id} is here, but it has begun to leave or never arrived whole: run `carnet business delete {id}` first"
            ),
        }
    }

    /// Every file is what was exported, and every line is a row of this business that fits its table here.
    async fn check(&mut self) -> anyhow::Result<()> {
        let mut progress = Progress::new(self.style);
        let mut rows = 0_u64;
        for (table, content) in self.archive.tables() {
            let columns = table.columns(self.ctx.db.reader()).await?;
            let mut lines = self.archive.read(content)?;
            while let Some(line) = lines.next()? {
                let fits = fits(&line, table, &columns, self.id);
                fits.with_context(|| lines.place())?;
                rows = rows.saturating_add(1);
                let total = self.rows_total;
                progress.show(self.err, |_| format!("checking: {rows} of {total} rows"));
            }
        }
        progress.clear(self.err);
        let business = self.archive.manifest.files.first();
        let is_one = business.is_some_and(|content| content.rows == 1);
        anyhow::ensure!(is_one, "there is not one business in it");
        Ok(())
    }

    /// Writes everything but the tokens.
    async fn write(&mut self, txn: &DatabaseTransaction) -> anyhow::Result<()> {
        let mut progress = Progress::new(self.style);
        let mut rows = 0_u64;
        for (table, content) in self.archive.tables() {
            if table.name == TOKENS {
                continue;
            }
            let total = self.rows_total;
            let of_file = (table, content);
            let writing = write_file(self.archive, txn, of_file, |written| {
                rows = rows.saturating_add(written);
                progress.show(self.err, |progress| {
                    let rate = progress.per_second(rows);
                    format!("importing: {rows} of {total} rows, {rate} rows/s")
                });
            });
            writing.await?;
        }
        progress.clear(self.err);
        Ok(())
    }

    /// Its ledger adds up here as well.
    async fn prove(&mut self) -> anyhow::Result<()> {
        let mut progress = Progress::new(self.style);
        let (id, err) = (self.id, &mut *self.err);
        let asked = Asked::everything();
        let proving = verify(&self.ctx.db, id, &asked, |done| {
            progress.show(err, |_| {
                format!("proving: {} of {} lots", done.lots, done.lots_total)
            });
            ControlFlow::Continue(())
        });
        let report = proving.await?;
        progress.clear(self.err);
        for fault in &report.faults {
            writeln!(self.err, "{id}: {fault}")?;
        }
        anyhow::ensure!(
            report.faults_count == 0,
            "its ledger does not add up ({} faults), so it is not opened: run `carnet business delete {id}`",
            report.faults_count
        );
        Ok(())
    }
}

/// A line is a row of this business, with exactly the columns that the table has here.
fn fits(line: &str, table: Table, columns: &[Column], id: BusinessId) -> anyhow::Result<()> {
    let row: Map<String, Value> = serde_json::from_str(line).context("not a row")?;
    let has_all = columns.iter().all(|column| row.contains_key(&column.name));
    anyhow::ensure!(
        has_all && row.len() == columns.len(),
        "it has other columns than `{}` has here",
        table.name
    );
    let whose = row.get(table.business_column()).and_then(Value::as_str);
    anyhow::ensure!(
        whose == Some(id.uuid().simple().to_string().as_str()),
        "it is of another business"
    );
    Ok(())
}

/// Writes the rows of a file, a part at a time, each of which `progress` hears of.
async fn write_file(
    archive: &Archive,
    txn: &DatabaseTransaction,
    (table, content): (Table, &Content),
    mut progress: impl FnMut(u64),
) -> anyhow::Result<()> {
    let mut reading = archive.read(content)?;
    let mut has_more = true;
    while has_more {
        let mut lines = Vec::new();
        let mut bytes = 0_usize;
        while lines.len() < ROWS_PER_STATEMENT_MAX && bytes < BYTES_PER_STATEMENT_MAX {
            let Some(line) = reading.next()? else {
                has_more = false;
                break;
            };
            bytes = bytes.saturating_add(line.len());
            lines.push(line);
        }
        let written = table.write(txn, &lines).await;
        written.with_context(|| format!("the rows up to {}", reading.place()))?;
        progress(u64::try_from(lines.len()).unwrap_or(u64::MAX));
    }
    Ok(())
}
