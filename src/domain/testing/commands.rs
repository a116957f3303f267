//! Commands for the tests of the rules, and how to tell what they did.

use uuid::Uuid;

use super::{at, credits, customer};
use crate::domain::credits::Credits;
use crate::domain::decide::{Capture, Command, Consume, Meanwhile, PlaceHold, Release, Reverse};
use crate::domain::entry::Entry;
use crate::domain::hold::OnTimeOut;
use crate::domain::line::ItemFacts;
use crate::domain::part::Portion;
use crate::domain::posting::Posting;
use crate::domain::selection::Wanted;
use crate::ids::{CreditTypeId, HoldId, LotId};

/// Use units of an item.
pub(crate) fn units(item: &ItemFacts, units: &str) -> Consume {
    Consume {
        customer_id: customer(),
        wanted: Wanted::Item {
            item: item.clone(),
            units: credits(units),
        },
        package_ids: Vec::new(),
        delivered_at: None,
        consumed_by: None,
        past_expiry: None,
    }
}

/// Use credits by hand.
pub(crate) fn by_hand(amount: &str) -> Consume {
    let item = super::item();
    Consume {
        wanted: Wanted::Credits {
            credit_type_id: CreditTypeId::from_uuid(Uuid::nil()),
            amount: credits(amount),
        },
        ..units(&item, "1")
    }
}

/// Hold, to be freed so many hours after the start.
pub(crate) fn hold(taking: Consume, times_out: Option<i64>) -> Command {
    Command::Hold(PlaceHold {
        taking,
        times_out_at: times_out.map(at),
        on_time_out: OnTimeOut::Release,
    })
}

/// Hold, to be used so many hours after the start.
pub(crate) fn hold_to_capture(taking: Consume, times_out: i64) -> Command {
    Command::Hold(PlaceHold {
        taking,
        times_out_at: Some(at(times_out)),
        on_time_out: OnTimeOut::Capture,
    })
}

/// Capture of a hold, refused if it holds less.
pub(crate) fn capture(hold_id: HoldId, portion: Portion) -> Command {
    Command::Capture(Capture {
        hold_id,
        portion,
        delivered_at: None,
        excess: None,
    })
}

/// Release of a hold.
pub(crate) fn release(hold_id: HoldId) -> Command {
    Command::Release(Release { hold_id })
}

/// Undoing; what has ended meanwhile is lost.
pub(crate) fn reverse(posting_id: Uuid, portion: Portion) -> Command {
    Command::Reverse(Reverse {
        posting_id,
        portion,
        meanwhile: Meanwhile::Expire,
    })
}

/// The hold that a posting placed.
pub(crate) fn hold_of(posting: &Posting) -> HoldId {
    HoldId::from_uuid(posting.id)
}

/// Kind, lot, amount and value of what a posting moved; what time did is marked.
pub(crate) fn told(posting: &Posting) -> Vec<(String, LotId, String, i64)> {
    let tell = |entry: &Entry| {
        let mark = if entry.by_time { " by time" } else { "" };
        let kind = format!("{}{mark}", entry.kind.as_str());
        (kind, entry.lot_id, entry.amount.to_string(), entry.value)
    };
    posting.entries.iter().map(tell).collect()
}

/// The same, as it is expected.
pub(crate) fn tale(
    kind: &str,
    lot_id: LotId,
    amount: &str,
    value: i64,
) -> (String, LotId, String, i64) {
    (kind.to_owned(), lot_id, amount.to_owned(), value)
}

/// So many credits.
pub(crate) fn of_credits(amount: &str) -> Portion {
    Portion::Credits(credits(amount))
}

/// So many units.
pub(crate) fn of_units(units: &str) -> Portion {
    Portion::Units(credits(units))
}

/// No credits at all.
pub(crate) const NOTHING: Credits = Credits::ZERO;
