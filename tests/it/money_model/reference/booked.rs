//! Bookings in the reference.

use super::{
    Booking, BookingState, Claim, Done, ENDING, FREE_HOURS, Instant, LineCreditsState, NaiveTime,
    Payer, TimeDelta, TimeZone, World, ZONE,
};

impl World {
    pub(in crate::money_model) fn book(
        &mut self,
        starts_at: Instant,
        units: i64,
        payer: Payer,
    ) -> Done {
        let claim = match payer {
            Payer::Nothing => None,
            Payer::Best => Some(self.take_best(units, starts_at)?),
            Payer::BestIfAny => self.take_best(units, starts_at).ok(),
        };
        self.bookings.push(Booking {
            starts_at,
            units,
            state: BookingState::Booked,
            claim,
        });
        Ok(())
    }

    fn check_booked(&self, number: usize) -> Done {
        match self.bookings[number].state {
            BookingState::Completed => Err("BOOKING_COMPLETED"),
            BookingState::Cancelled => Err("BOOKING_CANCELLED"),
            BookingState::NoShow => Err("BOOKING_NO_SHOW"),
            _ => Ok(()),
        }
    }

    pub(in crate::money_model) fn complete(&mut self, number: usize) -> Done {
        let day = self.bookings[number].starts_at.with_timezone(&ZONE);
        let midnight = day.date_naive().and_time(NaiveTime::MIN);
        let from = ZONE.from_local_datetime(&midnight).unwrap();
        self.finish(number, BookingState::Completed, from.to_utc())
    }

    pub(in crate::money_model) fn mark_no_show(&mut self, number: usize) -> Done {
        let from = self.bookings[number].starts_at;
        self.finish(number, BookingState::NoShow, from)
    }

    fn finish(&mut self, number: usize, state: BookingState, from: Instant) -> Done {
        self.check_booked(number)?;
        if self.now < from {
            return Err("BOOKING_NOT_BEGUN");
        }
        self.bookings[number].state = state;
        if let Some(mut claim) = self.bookings[number].claim.take() {
            self.use_up(&mut claim);
            self.bookings[number].claim = Some(claim);
        }
        Ok(())
    }

    pub(in crate::money_model) fn cancel(&mut self, number: usize, by_business: bool) -> Done {
        self.check_booked(number)?;
        self.bookings[number].state = BookingState::Cancelled;
        let is_late = self.now >= self.bookings[number].starts_at - TimeDelta::hours(FREE_HOURS);
        if let Some(mut claim) = self.bookings[number].claim.take() {
            let has_policy = claim.parts[0].0 == ENDING;
            if is_late && has_policy && !by_business {
                self.use_up(&mut claim);
                self.bookings[number].claim = Some(claim);
            } else {
                self.give_back(&claim);
            }
        }
        Ok(())
    }

    pub(in crate::money_model) fn reopen(&mut self, number: usize) -> Done {
        match self.bookings[number].state {
            BookingState::Booked => return Err("BOOKING_NOT_ENDED"),
            BookingState::Cancelled => return Err("BOOKING_CANCELLED"),
            _ => {}
        }
        self.bookings[number].state = BookingState::Booked;
        if let Some(claim) = self.bookings[number].claim.take() {
            self.give_back(&claim);
            let again = self.hold_again(number, &claim)?;
            self.bookings[number].claim = Some(again);
        }
        Ok(())
    }

    /// Holds the units of a booking from the very packages that it used.
    fn hold_again(&mut self, number: usize, claim: &Claim) -> Result<Claim, &'static str> {
        let Booking {
            starts_at, units, ..
        } = self.bookings[number];
        let at = starts_at.max(self.now);
        let named: Vec<usize> = claim.parts.iter().map(|(number, _)| *number).collect();
        if named
            .iter()
            .any(|number| self.packages[*number].has_ended(at))
        {
            return Err("PACKAGE_EXPIRED");
        }
        self.take(units, at, &named)
    }

    /// Lets the best package pay a booking that is booked, or none any booking.
    pub(in crate::money_model) fn switch(&mut self, number: usize, payer: Payer) -> Done {
        if self.bookings[number].state == BookingState::Cancelled {
            return Err("BOOKING_CANCELLED");
        }
        if let Some(claim) = self.bookings[number].claim.take() {
            self.give_back(&claim);
        }
        if payer == Payer::Best {
            let Booking {
                starts_at, units, ..
            } = self.bookings[number];
            self.bookings[number].claim = Some(self.take_best(units, starts_at)?);
        }
        Ok(())
    }

    /// Whether a booking holds what it claims.
    pub(in crate::money_model) fn holds(&self, number: usize) -> bool {
        let claim = self.bookings[number].claim.as_ref();
        claim.is_some_and(|claim| claim.state == LineCreditsState::Held)
    }
}
