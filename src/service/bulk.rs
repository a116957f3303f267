//! Work on many packages (design section 5): each package is a unit of its own, judged as a call for it alone
//! would be, and at most 200 of them share a commit.
//!
//! A run goes from the newest package to the oldest and keeps where it is in the transaction that did the
//! work. So it comes to each package once, whatever breaks off; memory does not grow with it; and packages
//! that are made meanwhile are left alone.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::domain::amend::{Amended, Amendment};
use crate::domain::bulk::{BulkOutcome, BulkResult, BulkRun, Extending, Selection, Work};
use crate::domain::business::Business;
use crate::domain::closure::{Closure, Counted, around, close};
use crate::domain::credits::Credits;
use crate::domain::extend::{Extension, NewLot, extend};
use crate::domain::hold::Hold;
use crate::domain::line::Line;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;
use crate::ids::{BulkRunId, BusinessId, CreditTypeId, LotId, PackageId, new_uuid};
use crate::ledger::{post, reach, whole};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{extension, resolve};
use crate::store::error::StoreError;
use crate::store::packages::Filter;
use crate::store::{
    bulk_results, bulk_runs, businesses, closure_packages, closures, holds, lots, packages,
};

/// How many packages one transaction looks at.
const PACKAGES_PER_TRANSACTION_MAX: u64 = 200;
/// What entries of a run say that they come from.
const METHOD: &str = "bulk";

/// What a run knows beside the packages.
pub(super) struct Facts {
    pub(super) business: Business,
    /// Those in force.
    pub(super) closures: Vec<Closure>,
}

/// The next packages of a run, the newest first.
pub(super) struct Chunk {
    pub(super) ids: Vec<PackageId>,
    /// Whether there are no others after them.
    pub(super) is_last: bool,
}

/// What is to be done to one package.
struct Decision {
    stamp: Stamp,
    amended: Amended,
    counted: Option<Vec<Counted>>,
    ends: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
}

/// Does the next part of a run, and says whether there is more to do now: not if somebody else is at it.
///
/// # Errors
/// A failure of the database; the run stays where it was.
pub async fn advance(
    ctx: &Context,
    business_id: BusinessId,
    run_id: BulkRunId,
) -> Result<bool, ServiceError> {
    let txn = ctx.db.begin().await?;
    let Some(mut run) = bulk_runs::lock_open(&txn, business_id, run_id).await? else {
        txn.rollback().await?;
        return Ok(false);
    };
    let chunk = chunk_of(&txn, &run, PACKAGES_PER_TRANSACTION_MAX).await?;
    let results = work_on(ctx, &txn, &run, &chunk.ids).await?;
    run.count(&results);
    run.before = chunk.ids.last().copied().or(run.before);
    run.finished_at = chunk.is_last.then(|| ctx.clock.now());
    bulk_results::insert(&txn, business_id, run_id, &results).await?;
    bulk_runs::update(&txn, &run).await?;
    txn.commit().await?;
    if run.finished_at.is_some() {
        let (changed, refused) = (run.changed, run.refused);
        tracing::info!(%run_id, changed, refused, "{run_id} changed {changed} packages and refused {refused}");
    }
    Ok(!chunk.is_last)
}

/// The run as it is once a first part of it was tried: a small one is done by then. What fails now is left to
/// the job.
///
/// # Errors
/// [`Refusal::NotFound`].
pub(super) async fn begun(
    ctx: &Context,
    business_id: BusinessId,
    run_id: BulkRunId,
) -> Result<BulkRun, ServiceError> {
    if let Err(error) = advance(ctx, business_id, run_id).await {
        tracing::warn!(%run_id, %error, "{run_id} is left to the job: {error}");
    }
    get_run(ctx.db.reader(), business_id, run_id).await
}

/// One run.
///
/// # Errors
/// [`Refusal::NotFound`].
pub(super) async fn get_run(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    run_id: BulkRunId,
) -> Result<BulkRun, ServiceError> {
    let run = bulk_runs::get(db, business_id, run_id).await?;
    run.ok_or_else(|| resolve::not_found("run", &run_id).into())
}

/// A run that a call begins.
pub(super) fn new_run(
    call: &Call,
    now: DateTime<Utc>,
    (work, selection): (Work, Selection),
    reason: &str,
) -> BulkRun {
    BulkRun {
        id: BulkRunId::generate(now),
        business_id: call.business_id(),
        work,
        selection,
        reason: reason.to_owned(),
        actor: call.caller.actor,
        before: None,
        changed: 0,
        refused: 0,
        created_at: now,
        finished_at: None,
    }
}

impl Facts {
    async fn read(txn: &DatabaseTransaction, run: &BulkRun) -> Result<Self, ServiceError> {
        let business = businesses::get(txn, run.business_id).await?;
        let missing = || StoreError::corrupt("businesses", run.business_id);
        Ok(Self {
            business: business.ok_or_else(missing)?,
            closures: match run.work {
                Work::Close => closures::in_force(txn, run.business_id).await?,
                Work::Extend(_) => Vec::new(),
            },
        })
    }
}

/// The packages that a run comes to next.
pub(super) async fn chunk_of(
    db: &impl ConnectionTrait,
    run: &BulkRun,
    limit: u64,
) -> Result<Chunk, ServiceError> {
    let (business_id, before) = (run.business_id, run.before);
    match &run.selection {
        Selection::Filter(filter) => {
            let filter = Filter {
                customer_id: filter.customer_id,
                group_id: filter.group_id,
                template_id: filter.template_id,
                expires_from: filter.expires_from,
                expires_before: filter.expires_before,
                valid_at: filter.valid_at,
                ..Filter::default()
            };
            let found = packages::list(db, business_id, &filter, before, limit).await?;
            Ok(Chunk::of(found.iter().map(|package| package.id), limit))
        }
        Selection::Packages(ids) => {
            let ids = ids.iter().copied();
            Ok(Chunk::of(
                ids.filter(|id| before.is_none_or(|before| *id < before)),
                limit,
            ))
        }
        Selection::Closure(id) => {
            let closure = closures::get(db, business_id, *id).await?;
            let closure = closure.ok_or_else(|| StoreError::corrupt("closures", id))?;
            chunk_of_closure(db, business_id, &closure, before, limit).await
        }
    }
}

/// The next packages that may have a day of a closure, and those that got one back.
pub(super) async fn chunk_of_closure(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    closure: &Closure,
    before: Option<PackageId>,
    limit: u64,
) -> Result<Chunk, ServiceError> {
    let mut ids = closure_packages::of_closure(db, business_id, closure.id, before, limit).await?;
    if closure.undone_at.is_none() {
        let filter = Filter {
            template_id: closure.template_id,
            valid_within: Some(around(closure.days)),
            ..Filter::default()
        };
        let valid = packages::list(db, business_id, &filter, before, limit).await?;
        ids.extend(valid.iter().map(|package| package.id));
    }
    Ok(Chunk::of(ids, limit))
}

impl Chunk {
    fn of(ids: impl IntoIterator<Item = PackageId>, limit: u64) -> Self {
        let mut ids: Vec<PackageId> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        ids.reverse();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let is_last = ids.len() < limit;
        ids.truncate(limit);
        Self { ids, is_last }
    }
}

/// Changes these packages, or finds out why not.
async fn work_on(
    ctx: &Context,
    txn: &DatabaseTransaction,
    run: &BulkRun,
    ids: &[PackageId],
) -> Result<Vec<BulkResult>, ServiceError> {
    let business_id = run.business_id;
    let locked = whole::lock(txn, &ctx.clock, business_id, ids).await?;
    let mut by_package = lots_by_package(locked.lots);
    let mut counted = closure_packages::of_packages(txn, business_id, ids).await?;
    // Not before the locks: a closure that somebody else has applied to these packages since must count.
    let facts = Facts::read(txn, run).await?;
    let mut results = Vec::new();
    for package in locked.packages {
        let lots = by_package.remove(&package.id).unwrap_or_default();
        // Read one by one: a hold may lie in two packages, and the first has written what time did to it.
        let holds = open_holds(txn, business_id, &lots).await?;
        let before = counted.remove(&package.id).unwrap_or_default();
        let decided = decide(run, &facts, &package, (lots, holds), &before, locked.now);
        results.extend(result_of(&package, &decided));
        if let Ok(Some(mut decision)) = decided {
            let stamp = &decision.stamp;
            post::amend(txn, stamp, &mut decision.amended).await?;
            let posting = &decision.amended.posting;
            post::post_in(txn, business_id, posting, &run.reason).await?;
            if let Some(counted) = &decision.counted {
                closure_packages::replace(txn, business_id, package.id, counted).await?;
            }
        }
    }
    Ok(results)
}

/// What a run would do to these packages, the newest first.
pub(super) async fn preview(
    db: &impl ConnectionTrait,
    run: &BulkRun,
    facts: &Facts,
    ids: &[PackageId],
) -> Result<Vec<BulkResult>, ServiceError> {
    let business_id = run.business_id;
    let found = packages::by_ids(db, business_id, ids).await?;
    let mut by_package = lots_by_package(lots::of_packages(db, business_id, ids).await?);
    let counted = closure_packages::of_packages(db, business_id, ids).await?;
    let mut results = Vec::new();
    for package in found.into_iter().rev() {
        let mut lots = by_package.remove(&package.id).unwrap_or_default();
        lots.extend(reach::beside(db, business_id, &lots, run.created_at).await?);
        let holds = open_holds(db, business_id, &lots).await?;
        let before = counted.get(&package.id).cloned().unwrap_or_default();
        let decided = decide(run, facts, &package, (lots, holds), &before, run.created_at);
        results.extend(result_of(&package, &decided));
    }
    Ok(results)
}

fn lots_by_package(lots: Vec<Lot>) -> HashMap<PackageId, Vec<Lot>> {
    let mut by_package: HashMap<PackageId, Vec<Lot>> = HashMap::new();
    for lot in lots {
        by_package.entry(lot.package_id).or_default().push(lot);
    }
    by_package
}

async fn open_holds(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    lots: &[Lot],
) -> Result<Vec<Hold>, StoreError> {
    let holding = lots.iter();
    let holding = holding.filter(|lot| lot.fold.balances.held > Credits::ZERO);
    let ids: Vec<LotId> = holding.map(|lot| lot.id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    holds::open_in(db, business_id, &ids).await
}

fn result_of(package: &Package, decided: &Result<Option<Decision>, Refusal>) -> Option<BulkResult> {
    let outcome = match decided {
        Err(refusal) => BulkOutcome::of_refusal(refusal),
        Ok(Some(Decision {
            ends: (old, new), ..
        })) if old != new => BulkOutcome::Moved {
            old: *old,
            new: *new,
        },
        Ok(_) => return None,
    };
    Some(BulkResult {
        package_id: package.id,
        outcome,
    })
}

/// Decides on one package; nothing if the run has nothing to do on it.
fn decide(
    run: &BulkRun,
    facts: &Facts,
    package: &Package,
    (lots, holds): (Vec<Lot>, Vec<Hold>),
    before: &[Counted],
    now: DateTime<Utc>,
) -> Result<Option<Decision>, Refusal> {
    if package.created_at > run.created_at {
        return Ok(None);
    }
    let stamp = Stamp {
        posting_id: new_uuid(now),
        now,
        request_hash: None,
        method: METHOD.to_owned(),
        actor: run.actor,
        purpose: None,
    };
    let mut amendment = Amendment::begin(package, Draft::with_holds(&stamp, lots, holds))?;
    if !is_wanted(&run.selection, &amendment) {
        return Ok(None);
    }
    let old = amendment.package.end();
    let quarantine_days = facts.business.quarantine_days;
    let counted = match &run.work {
        Work::Extend(extending) => {
            extend_one(&mut amendment, extending, quarantine_days)?;
            None
        }
        Work::Close => {
            let counted = close(&mut amendment, &facts.closures, before, quarantine_days)?;
            if counted.is_none() {
                return Ok(None);
            }
            counted
        }
    };
    let ends = (old, amendment.package.end());
    let amended = amendment.end();
    Ok(Some(Decision {
        stamp: stamp.clone(),
        amended,
        counted,
        ends,
    }))
}

/// Whether a package is of one of the statuses that are asked for, if any are.
fn is_wanted(selection: &Selection, amendment: &Amendment<'_>) -> bool {
    match selection {
        Selection::Filter(filter) if !filter.statuses.is_empty() => {
            let lots: Vec<Lot> = amendment.lots().cloned().collect();
            let status = amendment.package.status(&lots, amendment.now());
            filter.statuses.contains(&status)
        }
        Selection::Filter(_) | Selection::Packages(_) | Selection::Closure(_) => true,
    }
}

fn extend_one(
    amendment: &mut Amendment<'_>,
    extending: &Extending,
    quarantine_days: i32,
) -> Result<(), Refusal> {
    let bonuses = extending.bonuses.iter();
    let bonuses = bonuses.map(|(credit_type_id, amount)| {
        let line = first_line_of(amendment, *credit_type_id)?;
        extension::bonus(&line, *amount, amendment.now())
    });
    let extension = Extension {
        bonuses: bonuses.collect::<Result<Vec<NewLot>, Refusal>>()?,
        expires_at: extending.until.for_package(&amendment.package)?,
        quarantine_days,
        force: extending.force,
    };
    extend(amendment, extension)
}

fn first_line_of(
    amendment: &Amendment<'_>,
    credit_type_id: CreditTypeId,
) -> Result<Arc<Line>, Refusal> {
    let lines = amendment.lots().map(|lot| &lot.line);
    let lines = lines.filter(|line| line.credit_type_id == credit_type_id);
    let first = lines.min_by_key(|line| (line.position, line.id));
    first.cloned().ok_or(Refusal::CreditTypeNotInPackage {
        package_id: amendment.package.id,
        credit_type_id,
    })
}
