//! Undoing a sale that was made by mistake (semantics 23): its packages are taken away as if they had never
//! been. Nobody used anything of them, so what they put in goes back to where it was issued from, and none
//! of it is breakage or revoked.

use crate::domain::amend::Amendment;
use crate::domain::change::{ChangeKind, Value};
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, EntryKind};
use crate::domain::lot::Lot;
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::domain::returned::{bare, value_of};
use crate::ids::LotId;

/// Takes back what a package of the sale put in.
///
/// # Errors
/// [`Refusal::PackageRevoked`], [`CannotAmend::Transferred`], [`CannotAmend::SaleUsed`],
/// [`Refusal::PackageExpired`].
pub fn take_back(amendment: &mut Amendment<'_>) -> Result<(), Refusal> {
    amendment.refuse_revoked()?;
    amendment.refuse_transferred()?;
    refuse_used(amendment)?;
    let (package_id, now) = (amendment.package.id, amendment.now());
    if let Some(expires_at) = amendment.package.expires_at.filter(|at| *at <= now) {
        return Err(Refusal::PackageExpired {
            package_id,
            expires_at,
        });
    }
    let put_in: Vec<(LotId, Credits)> = amendment
        .draft
        .lots_of(package_id)
        .map(|lot| (lot.id, lot.available()))
        .filter(|(_, available)| *available > Credits::ZERO)
        .collect();
    for (lot_id, amount) in put_in {
        let value = value_of(&amendment.draft, lot_id, amount)?;
        let accounts = (Account::Available, Account::Issued);
        let movement = bare(EntryKind::Adjust, accounts, (amount, value), now, false);
        amendment.draft.post(lot_id, movement)?;
    }
    amendment.package.revoked_at = Some(now);
    amendment.retell();
    amendment.tell(ChangeKind::SaleUndone, Value::Nothing, Value::Nothing);
    Ok(())
}

/// Refuses a package of which something was used and not undone, is held, or was moved elsewhere.
fn refuse_used(amendment: &Amendment<'_>) -> Result<(), Refusal> {
    let package_id = amendment.package.id;
    let sum = |of: fn(&Lot) -> Credits| {
        let amounts = amendment.draft.lots_of(package_id).map(of);
        let mut amounts = amounts.filter(|amount| *amount > Credits::ZERO);
        amounts
            .try_fold(Credits::ZERO, Credits::checked_add)
            .ok_or(Refusal::AmountTooLarge)
    };
    let consumed = sum(|lot| lot.fold.balances.consumed)?;
    let held = sum(|lot| lot.fold.balances.held)?;
    let moved = sum(|lot| lot.fold.balances.transferred)?;
    if [consumed, held, moved] == [Credits::ZERO; 3] {
        return Ok(());
    }
    Err(CannotAmend::SaleUsed {
        package_id,
        consumed,
        held,
        moved,
    }
    .into())
}

#[cfg(test)]
mod tests;
