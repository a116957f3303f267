//! Extending many packages at once (E7), and reading how far a run is.

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use crate::domain::bulk::{BulkResult, BulkRun, Extending, PackageFilter, Selection, Work};
use crate::domain::credits::Credits;
use crate::domain::extend::Until;
use crate::domain::package::Status;
use crate::domain::permission::Permission;
use crate::ids::{BulkRunId, BusinessId, CreditTypeId, PackageId, Reference};
use crate::service::bulk::{self, Facts};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::packages::Scope;
use crate::service::resolve;
use crate::store::{bulk_results, bulk_runs, packages};

/// Which packages, as a caller names them.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// Those that it finds.
    Filter(FilterEntry),
    /// These.
    Packages(Vec<Reference<PackageId>>),
}

/// A filter, as a caller writes it.
#[derive(Clone, Debug)]
pub struct FilterEntry {
    /// Whose.
    pub scope: Scope,
    /// Of these statuses; none: all.
    pub statuses: Vec<Status>,
    /// Ending at this instant or later.
    pub expires_from: Option<DateTime<Utc>>,
    /// Ending before this instant.
    pub expires_before: Option<DateTime<Utc>>,
    /// Valid at this instant.
    pub valid_at: Option<DateTime<Utc>>,
}

/// Many packages to be extended.
#[derive(Clone, Debug)]
pub struct BulkExtension {
    /// Which ones.
    pub chosen: Chosen,
    /// The new end of each.
    pub until: Until,
    /// Credits to add to each for nothing.
    pub bonuses: Vec<(Reference<CreditTypeId>, Credits)>,
    /// Restore even though the quarantine is over.
    pub force: bool,
    /// Why; for staff.
    pub reason: String,
    /// Below which package a preview looks.
    pub before: Option<PackageId>,
    /// How many results are answered at most.
    pub size: u64,
}

/// A run as far as it is, with some of what it did.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The run.
    pub run: BulkRun,
    /// What it did, the newest packages first.
    pub results: Vec<BulkResult>,
    /// Below which package the rest of a preview begins.
    pub next_before: Option<PackageId>,
}

/// Begins to extend packages, and says how far that is.
///
/// # Errors
/// `NOT_FOUND`; `PERMISSION_DENIED` if it is forced without [`Permission::PackagesForceRestore`].
pub async fn extend_packages(
    ctx: &Context,
    call: &Call,
    input: &BulkExtension,
) -> Result<Answer<Begun>, ServiceError> {
    if input.force {
        call.require(Permission::PackagesForceRestore)?;
    }
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim::<BulkRunId>(&txn, now).await? {
        txn.rollback().await?;
        return Ok(Answer {
            value: begun(ctx, call, earlier.value, input.size).await?,
            replayed: true,
        });
    }
    let work = Work::Extend(Extending {
        until: input.until,
        bonuses: bonuses(&txn, call.business_id(), &input.bonuses).await?,
        force: input.force,
    });
    let selection = selection(&txn, call.business_id(), &input.chosen).await?;
    let run = bulk::new_run(call, now, (work, selection), &input.reason);
    if call.validate_only {
        let tried = tried(&txn, call, run, input).await?;
        txn.rollback().await?;
        return Ok(Answer::fresh(tried));
    }
    bulk_runs::insert(&txn, &run).await?;
    call.remember(&txn, &run.id).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(begun(ctx, call, run.id, input.size).await?))
}

async fn begun(
    ctx: &Context,
    call: &Call,
    run_id: BulkRunId,
    size: u64,
) -> Result<Begun, ServiceError> {
    let run = bulk::begun(ctx, call.business_id(), run_id).await?;
    let filter = bulk_results::Filter {
        run_id,
        refused_only: false,
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let results = bulk_results::of_run(reader, business_id, filter, None, size).await?;
    Ok(Begun {
        run,
        results,
        next_before: None,
    })
}

/// What a run that is not kept would do to the packages of one page.
async fn tried(
    db: &impl ConnectionTrait,
    call: &Call,
    mut run: BulkRun,
    input: &BulkExtension,
) -> Result<Begun, ServiceError> {
    let facts = Facts {
        business: call.caller.business.as_ref().clone(),
        closures: Vec::new(),
    };
    run.before = input.before;
    let chunk = bulk::chunk_of(db, &run, input.size).await?;
    let results = bulk::preview(db, &run, &facts, &chunk.ids).await?;
    run.count(&results);
    Ok(Begun {
        run,
        results,
        next_before: chunk.ids.last().copied().filter(|_| !chunk.is_last),
    })
}

async fn bonuses(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    entries: &[(Reference<CreditTypeId>, Credits)],
) -> Result<Vec<(CreditTypeId, Credits)>, ServiceError> {
    let mut bonuses = Vec::with_capacity(entries.len());
    for (reference, amount) in entries {
        let id = resolve::credit_type(db, business_id, reference).await?;
        bonuses.push((id, *amount));
    }
    Ok(bonuses)
}

async fn selection(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    chosen: &Chosen,
) -> Result<Selection, ServiceError> {
    match chosen {
        Chosen::Filter(filter) => {
            let found = filter.scope.find(db, business_id).await?;
            Ok(Selection::Filter(PackageFilter {
                customer_id: found.customer_id,
                group_id: found.group_id,
                template_id: found.template_id,
                statuses: filter.statuses.clone(),
                expires_from: filter.expires_from,
                expires_before: filter.expires_before,
                valid_at: filter.valid_at,
            }))
        }
        Chosen::Packages(references) => {
            let mut ids = Vec::with_capacity(references.len());
            for reference in references {
                ids.push(resolve::package(db, business_id, reference).await?);
            }
            let there = packages::by_ids(db, business_id, &ids).await?;
            let missing = ids
                .iter()
                .zip(references)
                .find(|(id, _)| there.iter().all(|package| package.id != **id));
            match missing {
                Some((_, reference)) => Err(resolve::not_found("package", reference).into()),
                None => Ok(Selection::Packages(
                    there.iter().rev().map(|package| package.id).collect(),
                )),
            }
        }
    }
}

/// One run.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn get_run(ctx: &Context, call: &Call, id: &BulkRunId) -> Result<BulkRun, ServiceError> {
    bulk::get_run(ctx.db.reader(), call.business_id(), *id).await
}

/// Which page of what a run did.
#[derive(Clone, Copy, Debug)]
pub struct ResultList {
    /// Which run.
    pub run_id: BulkRunId,
    /// Only packages that were refused.
    pub refused_only: bool,
    /// Below this package.
    pub before: Option<PackageId>,
    /// How many at most.
    pub limit: u64,
}

/// A page of what a run did, the newest packages first.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn list_results(
    ctx: &Context,
    call: &Call,
    input: &ResultList,
) -> Result<Vec<BulkResult>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    bulk::get_run(reader, business_id, input.run_id).await?;
    let filter = bulk_results::Filter {
        run_id: input.run_id,
        refused_only: input.refused_only,
    };
    Ok(bulk_results::of_run(reader, business_id, filter, input.before, input.limit).await?)
}
