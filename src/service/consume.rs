//! Using credits (D1 to D4).

use chrono::{DateTime, Utc};

use crate::domain::credits::Credits;
use crate::domain::decide::{Command, Consume};
use crate::domain::entry::Entry;
use crate::domain::line::ItemFacts;
use crate::domain::lot::Lot;
use crate::domain::refusal::Refusal;
use crate::domain::selection::Wanted;
use crate::ids::{CreditTypeId, CustomerId, ItemId, PackageId, Reference, UserId};
use crate::ledger::Submission;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::{credit_types, customers, packages, users};

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

/// What was used: each part came from one lot.
#[derive(Clone, Debug)]
pub struct Used {
    /// The parts, in the order in which they were taken. All of it can be told from the ledger's entries
    /// alone, so a repeat gets an equal answer however late.
    pub parts: Vec<(Entry, Lot)>,
}

/// Uses credits.
///
/// # Errors
/// Every refusal of the rules of use; [`Refusal::NotFound`] for what the caller names.
pub async fn consume(
    ctx: &Context,
    call: &Call,
    input: &Use,
) -> Result<Answer<Used>, ServiceError> {
    let receipt = match submission(ctx, call, input).await {
        Ok(submission) => match ctx.ledger.submit(&submission).await {
            Ok(receipt) => receipt,
            Err(error) => {
                let error = ServiceError::from(error);
                let reused = Refusal::RequestIdReused {
                    request_id: submission.request_id,
                };
                if matches!(&error, ServiceError::Refused(refusal) if *refusal != reused) {
                    refuse_unknown(ctx, call, input, &submission.command).await?;
                }
                return Err(error);
            }
        },
        Err(refused @ ServiceError::Refused(_)) => {
            // What the caller names may be named otherwise by now; a repeat is a repeat all the same.
            let request_id = call.request_id.unwrap_or_default();
            let business_id = call.business_id();
            let earlier = ctx.ledger.earlier(business_id, request_id, &call.hash);
            earlier.await?.ok_or(refused)?
        }
        Err(error) => return Err(error),
    };
    let mut parts = Vec::with_capacity(receipt.entries.len());
    for entry in receipt.entries {
        let lot = receipt.lots.get(&entry.lot_id).cloned();
        let lot = lot.ok_or(Refusal::LotCorrupt(entry.lot_id))?;
        parts.push((entry, lot));
    }
    Ok(Answer {
        value: Used { parts },
        replayed: receipt.replayed,
    })
}

/// Whoever has credits exists, so this is asked only once a use was refused: then a name that stands for
/// nothing is the better reason.
async fn refuse_unknown(
    ctx: &Context,
    call: &Call,
    input: &Use,
    command: &Command,
) -> Result<(), ServiceError> {
    let Command::Consume(consume) = command;
    let (business_id, reader) = (call.business_id(), ctx.db.reader());
    customers::get(reader, business_id, consume.customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    for (id, reference) in consume.package_ids.iter().zip(&input.packages) {
        packages::get(reader, business_id, *id)
            .await?
            .ok_or_else(|| resolve::not_found("package", reference))?;
    }
    Ok(())
}

/// Finds what the caller names. None of it can stop existing, so it is read without locks.
async fn submission(ctx: &Context, call: &Call, input: &Use) -> Result<Submission, ServiceError> {
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
    let wanted = wanted(ctx, call, &input.what).await?;
    Ok(Submission {
        business_id,
        request_id: call.request_id.unwrap_or_default(),
        request_hash: call.hash,
        method: call.method,
        actor: call.caller.actor,
        command: Command::Consume(Consume {
            customer_id,
            wanted,
            package_ids,
            delivered_at: input.delivered_at,
            consumed_by,
        }),
        note: input.note.clone(),
        validate_only: call.validate_only,
    })
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

/// An item with its category as it is now: the members of a category are those at the time of use.
pub(super) async fn item_facts(
    ctx: &Context,
    call: &Call,
    reference: &Reference<ItemId>,
) -> Result<ItemFacts, ServiceError> {
    let business_id = call.business_id();
    let id = resolve::item(ctx.db.reader(), business_id, reference).await?;
    let item = ctx.item(business_id, id).await?;
    let item = item.ok_or_else(|| resolve::not_found("item", reference))?;
    Ok(ItemFacts {
        id: item.id,
        category: item.category.clone(),
        active: item.active,
    })
}
