//! Items: made, changed, archived; never deleted.

use crate::domain::catalog::Item;
use crate::ids::{ItemId, Reference};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::items::{self, Filter};

/// What the things of this file are called.
const KIND: &str = "item";

/// What a new item is.
#[derive(Clone, Debug)]
pub struct NewItem {
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What it is called.
    pub name: String,
    /// Its category; empty if it has none.
    pub category: String,
    /// What one unit costs without a package, in minor units.
    pub standard_rate_minor: Option<i64>,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct ItemUpdate {
    /// Which one.
    pub id: Reference<ItemId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// The caller's own id of it.
    pub external_id: Option<Option<String>>,
    /// What it is called.
    pub name: Option<String>,
    /// Its category.
    pub category: Option<String>,
    /// What one unit costs without a package, in minor units.
    pub standard_rate_minor: Option<Option<i64>>,
    /// Whether it is still offered.
    pub active: Option<bool>,
}

/// Which page of items.
#[derive(Clone, Debug)]
pub struct ItemList {
    /// Those that are no longer offered too.
    pub include_inactive: bool,
    /// Only those of this category.
    pub category: Option<String>,
    /// Below this one.
    pub before: Option<ItemId>,
    /// How many at most.
    pub limit: u64,
}

/// Makes an item, which is active.
///
/// # Errors
/// `EXTERNAL_ID_TAKEN`.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewItem,
) -> Result<Answer<Item>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let item = Item {
        id: ItemId::generate(now),
        external_id: input.external_id.clone(),
        name: input.name.clone(),
        category: input.category.clone(),
        standard_rate_minor: input.standard_rate_minor,
        active: true,
        created_at: now,
        version: 1,
    };
    items::insert(&txn, call.business_id(), &item)
        .await
        .map_err(|error| taken(error, &item))?;
    call.remember(&txn, &item).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(item))
}

/// One item.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn get(ctx: &Context, call: &Call, id: &Reference<ItemId>) -> Result<Item, ServiceError> {
    let reader = ctx.db.reader();
    let known = resolve::item(reader, call.business_id(), id).await?;
    let found = items::get(reader, call.business_id(), known).await?;
    found.ok_or_else(|| resolve::not_found(KIND, id).into())
}

/// A page of items, newest first.
pub async fn list(ctx: &Context, call: &Call, input: &ItemList) -> Result<Vec<Item>, ServiceError> {
    let filter = Filter {
        include_inactive: input.include_inactive,
        category: input.category.clone(),
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    Ok(items::list(reader, business_id, &filter, input.before, input.limit).await?)
}

/// Changes an item.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `EXTERNAL_ID_TAKEN`.
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &ItemUpdate,
) -> Result<Answer<Item>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = resolve::item(&txn, call.business_id(), &input.id).await?;
    let mut item = items::lock(&txn, call.business_id(), id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    resolve::check_etag(KIND, id, item.version, input.etag.as_deref())?;
    let change = input.clone();
    item.external_id = change.external_id.unwrap_or(item.external_id);
    item.name = change.name.unwrap_or(item.name);
    item.category = change.category.unwrap_or(item.category);
    item.standard_rate_minor = change
        .standard_rate_minor
        .unwrap_or(item.standard_rate_minor);
    item.active = change.active.unwrap_or(item.active);
    items::update(&txn, call.business_id(), &mut item)
        .await
        .map_err(|error| taken(error, &item))?;
    call.remember(&txn, &item).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(item))
}

/// Which item to archive.
#[derive(Clone, Debug)]
pub struct ItemArchiving {
    /// Which one.
    pub id: Reference<ItemId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
}

/// Archives an item: it is no longer offered. One that is archived already stays as it is.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`.
pub async fn archive(
    ctx: &Context,
    call: &Call,
    input: &ItemArchiving,
) -> Result<Answer<Item>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = resolve::item(&txn, call.business_id(), &input.id).await?;
    let mut item = items::lock(&txn, call.business_id(), id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    resolve::check_etag(KIND, id, item.version, input.etag.as_deref())?;
    if item.active {
        item.active = false;
        items::update(&txn, call.business_id(), &mut item).await?;
    }
    call.remember(&txn, &item).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(item))
}

fn taken(error: StoreError, item: &Item) -> ServiceError {
    ServiceError::taken(error, KIND, item.external_id.as_deref())
}
