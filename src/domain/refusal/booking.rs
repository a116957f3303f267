//! Why something cannot be done to a booking.

use chrono::{DateTime, Utc};

use crate::ids::BookingId;

/// What a booking does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookingRefusal {
    /// It took place.
    #[error("booking {booking_id} was completed at {ended_at}")]
    Completed {
        /// The booking.
        booking_id: BookingId,
        /// When that was said.
        ended_at: DateTime<Utc>,
    },
    /// It was cancelled.
    #[error("booking {booking_id} was cancelled at {ended_at}")]
    Cancelled {
        /// The booking.
        booking_id: BookingId,
        /// When.
        ended_at: DateTime<Utc>,
    },
    /// The customer did not come.
    #[error("booking {booking_id} was marked as a no-show at {ended_at}")]
    NoShow {
        /// The booking.
        booking_id: BookingId,
        /// When that was said.
        ended_at: DateTime<Utc>,
    },
    /// It is still booked, so there is nothing to undo.
    #[error("booking {booking_id} was neither completed nor marked as a no-show")]
    NotEnded {
        /// The booking.
        booking_id: BookingId,
    },
    /// It is too early to say how it went.
    #[error("how booking {booking_id} went can be said from {possible_from} on")]
    NotBegun {
        /// The booking.
        booking_id: BookingId,
        /// From when on.
        possible_from: DateTime<Utc>,
    },
    /// It is to end before it starts, or at the same instant.
    #[error("the end {ends_at} is not later than the start {starts_at}")]
    EndsBeforeStart {
        /// When it starts.
        starts_at: DateTime<Utc>,
        /// When it is to end.
        ends_at: DateTime<Utc>,
    },
}

impl BookingRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "BOOKING_COMPLETED",
            Self::Cancelled { .. } => "BOOKING_CANCELLED",
            Self::NoShow { .. } => "BOOKING_NO_SHOW",
            Self::NotEnded { .. } => "BOOKING_NOT_ENDED",
            Self::NotBegun { .. } => "BOOKING_NOT_BEGUN",
            Self::EndsBeforeStart { .. } => "BOOKING_ENDS_BEFORE_START",
        }
    }
}
