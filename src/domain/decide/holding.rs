//! Setting credits aside, and ending that by using or freeing them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::domain::decide::Facts;
use crate::domain::decide::takes::{Take, refuse_too_fine};
use crate::domain::decide::using::{
    self, Consume, Moment, about, allowances, pick, refuse_bound, restore_missing, start_clock,
};
use crate::domain::entry::{Account, EntryKind, Purpose};
use crate::domain::hold::{Hold, HoldEnd, OnTimeOut};
use crate::domain::line::ItemFacts;
use crate::domain::lot::Movement;
use crate::domain::part::{self, CannotTake, Part, Portion, Slice};
use crate::domain::posting::Draft;
use crate::domain::refusal::{CountedIn, Refusal};
use crate::domain::returned::{bare, send_on, stop_clock, value_of};
use crate::domain::selection::Wanted;
use crate::ids::HoldId;

/// Set credits of a customer aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceHold {
    /// What is taken. `delivered_at` is when the service takes place, which may be later than now.
    pub taking: Consume,
    /// When the hold ends by itself; none: never.
    pub times_out_at: Option<DateTime<Utc>>,
    /// What happens then.
    pub on_time_out: OnTimeOut,
}

/// Use what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The hold.
    pub hold_id: HoldId,
    /// How much of it; the rest goes back to the same lots (semantics 19).
    pub portion: Portion,
    /// When the service was delivered; none: when the hold said, at the latest now.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Whether more than is held is used as well, as a fresh consumption, and the item as it is now.
    pub excess: Option<Option<ItemFacts>>,
}

/// Free what is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The hold.
    pub hold_id: HoldId,
}

/// Keep what is held until somebody ends that: it does not time out any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The hold.
    pub hold_id: HoldId,
}

pub(super) fn place(
    draft: &mut Draft<'_>,
    place: &PlaceHold,
    facts: &Facts,
) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    if let Some(times_out_at) = place.times_out_at
        && times_out_at <= now
    {
        return Err(Refusal::TimeOutNotLater { times_out_at });
    }
    let taking = &place.taking;
    let service_at = taking.delivered_at.unwrap_or(now);
    let allowances = allowances(draft, taking.customer_id, facts, service_at);
    let moment = Moment {
        at: service_at,
        now,
        past_expiry: taking
            .past_expiry
            .map(|days| (facts.packages.as_slice(), days)),
        shared_with: &facts.shared_with,
        allowances: &allowances,
        booked_in: match draft.stamp().purpose {
            Some(Purpose::Booking(_)) => &facts.packages,
            Some(Purpose::InvoiceLine(_)) | None => &[],
        },
    };
    let id = HoldId::from_uuid(draft.stamp().posting_id);
    let mut parts = Vec::new();
    for take in pick(draft, taking, moment)? {
        restore_missing(draft, &take)?;
        start_clock(draft, &take, service_at)?;
        parts.push(Part {
            n: draft.next_n()?,
            lot_id: take.lot_id,
            amount: take.amount,
            left: take.amount,
            units: take.units,
        });
        let mut about = about(draft, taking, take.units);
        about.hold_id = Some(id.uuid());
        let accounts = (Account::Available, Account::Held);
        let movement = bare(EntryKind::Hold, accounts, (take.amount, 0), now, false);
        draft.post(take.lot_id, Movement { about, ..movement })?;
    }
    let hold = Hold {
        id,
        customer_id: taking.customer_id,
        item_id: about(draft, taking, None).item_id,
        consumed_by: taking.consumed_by,
        purpose: draft.stamp().purpose,
        service_at,
        times_out_at: place.times_out_at,
        on_time_out: place.on_time_out,
        ended: None,
        parts,
        captured_by_time: Vec::new(),
    };
    draft.keep(hold);
    Ok(())
}

pub(super) fn capture(
    draft: &mut Draft<'_>,
    capture: &Capture,
    facts: &Facts,
) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let hold = open_hold(draft, capture.hold_id)?;
    let at = capture
        .delivered_at
        .unwrap_or_else(|| hold.service_at.min(now));
    if at > now {
        return Err(Refusal::DeliveredInFuture { delivered_at: at });
    }
    let (slices, excess) = captured(&hold, capture)?;
    for slice in &slices {
        refuse_too_fine(draft.lot(slice.lot_id)?, slice.amount)?;
        let value = value_of(draft, slice.lot_id, slice.amount)?;
        let take = Take {
            lot_id: slice.lot_id,
            amount: slice.amount,
            units: slice.units,
        };
        start_clock(draft, &take, at)?;
        let accounts = (Account::Held, Account::Consumed);
        let movement = bare(
            EntryKind::Capture,
            accounts,
            (slice.amount, value),
            at,
            false,
        );
        draft.post(
            slice.lot_id,
            Movement {
                about: hold.about(slice.units),
                ..movement
            },
        )?;
    }
    end(draft, &hold, &slices, HoldEnd::Captured)?;
    match (excess, &capture.excess) {
        (Some(more), Some(item)) => {
            let more = excess_use(draft, &hold, more, item.clone(), at)?;
            using::consume(draft, &more, facts)
        }
        _ => Ok(()),
    }
}

pub(super) fn release(draft: &mut Draft<'_>, release: &Release) -> Result<(), Refusal> {
    let hold = open_hold(draft, release.hold_id)?;
    end(draft, &hold, &[], HoldEnd::Released)
}

pub(super) fn keep(draft: &mut Draft<'_>, keep: &Keep) -> Result<(), Refusal> {
    let mut hold = open_hold(draft, keep.hold_id)?;
    hold.times_out_at = None;
    draft.keep(hold);
    Ok(())
}

/// What is captured of the hold, and how much more than it holds is wanted.
fn captured(hold: &Hold, capture: &Capture) -> Result<(Vec<Slice>, Option<Portion>), Refusal> {
    let exceeds = |held, requested, counted_in| Refusal::CaptureExceedsHold {
        held,
        requested,
        counted_in,
    };
    match part::take(&hold.parts, capture.portion, part::From::First) {
        Ok(slices) => Ok((slices, None)),
        Err(CannotTake::Short {
            left,
            requested,
            counted_in,
        }) if capture.excess.is_some() => {
            let more = requested.checked_sub(left).ok_or(Refusal::AmountTooLarge)?;
            let more = match counted_in {
                CountedIn::Units => Portion::Units(more),
                CountedIn::Credits => Portion::Credits(more),
            };
            let all = part::take(&hold.parts, Portion::All, part::From::First);
            Ok((all.map_err(|cannot| cannot.or_else(exceeds))?, Some(more)))
        }
        Err(cannot) => Err(cannot.or_else(exceeds)),
    }
}

/// The fresh consumption of what was wanted beyond a hold.
fn excess_use(
    draft: &Draft<'_>,
    hold: &Hold,
    more: Portion,
    item: Option<ItemFacts>,
    at: DateTime<Utc>,
) -> Result<Consume, Refusal> {
    let wanted = match (more, item) {
        (Portion::Units(units), Some(item)) => Wanted::Item { item, units },
        (Portion::Units(_), None) => return Err(Refusal::NotCountedInUnits),
        (Portion::Credits(amount), _) => {
            let part = hold.parts.first().ok_or(Refusal::AmountTooLarge)?;
            let lot = draft.lot(part.lot_id)?;
            refuse_too_fine(lot, amount)?;
            Wanted::Credits {
                credit_type_id: lot.line.credit_type_id,
                amount,
            }
        }
        (Portion::All, _) => return Err(Refusal::AmountTooLarge),
    };
    Ok(Consume {
        customer_id: hold.customer_id,
        wanted,
        package_ids: Vec::new(),
        delivered_at: Some(at),
        consumed_by: hold.consumed_by,
        past_expiry: None,
    })
}

fn open_hold(draft: &Draft<'_>, hold_id: HoldId) -> Result<Hold, Refusal> {
    let hold = draft
        .holds()
        .find(|hold| hold.id == hold_id)
        .ok_or_else(|| Refusal::NotFound {
            kind: "hold",
            id: hold_id.to_string(),
        })?;
    refuse_bound(hold.purpose, draft)?;
    hold.check_open(draft.stamp().now)?;
    Ok(hold.clone())
}

/// Ends the hold: what was not taken in `slices` goes back to the lots that it came from.
fn end(draft: &mut Draft<'_>, hold: &Hold, slices: &[Slice], how: HoldEnd) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let mut rest = hold.parts.clone();
    for part in &mut rest {
        for slice in slices.iter().filter(|slice| slice.n == part.n) {
            let left = part.left.checked_sub(slice.amount);
            part.left = left.ok_or(Refusal::LotCorrupt(part.lot_id))?;
        }
    }
    let mut ended = hold.clone();
    let numbers: Vec<i32> = ended.parts.iter().map(|part| part.n).collect();
    ended.empty(&numbers);
    ended.ended = Some((how, draft.stamp().posting_id));
    let freed = part::take(&rest, Portion::All, part::From::First)
        .map_err(|cannot| cannot.or_else(|_, _, _| Refusal::AmountTooLarge))?;
    for slice in freed {
        let accounts = (Account::Held, Account::Available);
        let movement = bare(EntryKind::Release, accounts, (slice.amount, 0), now, false);
        draft.post(
            slice.lot_id,
            Movement {
                about: hold.about(slice.units),
                ..movement
            },
        )?;
        send_on(draft, slice.lot_id, now, false)?;
    }
    draft.keep(ended);
    let package_ids: BTreeSet<_> = hold
        .parts
        .iter()
        .filter_map(|part| draft.lot(part.lot_id).ok())
        .map(|lot| lot.package_id)
        .collect();
    for package_id in package_ids {
        stop_clock(draft, package_id, now, false)?;
    }
    Ok(())
}
