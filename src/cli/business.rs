//! `carnet business`: makes and lists businesses.

use std::io::Write;

use anyhow::Context as _;
use chrono_tz::Tz;
use clap::{Args, Subcommand};

use crate::app;
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::domain::business::{Business, ReminderPolicy, Sender};
use crate::domain::money::Currency;
use crate::ids::BusinessId;
use crate::store::{businesses, migrate};

/// How long a package can be restored after its expiry, in days, unless the business chooses.
const QUARANTINE_DAYS: i32 = 30;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum BusinessCommand {
    /// Make a business and print its id.
    Create(CreateArgs),
    /// List all businesses: id, currency, time zone, locale, name.
    List(ListArgs),
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
    pub locale: String,
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

/// Does it, and writes what it made or found to `out`.
pub async fn run(
    command: &BusinessCommand,
    clock: &Clock,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    match command {
        BusinessCommand::Create(args) => create(args, clock, out).await,
        BusinessCommand::List(args) => list(args, out).await,
    }
}

async fn create(args: &CreateArgs, clock: &Clock, out: &mut impl Write) -> anyhow::Result<()> {
    let now = clock.now();
    let currency = Currency::parse(&args.currency)
        .ok()
        .with_context(|| format!("`{}` is no currency code of ISO 4217", args.currency))?;
    let business = Business {
        id: BusinessId::generate(now),
        name: args.name.clone(),
        zone: args.time_zone,
        locale: args.locale.clone(),
        currency,
        feature_enabled: true,
        account_payments_active: false,
        prices_include_tax: true,
        quarantine_days: QUARANTINE_DAYS,
        default_priority: 0,
        reminder_policy: ReminderPolicy::default(),
        sender: Sender::default(),
        version: 1,
    };
    let db = app::connect(&args.database).await?;
    migrate::check(&db).await?;
    let txn = db.begin().await?;
    businesses::insert(&txn, &business, now).await?;
    txn.commit().await?;
    writeln!(out, "{}", business.id)?;
    Ok(db.close().await?)
}

async fn list(args: &ListArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let db = app::connect(&args.database).await?;
    migrate::check(&db).await?;
    for business in businesses::all(db.reader()).await? {
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
    Ok(db.close().await?)
}
