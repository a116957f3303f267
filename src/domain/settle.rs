//! Settling: what time alone has caused and nobody has written yet.
//!
//! Every command settles the lots that it locks before it decides, the expiry job settles lots that
//! nobody touched, and reads settle in memory. So the ledger is the same whether or not a job ever ran
//! (design section 2). What settling appends carries the instant at which it became true (semantics 12).

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::{Account, Actor, EntryKind};
use crate::domain::hold::{Hold, OnTimeOut};
use crate::domain::lot::{Lot, Movement, Stamp, Terms};
use crate::domain::part::Part;
use crate::domain::posting::{Draft, Effect, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::returned::{bare, send_on, stop_clock, value_of};
use crate::ids::{HoldId, LotId, PackageId};

/// What time causes, in the order in which it is written where instants are equal: a hold is free at
/// its instant, and what it frees is lost if the package ends at the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A freeze reached its limit.
    Thaw(PackageId),
    /// A hold timed out.
    Hold(HoldId),
    /// What is available in a lot was lost.
    Lot(LotId),
}

/// Appends what time has caused up to the draft's now, in the order of its instants. The draft has the
/// open holds of every lot in it whose [`next_timeout_at`](Lot::next_timeout_at) has come.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn settle(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    // Each turn makes one thing less due: it thaws a package, or empties a hold's parts or a lot.
    while let Some((at, due)) = next_due(draft, now) {
        match due {
            Due::Thaw(package_id) => thaw(draft, package_id, at),
            Due::Hold(hold_id) => time_out(draft, hold_id, at)?,
            Due::Lot(lot_id) => expire(draft, lot_id, at)?,
        }
    }
    Ok(())
}

fn next_due(draft: &Draft<'_>, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Due)> {
    let lots = draft
        .lots()
        .filter_map(|lot| Some((expiry_due(lot, now)?, Due::Lot(lot.id))));
    let holds = draft.holds().filter_map(|hold| {
        let at = hold.timed_out(now)?;
        let is_due = hold.parts.iter().any(|part| is_due(draft, part));
        is_due.then_some((at, Due::Hold(hold.id)))
    });
    let thaws = draft
        .lots()
        .filter_map(|lot| Some((lot.thaw_due(now)?, Due::Thaw(lot.package_id))));
    lots.chain(holds).chain(thaws).min()
}

/// Ends a freeze: from then on the package ends when it was to end after it (semantics 15).
fn thaw(draft: &mut Draft<'_>, package_id: PackageId, at: DateTime<Utc>) {
    draft.retell(package_id, Terms::thaw);
    draft.cause(Effect::Thaw { package_id, at });
}

/// Whether this part of a hold that timed out is to be written here: others may be in lots that the
/// draft does not have.
fn is_due(draft: &Draft<'_>, part: &Part) -> bool {
    part.left > Credits::ZERO && draft.lot(part.lot_id).is_ok()
}

/// Ends what a hold holds in the lots of the draft.
fn time_out(draft: &mut Draft<'_>, hold_id: HoldId, at: DateTime<Utc>) -> Result<(), Refusal> {
    let Some(mut hold) = draft.holds().find(|hold| hold.id == hold_id).cloned() else {
        return Ok(());
    };
    let parts: Vec<Part> = hold
        .parts
        .iter()
        .filter(|part| is_due(draft, part))
        .cloned()
        .collect();
    let numbers: Vec<i32> = parts.iter().map(|part| part.n).collect();
    hold.empty(&numbers);
    for part in &parts {
        let movement = timed_out(draft, &hold, part, at)?;
        if movement.to == Account::Consumed {
            hold.captured_by_time.push((part.n, draft.next_key()?));
        }
        draft.post(part.lot_id, movement)?;
        send_on(draft, part.lot_id, at, true)?;
    }
    draft.keep(hold);
    let package_ids: BTreeSet<_> = parts
        .iter()
        .filter_map(|part| draft.lot(part.lot_id).ok())
        .map(|lot| lot.package_id)
        .collect();
    for package_id in package_ids {
        stop_clock(draft, package_id, at, true)?;
    }
    Ok(())
}

fn timed_out(
    draft: &Draft<'_>,
    hold: &Hold,
    part: &Part,
    at: DateTime<Utc>,
) -> Result<Movement, Refusal> {
    let (kind, to, value) = match hold.on_time_out {
        OnTimeOut::Release => (EntryKind::TimeOut, Account::Available, 0),
        OnTimeOut::Capture => {
            let value = value_of(draft, part.lot_id, part.left)?;
            (EntryKind::Capture, Account::Consumed, value)
        }
    };
    let accounts = (Account::Held, to);
    Ok(Movement {
        about: hold.about(part.units),
        ..bare(kind, accounts, (part.left, value), at, true)
    })
}

fn expire(draft: &mut Draft<'_>, lot_id: LotId, at: DateTime<Utc>) -> Result<(), Refusal> {
    let amount = draft.lot(lot_id)?.available();
    let value = value_of(draft, lot_id, amount)?;
    let accounts = (Account::Available, Account::Expired);
    let movement = bare(EntryKind::Expire, accounts, (amount, value), at, true);
    draft.post(lot_id, movement)
}

/// The lots as they are at `at`, whether or not what time caused was written. With all lots of a package
/// and all open holds in them it is exact.
pub fn as_of(lots: &[Lot], holds: &[Hold], at: DateTime<Utc>) -> Vec<Lot> {
    let is_due = |lot: &Lot| {
        expiry_due(lot, at).is_some() || lot.has_timed_out_hold(at) || lot.thaw_due(at).is_some()
    };
    if !lots.iter().any(is_due) {
        return lots.to_vec();
    }
    let stamp = of_nobody(at);
    let mut draft = Draft::with_holds(&stamp, lots.iter().cloned(), holds.iter().cloned());
    if settle(&mut draft).is_err() {
        return lots.to_vec();
    }
    let settled = lots.iter().map(|lot| {
        draft.lot(lot.id).map_or_else(
            |_| lot.clone(),
            |settled| Lot {
                tail: lot.tail,
                ..settled.clone()
            },
        )
    });
    settled.collect()
}

/// What time has caused in these lots by `at` and nobody has written yet, as it would be written. With all
/// lots of a package and all open holds in them it is exact.
///
/// # Errors
/// [`Refusal::LotCorrupt`].
pub fn unwritten(lots: &[Lot], holds: &[Hold], at: DateTime<Utc>) -> Result<Posting, Refusal> {
    let stamp = of_nobody(at);
    let mut draft = Draft::with_holds(&stamp, lots.iter().cloned(), holds.iter().cloned());
    settle(&mut draft)?;
    Ok(draft.close())
}

/// The stamp of what is only looked at.
fn of_nobody(at: DateTime<Utc>) -> Stamp {
    Stamp {
        posting_id: Uuid::nil(),
        now: at,
        request_hash: None,
        method: String::new(),
        actor: Actor::System,
        purpose: None,
    }
}

/// When the lot's available credits were lost, if they were and no entry says so yet. Held credits
/// stay held (semantics 11).
fn expiry_due(lot: &Lot, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let expires_at = lot.terms.expires_at?;
    let due = expires_at <= now
        && lot.available() > Credits::ZERO
        && !lot.terms.frozen
        && !lot.terms.revoked;
    due.then_some(expires_at)
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
