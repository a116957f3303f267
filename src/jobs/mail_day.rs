//! Decides which timed e-mails there are: one run for each business and local day.
//!
//! A run looks at packages by ranges of their last usable day, writes the notices that fell due and the
//! e-mails that carry them, all notices of one kind for one customer in one e-mail. It may break off
//! anywhere and be run again, since notices and e-mails are unique; its e-mails may be claimed only once
//! it is done. Runs that were never finished are taken over by the next, e-mails included.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::email::Email;
use crate::domain::notice::{Notice, NoticeKind, Window};
use crate::ids::{CustomerId, PackageId};
use crate::jobs::settle::thaw_packages;
use crate::service::mail_plan::{self, Known, MailPlan, Purpose, is_recorded};
use crate::service::{Context, ServiceError};
use crate::store::{businesses, emails, mail_days, notices, packages, template_versions};

/// How many packages one transaction looks at.
const PACKAGES_PER_TRANSACTION_MAX: u64 = 200;
/// How long a run has its day without giving a sign of life.
const LEASE: TimeDelta = TimeDelta::minutes(10);

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailDayReport {
    /// How many runs were finished.
    pub runs: usize,
    /// How many notices are to be told.
    pub told: usize,
    /// How many notices were recorded and are not told.
    pub untold: usize,
    /// How many e-mails were made for them.
    pub emails: usize,
}

/// A run that has its day.
struct Run {
    plan: MailPlan,
    fence: i64,
}

/// Where a walk through a range of packages stands.
type Position = (DateTime<Utc>, PackageId);

/// How a unit of a run ended.
enum Unit {
    /// There may be more behind this position.
    Next(Position),
    /// That was all.
    Last,
    /// Somebody else has the day now.
    Lost,
}

/// Runs the day of every business for which it is due.
///
/// # Errors
/// A failure of the database. What goes wrong with one business alone is logged and holds up no other; the first
/// such failure comes back at the end, so that this does not count as a finished run and somebody is told.
pub async fn step(ctx: &Context) -> Result<MailDayReport, ServiceError> {
    let mut report = MailDayReport::default();
    let mut failed = None;
    // A thaw that nobody has written would leave its package out of every range of ends.
    thaw_packages(ctx).await?;
    for business in businesses::all(ctx.db.reader()).await? {
        let business_id = business.id;
        match run_business(ctx, business, &mut report).await {
            Ok(()) => {}
            Err(error @ ServiceError::Unavailable(_)) => return Err(error),
            Err(error) if error.is_contention() => {
                tracing::warn!(%business_id, %error, "the mail day of {business_id} is put off: {error}");
            }
            Err(error) => {
                tracing::error!(%business_id, %error, "the mail day of {business_id} failed: {error}");
                failed = failed.or(Some(error));
            }
        }
    }
    failed.map_or(Ok(report), Err)
}

async fn run_business(
    ctx: &Context,
    business: Business,
    report: &mut MailDayReport,
) -> Result<(), ServiceError> {
    let Some((today, due_at)) = day_due(&business, ctx.clock.now()) else {
        return Ok(());
    };
    let known = mail_days::get(ctx.db.reader(), business.id, today).await?;
    if known.is_some_and(|day| day.done_at.is_some()) {
        return Ok(());
    }
    let Some(run) = begin(ctx, business, today, due_at).await? else {
        return Ok(());
    };
    for range in run.plan.ranges() {
        let mut after = None;
        loop {
            match look(ctx, &run, range, after, report).await? {
                Unit::Next(position) => after = Some(position),
                Unit::Last => break,
                Unit::Lost => return Ok(()),
            }
        }
    }
    finish(ctx, &run, report).await
}

/// The business's day and when its run is due, if it is and mail goes out at all.
fn day_due(business: &Business, now: DateTime<Utc>) -> Option<(NaiveDate, DateTime<Utc>)> {
    let today = calendar::local_day(now, business.zone);
    let due_at = mail_plan::due_at(business, today)?;
    (business.feature_enabled && due_at <= now).then_some((today, due_at))
}

/// Takes the day, and with it what runs of earlier days began and never finished.
async fn begin(
    ctx: &Context,
    business: Business,
    today: NaiveDate,
    due_at: DateTime<Utc>,
) -> Result<Option<Run>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let mut day = mail_days::lock(&txn, business.id, today, due_at).await?;
    let unfinished = mail_days::lock_unfinished_before(&txn, business.id, today).await?;
    let now = ctx.clock.now();
    let is_taken = |day: &mail_days::MailDay| day.lease_until.is_some_and(|until| until > now);
    if day.done_at.is_some() || is_taken(&day) || unfinished.iter().any(is_taken) {
        txn.rollback().await?;
        return Ok(None);
    }
    for earlier in unfinished {
        emails::adopt(&txn, business.id, earlier.local_day, today).await?;
        mail_days::remove(&txn, &earlier).await?;
    }
    day.fence = day.fence.saturating_add(1);
    day.lease_until = now.checked_add_signed(LEASE);
    mail_days::update(&txn, &day).await?;
    let last_done = mail_days::last_done(&txn, business.id).await?;
    let policies = template_versions::reminder_policies(&txn, &business).await?;
    txn.commit().await?;
    Ok(Some(Run {
        plan: MailPlan {
            business,
            purpose: Purpose::Run,
            today,
            window: Window::after(last_done, today),
            policies,
        },
        fence: day.fence,
    }))
}

/// Looks at the next packages of a range, in one transaction.
async fn look(
    ctx: &Context,
    run: &Run,
    range: (DateTime<Utc>, DateTime<Utc>),
    after: Option<Position>,
    report: &mut MailDayReport,
) -> Result<Unit, ServiceError> {
    let business_id = run.plan.business.id;
    let txn = ctx.db.begin().await?;
    let locked = mail_days::lock_running(&txn, business_id, run.plan.today, run.fence).await?;
    let Some(mut day) = locked else {
        txn.rollback().await?;
        return Ok(Unit::Lost);
    };
    let now = ctx.clock.now();
    let limit = PACKAGES_PER_TRANSACTION_MAX;
    let page = packages::ending_between(&txn, business_id, range, after, limit).await?;
    let known = Known::read(&txn, &run.plan.business, &page, (now, now)).await?;
    let mut found = run.plan.find(&page, &known, now).notices;
    found.retain(|notice| notice.dropped.is_none_or(is_recorded));
    let made = write_emails(&txn, run, &mut found, now).await?;
    notices::insert(&txn, &found).await?;
    day.lease_until = now.checked_add_signed(LEASE);
    mail_days::update(&txn, &day).await?;
    txn.commit().await?;
    let told = found
        .iter()
        .filter(|notice| notice.dropped.is_none())
        .count();
    report.told = report.told.saturating_add(told);
    report.untold = report
        .untold
        .saturating_add(found.len().saturating_sub(told));
    report.emails = report.emails.saturating_add(made);
    let last = page
        .last()
        .and_then(|package| Some((package.expires_at?, package.id)));
    let is_full = u64::try_from(page.len()).is_ok_and(|length| length >= limit);
    Ok(last.filter(|_| is_full).map_or(Unit::Last, Unit::Next))
}

/// Makes the e-mails of the notices that are told, and says how many were new.
async fn write_emails(
    txn: &DatabaseTransaction,
    run: &Run,
    found: &mut [Notice],
    now: DateTime<Utc>,
) -> Result<usize, ServiceError> {
    let mut places: HashMap<(CustomerId, NoticeKind), usize> = HashMap::new();
    let mut new = Vec::new();
    for notice in found.iter().filter(|notice| notice.dropped.is_none()) {
        let key = (notice.customer_id, notice.kind);
        places.entry(key).or_insert_with(|| {
            let occasion = run.plan.today.to_string();
            new.push(Email {
                mail_day: Some(run.plan.today),
                ..Email::new(run.plan.business.id, key.0, key.1, occasion, now)
            });
            new.len().saturating_sub(1)
        });
    }
    let ids = emails::ensure(txn, &new).await?;
    for notice in found.iter_mut().filter(|notice| notice.dropped.is_none()) {
        let place = places.get(&(notice.customer_id, notice.kind));
        notice.email_id = place.and_then(|place| ids.get(*place)).copied();
    }
    let made = new.iter().zip(&ids).filter(|(email, id)| email.id == **id);
    Ok(made.count())
}

/// Ends the run: from now on its e-mails may be claimed.
async fn finish(ctx: &Context, run: &Run, report: &mut MailDayReport) -> Result<(), ServiceError> {
    let business_id = run.plan.business.id;
    let txn = ctx.db.begin().await?;
    let locked = mail_days::lock_running(&txn, business_id, run.plan.today, run.fence).await?;
    let Some(mut day) = locked else {
        txn.rollback().await?;
        return Ok(());
    };
    day.lease_until = None;
    day.done_at = Some(ctx.clock.now());
    mail_days::update(&txn, &day).await?;
    txn.commit().await?;
    report.runs = report.runs.saturating_add(1);
    tracing::info!(%business_id, day = %run.plan.today, "ran the mail day {} of {business_id}", run.plan.today);
    Ok(())
}
