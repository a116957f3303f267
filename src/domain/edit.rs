//! Editing a package that was sold: its price, its quantities, an earlier end, and how it is known (E1).
//!
//! A later end is an [extension](crate::domain::extend), which also restores.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::domain::amend::Amendment;
use crate::domain::change::{AgreedPrice, ChangeKind, Expiry, LineQuantity, Value};
use crate::domain::credits::Credits;
use crate::domain::decide::take_out;
use crate::domain::entry::Balances;
use crate::domain::extend::{NewLot, issue};
use crate::domain::lot::{Lot, Origin};
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::domain::revalue::revalue;
use crate::ids::{LineId, LotId};

/// What is to change; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The caller's own id.
    pub external_id: Option<Option<String>>,
    /// The lower number pays first.
    pub priority: Option<i32>,
    /// How many credits a line has in all, with the id of a lot for those that are added.
    pub quantities: Vec<(LineId, Credits, LotId)>,
    /// What was agreed.
    pub price: Option<AgreedPrice>,
    /// An earlier end, exclusive.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Edits a package. A changed price is spread over lots that are worth nothing by `weight_of`.
///
/// # Errors
/// [`Refusal::PackageRevoked`], [`CannotAmend::Transferred`], [`Refusal::PackageExpired`] where it wants a
/// package that has not ended, [`Refusal::PackageFrozen`] for an earlier end,
/// [`CannotAmend::ExpiryNotEarlier`], [`Refusal::ExpiryNotLater`], [`Refusal::LineNotInPackage`],
/// [`Refusal::AmountTooFine`], [`Refusal::InsufficientCredits`], [`Refusal::NothingToRevalue`].
pub fn edit(
    amendment: &mut Amendment<'_>,
    edit: &Edit,
    weight_of: impl Fn(&Lot) -> i128,
) -> Result<(), Refusal> {
    amendment.refuse_revoked()?;
    amendment.refuse_transferred()?;
    rename(amendment, edit);
    for (line_id, quantity, lot_id) in &edit.quantities {
        resize(amendment, *line_id, *quantity, *lot_id)?;
    }
    if let Some(price) = edit.price {
        reprice(amendment, price, weight_of)?;
    }
    match edit.expires_at {
        Some(expires_at) => shorten(amendment, expires_at),
        None => Ok(()),
    }
}

fn rename(amendment: &mut Amendment<'_>, edit: &Edit) {
    let package = &mut amendment.package;
    if let Some(external_id) = &edit.external_id
        && package.external_id != *external_id
    {
        let old = std::mem::replace(&mut package.external_id, external_id.clone());
        let new = Value::ExternalId(external_id.clone());
        amendment.tell(ChangeKind::ExternalIdChanged, Value::ExternalId(old), new);
    }
    let package = &mut amendment.package;
    if let Some(priority) = edit.priority
        && package.priority != priority
    {
        let old = std::mem::replace(&mut package.priority, priority);
        let (old, new) = (Value::Priority(old), Value::Priority(priority));
        amendment.tell(ChangeKind::PriorityChanged, old, new);
        amendment.retell();
    }
}

/// Brings a line to so many credits in all: up by a lot of its own that is worth nothing (semantics 1), down
/// by what is available, never by what is used or held.
fn resize(
    amendment: &mut Amendment<'_>,
    line_id: LineId,
    quantity: Credits,
    lot_id: LotId,
) -> Result<(), Refusal> {
    let package_id = amendment.package.id;
    let of_line = amendment.lots().filter(|lot| lot.line.id == line_id);
    let old = of_line
        .flat_map(|lot| in_package(&lot.fold.balances))
        .try_fold(Credits::ZERO, Credits::checked_add)
        .ok_or(Refusal::AmountTooLarge)?;
    let line = amendment.lots().find(|lot| lot.line.id == line_id);
    let line = line.map(|lot| Arc::clone(&lot.line));
    let line = line.ok_or(Refusal::LineNotInPackage {
        package_id,
        line_id,
    })?;
    if quantity.is_finer_than(line.decimal_places) {
        return Err(Refusal::AmountTooFine {
            amount: quantity,
            decimal_places: line.decimal_places,
            credit_type_id: line.credit_type_id,
        });
    }
    let more = quantity.checked_sub(old).ok_or(Refusal::AmountTooLarge)?;
    if more == Credits::ZERO {
        return Ok(());
    }
    if more > Credits::ZERO {
        refuse_ended(amendment)?;
        let lot = NewLot {
            id: lot_id,
            line,
            origin: Origin::Added,
            quantity: more,
            value: 0,
        };
        issue(&mut amendment.draft, &amendment.package, lot)?;
    } else {
        let less = more.checked_neg().ok_or(Refusal::AmountTooLarge)?;
        take_out(&mut amendment.draft, package_id, line_id, less)?;
    }
    let told = |amount| Value::Quantity(LineQuantity { line_id, amount });
    amendment.tell(ChangeKind::QuantityChanged, told(old), told(quantity));
    Ok(())
}

/// Everything that a lot put into its package and that was not moved elsewhere.
fn in_package(balances: &Balances) -> [Credits; 5] {
    [
        balances.available,
        balances.held,
        balances.consumed,
        balances.expired,
        balances.revoked,
    ]
}

fn reprice(
    amendment: &mut Amendment<'_>,
    price: AgreedPrice,
    weight_of: impl Fn(&Lot) -> i128,
) -> Result<(), Refusal> {
    let package = &mut amendment.package;
    let old = AgreedPrice {
        price_minor: package.price_minor,
        net_minor: package.net_price_minor,
    };
    if old == price {
        return Ok(());
    }
    let change = price.net_minor.checked_sub(old.net_minor);
    let change = change.ok_or(Refusal::AmountTooLarge)?;
    if change != 0 {
        revalue(&mut amendment.draft, package.id, change, weight_of)?;
    }
    package.price_minor = price.price_minor;
    package.net_price_minor = price.net_minor;
    amendment.tell(
        ChangeKind::PriceChanged,
        Value::Price(old),
        Value::Price(price),
    );
    Ok(())
}

fn shorten(amendment: &mut Amendment<'_>, expires_at: DateTime<Utc>) -> Result<(), Refusal> {
    refuse_ended(amendment)?;
    let now = amendment.now();
    let package = &mut amendment.package;
    let package_id = package.id;
    if package.frozen_at.is_some() {
        return Err(Refusal::PackageFrozen { package_id });
    }
    if let Some(old) = package.expires_at.filter(|old| expires_at >= *old) {
        let new = expires_at;
        return Err(CannotAmend::ExpiryNotEarlier { old, new }.into());
    }
    let not_before = package.starts_at.max(now);
    if expires_at <= not_before {
        return Err(Refusal::ExpiryNotLater {
            old: not_before,
            new: expires_at,
        });
    }
    let old = Expiry::of(package);
    package.end_at(expires_at);
    amendment.retell();
    amendment.tell_expiry(ChangeKind::Shortened, old);
    Ok(())
}

fn refuse_ended(amendment: &Amendment<'_>) -> Result<(), Refusal> {
    let (package, now) = (&amendment.package, amendment.now());
    match package.expires_at.filter(|at| *at <= now) {
        Some(expires_at) => Err(Refusal::PackageExpired {
            package_id: package.id,
            expires_at,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
