//! `carnet business`: makes and lists businesses, takes one along to another database, deletes one.

mod archive;
mod delete;
mod export;
mod import;

use std::io::Write;

use anyhow::Context as _;
use chrono_tz::Tz;
use clap::{Args, Subcommand};
use icu_locale_core::LanguageIdentifier;

use crate::app;
use crate::cli::progress::ProgressStyle;
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::domain::business::Business;
use crate::domain::money::Currency;
use crate::service::Context;
use crate::service::business::{self, NewBusiness};
use crate::store::{businesses, migrate};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum BusinessCommand {
    /// Make a business and print its id.
    Create(CreateArgs),
    /// List all businesses: id, currency, time zone, locale, name.
    List(ListArgs),
    /// Write all that a business has into a folder, to be imported into another database.
    Export(export::ExportArgs),
    /// Bring in a business that was exported, with its ids, its history and its tokens.
    Import(import::ImportArgs),
    /// Delete a business with all that it has.
    Delete(delete::DeleteArgs),
}

/// A new business.
#[derive(Args, Clone, Debug)]
pub struct CreateArgs {
    /// What its customers read.
    pub name: String,
    /// Where its days begin and end, such as Europe/Tallinn.
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub time_zone: Tz,
    /// The language of its e-mails, such as et-EE.
    #[arg(long, default_value = "en", value_name = "TAG")]
    pub locale: LanguageIdentifier,
    /// What its prices are in, such as EUR; never changes.
    #[arg(long, default_value = "EUR", value_name = "CODE")]
    pub currency: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Which database.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Does it, and writes what it made or found to the first stream, progress to the second.
pub async fn run(
    command: &BusinessCommand,
    clock: &Clock,
    style: ProgressStyle,
    (out, err): (&mut impl Write, &mut impl Write),
) -> anyhow::Result<()> {
    match command {
        BusinessCommand::Create(args) => create(args, clock, out).await,
        BusinessCommand::List(args) => list(args, clock, out).await,
        BusinessCommand::Export(args) => export::run(args, clock, style, (out, err)).await,
        BusinessCommand::Import(args) => import::run(args, clock, style, (out, err)).await,
        BusinessCommand::Delete(args) => delete::run(args, clock, style, (out, err)).await,
    }
}

async fn create(args: &CreateArgs, clock: &Clock, out: &mut impl Write) -> anyhow::Result<()> {
    let currency = Currency::parse(&args.currency)
        .ok()
        .with_context(|| format!("`{}` is no currency code of ISO 4217", args.currency))?;
    let ctx = open(&args.database, clock).await?;
    let new = NewBusiness {
        name: args.name.clone(),
        zone: args.time_zone,
        locale: args.locale.to_string(),
        currency,
        feature_enabled: true,
    };
    let business = business::create_business(&ctx, &new).await?;
    writeln!(out, "{}", business.id)?;
    Ok(ctx.db.close().await?)
}

async fn list(args: &ListArgs, clock: &Clock, out: &mut impl Write) -> anyhow::Result<()> {
    let ctx = open(&args.database, clock).await?;
    for business in business::list_businesses(&ctx).await? {
        let Business {
            id,
            name,
            zone,
            locale,
            currency,
            ..
        } = business;
        writeln!(out, "{id}  {}  {zone}  {locale}  {name}", currency.code())?;
    }
    for Business { id, name, .. } in businesses::all_leaving(ctx.db.reader()).await? {
        let what = "has begun to leave or never arrived whole: delete it";
        writeln!(out, "{id}  {what}  {name}")?;
    }
    Ok(ctx.db.close().await?)
}

async fn open(database: &DatabaseSettings, clock: &Clock) -> anyhow::Result<Context> {
    let db = app::connect(database).await?;
    migrate::check(&db).await?;
    Ok(Context::new(db, clock.clone()))
}
