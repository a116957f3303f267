//! What can be wrong with a ledger, each kind by a name of its own.

use std::fmt;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::entry::{EntryKey, EntryKind};
use crate::ids::LotId;

/// The most faults that are kept one by one; further ones are only counted.
const FAULTS_KEPT_MAX: usize = 1_000;

/// One thing that does not add up, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// What is wrong.
    pub flaw: Flaw,
}

/// Where a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the business as a whole.
    Business,
    /// In one lot.
    Lot(LotId),
    /// In one posting.
    Posting(Uuid),
}

/// A kind of fault; entries of a lot are named by their `seq`, those of a posting by their `n`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Flaw {
    /// A row cannot be read.
    #[error("{table} {id} is damaged")]
    Damaged {
        /// The table.
        table: &'static str,
        /// Which row.
        id: String,
    },
    /// An entry in the chain is another lot's.
    #[error("entry {0} is another lot's")]
    OtherLot(i64),
    /// An entry names another line than its lot.
    #[error("entry {0} names another line than its lot")]
    OtherLine(i64),
    /// `seq` leaves a gap, or the chain cannot be followed further back.
    #[error("entry {0} leaves a gap before it")]
    Gap(i64),
    /// An entry does not name the one before it.
    #[error("entry {0} names another one before it")]
    Previous(i64),
    /// An entry says something else than when it was written.
    #[error("the hash of entry {0} is not its own")]
    Hash(i64),
    /// `recorded_at` went backwards.
    #[error("entry {0} was recorded before the one before it")]
    Backwards(i64),
    /// An entry speaks of the future.
    #[error("entry {0} is true only after it was recorded")]
    Future(i64),
    /// An account or a pool would fall below zero.
    #[error("entry {0} takes what is not there")]
    Overdrawn(i64),
    /// The balances in an entry are not those that it leads to.
    #[error("entry {0} tells other balances")]
    Balances(i64),
    /// The accounts do not fit the kind.
    #[error("entry {seq} is of the kind {} and moves between other accounts", kind.as_str())]
    Accounts {
        /// Which entry.
        seq: i64,
        /// Its kind.
        kind: EntryKind,
    },
    /// The amount does not fit the kind.
    #[error("entry {0} moves an amount that its kind cannot")]
    Amount(i64),
    /// A lot must begin with its issue, or with what was transferred into it, and is issued once.
    #[error("entry {0} is no beginning of a lot, or a second one")]
    Beginning(i64),
    /// Time alone cannot cause this kind.
    #[error("entry {0} is of a kind that time alone does not cause")]
    ByTime(i64),
    /// Only time, or a return after the end, lets credits expire.
    #[error("entry {0} expires credits although neither time nor a return did")]
    Expiry(i64),
    /// The value is not what the formula of design section 2 says.
    #[error("entry {seq} carries the value {told}, not {wanted}")]
    Value {
        /// Which entry.
        seq: i64,
        /// The value that it carries.
        told: i64,
        /// The value that it should carry.
        wanted: i64,
    },
    /// An undo names nothing, or another kind names something.
    #[error("entry {0} undoes nothing although it must, or something although it must not")]
    Undoing(i64),
    /// The undone entry does not exist in this business.
    #[error("entry {0} undoes one that does not exist")]
    UndoesNothing(i64),
    /// The undone entry is of another lot, of a kind that does not fit, or later.
    #[error("entry {0} undoes one that it cannot undo")]
    UndoesOther(i64),
    /// More was undone of an entry than it moved.
    #[error("more was undone of entry {0} than it moved")]
    UndoneAmount(i64),
    /// The value that was undone of an entry is not the value that it carried, or the part's share.
    #[error("the value that was undone of entry {0} is not its share of what that carried")]
    UndoneValue(i64),
    /// The lot's cached numbers are wrong.
    #[error("the lot's cached numbers are not what its entries add up to")]
    Cache,
    /// The lot names another end of its chain.
    #[error("the lot does not name the end of its chain")]
    Tail,
    /// The lot tells another value or quantity as issued.
    #[error("the lot tells another issue than its first entry")]
    Issued,
    /// The lot was moved out of another one, and tells another value or quantity as issued.
    #[error("the lot tells another issue than the lot that it came from")]
    IssuedElsewhere,
    /// Columns of the lot's row contradict each other or the line.
    #[error("the lot's row contradicts itself or its line")]
    Row,
    /// The lot's package does not exist.
    #[error("the lot's package does not exist")]
    NoPackage,
    /// What the lot copies from its package is not what the package says.
    #[error("the lot's copy of its package's terms is not what the package says")]
    Terms,
    /// Credits are available in a lot whose package was taken away or moved.
    #[error("credits are available although the lot's package was taken away or moved")]
    Stranded,
    /// The holds in the lot hold more or less than its entries say.
    #[error("what holds say is held in the lot is not what its entries say")]
    Held,
    /// The lot names another instant at which the next hold in it times out.
    #[error("the lot names another next time-out than the holds in it")]
    TimeOut,
    /// A part of a hold is not an entry of its posting.
    #[error("part {0} of the hold is not what its entry says")]
    HoldPart(i32),
    /// The hold has fewer or more parts than its posting has entries.
    #[error("the hold does not have the parts of its posting")]
    HoldParts,
    /// The hold has ended and still holds something, or holds nothing and has not ended.
    #[error("the hold has ended and holds something, or holds nothing and has not ended")]
    HoldEnd,
    /// An entry ends a hold that was ended by nobody or by another posting, or in another way.
    #[error("entry {0} ends a hold that says otherwise")]
    EndsHold(i64),
    /// The posting that is said to have ended the hold did not, not all of it, or in another way.
    #[error("the hold was not ended so by the posting that it names")]
    HoldEndedBy,
    /// Transfers of one posting take other credits, or another value, out of lots than they bring into others.
    #[error("what left lots by transfer is not what arrived in others")]
    Transfers,
    /// `n` does not count from 0 without gaps.
    #[error("entry {0} leaves a gap before it")]
    PostingGap(i32),
    /// Entries of one posting come from different requests.
    #[error("entry {0} has the hash of another request")]
    PostingRequest(i32),
    /// Entries are stored that no lot leads to.
    #[error("{stored} entries are stored, {chained} are in the chains of lots")]
    Strays {
        /// How many are stored.
        stored: u64,
        /// How many lots lead to.
        chained: u64,
    },
    /// A kept head is not the one of today.
    #[error("the head as of {} was another one when it was kept", instant(*as_of))]
    Head {
        /// The instant that the head was of.
        as_of: DateTime<Utc>,
    },
}

/// The faults that were found, in bounded memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) kept: Vec<Fault>,
    pub(super) count: u64,
}

impl Findings {
    pub(super) fn add(&mut self, place: Place, flaw: Flaw) {
        self.count = self.count.saturating_add(1);
        if self.kept.len() < FAULTS_KEPT_MAX {
            self.kept.push(Fault { place, flaw });
        }
    }

    pub(super) fn in_lot(&mut self, lot_id: LotId, flaws: impl IntoIterator<Item = Flaw>) {
        for flaw in flaws {
            self.add(Place::Lot(lot_id), flaw);
        }
    }

    pub(super) fn in_posting(&mut self, key: EntryKey, flaw: Flaw) {
        self.add(Place::Posting(key.posting_id), flaw);
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Business => self.flaw.fmt(f),
            Place::Lot(id) => write!(f, "{id}: {}", self.flaw),
            Place::Posting(id) => write!(f, "posting {id}: {}", self.flaw),
        }
    }
}

/// An instant as people write it, to the microsecond.
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
