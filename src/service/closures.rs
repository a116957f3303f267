//! Closures (E6): making them, changing them, undoing them. A run applies what was decided here.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::domain::bulk::{BulkResult, BulkRun, Selection, Work};
use crate::domain::closure::{Closure, Days};
use crate::domain::refusal::Refusal;
use crate::ids::{BulkRunId, BusinessId, ClosureId, PackageId, Reference, TemplateId};
use crate::service::bulk::{self, Facts};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::{bulk_runs, closures, templates};

const KIND: &str = "closure";

/// A closure to be made.
#[derive(Clone, Debug)]
pub struct NewClosure {
    /// What it is called.
    pub name: String,
    /// The closed days.
    pub days: Days,
    /// Only packages of this template; none: all.
    pub template: Option<Reference<TemplateId>>,
}

/// A closure to be changed; what is missing stays.
#[derive(Clone, Debug)]
pub struct ClosureUpdate {
    /// Which one.
    pub id: ClosureId,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// What it is called.
    pub name: Option<String>,
    /// The closed days.
    pub days: Option<Days>,
}

/// Which closure to undo.
#[derive(Clone, Debug)]
pub struct ClosureUndoing {
    /// Which one.
    pub id: ClosureId,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// A closure, and how far it is applied.
#[derive(Clone, Debug)]
pub struct ClosureView {
    /// The closure.
    pub closure: Closure,
    /// The run that applies it or its last change; none where nothing is kept.
    pub run: Option<BulkRun>,
}

/// Makes a closure and begins to apply it.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewClosure,
) -> Result<Answer<ClosureView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim::<ClosureId>(&txn, now).await? {
        txn.rollback().await?;
        return replayed(ctx, call, earlier.value).await;
    }
    let business_id = call.business_id();
    let mut closure = Closure {
        id: ClosureId::generate(now),
        name: input.name.clone(),
        days: input.days,
        template_id: template(&txn, business_id, input.template.as_ref()).await?,
        run_id: BulkRunId::generate(now),
        undone_at: None,
        created_at: now,
        version: 1,
    };
    begin_run(&txn, call, &mut closure, now).await?;
    closures::insert(&txn, business_id, &closure).await?;
    call.remember(&txn, &closure.id).await?;
    call.commit(txn).await?;
    begun(ctx, call, closure).await
}

/// Changes a closure and begins to adjust what it did.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `CLOSURE_UNDONE`.
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &ClosureUpdate,
) -> Result<Answer<ClosureView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim::<ClosureId>(&txn, now).await? {
        txn.rollback().await?;
        return replayed(ctx, call, earlier.value).await;
    }
    let mut closure = lock(&txn, call, input.id, input.etag.as_deref()).await?;
    closure.name = input.name.clone().unwrap_or(closure.name);
    if let Some(days) = input.days.filter(|days| *days != closure.days) {
        closure.days = days;
        begin_run(&txn, call, &mut closure, now).await?;
    }
    closures::update(&txn, call.business_id(), &mut closure).await?;
    call.remember(&txn, &closure.id).await?;
    call.commit(txn).await?;
    begun(ctx, call, closure).await
}

/// Undoes a closure and begins to take back those of its days that are ahead.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `CLOSURE_UNDONE`.
pub async fn undo(
    ctx: &Context,
    call: &Call,
    input: &ClosureUndoing,
) -> Result<Answer<ClosureView>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim::<ClosureId>(&txn, now).await? {
        txn.rollback().await?;
        return replayed(ctx, call, earlier.value).await;
    }
    let mut closure = lock(&txn, call, input.id, input.etag.as_deref()).await?;
    closure.undone_at = Some(now);
    begin_run(&txn, call, &mut closure, now).await?;
    closures::update(&txn, call.business_id(), &mut closure).await?;
    call.remember(&txn, &closure.id).await?;
    call.commit(txn).await?;
    begun(ctx, call, closure).await
}

/// One closure.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn get(ctx: &Context, call: &Call, id: &ClosureId) -> Result<ClosureView, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let closure = closures::get(reader, business_id, *id).await?;
    let closure = closure.ok_or_else(|| resolve::not_found(KIND, id))?;
    let run = bulk::get_run(reader, business_id, closure.run_id).await?;
    Ok(ClosureView {
        closure,
        run: Some(run),
    })
}

/// Which page of closures.
#[derive(Clone, Copy, Debug)]
pub struct ClosureList {
    /// Below this one.
    pub before: Option<ClosureId>,
    /// How many at most.
    pub limit: u64,
}

/// A page of closures, the newest first.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &ClosureList,
) -> Result<Vec<ClosureView>, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let found = closures::list(reader, business_id, input.before, input.limit).await?;
    let run_ids = found.iter().map(|closure| closure.run_id);
    let runs = bulk_runs::by_ids(reader, business_id, run_ids).await?;
    let run_of = |closure: &Closure| runs.iter().find(|run| run.id == closure.run_id).cloned();
    Ok(found
        .into_iter()
        .map(|closure| ClosureView {
            run: run_of(&closure),
            closure,
        })
        .collect())
}

/// Which closure to look ahead of, and at which packages.
#[derive(Clone, Debug)]
pub struct ClosurePreview {
    /// The one to be changed; none: a new one.
    pub id: Option<ClosureId>,
    /// The closed days.
    pub days: Days,
    /// Of a new one: only packages of this template.
    pub template: Option<Reference<TemplateId>>,
    /// Below this package.
    pub before: Option<PackageId>,
    /// How many packages to look at.
    pub size: u64,
}

/// What a closure would do to some packages.
#[derive(Clone, Debug)]
pub struct PreviewPage {
    /// What it would do, the newest packages first.
    pub results: Vec<BulkResult>,
    /// Below which package the next page begins; none on the last.
    pub next_before: Option<PackageId>,
}

/// Says what making or changing a closure would do now.
///
/// # Errors
/// `NOT_FOUND`, `CLOSURE_UNDONE`.
pub async fn preview(
    ctx: &Context,
    call: &Call,
    input: &ClosurePreview,
) -> Result<PreviewPage, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let (business_id, now) = (call.business_id(), ctx.clock.now());
    let mut closure = match input.id {
        Some(id) => {
            let found = closures::get(&txn, business_id, id).await?;
            found.ok_or_else(|| resolve::not_found(KIND, &id))?
        }
        None => Closure {
            id: ClosureId::generate(now),
            name: String::new(),
            days: input.days,
            template_id: template(&txn, business_id, input.template.as_ref()).await?,
            run_id: BulkRunId::generate(now),
            undone_at: None,
            created_at: now,
            version: 0,
        },
    };
    closure.refuse_undone().map_err(Refusal::from)?;
    closure.days = input.days;
    let mut in_force = closures::in_force(&txn, business_id).await?;
    in_force.retain(|other| other.id != closure.id);
    in_force.push(closure.clone());
    let facts = Facts {
        business: call.caller.business.as_ref().clone(),
        closures: in_force,
    };
    let found = bulk::chunk_of_closure(&txn, business_id, &closure, input.before, input.size);
    let chunk = found.await?;
    let run = bulk::new_run(call, now, work(closure.id), "");
    let results = bulk::preview(&txn, &run, &facts, &chunk.ids).await?;
    txn.commit().await?;
    Ok(PreviewPage {
        results,
        next_before: chunk.ids.last().copied().filter(|_| !chunk.is_last),
    })
}

fn work(id: ClosureId) -> (Work, Selection) {
    (Work::Close, Selection::Closure(id))
}

async fn template(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    reference: Option<&Reference<TemplateId>>,
) -> Result<Option<TemplateId>, ServiceError> {
    let Some(reference) = reference else {
        return Ok(None);
    };
    let id = resolve::template(db, business_id, reference).await?;
    match templates::get(db, business_id, id).await? {
        Some(_) => Ok(Some(id)),
        None => Err(resolve::not_found("template", reference).into()),
    }
}

/// Locks a closure that is in force.
async fn lock(
    txn: &DatabaseTransaction,
    call: &Call,
    id: ClosureId,
    etag: Option<&str>,
) -> Result<Closure, ServiceError> {
    let closure = closures::lock(txn, call.business_id(), id).await?;
    let closure = closure.ok_or_else(|| resolve::not_found(KIND, &id))?;
    resolve::check_etag(KIND, id, closure.version, etag)?;
    closure.refuse_undone().map_err(Refusal::from)?;
    Ok(closure)
}

/// Begins the run that applies a closure as it is now.
async fn begin_run(
    txn: &DatabaseTransaction,
    call: &Call,
    closure: &mut Closure,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let run = bulk::new_run(call, now, work(closure.id), &closure.name);
    bulk_runs::insert(txn, &run).await?;
    closure.run_id = run.id;
    Ok(())
}

async fn begun(
    ctx: &Context,
    call: &Call,
    closure: Closure,
) -> Result<Answer<ClosureView>, ServiceError> {
    let run = if call.validate_only {
        None
    } else {
        Some(bulk::begun(ctx, call.business_id(), closure.run_id).await?)
    };
    Ok(Answer::fresh(ClosureView { closure, run }))
}

/// The closure of an earlier request, as far as it is by now.
async fn replayed(
    ctx: &Context,
    call: &Call,
    id: ClosureId,
) -> Result<Answer<ClosureView>, ServiceError> {
    let view = get(ctx, call, &id).await?;
    bulk::begun(ctx, call.business_id(), view.closure.run_id).await?;
    Ok(Answer {
        value: get(ctx, call, &id).await?,
        replayed: true,
    })
}
