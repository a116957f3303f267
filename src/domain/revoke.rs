//! Taking a package away, what that would cost its customer, and undoing it (semantics 22 and 23).
//!
//! Holds are released first, but only where they hold credits of this package: a hold that spans others
//! goes on with what it holds there. What was used stays used. Whatever comes back into a revoked package
//! is revoked at once, so reinstating brings that back as well.

use serde::{Deserialize, Serialize};

use crate::domain::amend::{Amendment, Held};
use crate::domain::change::{ChangeKind, Value};
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, EntryKind};
use crate::domain::hold::{Hold, HoldEnd};
use crate::domain::lot::Movement;
use crate::domain::part::Part;
use crate::domain::posting::Draft;
use crate::domain::refusal::{CannotAmend, Refusal};
use crate::domain::returned::{bare, send_on, send_on_all, stop_clock};
use crate::ids::{LineId, LotId, PackageId};

/// What a line of a package loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineLoss {
    /// The line.
    pub line_id: LineId,
    /// How many credits.
    pub amount: Credits,
    /// Their value, in minor units and without tax.
    pub value_minor: i64,
}

/// Takes a package away, and says which holds were released.
///
/// # Errors
/// [`CannotAmend::AlreadyRevoked`], [`CannotAmend::Transferred`].
pub fn revoke(amendment: &mut Amendment<'_>) -> Result<Vec<Held>, Refusal> {
    let (package_id, now) = (amendment.package.id, amendment.now());
    if let Some(revoked_at) = amendment.package.revoked_at {
        return Err(CannotAmend::AlreadyRevoked {
            package_id,
            revoked_at,
        }
        .into());
    }
    amendment.refuse_transferred()?;
    let released = amendment.held();
    release_all(&mut amendment.draft, package_id)?;
    stop_clock(&mut amendment.draft, package_id, now, false)?;
    amendment.apply_effects();
    amendment.package.revoked_at = Some(now);
    amendment.retell();
    send_on_all(&mut amendment.draft, package_id, now, false)?;
    amendment.tell(ChangeKind::Revoked, Value::Nothing, Value::Nothing);
    Ok(released)
}

/// Brings back what was taken away. What has ended meanwhile is lost at once.
///
/// # Errors
/// [`CannotAmend::NotRevoked`].
pub fn reinstate(amendment: &mut Amendment<'_>) -> Result<(), Refusal> {
    let (package_id, now) = (amendment.package.id, amendment.now());
    if amendment.package.revoked_at.is_none() {
        return Err(CannotAmend::NotRevoked { package_id }.into());
    }
    let taken: Vec<(LotId, Credits, i64)> = amendment
        .lots()
        .map(|lot| (lot.id, lot.fold.balances.revoked, lot.fold.pools.revoked))
        .filter(|(_, revoked, _)| *revoked > Credits::ZERO)
        .collect();
    for (lot_id, amount, value) in taken {
        let accounts = (Account::Revoked, Account::Available);
        let movement = bare(EntryKind::Reinstate, accounts, (amount, value), now, false);
        amendment.draft.post(lot_id, movement)?;
    }
    amendment.package.revoked_at = None;
    amendment.retell();
    send_on_all(&mut amendment.draft, package_id, now, false)?;
    amendment.tell(ChangeKind::Reinstated, Value::Nothing, Value::Nothing);
    Ok(())
}

/// What a posting that took a package away took of each of its lines, in the order of the lines' ids.
pub fn losses(draft: &Draft<'_>) -> Vec<LineLoss> {
    let mut losses: Vec<LineLoss> = Vec::new();
    let taken = draft
        .entries()
        .iter()
        .filter(|entry| entry.kind == EntryKind::Revoke);
    for entry in taken {
        let Ok(lot) = draft.lot(entry.lot_id) else {
            continue;
        };
        let line_id = lot.line.id;
        let so_far = losses.iter_mut().find(|loss| loss.line_id == line_id);
        if let Some(loss) = so_far {
            loss.amount = loss.amount.checked_add(entry.amount).unwrap_or(loss.amount);
            loss.value_minor = loss.value_minor.saturating_add(entry.value);
        } else {
            losses.push(LineLoss {
                line_id,
                amount: entry.amount,
                value_minor: entry.value,
            });
        }
    }
    losses.sort_unstable_by_key(|loss| loss.line_id);
    losses
}

/// Frees what is held in a package; a hold of which nothing is left has ended with that.
fn release_all(draft: &mut Draft<'_>, package_id: PackageId) -> Result<(), Refusal> {
    let holding: Vec<Hold> = draft.holds().cloned().collect();
    for mut hold in holding {
        let parts: Vec<Part> = hold
            .parts
            .iter()
            .filter(|part| part.left > Credits::ZERO && draft.is_in(part.lot_id, package_id))
            .cloned()
            .collect();
        if parts.is_empty() {
            continue;
        }
        for part in &parts {
            release(draft, &hold, part)?;
        }
        let numbers: Vec<i32> = parts.iter().map(|part| part.n).collect();
        hold.empty(&numbers);
        if hold.parts.iter().all(|part| part.left == Credits::ZERO) {
            hold.ended = Some((HoldEnd::Released, draft.stamp().posting_id));
        }
        draft.keep(hold);
    }
    Ok(())
}

fn release(draft: &mut Draft<'_>, hold: &Hold, part: &Part) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let accounts = (Account::Held, Account::Available);
    let movement = bare(EntryKind::Release, accounts, (part.left, 0), now, false);
    draft.post(
        part.lot_id,
        Movement {
            about: hold.about(part.units),
            ..movement
        },
    )?;
    send_on(draft, part.lot_id, now, false)?;
    Ok(())
}

#[cfg(test)]
mod tests;
