//! Moving a package to another customer: all that is available, with its value and its end (semantics 25).
//!
//! The receiver gets a package of their own, so what was used before stays with whoever used it. What
//! comes back into the old package later follows: also into a line of which nothing was left to move, whose
//! lot over there begins with a transfer of nothing.

use chrono::{DateTime, Utc};

use crate::domain::amend::Amendment;
use crate::domain::change::{ChangeKind, Owner, Value};
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, EntryKind};
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::domain::queue;
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::domain::returned::{bare, receiving, transfer};
use crate::domain::validity::Validity;
use crate::ids::{CustomerId, LotId, PackageId};

/// What the template that a package was sold with says of moving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// It may be moved.
    Given,
    /// It may not.
    Missing,
}

/// Moves a package to `receiver`, who may get packages.
///
/// # Errors
/// [`Refusal::PackageRevoked`], [`CannotAmend::Transferred`], [`CannotAmend::Queued`], [`Refusal::PackageFrozen`],
/// [`Refusal::PackageExpired`], [`CannotAmend::NotTransferable`], [`CannotAmend::TransferToOwner`],
/// [`CannotAmend::HoldsCredits`], [`CannotAmend::NothingToTransfer`].
pub fn hand_over(
    amendment: &mut Amendment<'_>,
    receiver: CustomerId,
    consent: Consent,
) -> Result<(), Refusal> {
    amendment.refuse_revoked()?;
    amendment.refuse_transferred()?;
    check(amendment, receiver, consent)?;
    let now = amendment.now();
    let successor = successor(&amendment.package, receiver, now);
    let lots: Vec<Lot> = amendment
        .draft
        .lots_of(amendment.package.id)
        .cloned()
        .collect();
    for lot in lots {
        move_out(amendment, &lot, &successor)?;
    }
    let package = &mut amendment.package;
    let old = owner(package);
    package.transferred_at = Some(now);
    package.transferred_to = Some(successor.id);
    let new = owner(&successor);
    amendment.draft.add_package(successor);
    amendment.tell(
        ChangeKind::Transferred,
        Value::Owner(old),
        Value::Owner(new),
    );
    Ok(())
}

fn check(amendment: &Amendment<'_>, receiver: CustomerId, consent: Consent) -> Result<(), Refusal> {
    let (package, now) = (&amendment.package, amendment.now());
    let package_id = package.id;
    queue::refuse_waiting(package, now)?;
    if package.frozen_at.is_some() {
        return Err(Refusal::PackageFrozen { package_id });
    }
    if let Some(expires_at) = package.expires_at.filter(|at| *at <= now) {
        return Err(Refusal::PackageExpired {
            package_id,
            expires_at,
        });
    }
    if consent == Consent::Missing {
        return Err(CannotAmend::NotTransferable { package_id }.into());
    }
    if package.customer_id == receiver {
        let customer_id = receiver;
        return Err(CannotAmend::TransferToOwner {
            package_id,
            customer_id,
        }
        .into());
    }
    let holds = amendment.held().len();
    if holds > 0 {
        return Err(CannotAmend::HoldsCredits { package_id, holds }.into());
    }
    let mut lots = amendment.draft.lots_of(package_id);
    if lots.all(|lot| lot.available() <= Credits::ZERO) {
        return Err(CannotAmend::NothingToTransfer { package_id }.into());
    }
    Ok(())
}

/// Moves what is available in a lot, and lets what was used of it follow if it comes back.
fn move_out(amendment: &mut Amendment<'_>, lot: &Lot, successor: &Package) -> Result<(), Refusal> {
    let now = amendment.now();
    let draft = &mut amendment.draft;
    let may_come_back = lot.fold.balances.consumed > Credits::ZERO;
    let is_empty = lot.available() <= Credits::ZERO;
    if is_empty && !may_come_back {
        return Ok(());
    }
    let id = LotId::generate(now);
    draft.add(receiving(lot, id, successor, now));
    if is_empty {
        let accounts = (Account::Transferred, Account::Available);
        let nothing = (Credits::ZERO, 0);
        draft.post(id, bare(EntryKind::Transfer, accounts, nothing, now, false))?;
    } else {
        transfer(draft, lot.id, id, now, false)?;
    }
    draft.link(lot.id, id);
    Ok(())
}

/// The package that the receiver gets: theirs alone, at no price, with the end and the policies of the one that it came
/// from. A clock of first use that runs has set its end for good, since who used it is somebody else.
fn successor(package: &Package, receiver: CustomerId, now: DateTime<Utc>) -> Package {
    let validity = match (package.first_used_on, package.last_usable_day()) {
        (None, _) => package.validity,
        (Some(_), Some(day)) => Validity::Until(day),
        (Some(_), None) => Validity::Never,
    };
    Package {
        customer_id: receiver,
        group_id: None,
        share_max: 1,
        validity,
        counts_from_first_use: package.counts_from_first_use && package.first_used_on.is_none(),
        // A transfer is no way around the limits of freezing.
        freezes: package.freezes,
        frozen_days: package.frozen_days,
        ..package.given_successor(PackageId::generate(now), now)
    }
}

fn owner(package: &Package) -> Owner {
    Owner {
        customer_id: package.customer_id,
        package_id: package.id,
    }
}

#[cfg(test)]
mod tests;
