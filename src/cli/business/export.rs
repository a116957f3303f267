//! `carnet business export`: writes all that a business has into a folder.
//!
//! It is one state of everything, whoever writes meanwhile. Of tokens there is what they are checked with, which is no
//! secret that anybody could call with; personal data is there as it is.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use super::archive::{self, Writing};
use super::open;
use crate::cli::progress::{Progress, ProgressStyle};
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::ids::BusinessId;
use crate::service::Context;
use crate::store::businesses;
use crate::store::whole::TABLES;

/// What to export, and where to.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// The business.
    #[arg(value_name = "ID")]
    pub id: BusinessId,
    /// The folder to make; it holds personal data, and only you may read it.
    #[arg(long, value_name = "FOLDER")]
    pub to: PathBuf,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Writes the folder, and waits until the disk has it.
///
/// # Errors
/// If there is no such business, the folder is there already, or something fails; what is then in the folder is no
/// export.
pub(super) async fn run(
    args: &ExportArgs,
    clock: &Clock,
    style: ProgressStyle,
    (out, err): (&mut impl Write, &mut impl Write),
) -> anyhow::Result<()> {
    let ctx = open(&args.database, clock).await?;
    let mut progress = Progress::new(style);
    let rows = write(&ctx, args, &mut progress, err).await?;
    progress.clear(err);
    let (id, to) = (args.id, args.to.display());
    writeln!(out, "{id} is exported into {to}, with {rows} rows")?;
    Ok(ctx.db.close().await?)
}

/// Writes all of it; how many rows.
async fn write(
    ctx: &Context,
    args: &ExportArgs,
    progress: &mut Progress,
    err: &mut impl Write,
) -> anyhow::Result<u64> {
    let (id, folder) = (args.id, args.to.as_path());
    let snapshot = ctx.db.endless_snapshot().await?;
    let exported_at = ctx.clock.now();
    let business = businesses::get(&snapshot, id).await?;
    let business = business.with_context(|| format!("there is no business {id}"))?;
    archive::make_folder(folder)?;
    let mut files = Vec::new();
    let mut rows = 0_u64;
    for table in TABLES {
        let mut file = Writing::begin(folder, table)?;
        let take = |line: &str| -> anyhow::Result<()> {
            file.line(line)?;
            rows = rows.saturating_add(1);
            progress.show(err, |progress| {
                let rate = progress.per_second(rows);
                format!("{id}: {rows} rows, {}, {rate} rows/s", table.name)
            });
            Ok(())
        };
        table.read(&snapshot, id, take).await?;
        files.push(file.finish()?);
    }
    snapshot.rollback().await?;
    archive::close(folder, (id, &business.name), exported_at, files)?;
    Ok(rows)
}
