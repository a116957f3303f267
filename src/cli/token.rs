//! `carnet token`: makes API tokens.

use std::io::Write;

use anyhow::Context as _;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::app;
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::domain::permission::{Permission, Permissions};
use crate::ids::BusinessId;
use crate::service::{Context, access};
use crate::store::{businesses, migrate, tokens};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print its text, which is never to be had again.
    Create(CreateArgs),
}

/// A new token.
#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// The business that it belongs to.
    #[arg(long, value_name = "ID")]
    pub business: BusinessId,
    /// What people call it.
    #[arg(long, default_value = "made on the command line")]
    pub name: String,
    /// What it may do; can be given several times. Without it: everything.
    #[arg(long, value_name = "PERMISSION", value_parser = permission_names())]
    pub permission: Vec<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Does it, and writes the token's text to `out`.
pub async fn run(
    command: &TokenCommand,
    clock: &Clock,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match command {
        TokenCommand::Create(args) => create(args, clock, out).await,
    }
}

async fn create(args: &CreateArgs, clock: &Clock, out: &mut impl Write) -> anyhow::Result<()> {
    let db = app::connect(&args.database).await?;
    migrate::check(&db).await?;
    let ctx = Context::new(db, clock.clone());
    let business = businesses::get(ctx.db.reader(), args.business).await?;
    let business = business.with_context(|| format!("there is no business {}", args.business))?;
    let permissions = permissions(&args.permission);
    let made = access::new_token(&ctx, business.id, &args.name, permissions, None);
    let txn = ctx.db.begin().await?;
    tokens::insert(&txn, business.id, &made.token).await?;
    txn.commit().await?;
    writeln!(out, "{}", made.text)?;
    Ok(ctx.db.close().await?)
}

fn permission_names() -> PossibleValuesParser {
    PossibleValuesParser::new(Permission::of_staff().map(Permission::as_str))
}

fn permissions(names: &[String]) -> Permissions {
    if names.is_empty() {
        return Permission::of_staff().collect();
    }
    let known = |name: &String| Permission::from_name(name);
    names.iter().filter_map(known).collect()
}
