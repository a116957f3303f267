//! `carnet remind --dry-run`: what would go out by itself in the next days, to whom, and what not and why.
//!
//! It asks the database, so it needs no server and no token; and it never sends: that is what a server does,
//! which also keeps what it has sent.

use std::collections::HashSet;
use std::io::Write;

use anyhow::Context as _;
use chrono::NaiveDate;
use clap::Args;

use crate::app;
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::notice::{DropReason, NoticeKind};
use crate::ids::{BusinessId, CustomerId};
use crate::mail::content::one_line;
use crate::service::upcoming::{self, Upcoming, UpcomingList};
use crate::service::{Context, business};
use crate::store::migrate;

/// How many lines are asked for at once.
const PAGE_MAX: usize = 500;

/// How far to look ahead, and for whom.
#[derive(Args, Clone, Debug)]
pub struct RemindArgs {
    /// Only show, send nothing. Has to be given: sending is what a server does by itself.
    #[arg(long, required = true)]
    pub dry_run: bool,
    /// Through how many days after today.
    #[arg(
        long,
        default_value_t = 30,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=366)
    )]
    pub days: u32,
    /// Only this business.
    #[arg(long, value_name = "ID")]
    pub business: Option<BusinessId>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// What a business would send, added up.
#[derive(Default)]
struct Sum {
    told: usize,
    withheld: usize,
    emails: HashSet<(CustomerId, NoticeKind, NaiveDate)>,
}

/// Writes a table for each business: when, what, whether, to whom, and which package.
///
/// # Errors
/// If the database cannot be read, or there is no such business.
pub async fn run(args: &RemindArgs, clock: &Clock, out: &mut impl Write) -> anyhow::Result<()> {
    let db = app::connect(&args.database).await?;
    migrate::check(&db).await?;
    let ctx = Context::new(db, clock.clone());
    let mut wanted = business::list_businesses(&ctx).await?;
    if let Some(id) = args.business {
        wanted.retain(|business| business.id == id);
        let found = wanted.first();
        found.with_context(|| format!("there is no business {id}"))?;
    }
    for business in &wanted {
        show(&ctx, business, args.days, out).await?;
    }
    Ok(ctx.db.close().await?)
}

async fn show(
    ctx: &Context,
    business: &Business,
    days: u32,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let today = calendar::local_day(ctx.clock.now(), business.zone);
    let (name, zone) = (one_line(&business.name), business.zone.name());
    writeln!(
        out,
        "{name} ({}): {days} days from {today}, times of {zone}",
        business.id
    )?;
    if !business.feature_enabled {
        return Ok(writeln!(
            out,
            "  Nothing goes out: packages are switched off.\n"
        )?);
    }
    let (mut sum, mut from) = (Sum::default(), None);
    loop {
        let input = UpcomingList {
            days,
            from,
            limit: PAGE_MAX,
        };
        let page = upcoming::of_business(ctx, business.id, &input).await?;
        for row in &page.notices {
            if sum.is_empty() {
                writeln!(
                    out,
                    "{}",
                    line(["WHEN", "WHAT", "WHETHER", "TO", "PACKAGE"])
                )?;
            }
            sum.add(row, business);
            writeln!(out, "{}", table_line(row, business))?;
        }
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    writeln!(out, "  {}\n", sum.sentence())?;
    Ok(())
}

/// The cells of a line, in columns; the last two take what room they need.
fn line([when, what, whether, to, package]: [&str; 5]) -> String {
    format!("  {when:<16}  {what:<18}  {whether:<24}  {to:<36}  {package}")
}

fn table_line(row: &Upcoming, business: &Business) -> String {
    let when = row.send_at.with_timezone(&business.zone);
    let what = match row.lead_days {
        Some(days) => format!("{}, {days} d", row.kind.as_str()),
        None => row.kind.as_str().to_owned(),
    };
    let whether = match row.withheld.map(DropReason::as_str) {
        Some(reason) => format!("not: {reason}"),
        None => "goes out".to_owned(),
    };
    let to = match &row.to_email {
        Some(address) => format!("{} <{address}>", row.customer_name),
        None => row.customer_name.clone(),
    };
    line([
        &when.format("%Y-%m-%d %H:%M").to_string(),
        &what,
        &whether,
        &one_line(&to),
        &format!("{} ({})", one_line(&row.package_name), row.package_id),
    ])
}

impl Sum {
    fn is_empty(&self) -> bool {
        self.told == 0 && self.withheld == 0
    }

    fn add(&mut self, row: &Upcoming, business: &Business) {
        if row.withheld.is_some() {
            self.withheld = self.withheld.saturating_add(1);
            return;
        }
        self.told = self.told.saturating_add(1);
        let day = calendar::local_day(row.send_at, business.zone);
        self.emails.insert((row.customer_id, row.kind, day));
    }

    fn sentence(&self) -> String {
        if self.is_empty() {
            return "Nothing falls due.".to_owned();
        }
        format!(
            "{} would be told in {} e-mails, {} would not.",
            self.told,
            self.emails.len(),
            self.withheld
        )
    }
}
