//! Correcting how many credits there are, by hand.

use std::sync::Arc;

use crate::domain::credits::Credits;
use crate::domain::decide::{Adjust, Adjustment, Command};
use crate::domain::extend::NewLot;
use crate::domain::line::LineKind;
use crate::domain::lot::Origin;
use crate::domain::refusal::{RateRefusal, Refusal};
use crate::ids::{LineId, LotId, PackageId, Reference};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::posted::{self, Posted};
use crate::service::resolve;
use crate::store::lots;

/// A correction.
#[derive(Clone, Debug)]
pub struct AdjustInput {
    /// The package.
    pub package: Reference<PackageId>,
    /// Its line.
    pub line_id: LineId,
    /// What to do.
    pub change: Change,
    /// Why; for staff.
    pub reason: String,
}

/// Which way.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Take so many credits out.
    Remove(Credits),
    /// Put so many credits in, for this value in minor units.
    Add(Credits, i64),
}

/// Corrects the credits of a line.
///
/// # Errors
/// [`Refusal::NotFound`], [`Refusal::LineNotInPackage`], [`Refusal::InsufficientCredits`],
/// [`Refusal::AmountTooFine`], [`Refusal::PackageExpired`], [`Refusal::PackageRevoked`],
/// [`RateRefusal::WorthNothing`].
pub async fn adjust(
    ctx: &Context,
    call: &Call,
    input: &AdjustInput,
) -> Result<Answer<Posted>, ServiceError> {
    let command = adjusting(ctx, call, input).await;
    posted::submit(ctx, call, command, &input.reason).await
}

async fn adjusting(
    ctx: &Context,
    call: &Call,
    input: &AdjustInput,
) -> Result<Command, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let package_id = resolve::package(reader, business_id, &input.package).await?;
    let lots = lots::of_packages(reader, business_id, &[package_id]).await?;
    if lots.is_empty() {
        return Err(resolve::not_found("package", &input.package).into());
    }
    let line = lots
        .iter()
        .map(|lot| &lot.line)
        .find(|line| line.id == input.line_id)
        .ok_or(Refusal::LineNotInPackage {
            package_id,
            line_id: input.line_id,
        })?;
    let (Change::Remove(amount) | Change::Add(amount, _)) = input.change;
    if amount.is_finer_than(line.decimal_places) {
        return Err(Refusal::AmountTooFine {
            amount,
            decimal_places: line.decimal_places,
            credit_type_id: line.credit_type_id,
        }
        .into());
    }
    if let (LineKind::Rate { .. }, Change::Add(_, 1..)) = (line.kind, input.change) {
        return Err(Refusal::from(RateRefusal::WorthNothing { line_id: line.id }).into());
    }
    let adjustment = match input.change {
        Change::Remove(amount) => Adjustment::Remove(amount),
        Change::Add(quantity, value) => Adjustment::Add {
            lot: NewLot {
                id: LotId::generate(ctx.clock.now()),
                line: Arc::clone(line),
                origin: Origin::Added,
                quantity,
                value,
            },
        },
    };
    Ok(Command::Adjust(Adjust {
        package_id,
        line_id: input.line_id,
        adjustment,
    }))
}
