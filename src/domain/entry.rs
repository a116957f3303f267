//! Entries: the immutable movements of credits and of value between two accounts of one lot.
//!
//! An entry is chained to the one before it in its lot by a hash over everything that it says, so that
//! history cannot be rewritten unseen. Numbers of accounts, kinds and actors are part of that hash and
//! of the databases: they are never given a new meaning. What an entry leaves out is free text (it
//! lies in notes and can be erased) and the order of the change feed (the database's).

pub mod meaning;

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::ids::{BookingId, CustomerId, InvoiceLineId, ItemId, LineId, LotId, TokenId, UserId};

/// The version byte of [`Entry::digest`].
const HASH_VERSION: u8 = 1;

/// The method of what was brought in from another system: it says what was used, not when or how.
pub const IMPORT: &str = "Import";

/// SHA-256 over an entry.
pub type Hash = [u8; 32];

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number that databases and hashes know it by.
            pub const fn code(self) -> i16 {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The one that this number stands for.
            pub const fn from_code(code: i16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            /// The name that people read.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}
pub(crate) use coded;

coded! {
    /// Where credits of a lot are. The seven always sum to zero (design section 2).
    Account {
        /// Where credits come from; never above zero.
        Issued = 1, "issued";
        /// Free to use.
        Available = 2, "available";
        /// Set aside by a hold.
        Held = 3, "held";
        /// Used.
        Consumed = 4, "consumed";
        /// Lost because the package ran out.
        Expired = 5, "expired";
        /// Taken away early.
        Revoked = 6, "revoked";
        /// Moved to another lot; below zero where they came from another one.
        Transferred = 7, "transferred";
    }
}

coded! {
    /// What kind of movement an entry is.
    EntryKind {
        /// New credits.
        Issue = 1, "issue";
        /// Credits used.
        Consume = 2, "consume";
        /// Credits set aside.
        Hold = 3, "hold";
        /// Held credits used.
        Capture = 4, "capture";
        /// Held credits freed.
        Release = 5, "release";
        /// Held credits freed by their time-out.
        TimeOut = 6, "time_out";
        /// A use undone.
        Reverse = 7, "reverse";
        /// Credits lost at the end of validity.
        Expire = 8, "expire";
        /// Lost credits brought back.
        Restore = 9, "restore";
        /// Credits taken away.
        Revoke = 10, "revoke";
        /// Credits given back that had been taken away.
        Reinstate = 11, "reinstate";
        /// Credits moved between two lots.
        Transfer = 12, "transfer";
        /// The quantity corrected downward.
        Adjust = 13, "adjust";
        /// The value changed, no credits moved.
        Revalue = 14, "revalue";
    }
}

/// Who caused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Carnet itself: time alone, or a job.
    System,
    /// A member of staff, through a token of theirs.
    User(UserId),
    /// A token that belongs to nobody in particular.
    Token(TokenId),
}

impl Actor {
    /// The number and the id that databases and hashes know the actor by.
    pub fn parts(self) -> (i16, Option<Uuid>) {
        match self {
            Self::System => (0, None),
            Self::User(id) => (1, Some(id.uuid())),
            Self::Token(id) => (2, Some(id.uuid())),
        }
    }

    /// The actor that [`Actor::parts`] came from.
    pub fn from_parts(kind: i16, id: Option<Uuid>) -> Option<Self> {
        match (kind, id) {
            (0, None) => Some(Self::System),
            (1, Some(id)) => Some(Self::User(UserId::from_uuid(id))),
            (2, Some(id)) => Some(Self::Token(TokenId::from_uuid(id))),
            _ => None,
        }
    }
}

/// The key of an entry: its posting, and its place in it from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// The posting; its id is the request id.
    pub posting_id: Uuid,
    /// The place in the posting.
    pub n: i32,
}

/// What is in each account of a lot; `issued` is minus the sum of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balances {
    /// Free to use.
    pub available: Credits,
    /// Set aside.
    pub held: Credits,
    /// Used.
    pub consumed: Credits,
    /// Lost at the end of validity.
    pub expired: Credits,
    /// Taken away.
    pub revoked: Credits,
    /// Moved elsewhere; below zero where they came from elsewhere.
    pub transferred: Credits,
}

/// What credits are held and used for, if that is more than an item: only this frees or undoes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An invoice line that they pay.
    InvoiceLine(InvoiceLineId),
    /// A booking.
    Booking(BookingId),
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvoiceLine(id) => write!(f, "invoice line {id}"),
            Self::Booking(id) => write!(f, "booking {id}"),
        }
    }
}

impl Purpose {
    /// The purpose of what is kept with these ids: at most one of them is there.
    pub fn from_ids(invoice_line_id: Option<Uuid>, booking_id: Option<Uuid>) -> Option<Self> {
        let line = invoice_line_id.map(|id| Self::InvoiceLine(InvoiceLineId::from_uuid(id)));
        line.or_else(|| booking_id.map(|id| Self::Booking(BookingId::from_uuid(id))))
    }

    /// The invoice line, if it is one.
    pub fn invoice_line_id(self) -> Option<Uuid> {
        match self {
            Self::InvoiceLine(id) => Some(id.uuid()),
            Self::Booking(_) => None,
        }
    }

    /// The booking, if it is one.
    pub fn booking_id(self) -> Option<Uuid> {
        match self {
            Self::Booking(id) => Some(id.uuid()),
            Self::InvoiceLine(_) => None,
        }
    }
}

/// What a movement is about, as the command said it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Who used the credits, if not the actor.
    pub consumed_by: Option<UserId>,
    /// Which customer.
    pub customer_id: Option<CustomerId>,
    /// For which item.
    pub item_id: Option<ItemId>,
    /// How many units of the item.
    pub units: Option<Credits>,
    /// On which invoice line.
    pub invoice_line_id: Option<Uuid>,
    /// For which booking.
    pub booking_id: Option<Uuid>,
    /// Under which hold.
    pub hold_id: Option<Uuid>,
}

impl About {
    /// What the credits are held and used for, if that is more than an item.
    pub fn purpose(&self) -> Option<Purpose> {
        Purpose::from_ids(self.invoice_line_id, self.booking_id)
    }

    /// The same for this purpose.
    #[must_use]
    pub fn for_purpose(self, purpose: Option<Purpose>) -> Self {
        Self {
            invoice_line_id: purpose.and_then(Purpose::invoice_line_id),
            booking_id: purpose.and_then(Purpose::booking_id),
            ..self
        }
    }
}

/// One immutable movement within a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: EntryKey,
    /// Its lot.
    pub lot_id: LotId,
    /// The line of its lot, so that sums by what was sold need not look at lots.
    pub line_id: LineId,
    /// Its place in the lot, from 1 and without gaps.
    pub seq: i64,
    /// The entry before it in the lot.
    pub previous: Option<EntryKey>,
    /// The chained hash.
    pub hash: Hash,
    /// What kind of movement.
    pub kind: EntryKind,
    /// Where the credits came from.
    pub from: Account,
    /// Where they went.
    pub to: Account,
    /// How many; positive, except a revaluation's, which is zero.
    pub amount: Credits,
    /// The value that went with them, in minor units.
    pub value: i64,
    /// The lot's balances after it.
    pub balances: Balances,
    /// When it was true.
    pub effective_at: DateTime<Utc>,
    /// When it was written; never backwards within a lot.
    pub recorded_at: DateTime<Utc>,
    /// Whether time alone caused it.
    pub by_time: bool,
    /// The entry that it undoes.
    pub undoes: Option<EntryKey>,
    /// The hash of the request; none where a job wrote it.
    pub request_hash: Option<Hash>,
    /// The method that was called, or the job's name.
    pub method: String,
    /// Who caused it.
    pub actor: Actor,
    /// What it is about.
    pub about: About,
}

impl Entry {
    /// The hash that this entry must carry after an entry with the hash `previous` (zeros for the
    /// first): SHA-256 over a version byte, the previous hash and all columns but the business, the
    /// line, which is the lot's for ever, and the feed's; numbers big-endian, instants in microseconds, an absent value as a zero byte.
    pub fn digest(&self, previous: &Hash) -> Hash {
        let mut sink = Sink::new(previous);
        sink.uuid(self.key.posting_id);
        sink.number(self.key.n.into());
        sink.uuid(self.lot_id.uuid());
        sink.number(self.seq);
        sink.key(self.previous);
        sink.number(self.kind.code().into());
        sink.number(self.from.code().into());
        sink.number(self.to.code().into());
        sink.number(self.amount.millionths());
        sink.number(self.value);
        for balance in self.balances.all() {
            sink.number(balance.millionths());
        }
        sink.number(self.effective_at.timestamp_micros());
        sink.number(self.recorded_at.timestamp_micros());
        sink.number(self.by_time.into());
        sink.key(self.undoes);
        sink.bytes(self.request_hash.as_ref().map(Hash::as_slice));
        sink.bytes(Some(self.method.as_bytes()));
        let (actor_kind, actor_id) = self.actor.parts();
        sink.number(actor_kind.into());
        sink.id(actor_id);
        sink.id(self.about.consumed_by.map(UserId::uuid));
        sink.id(self.about.customer_id.map(CustomerId::uuid));
        sink.id(self.about.item_id.map(ItemId::uuid));
        sink.bytes(
            self.about
                .units
                .map(|units| units.millionths().to_be_bytes())
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
        sink.id(self.about.invoice_line_id);
        sink.id(self.about.booking_id);
        sink.id(self.about.hold_id);
        sink.finish()
    }
}

impl Balances {
    /// The balances in the order in which they are hashed and stored.
    pub fn all(&self) -> [Credits; 6] {
        [
            self.available,
            self.held,
            self.consumed,
            self.expired,
            self.revoked,
            self.transferred,
        ]
    }

    /// What is in `account`; `None` for [`Account::Issued`], which is minus the sum of the others.
    pub fn of(&self, account: Account) -> Option<Credits> {
        match account {
            Account::Issued => None,
            Account::Available => Some(self.available),
            Account::Held => Some(self.held),
            Account::Consumed => Some(self.consumed),
            Account::Expired => Some(self.expired),
            Account::Revoked => Some(self.revoked),
            Account::Transferred => Some(self.transferred),
        }
    }
}

/// Feeds the hash with values that cannot be confused with each other.
struct Sink(Sha256);

impl Sink {
    fn new(previous: &Hash) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([HASH_VERSION]);
        hasher.update(previous);
        Self(hasher)
    }

    fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    fn uuid(&mut self, uuid: Uuid) {
        self.0.update(uuid.as_bytes());
    }

    fn id(&mut self, id: Option<Uuid>) {
        self.bytes(id.as_ref().map(|id| id.as_bytes().as_slice()));
    }

    fn key(&mut self, key: Option<EntryKey>) {
        self.0.update([u8::from(key.is_some())]);
        if let Some(key) = key {
            self.uuid(key.posting_id);
            self.number(key.n.into());
        }
    }

    fn bytes(&mut self, bytes: Option<&[u8]>) {
        self.0.update([u8::from(bytes.is_some())]);
        if let Some(bytes) = bytes {
            self.number(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
            self.0.update(bytes);
        }
    }

    fn finish(self) -> Hash {
        self.0.finalize().into()
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
