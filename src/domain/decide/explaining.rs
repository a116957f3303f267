//! Explaining a choice: the same order and the same judgement as the use itself.

use chrono::{DateTime, Utc};

use crate::domain::credits::Credits;
use crate::domain::decide::using::{Consume, Moment, allowances, ordered, refusal};
use crate::domain::decide::{Command, Facts, decide};
use crate::domain::entry::EntryKind;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;
use crate::domain::selection::{Rank, WhyNot, rank};
use crate::domain::settle;
use crate::domain::use_limit::Allowances;
use crate::ids::CustomerId;

/// What is said of one lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The lot, settled.
    pub lot: Lot,
    /// What of it is taken.
    pub taken: Credits,
    /// Why it stands after the one before it; none on the first.
    pub rank: Option<Rank>,
    /// Why it cannot pay, if it cannot.
    pub why_not: Option<LeftOut>,
}

/// Why a lot cannot pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// Nothing is available in it.
    UsedUp,
    /// Other packages were named.
    NotNamed,
    /// A call that named its package would be refused so.
    Refused(Refusal),
}

/// The lots in the order in which a use looks at them, what it would take of each and why not of others,
/// and how the use would be refused.
pub fn explain(facts: &Facts, consume: &Consume, stamp: &Stamp) -> (Vec<Look>, Option<Refusal>) {
    let decided = decide(facts, &Command::Consume(consume.clone()), stamp);
    let settled = settle::as_of(&facts.lots, &facts.holds, stamp.now);
    let at = consume.delivered_at.unwrap_or(stamp.now);
    let allowances = allowances_of(facts, consume.customer_id, at, stamp);
    let moment = Moment {
        allowances: &allowances,
        at,
        now: stamp.now,
        past_expiry: consume
            .past_expiry
            .map(|days| (facts.packages.as_slice(), days)),
        shared_with: &facts.shared_with,
        booked_in: &[],
    };
    let mut looks: Vec<Look> = Vec::with_capacity(settled.len());
    let mut previous: Option<&Lot> = None;
    for lot in ordered(settled.iter(), consume) {
        let taken = decided.as_ref().map_or(Credits::ZERO, |posting| {
            let of_lot = posting
                .entries
                .iter()
                .filter(|entry| entry.lot_id == lot.id && entry.kind == EntryKind::Consume);
            of_lot.fold(Credits::ZERO, |sum, entry| {
                sum.checked_add(entry.amount).unwrap_or(sum)
            })
        });
        looks.push(Look {
            taken,
            rank: previous.map(|before| rank(before, lot, &consume.package_ids)),
            why_not: left_out(lot, consume, moment),
            lot: lot.clone(),
        });
        previous = Some(lot);
    }
    (looks, decided.err())
}

/// What limits leave a customer of the packages of the facts, which have all open holds in those, for a
/// service at `at`.
pub fn allowances_of(
    facts: &Facts,
    customer_id: CustomerId,
    at: DateTime<Utc>,
    stamp: &Stamp,
) -> Allowances {
    let (lots, holds) = (facts.lots.iter().cloned(), facts.holds.iter().cloned());
    let mut draft = Draft::with_holds(stamp, lots, holds);
    if settle::settle(&mut draft).is_err() {
        return Allowances::new();
    }
    // What settling has captured is an entry of the draft.
    allowances(&draft, customer_id, facts, at)
}

fn left_out(lot: &Lot, consume: &Consume, moment: Moment<'_>) -> Option<LeftOut> {
    let named = &consume.package_ids;
    if !named.is_empty() && !named.contains(&lot.package_id) {
        return Some(LeftOut::NotNamed);
    }
    match moment.judge(lot, &consume.wanted) {
        Ok(_) => None,
        Err(WhyNot::UsedUp) => Some(LeftOut::UsedUp),
        Err(reason) => Some(LeftOut::Refused(refusal(
            lot.package_id,
            reason,
            &consume.wanted,
        ))),
    }
}
