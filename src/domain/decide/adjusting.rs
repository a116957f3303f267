//! Correcting how many credits there are, by hand.

use crate::domain::credits::Credits;
use crate::domain::decide::takes::{less, refuse_too_fine};
use crate::domain::entry::{Account, EntryKind};
use crate::domain::extend::{self, NewLot};
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::domain::posting::Draft;
use crate::domain::refusal::{CannotAmend, CountedIn, Refusal};
use crate::domain::returned::{bare, value_of};
use crate::domain::selection::pay_order;
use crate::ids::{LineId, LotId, PackageId};

/// Correct the credits of one line of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjust {
    /// The package.
    pub package_id: PackageId,
    /// Its line.
    pub line_id: LineId,
    /// What to do.
    pub adjustment: Adjustment,
}

/// Which way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// Take so many out, with their value; never what is used or held.
    Remove(Credits),
    /// Put a lot of its own in (semantics 1), for nothing or for a value in minor units.
    Add {
        /// The lot.
        lot: NewLot,
    },
}

pub(super) fn adjust(
    draft: &mut Draft<'_>,
    adjust: &Adjust,
    packages: &[Package],
) -> Result<(), Refusal> {
    let package_id = adjust.package_id;
    let package = packages
        .iter()
        .find(|package| package.id == package_id)
        .ok_or_else(|| Refusal::NotFound {
            kind: "package",
            id: package_id.to_string(),
        })?;
    let has_line = draft
        .lots_of(package_id)
        .any(|lot| lot.line.id == adjust.line_id);
    if !has_line {
        return Err(Refusal::LineNotInPackage {
            package_id,
            line_id: adjust.line_id,
        });
    }
    match &adjust.adjustment {
        Adjustment::Remove(amount) => take_out(draft, package_id, adjust.line_id, *amount),
        Adjustment::Add { lot } => {
            let now = draft.stamp().now;
            let settled: Vec<Lot> = draft.lots_of(package_id).cloned().collect();
            let package = package.as_of(&settled);
            if package.revoked_at.is_some() {
                return Err(Refusal::PackageRevoked { package_id });
            }
            if let Some(transferred_at) = package.transferred_at {
                return Err(CannotAmend::Transferred {
                    package_id,
                    transferred_at,
                }
                .into());
            }
            if let Some(expires_at) = package.expires_at.filter(|at| *at <= now) {
                return Err(Refusal::PackageExpired {
                    package_id,
                    expires_at,
                });
            }
            extend::issue(draft, &package, lot.clone())
        }
    }
}

/// Takes so many credits out of a line of a package, from the lot that would pay last on.
///
/// # Errors
/// [`Refusal::InsufficientCredits`], [`Refusal::AmountTooFine`].
pub fn take_out(
    draft: &mut Draft<'_>,
    package_id: PackageId,
    line_id: LineId,
    amount: Credits,
) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let mut lots: Vec<&Lot> = draft
        .lots_of(package_id)
        .filter(|lot| lot.line.id == line_id)
        .collect();
    lots.sort_unstable_by(|a, b| pay_order(b, a));
    if let Some(lot) = lots.first() {
        refuse_too_fine(lot, amount)?;
    }
    let available: Vec<(LotId, Credits)> =
        lots.iter().map(|lot| (lot.id, lot.available())).collect();
    let mut missing = amount;
    for (lot_id, available) in available {
        let part = missing.min(available);
        if part <= Credits::ZERO {
            continue;
        }
        missing = less(missing, part)?;
        let value = value_of(draft, lot_id, part)?;
        let accounts = (Account::Available, Account::Issued);
        let movement = bare(EntryKind::Adjust, accounts, (part, value), now, false);
        draft.post(lot_id, movement)?;
    }
    if missing > Credits::ZERO {
        return Err(Refusal::InsufficientCredits {
            available: less(amount, missing)?,
            requested: amount,
            counted_in: CountedIn::Credits,
        });
    }
    Ok(())
}
