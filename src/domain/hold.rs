//! Holds: credits set aside for something that has not taken place yet.
//!
//! A hold ends once: by capture, by release, or by its time-out. That it timed out is a fact of time
//! and never stored: the hold is over for every reader at that instant (semantics 20), whenever the
//! movements are written. Its id is that of the posting that placed it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::{About, EntryKey, Purpose, coded};
use crate::domain::part::Part;
use crate::domain::refusal::Refusal;
use crate::ids::{CustomerId, HoldId, ItemId, LotId, UserId};

coded! {
    /// What becomes of held credits when nobody ends the hold in time.
    OnTimeOut {
        /// They are free again.
        Release = 1, "release";
        /// They are used: a visit that took place (semantics 20).
        Capture = 2, "capture";
    }
}

coded! {
    /// How somebody ended a hold.
    HoldEnd {
        /// Used, in whole or in part.
        Captured = 1, "captured";
        /// Freed.
        Released = 2, "released";
    }
}

/// Credits that are set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The hold; its UUID is its posting's id.
    pub id: HoldId,
    /// Who is to use them.
    pub customer_id: CustomerId,
    /// For which item; none: by hand.
    pub item_id: Option<ItemId>,
    /// Who will deliver the service, if it is not the caller.
    pub consumed_by: Option<UserId>,
    /// What it is for, if that is more than an item.
    pub purpose: Option<Purpose>,
    /// When the service takes place.
    pub service_at: DateTime<Utc>,
    /// When it ends by itself; none: never.
    pub times_out_at: Option<DateTime<Utc>>,
    /// What happens then.
    pub on_time_out: OnTimeOut,
    /// How and by which posting somebody ended it.
    pub ended: Option<(HoldEnd, Uuid)>,
    /// What it holds, in the order in which it was taken.
    pub parts: Vec<Part>,
    /// The entries by which its time-out captured parts of it, with the numbers of those: written by
    /// whoever settled their lots, so this is how that use is found again.
    pub captured_by_time: Vec<(i32, EntryKey)>,
}

impl Hold {
    /// Refuses a hold that is over at `now`, with how it ended (semantics 18).
    ///
    /// # Errors
    /// [`Refusal::HoldAlreadyCaptured`], [`Refusal::HoldAlreadyReleased`], [`Refusal::HoldTimedOut`].
    pub fn check_open(&self, now: DateTime<Utc>) -> Result<(), Refusal> {
        let hold_id = self.id;
        match self.ended {
            Some((HoldEnd::Captured, posting_id)) => {
                return Err(Refusal::HoldAlreadyCaptured {
                    hold_id,
                    posting_id,
                });
            }
            Some((HoldEnd::Released, posting_id)) => {
                return Err(Refusal::HoldAlreadyReleased {
                    hold_id,
                    posting_id,
                });
            }
            None => {}
        }
        match self.times_out_at {
            Some(timed_out_at) if timed_out_at <= now => Err(Refusal::HoldTimedOut {
                hold_id,
                timed_out_at,
                outcome: self.on_time_out,
            }),
            _ => Ok(()),
        }
    }

    /// When its time-out came, if it did by `now` and nobody had ended it.
    pub fn timed_out(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.times_out_at
            .filter(|at| *at <= now && self.ended.is_none())
    }

    /// Whether it still holds something in this lot.
    pub fn holds_in(&self, lot_id: LotId) -> bool {
        self.parts
            .iter()
            .any(|part| part.lot_id == lot_id && part.left > Credits::ZERO)
    }

    /// What movements under this hold are about.
    pub fn about(&self, units: Option<Credits>) -> About {
        About {
            consumed_by: self.consumed_by,
            customer_id: Some(self.customer_id),
            item_id: self.item_id,
            units,
            hold_id: Some(self.id.uuid()),
            ..About::default()
        }
        .for_purpose(self.purpose)
    }

    /// Takes all that is left in the parts numbered `numbers`.
    pub fn empty(&mut self, numbers: &[i32]) {
        for part in &mut self.parts {
            if numbers.contains(&part.n) {
                part.left = Credits::ZERO;
            }
        }
    }
}
