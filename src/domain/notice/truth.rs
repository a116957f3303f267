//! Whether what a notice says holds: asked right before it is told (G6), and for the end of quiet hours.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{DropReason, Notice, NoticeKind, is_covered_by_newer};
use crate::domain::business::{LowBalance, ReminderPolicy};
use crate::domain::credits::Credits;
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::ids::CreditTypeId;

/// How long after it became true a fact is still told.
const TELL_DAYS_MAX: i64 = 7;

/// Whether something would be lost at expiry: free credits of a line that pays. What is held can
/// still be captured after expiry (semantics 11).
pub fn has_something_to_lose(lots: &[Lot]) -> bool {
    lots.iter()
        .any(|lot| lot.line.kind == LineKind::Prepaid && lot.available() > Credits::ZERO)
}

/// Whether something was lost.
pub fn has_lost_something(lots: &[Lot]) -> bool {
    lots.iter()
        .any(|lot| lot.line.kind == LineKind::Prepaid && lot.fold.balances.expired > Credits::ZERO)
}

/// Whether all that pays was used: nothing is left or set aside, and nothing was lost.
pub fn is_used_up(lots: &[Lot]) -> bool {
    let mut paying = lots.iter().filter(|lot| lot.line.kind == LineKind::Prepaid);
    paying.all(|lot| {
        lot.fold.unused() == Some(Credits::ZERO) && lot.fold.balances.expired == Credits::ZERO
    })
}

/// What a package has of one credit type, in all lots that pay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// So much was issued.
    pub issued: Credits,
    /// So much is free or set aside.
    pub unused: Credits,
}

/// What is left in the lots of a package that pay, by credit type: what was added to it later counts with what it
/// was sold with.
pub fn left_of_types<'a>(lots: impl IntoIterator<Item = &'a Lot>) -> BTreeMap<CreditTypeId, Left> {
    let mut left: BTreeMap<CreditTypeId, Left> = BTreeMap::new();
    let lots = lots.into_iter();
    for lot in lots.filter(|lot| lot.line.kind == LineKind::Prepaid) {
        let of_type = left.entry(lot.line.credit_type_id).or_default();
        let unused = lot.fold.unused().unwrap_or_default();
        // No package has so much that it does not add up.
        let sum = |a: Credits, b| a.checked_add(b).unwrap_or(a);
        of_type.issued = sum(of_type.issued, lot.issued.quantity);
        of_type.unused = sum(of_type.unused, unused);
    }
    left
}

/// Whether little is left of a credit type that pays, but not nothing.
fn is_low(lots: &[Lot], line: Option<LowBalance>) -> bool {
    let Some(line) = line else {
        return false;
    };
    let mut left = left_of_types(lots).into_values();
    left.any(|it| Credits::ZERO < it.unused && it.unused <= line.of(it.issued))
}

/// What a notice is checked against.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The package that it is about.
    pub package: &'a Package,
    /// That package's lots, settled.
    pub lots: &'a [Lot],
    /// The policy in force for the package.
    pub policy: &'a ReminderPolicy,
    /// Other packages, each with its settled lots: with those of the same customer and template that may go on when
    /// this one ends, if the policy asks for them.
    pub others: &'a [(Package, Vec<Lot>)],
}

/// Whether what a notice says holds at `now`, given what there is at `now` (G6).
///
/// # Errors
/// Why not.
pub fn still_true(
    notice: &Notice,
    facts: &Facts<'_>,
    now: DateTime<Utc>,
) -> Result<(), DropReason> {
    holds(notice, facts, now)?;
    if is_covered_by_newer(notice.kind, facts, now) {
        return Err(DropReason::NewerPackage);
    }
    Ok(())
}

/// Whether what a notice says of its package holds at `now`.
fn holds(notice: &Notice, facts: &Facts<'_>, now: DateTime<Utc>) -> Result<(), DropReason> {
    let (package, settled, policy) = (facts.package, facts.lots, facts.policy);
    if package.revoked_at.is_some() {
        return Err(DropReason::Revoked);
    }
    if package.transferred_at.is_some() || package.customer_id != notice.customer_id {
        return Err(DropReason::Transferred);
    }
    let greets = matches!(notice.kind, NoticeKind::Confirmation | NoticeKind::Renewed);
    if !greets && package.frozen_at.is_some() {
        return Err(DropReason::Frozen);
    }
    let names_an_end = matches!(
        notice.kind,
        NoticeKind::Expiring | NoticeKind::Expired | NoticeKind::Extended
    );
    if names_an_end && package.expiry_epoch != notice.expiry_epoch {
        return Err(DropReason::Extended);
    }
    let has_expired = package.expires_at.is_some_and(|at| at <= now);
    if notice.kind == NoticeKind::Expired && !has_expired {
        return Err(DropReason::NotExpired);
    }
    let wants_use = matches!(
        notice.kind,
        NoticeKind::Expiring
            | NoticeKind::LowBalance
            | NoticeKind::Extended
            | NoticeKind::HoldTimedOut
    );
    if wants_use && has_expired {
        return Err(DropReason::AlreadyExpired);
    }
    if wants_use && !has_something_to_lose(settled) {
        return Err(DropReason::UsedUp);
    }
    match notice.kind {
        NoticeKind::Expired if !has_lost_something(settled) => Err(DropReason::NothingLost),
        NoticeKind::UsedUp if !is_used_up(settled) => Err(DropReason::NotUsedUp),
        NoticeKind::LowBalance if !is_low(settled, policy.low_balance) => Err(DropReason::NotLow),
        NoticeKind::Expiring => Ok(()),
        NoticeKind::Confirmation
        | NoticeKind::Expired
        | NoticeKind::LowBalance
        | NoticeKind::UsedUp
        | NoticeKind::Extended
        | NoticeKind::Renewed
        | NoticeKind::HoldTimedOut => {
            if is_long_past(notice.created_at, now) {
                Err(DropReason::TooLate)
            } else {
                Ok(())
            }
        }
    }
}

/// Whether a notice that holds at `now` can wait until `end`: it holds then, and its package has not ended meanwhile,
/// unless it is about that (semantics 44).
pub fn can_wait(
    notice: &Notice,
    facts: &Facts<'_>,
    (now, end): (DateTime<Utc>, DateTime<Utc>),
) -> bool {
    let tells_of_the_end = matches!(notice.kind, NoticeKind::Expired | NoticeKind::UsedUp);
    let expires_at = facts.package.expires_at;
    let ends = expires_at.is_some_and(|at| now < at && at <= end);
    (tells_of_the_end || !ends) && still_true(notice, facts, end).is_ok()
}

fn is_long_past(since: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now.signed_duration_since(since) > TimeDelta::days(TELL_DAYS_MAX)
}
