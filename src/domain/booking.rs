//! Bookings: an item for a customer at a time, and what pays it (semantics 10, 21).
//!
//! A booking is booked until it is completed, cancelled or marked as a no-show, and each step takes the status
//! that it leaves. A booked one may hold credits; of the others those that used credits name the posting, so
//! what a booking holds or used is freed, used or given back once.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::coded;
use crate::domain::refusal::BookingRefusal;
use crate::ids::{
    BookingId, BookingSeriesId, BusinessId, CustomerId, HoldId, ItemId, LotId, PackageId,
};

coded! {
    /// What became of a booking.
    BookingState {
        /// It is ahead, or nobody has said yet how it went.
        Booked = 1, "booked";
        /// It took place.
        Completed = 2, "completed";
        /// It was cancelled.
        Cancelled = 3, "cancelled";
        /// The customer did not come.
        NoShow = 4, "no_show";
    }
}

/// What became of a booking, and of the credits that pay it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BookingStatus {
    /// It is ahead, or nobody has said yet how it went.
    Booked {
        /// What is held for it; none: it is paid otherwise.
        hold_id: Option<HoldId>,
    },
    /// It took place.
    Completed(Ended),
    /// It was cancelled.
    Cancelled {
        /// When, and what it used all the same.
        ended: Ended,
        /// Whether the business did.
        by_business: bool,
    },
    /// The customer did not come.
    NoShow(Ended),
}

/// How a booking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When that was said.
    pub at: DateTime<Utc>,
    /// The posting that used credits for it, if one did.
    pub used_by: Option<Uuid>,
}

/// What pays a booking, to be undone before something else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paid {
    /// Credits are held, or none.
    Held(Option<HoldId>),
    /// Credits were used by this posting, or none.
    Used(Option<Uuid>),
}

impl BookingStatus {
    /// Its state.
    pub fn state(&self) -> BookingState {
        match self {
            Self::Booked { .. } => BookingState::Booked,
            Self::Completed(_) => BookingState::Completed,
            Self::Cancelled { .. } => BookingState::Cancelled,
            Self::NoShow(_) => BookingState::NoShow,
        }
    }

    /// How it ended, if it did.
    pub fn ended(&self) -> Option<Ended> {
        match self {
            Self::Booked { .. } => None,
            Self::Completed(ended) | Self::NoShow(ended) | Self::Cancelled { ended, .. } => {
                Some(*ended)
            }
        }
    }

    /// The hold of a booking that is still booked.
    ///
    /// # Errors
    /// [`BookingRefusal::Completed`], [`BookingRefusal::Cancelled`], [`BookingRefusal::NoShow`].
    pub fn hold(&self, booking_id: BookingId) -> Result<Option<HoldId>, BookingRefusal> {
        match self {
            Self::Booked { hold_id } => Ok(*hold_id),
            Self::Completed(ended) => Err(BookingRefusal::Completed {
                booking_id,
                ended_at: ended.at,
            }),
            Self::Cancelled { ended, .. } => Err(BookingRefusal::Cancelled {
                booking_id,
                ended_at: ended.at,
            }),
            Self::NoShow(ended) => Err(BookingRefusal::NoShow {
                booking_id,
                ended_at: ended.at,
            }),
        }
    }

    /// It took place.
    ///
    /// # Errors
    /// Those of [`hold`](Self::hold).
    pub fn complete(self, booking_id: BookingId, ended: Ended) -> Result<Self, BookingRefusal> {
        self.hold(booking_id)?;
        Ok(Self::Completed(ended))
    }

    /// The customer did not come.
    ///
    /// # Errors
    /// Those of [`hold`](Self::hold).
    pub fn mark_no_show(self, booking_id: BookingId, ended: Ended) -> Result<Self, BookingRefusal> {
        self.hold(booking_id)?;
        Ok(Self::NoShow(ended))
    }

    /// It is not to take place, as the customer or the business says.
    ///
    /// # Errors
    /// Those of [`hold`](Self::hold).
    pub fn cancel(
        self,
        booking_id: BookingId,
        ended: Ended,
        by: Canceller,
    ) -> Result<Self, BookingRefusal> {
        self.hold(booking_id)?;
        Ok(Self::Cancelled {
            ended,
            by_business: by == Canceller::Business,
        })
    }

    /// Nobody has said yet how it went, after all: the posting whose use is to be undone goes along.
    ///
    /// # Errors
    /// [`BookingRefusal::NotEnded`], [`BookingRefusal::Cancelled`].
    pub fn reopen(self, booking_id: BookingId) -> Result<(Self, Option<Uuid>), BookingRefusal> {
        match self {
            Self::Booked { .. } => Err(BookingRefusal::NotEnded { booking_id }),
            Self::Cancelled { ended, .. } => Err(BookingRefusal::Cancelled {
                booking_id,
                ended_at: ended.at,
            }),
            Self::Completed(ended) | Self::NoShow(ended) => {
                Ok((Self::Booked { hold_id: None }, ended.used_by))
            }
        }
    }

    /// It is paid by something else or by nothing: what pays it now goes along.
    ///
    /// # Errors
    /// [`BookingRefusal::Cancelled`].
    pub fn unpay(self, booking_id: BookingId) -> Result<(Self, Paid), BookingRefusal> {
        let without = |ended: Ended| Ended {
            used_by: None,
            ..ended
        };
        match self {
            Self::Booked { hold_id } => Ok((Self::Booked { hold_id: None }, Paid::Held(hold_id))),
            Self::Completed(ended) => {
                Ok((Self::Completed(without(ended)), Paid::Used(ended.used_by)))
            }
            Self::NoShow(ended) => Ok((Self::NoShow(without(ended)), Paid::Used(ended.used_by))),
            Self::Cancelled { ended, .. } => Err(BookingRefusal::Cancelled {
                booking_id,
                ended_at: ended.at,
            }),
        }
    }

    /// It is paid by what this posting held, or, of one that has ended, used.
    #[must_use]
    pub fn paid_by(self, posting_id: Uuid) -> Self {
        let with = |ended: Ended| Ended {
            used_by: Some(posting_id),
            ..ended
        };
        match self {
            Self::Booked { .. } => Self::Booked {
                hold_id: Some(HoldId::from_uuid(posting_id)),
            },
            Self::Completed(ended) => Self::Completed(with(ended)),
            Self::NoShow(ended) => Self::NoShow(with(ended)),
            Self::Cancelled { ended, by_business } => Self::Cancelled {
                ended: with(ended),
                by_business,
            },
        }
    }
}

/// Who cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canceller {
    /// The customer: late, it may cost.
    Customer,
    /// The business: always free.
    Business,
}

/// Credits of a lot that a booking holds or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The package.
    pub package_id: PackageId,
    /// The lot.
    pub lot_id: LotId,
    /// How many.
    pub credits: Credits,
}

/// An item for a customer at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Booking {
    /// The booking.
    pub id: BookingId,
    /// Whose it is.
    pub business_id: BusinessId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// For whom.
    pub customer_id: CustomerId,
    /// What.
    pub item_id: ItemId,
    /// How many units of it.
    pub units: Credits,
    /// When the service takes place.
    pub starts_at: DateTime<Utc>,
    /// When it is over.
    pub ends_at: Option<DateTime<Utc>>,
    /// For staff.
    pub note: String,
    /// The series that it is one of, and its place in it from 0.
    pub series: Option<(BookingSeriesId, i32)>,
    /// What became of it.
    pub status: BookingStatus,
    /// What it holds or used, in the order in which it was taken.
    pub applied: Vec<Applied>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

impl Booking {
    /// Refuses an end that is not after the start.
    ///
    /// # Errors
    /// [`BookingRefusal::EndsBeforeStart`].
    pub fn check_times(&self) -> Result<(), BookingRefusal> {
        match self.ends_at {
            Some(ends_at) if ends_at <= self.starts_at => Err(BookingRefusal::EndsBeforeStart {
                starts_at: self.starts_at,
                ends_at,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Refuses to say how it went before `possible_from`.
    ///
    /// # Errors
    /// [`BookingRefusal::NotBegun`].
    pub fn check_begun(
        &self,
        possible_from: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), BookingRefusal> {
        if now < possible_from {
            return Err(BookingRefusal::NotBegun {
                booking_id: self.id,
                possible_from,
            });
        }
        Ok(())
    }

    /// The packages that pay it, each once, in the order in which they do.
    pub fn package_ids(&self) -> Vec<PackageId> {
        let mut ids = Vec::new();
        for applied in &self.applied {
            if !ids.contains(&applied.package_id) {
                ids.push(applied.package_id);
            }
        }
        ids
    }
}

#[cfg(test)]
mod tests;
