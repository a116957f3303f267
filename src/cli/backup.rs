//! `carnet backup`: a copy of an SQLite database, while it is served.
//!
//! The copy is one state of everything, in one file without a log beside it. PostgreSQL has tools of its own,
//! which do more than this could: `pg_dump`, `pg_basebackup`.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;

use crate::app;
use crate::config::DatabaseSettings;
use crate::store::db::sqlite_path;
use crate::store::migrate;

/// What to copy, and where to.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// The new file; one that is there already is left alone.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Writes the copy, and waits until the disk has it.
///
/// # Errors
/// If the database is not SQLite or cannot be read, or the file is there already or cannot be written.
pub async fn run(args: &BackupArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let file = &args.file;
    anyhow::ensure!(
        sqlite_path(args.database.database_url.expose()).is_some(),
        "this copies SQLite; for PostgreSQL use pg_dump or pg_basebackup"
    );
    anyhow::ensure!(!file.exists(), "{} is there already", file.display());
    let path = file.to_str().context("the path of the file is not text")?;
    let db = app::connect(&args.database).await?;
    migrate::check(&db).await?;
    let copied = db.copy_to(path).await;
    db.close().await?;
    copied.with_context(|| format!("cannot copy into {}", file.display()))?;
    File::open(file)?.sync_all()?;
    writeln!(out, "copied into {}", file.display())?;
    Ok(())
}
