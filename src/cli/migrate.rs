//! `carnet migrate`: brings the schema of the database up to date.

use std::io::Write;

use clap::Args;

use crate::app;
use crate::config::DatabaseSettings;
use crate::store::migrate;

/// Which database.
#[derive(Args, Clone, Debug)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Applies what is pending, in one transaction; several may do this at once.
pub async fn run(args: &MigrateArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let db = app::connect(&args.database).await?;
    let (before, after) = migrate::migrate(&db).await?;
    if before == after {
        writeln!(out, "the schema is at version {}", after.version)?;
    } else {
        let (before, after) = (before.version, after.version);
        writeln!(out, "the schema went from version {before} to {after}")?;
    }
    Ok(db.close().await?)
}
