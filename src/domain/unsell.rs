//! Undoing a sale that was made by mistake (semantics 23): its packages are taken away as if they had never
//! been. Nobody used anything of them, so what they put in goes back to where it was issued from, and none
//! of it is breakage or revoked. An invoice that is voided takes the packages back that it sold in the same way; where
//! the caller asks for it, also those of which something was used, and that stays charged.

use crate::domain::amend::Amendment;
use crate::domain::change::{ChangeKind, Value};
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, EntryKind};
use crate::domain::lot::Lot;
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::domain::returned::{bare, value_of};
use crate::ids::{LotId, PackageId};

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
    take_available(amendment)
}

/// What becomes of a package of which something was used when the invoice that sold it is voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedPart {
    /// It is not voided.
    Refused,
    /// What was used or has expired stays charged, the rest is taken back.
    Charged,
}

/// Takes back what is unused of a package that an invoice sold, and says what the rest is worth, in minor units
/// without tax: all that was used or has expired. One that was taken away before has nothing to take back.
///
/// # Errors
/// Those of [`take_back`]; where the used part is charged, only what is held or was moved is refused.
pub fn take_back_unused(amendment: &mut Amendment<'_>, used: UsedPart) -> Result<i64, Refusal> {
    let is_revoked = amendment.package.revoked_at.is_some();
    amendment.refuse_transferred()?;
    match used {
        UsedPart::Refused if is_revoked => {
            refuse_used(amendment)?;
            return Ok(0);
        }
        UsedPart::Refused => {
            take_back(amendment)?;
            return Ok(0);
        }
        UsedPart::Charged => refuse_held_or_moved(amendment)?,
    }
    if !is_revoked {
        take_available(amendment)?;
    }
    let lots = amendment.draft.lots_of(amendment.package.id);
    let kept = lots.map(|lot| {
        lot.fold
            .pools
            .consumed
            .saturating_add(lot.fold.pools.expired)
    });
    Ok(kept.fold(0, i64::saturating_add))
}

/// Gives what is available back to where it was issued from, and takes the package away.
fn take_available(amendment: &mut Amendment<'_>) -> Result<(), Refusal> {
    let (package_id, now) = (amendment.package.id, amendment.now());
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

/// What of the credits of a package is not where they were put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Gone {
    consumed: Credits,
    held: Credits,
    moved: Credits,
}

impl Gone {
    fn from(amendment: &Amendment<'_>) -> Result<Self, Refusal> {
        let sum = |of: fn(&Lot) -> Credits| {
            let amounts = amendment.draft.lots_of(amendment.package.id).map(of);
            amounts
                .map(|amount| amount.max(Credits::ZERO))
                .try_fold(Credits::ZERO, Credits::checked_add)
                .ok_or(Refusal::AmountTooLarge)
        };
        Ok(Self {
            consumed: sum(|lot| lot.fold.balances.consumed)?,
            held: sum(|lot| lot.fold.balances.held)?,
            moved: sum(|lot| lot.fold.balances.transferred)?,
        })
    }

    fn refusal(self, package_id: PackageId) -> Refusal {
        CannotAmend::SaleUsed {
            package_id,
            consumed: self.consumed,
            held: self.held,
            moved: self.moved,
        }
        .into()
    }
}

/// Refuses a package of which something was used and not undone, is held, or was moved elsewhere.
fn refuse_used(amendment: &Amendment<'_>) -> Result<(), Refusal> {
    let gone = Gone::from(amendment)?;
    if [gone.consumed, gone.held, gone.moved] == [Credits::ZERO; 3] {
        return Ok(());
    }
    Err(gone.refusal(amendment.package.id))
}

/// Refuses a package of which something is held or was moved elsewhere.
fn refuse_held_or_moved(amendment: &Amendment<'_>) -> Result<(), Refusal> {
    let gone = Gone::from(amendment)?;
    if [gone.held, gone.moved] == [Credits::ZERO; 2] {
        return Ok(());
    }
    Err(gone.refusal(amendment.package.id))
}

#[cfg(test)]
mod tests;
