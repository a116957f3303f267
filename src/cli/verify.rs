//! `carnet verify`: proves the ledger of all businesses, or of one.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Context as _;
use clap::Args;

use crate::app;
use crate::config::DatabaseSettings;
use crate::ids::BusinessId;
use crate::ledger::verify::{Fault, Report, verify};
use crate::store::{businesses, migrate};

/// What to prove.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Only this business.
    #[arg(long, value_name = "ID")]
    pub business: Option<BusinessId>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Replays every chain of entries as it was at one moment. Writes a line for each business with its head to
/// `out`, faults and progress to `err`.
///
/// # Errors
/// If anything does not add up, after all was looked at.
pub async fn run(
    args: &VerifyArgs,
    out: &mut impl Write,
    err: &mut impl Write,
) -> anyhow::Result<()> {
    let db = app::connect(&args.database).await?;
    migrate::check(&db).await?;
    let snapshot = db.snapshot().await?;
    let mut wanted = businesses::all(&snapshot).await?;
    if let Some(id) = args.business {
        wanted.retain(|business| business.id == id);
        wanted
            .first()
            .with_context(|| format!("there is no business {id}"))?;
    }
    let mut faults = 0_usize;
    for business in wanted {
        let id = business.id;
        let report = verify(&snapshot, id, |lots| {
            // Progress that cannot be shown is no reason to stop.
            let _unshown = writeln!(err, "{id}: {lots} lots replayed");
        })
        .await?;
        for fault in &report.faults {
            writeln!(err, "{id}: {}", in_words(fault))?;
        }
        faults = faults.saturating_add(report.faults.len());
        writeln!(out, "{}", summary(id, &report))?;
    }
    snapshot.rollback().await?;
    db.close().await?;
    anyhow::ensure!(faults == 0, "{faults} faults were found");
    Ok(())
}

fn in_words(fault: &Fault) -> String {
    match fault.lot_id {
        Some(lot_id) => format!("{lot_id}: {}", fault.what),
        None => fault.what.clone(),
    }
}

fn summary(id: BusinessId, report: &Report) -> String {
    let mut head = String::new();
    for byte in report.head {
        // Writing to a string cannot fail.
        let _done = write!(head, "{byte:02x}");
    }
    let Report {
        lots,
        entries,
        faults,
        ..
    } = report;
    let found = faults.len();
    format!("{id}  lots {lots}  entries {entries}  faults {found}  head {head}")
}
