//! Using credits (D1 to D4).

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};

use crate::domain::catalog::Item;
use crate::domain::credits::Credits;
use crate::domain::decide::{Command, Consume};
use crate::domain::line::ItemFacts;
use crate::domain::permission::Permission;
use crate::domain::refusal::Refusal;
use crate::domain::selection::Wanted;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, ItemId, PackageId, Reference, UserId};
use crate::service::buyers::check_there;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::posted::{self, Posted};
use crate::service::resolve;
use crate::store::{credit_types, customers, items, packages, users};

/// Credits to be used.
#[derive(Clone, Debug)]
pub struct Use {
    /// Whose.
    pub customer: Reference<CustomerId>,
    /// For what.
    pub what: What,
    /// Only these packages, in this order; none: the best ones.
    pub packages: Vec<Reference<PackageId>>,
    /// When the service was delivered; none: now.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Who delivered it, if not the caller.
    pub consumed_by: Option<Reference<UserId>>,
    /// For staff.
    pub note: String,
}

/// What credits are used for.
#[derive(Clone, Debug)]
pub enum What {
    /// Units of an item.
    Item(Reference<ItemId>, Credits),
    /// An amount of a credit type, by hand.
    Credits(Reference<CreditTypeId>, Credits),
}

/// Uses credits.
///
/// # Errors
/// Every refusal of the rules of use; [`Refusal::NotFound`] for what the caller names.
pub async fn consume(
    ctx: &Context,
    call: &Call,
    input: &Use,
) -> Result<Answer<Posted>, ServiceError> {
    let taking = taking(ctx, call, input).await;
    let asked = taking.as_ref().ok().cloned();
    let command = taking.map(Command::Consume);
    let done = posted::submit(ctx, call, command, &input.note).await;
    or_unknown(ctx, call, input, asked.as_ref(), done).await
}

/// What was answered, unless it is a refusal and the caller has named what does not exist: then that is the
/// better reason. Whoever has credits exists, so it is not asked before.
pub(super) async fn or_unknown<T>(
    ctx: &Context,
    call: &Call,
    input: &Use,
    asked: Option<&Consume>,
    done: Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    let is_refused = match &done {
        Err(ServiceError::Refused(refusal)) => !matches!(refusal, Refusal::RequestIdReused { .. }),
        Ok(_) | Err(_) => false,
    };
    if let Some(asked) = asked.filter(|_| is_refused) {
        Box::pin(refuse_unknown(ctx, call, input, asked)).await?;
    }
    done
}

/// Refuses a customer or packages that do not exist.
pub(super) async fn refuse_unknown(
    ctx: &Context,
    call: &Call,
    input: &Use,
    asked: &Consume,
) -> Result<(), ServiceError> {
    let (business_id, reader) = (call.business_id(), ctx.db.reader());
    let customer = customers::get(reader, business_id, asked.customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    check_there(&customer)?;
    known_packages(reader, business_id, &input.packages).await?;
    Ok(())
}

/// Finds what the caller names. None of it can stop existing, so it is read without locks.
pub(super) async fn taking(
    ctx: &Context,
    call: &Call,
    input: &Use,
) -> Result<Consume, ServiceError> {
    let business_id = call.business_id();
    let reader = ctx.db.reader();
    let customer_id = resolve::customer(reader, business_id, &input.customer).await?;
    let mut package_ids = Vec::with_capacity(input.packages.len());
    for reference in &input.packages {
        package_ids.push(resolve::package(reader, business_id, reference).await?);
    }
    let consumed_by = match &input.consumed_by {
        Some(reference) => Some(known_user(ctx, call, reference).await?),
        None => None,
    };
    Ok(Consume {
        customer_id,
        wanted: wanted(ctx, call, &input.what).await?,
        package_ids,
        delivered_at: input.delivered_at,
        consumed_by,
        past_expiry: past_expiry(call, input.delivered_at),
    })
}

/// The quarantine of the business, if the caller may use packages that have ended since the service was
/// delivered.
pub(super) fn past_expiry(call: &Call, delivered_at: Option<DateTime<Utc>>) -> Option<i32> {
    let permissions = &call.caller.permissions;
    let may = permissions.contains(&Permission::CreditsConsumePastExpiry);
    (may && delivered_at.is_some()).then_some(call.caller.business.quarantine_days)
}

/// The packages that a caller names.
pub(super) async fn known_packages(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    references: &[Reference<PackageId>],
) -> Result<Vec<PackageId>, ServiceError> {
    let mut ids = Vec::with_capacity(references.len());
    for reference in references {
        let id = resolve::package(db, business_id, reference).await?;
        packages::get(db, business_id, id)
            .await?
            .ok_or_else(|| resolve::not_found("package", reference))?;
        ids.push(id);
    }
    Ok(ids)
}

async fn known_user(
    ctx: &Context,
    call: &Call,
    reference: &Reference<UserId>,
) -> Result<UserId, ServiceError> {
    let reader = ctx.db.reader();
    let id = resolve::user(reader, call.business_id(), reference).await?;
    let found = users::get(reader, call.business_id(), id).await?;
    found
        .map(|user| user.id)
        .ok_or_else(|| resolve::not_found("user", reference).into())
}

async fn wanted(ctx: &Context, call: &Call, what: &What) -> Result<Wanted, ServiceError> {
    let business_id = call.business_id();
    let reader = ctx.db.reader();
    match what {
        What::Item(reference, units) => {
            let item = item_facts(ctx, call, reference).await?;
            Ok(Wanted::Item {
                item,
                units: *units,
            })
        }
        What::Credits(reference, amount) => {
            let id = resolve::credit_type(reader, business_id, reference).await?;
            let credit_type = credit_types::get(reader, business_id, id)
                .await?
                .ok_or_else(|| resolve::not_found("credit type", reference))?;
            if amount.is_finer_than(credit_type.decimal_places) {
                return Err(Refusal::AmountTooFine {
                    amount: *amount,
                    decimal_places: credit_type.decimal_places,
                    credit_type_id: id,
                }
                .into());
            }
            Ok(Wanted::Credits {
                credit_type_id: id,
                amount: *amount,
            })
        }
    }
}

/// An item with its category as it is now: the members of a category are those at the time of use. Calls share
/// the query, which takes a connection of its own: in a transaction, [`item_in`] is asked instead.
pub(super) async fn item_facts(
    ctx: &Context,
    call: &Call,
    reference: &Reference<ItemId>,
) -> Result<ItemFacts, ServiceError> {
    let id = resolve::item(ctx.db.reader(), call.business_id(), reference).await?;
    item_now(ctx, call, id).await
}

/// The same for an item that is known by its id.
pub(super) async fn item_now(
    ctx: &Context,
    call: &Call,
    id: ItemId,
) -> Result<ItemFacts, ServiceError> {
    let item = ctx.item(call.business_id(), id).await?;
    let item = item.ok_or_else(|| resolve::not_found("item", &id))?;
    Ok(facts(&item))
}

/// The same as a transaction sees it.
pub(super) async fn item_in(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: ItemId,
) -> Result<ItemFacts, ServiceError> {
    let item = items::get(txn, business_id, id).await?;
    let item = item.ok_or_else(|| resolve::not_found("item", &id))?;
    Ok(facts(&item))
}

fn facts(item: &Item) -> ItemFacts {
    ItemFacts {
        id: item.id,
        category: item.category.clone(),
        active: item.active,
    }
}
