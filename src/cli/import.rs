//! `carnet import`: brings customers and half-used packages of another system into a business, from CSV files.
//!
//! The files are read three times: checked as a whole, which writes nothing, then written part by part, then compared
//! with what the ledger has of them. So nothing is imported of files with a fault, memory does not grow with them but
//! for some bytes a row (the external ids that were seen), and an import that broke off is done again by the same command.

mod cells;
mod customers;
mod findings;
mod guard;
mod packages;
mod parts;
mod report;
mod seen;
mod sheet;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use chrono::NaiveDate;
use clap::Args;

use self::cells::Writing;
use self::findings::Findings;
use self::parts::{Customers, Packages, Parts};
use self::report::{Expected, Report};
use self::seen::Seen;
pub use self::sheet::Separator;
use crate::app;
use crate::cli::progress::{Progress, ProgressStyle};
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::domain::business::Business;
use crate::ids::BusinessId;
use crate::service::importing::catalog::Catalog;
use crate::service::importing::customers::CustomerLine;
use crate::service::importing::totals::Totals;
use crate::service::importing::{self, Fault, Import, Outcome};
use crate::service::{Context, business};
use crate::store::migrate;

/// What to import, and where to.
#[derive(Args, Clone, Debug)]
#[group(id = "files", required = true, multiple = true, args = ["customers", "packages"])]
pub struct ImportArgs {
    /// The customers: a CSV file in UTF-8 whose first row names its columns.
    #[arg(long, value_name = "FILE")]
    pub customers: Option<PathBuf>,
    /// The packages, of these customers or of others that the business has.
    #[arg(long, value_name = "FILE")]
    pub packages: Option<PathBuf>,
    /// The local day from which on Carnet counts; what was used is consumed with its beginning. The same import run
    /// again, after it broke off, has the same day.
    #[arg(long, value_name = "DATE")]
    pub cut_over: NaiveDate,
    /// Into which business; none: the only one.
    #[arg(long, value_name = "ID")]
    pub business: Option<BusinessId>,
    /// Only check: do all of it and write nothing.
    #[arg(long)]
    pub check: bool,
    /// What everything must add up to: a CSV file with the columns `what` and `total`, whose rows are those of the
    /// report, such as `packages` or `Massage: left`.
    #[arg(long, value_name = "FILE")]
    pub expect: Option<PathBuf>,
    /// What lies between two cells; none: what the first row has.
    #[arg(long, value_enum)]
    pub separator: Option<Separator>,
    /// Numbers have a comma before their decimal places.
    #[arg(long)]
    pub decimal_comma: bool,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Imports, and writes a report to the first stream; faults and progress go to the second.
///
/// # Errors
/// If anything is wrong with the files, and then nothing is imported; if the database fails, and then the same command
/// goes on; if the totals differ.
pub async fn run(
    args: &ImportArgs,
    clock: &Clock,
    style: ProgressStyle,
    (out, err): (&mut impl Write, &mut impl Write),
) -> anyhow::Result<()> {
    let db = app::connect(&args.database).await?;
    migrate::check(&db).await?;
    let ctx = Context::new(db, clock.clone());
    let business = wanted(&ctx, args.business).await?;
    let business_id = business.id;
    let writing = Writing {
        currency: business.currency,
        decimal_mark: if args.decimal_comma { ',' } else { '.' },
    };
    let import = Import::begin(business, args.cut_over, clock.now())
        .with_context(|| format!("the cut-over day, {}, lies ahead", args.cut_over))?;
    let mut work = Work {
        args,
        writing,
        catalog: Catalog::read(&ctx, business_id).await?,
        ctx: &ctx,
        import: &import,
        style,
        err,
    };
    let done = Box::pin(work.all(out)).await;
    ctx.db.close().await?;
    done
}

/// The business that is named, or the only one.
async fn wanted(ctx: &Context, id: Option<BusinessId>) -> anyhow::Result<Business> {
    let mut all = business::list_businesses(ctx).await?;
    if let Some(id) = id {
        all.retain(|business| business.id == id);
        return all
            .pop()
            .with_context(|| format!("there is no business {id}"));
    }
    let only = all.pop().context("there is no business yet")?;
    anyhow::ensure!(
        all.is_empty(),
        "there are several: name one with --business"
    );
    Ok(only)
}

/// An import under way.
struct Work<'a, E> {
    args: &'a ImportArgs,
    writing: Writing,
    catalog: Catalog,
    ctx: &'a Context,
    import: &'a Import,
    style: ProgressStyle,
    err: &'a mut E,
}

/// What a reading of the files found.
#[derive(Default)]
struct Checked {
    totals: Totals,
    customers: Outcome,
    packages: Outcome,
}

impl Checked {
    fn sentence(&self) -> String {
        let (customers, packages) = (&self.customers, &self.packages);
        format!(
            "{} customers and {} packages are new, {} and {} are here already.",
            customers.new, packages.new, customers.here, packages.here
        )
    }
}

impl<E: Write> Work<'_, E> {
    async fn all(&mut self, out: &mut impl Write) -> anyhow::Result<()> {
        let expected = Expected::read(self.args.expect.as_deref())?;
        let mut findings = Findings::default();
        let checked = self.check(&mut findings).await?;
        findings.write(self.err)?;
        anyhow::ensure!(
            findings.count() == 0,
            "{} faults were found, so nothing is imported",
            findings.count()
        );
        let mut report = Report::of_files(&checked.totals, self.args, self.writing.currency);
        report.expect(expected)?;
        if self.args.check || report.differences() > 0 {
            report.write(out)?;
            report.refuse_differences("nothing is imported")?;
            writeln!(out, "{} Nothing was written.", checked.sentence())?;
            return Ok(());
        }
        self.write().await?;
        report.compare(&self.ledger().await?);
        report.write(out)?;
        writeln!(out, "{}", checked.sentence())?;
        report.refuse_differences("the import is done")
    }

    /// Reads everything and writes nothing.
    async fn check(&mut self, findings: &mut Findings) -> anyhow::Result<Checked> {
        let mut checked = Checked::default();
        let mut known = Seen::default();
        if let Some(mut parts) = self.customers("checking", findings)? {
            let mut emails = Seen::default();
            while let Some(mut part) = parts.next(self.err)? {
                part.once(&mut known, "external_id", |it| Some(&it.external_id));
                part.once(&mut emails, "email", CustomerLine::verified_email);
                let count = u64::try_from(part.lines.len()).unwrap_or(u64::MAX);
                checked.totals.customers = checked.totals.customers.saturating_add(count);
                let judged =
                    importing::customers::judge(self.ctx, self.import, &part.lines).await?;
                findings.add(parts.path(), part.faults.into_iter().chain(judged.faults));
                checked.customers.count(judged.new, judged.here);
            }
        }
        if let Some(mut parts) = self.packages("checking", findings)? {
            let mut seen = Seen::default();
            let is_to_come = |external_id: &str| known.has(external_id);
            while let Some(mut part) = parts.next(self.err)? {
                part.once(&mut seen, "external_id", |it| Some(&it.external_id));
                let of = (self.import, &mut self.catalog);
                let (lines, totals) = (&part.lines, &mut checked.totals);
                let judging = importing::packages::judge(self.ctx, of, lines, &is_to_come, totals);
                let judged = judging.await?;
                findings.add(parts.path(), part.faults.into_iter().chain(judged.faults));
                checked.packages.count(judged.new, judged.here);
            }
        }
        Ok(checked)
    }

    /// Writes what is not here yet.
    async fn write(&mut self) -> anyhow::Result<()> {
        let mut findings = Findings::default();
        if let Some(mut parts) = self.customers("importing", &mut findings)? {
            while let Some(part) = parts.next(self.err)? {
                let written =
                    importing::customers::write(self.ctx, self.import, &part.lines).await?;
                findings.add(parts.path(), part.faults.into_iter().chain(written.faults));
                self.still_sound(&findings)?;
            }
        }
        if let Some(mut parts) = self.packages("importing", &mut findings)? {
            while let Some(part) = parts.next(self.err)? {
                let catalog = &mut self.catalog;
                let writing =
                    importing::packages::write(self.ctx, self.import, catalog, &part.lines);
                let written = writing.await?;
                findings.add(parts.path(), part.faults.into_iter().chain(written.faults));
                self.still_sound(&findings)?;
            }
        }
        self.still_sound(&findings)
    }

    /// What was sound when it was checked may not be any more, if somebody changed the files or the business.
    fn still_sound(&mut self, findings: &Findings) -> anyhow::Result<()> {
        findings.write(self.err)?;
        anyhow::ensure!(
            findings.count() == 0,
            "this was sound when it was checked; what came before it is imported: put it right and run this again"
        );
        Ok(())
    }

    /// What the ledger has of the files.
    async fn ledger(&mut self) -> anyhow::Result<Totals> {
        let mut totals = Totals::default();
        let mut findings = Findings::default();
        if let Some(mut parts) = self.customers("comparing", &mut findings)? {
            while let Some(part) = parts.next(self.err)? {
                let adding = totals.add_customers_here(self.ctx, self.import, &part.lines);
                adding.await?;
            }
        }
        if let Some(mut parts) = self.packages("comparing", &mut findings)? {
            while let Some(part) = parts.next(self.err)? {
                let of = (self.import, &self.catalog);
                totals.add_ledger(self.ctx, of, &part.lines).await?;
            }
        }
        Ok(totals)
    }

    fn customers(
        &self,
        doing: &'static str,
        findings: &mut Findings,
    ) -> anyhow::Result<Option<Parts<Customers>>> {
        let path = self.args.customers.as_deref();
        let progress = Progress::new(self.style);
        Parts::open(path, (doing, progress), self.reading(), findings)
    }

    fn packages(
        &self,
        doing: &'static str,
        findings: &mut Findings,
    ) -> anyhow::Result<Option<Parts<Packages>>> {
        let path = self.args.packages.as_deref();
        let progress = Progress::new(self.style);
        Parts::open(path, (doing, progress), self.reading(), findings)
    }

    fn reading(&self) -> (Option<Separator>, Writing) {
        (self.args.separator, self.writing)
    }
}
