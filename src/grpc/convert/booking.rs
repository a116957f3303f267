//! Bookings and their series as messages.

use crate::domain::booking::{BookingState, BookingStatus, Canceller};
use crate::grpc::convert::common::{amount_or_one, etag, optional_etag, to_timestamp};
use crate::grpc::convert::selling::NOTE_LENGTH_MAX;
use crate::grpc::convert::using::packages;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::{BookingId, HoldId};
use crate::proto::v1;
use crate::service::bookings::changing::{BookingUpdate, PayerChange};
use crate::service::bookings::ending::{EndVerb, Ending, Reopening};
use crate::service::bookings::series::{NewSeries, SeriesCancellation};
use crate::service::bookings::{BookingList, BookingView, NewBooking, PackageUse, PayerChoice};
use crate::service::{Call, Caller};

/// The most bookings of a series.
const OCCURRENCES_MAX: i32 = 200;
/// The most weeks between two bookings of a series.
const WEEKS_MAX: i32 = 52;

/// What can be chosen where no package is named.
#[derive(Clone, Copy)]
enum Choosing {
    /// The best one if there is one, by default.
    IfAny,
    /// The best one, by default, or none.
    BestOrNone,
}

/// A booking to be made.
pub fn new_booking(
    request: &v1::CreateBookingRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewBooking> {
    let external_id = faults.external_id("external_id", &request.external_id);
    let customer = faults.reference("customer_id", &request.customer_id);
    let item = faults.reference("item_id", &request.item_id);
    let units = amount_or_one(faults, "units", &request.units);
    let starts_at = faults.required_instant("starts_at", request.starts_at.as_ref());
    let ends_at = faults.optional_instant("ends_at", request.ends_at.as_ref());
    let note = faults.long_text("note", &request.note, NOTE_LENGTH_MAX);
    let asked = (request.package_ids.as_slice(), request.package_choice);
    let payer = payer(asked, Choosing::IfAny, faults);
    Some(NewBooking {
        external_id: external_id?,
        customer: customer?,
        item: item?,
        units: units?,
        starts_at: starts_at?,
        ends_at: ends_at?,
        note: note?,
        payer: payer?,
    })
}

/// A series to be made.
pub fn new_series(
    request: &v1::CreateBookingSeriesRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewSeries> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let item = faults.reference("item_id", &request.item_id);
    let units = amount_or_one(faults, "units", &request.units);
    let starts_at = faults.required_instant("starts_at", request.starts_at.as_ref());
    let ends_at = faults.optional_instant("ends_at", request.ends_at.as_ref());
    let note = faults.long_text("note", &request.note, NOTE_LENGTH_MAX);
    let count = faults.number("count", request.count, 1..=OCCURRENCES_MAX);
    let every_weeks = faults.number("every_weeks", request.every_weeks, 0..=WEEKS_MAX);
    let asked = (request.package_ids.as_slice(), request.package_choice);
    let payer = payer(asked, Choosing::BestOrNone, faults);
    Some(NewSeries {
        first: NewBooking {
            external_id: None,
            customer: customer?,
            item: item?,
            units: units?,
            starts_at: starts_at?,
            ends_at: ends_at?,
            note: note?,
            payer: payer?,
        },
        count: u32::try_from(count?).ok()?,
        every_weeks: u32::try_from(every_weeks?.max(1)).ok()?,
    })
}

fn payer(
    (ids, choice): (&[String], i32),
    choosing: Choosing,
    faults: &mut Faults,
) -> Option<PayerChoice> {
    let named = packages(ids, faults);
    let choice = match choice {
        0 => Some(v1::PackageChoice::Unspecified),
        number => faults.choice::<v1::PackageChoice>("package_choice", number),
    };
    let (named, choice) = (named?, choice?);
    if !named.is_empty() {
        if choice != v1::PackageChoice::Unspecified {
            faults.add("package_choice", "fits only where no package is named");
            return None;
        }
        return Some(PayerChoice::Named(named));
    }
    match (choice, choosing) {
        (v1::PackageChoice::None, _) => Some(PayerChoice::Nothing),
        (v1::PackageChoice::Best, _) | (v1::PackageChoice::Unspecified, Choosing::BestOrNone) => {
            Some(PayerChoice::Best)
        }
        (v1::PackageChoice::BestIfAny | v1::PackageChoice::Unspecified, Choosing::IfAny) => {
            Some(PayerChoice::BestIfAny)
        }
        (v1::PackageChoice::BestIfAny, Choosing::BestOrNone) => {
            faults.add("package_choice", "must be BEST or NONE here");
            None
        }
    }
}

/// A page of bookings.
pub fn booking_list(
    request: &v1::ListBookingsRequest,
    page: &Page<(i64, BookingId)>,
    faults: &mut Faults,
) -> Option<BookingList> {
    let customer = faults.optional_reference("customer_id", &request.customer_id);
    let state = match request.state {
        0 => Some(None),
        number => faults.choice("state", number).map(state),
    };
    let starts_from = faults.optional_instant("starts_from", request.starts_from.as_ref());
    let starts_before = faults.optional_instant("starts_before", request.starts_before.as_ref());
    let series_id = match request.series_id.as_str() {
        "" => Some(None),
        text => faults.id("series_id", text).map(Some),
    };
    Some(BookingList {
        customer: customer?,
        state: state?,
        starts_from: starts_from?,
        starts_before: starts_before?,
        series_id: series_id?,
        after: page.after,
        limit: page.limit(),
    })
}

fn state(state: v1::BookingState) -> Option<BookingState> {
    match state {
        v1::BookingState::Unspecified => None,
        v1::BookingState::Booked => Some(BookingState::Booked),
        v1::BookingState::Completed => Some(BookingState::Completed),
        v1::BookingState::Cancelled => Some(BookingState::Cancelled),
        v1::BookingState::NoShow => Some(BookingState::NoShow),
    }
}

/// What a client can write of a booking.
fn fields(message: &v1::Booking) -> [Writable; 4] {
    writable([
        ("external_id", !message.external_id.is_empty()),
        ("starts_at", message.starts_at.is_some()),
        ("ends_at", message.ends_at.is_some()),
        ("note", !message.note.is_empty()),
    ])
}

/// A booking to be changed.
pub fn booking_update(
    request: &v1::UpdateBookingRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<BookingUpdate> {
    let message = faults.required("booking", request.booking.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    faults.within("booking", |faults| {
        let booking = faults.reference("id", &message.id);
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let starts_at = mask.field("starts_at", || {
            faults.required_instant("starts_at", message.starts_at.as_ref())
        });
        let ends_at = mask.field("ends_at", || {
            faults.optional_instant("ends_at", message.ends_at.as_ref())
        });
        let note = mask.field("note", || {
            faults.long_text("note", &message.note, NOTE_LENGTH_MAX)
        });
        Some(BookingUpdate {
            booking: booking?,
            etag: optional_etag(&message.etag),
            external_id: external_id?,
            starts_at: starts_at?,
            ends_at: ends_at?,
            note: note?,
        })
    })
}

/// A booking that takes place.
pub fn completion(
    request: &v1::CompleteBookingRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<Ending> {
    let named = (request.booking_id.as_str(), request.etag.as_str());
    ending(named, EndVerb::Complete, faults)
}

/// A booking to be cancelled.
pub fn booking_cancellation(
    request: &v1::CancelBookingRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<Ending> {
    let named = (request.booking_id.as_str(), request.etag.as_str());
    let by = canceller(request.by_business);
    ending(named, EndVerb::Cancel(by), faults)
}

/// A booking to which the customer did not come.
pub fn no_show(request: &v1::MarkNoShowRequest, _: &Caller, faults: &mut Faults) -> Option<Ending> {
    let named = (request.booking_id.as_str(), request.etag.as_str());
    ending(named, EndVerb::MarkNoShow, faults)
}

fn ending((id, etag): (&str, &str), verb: EndVerb, faults: &mut Faults) -> Option<Ending> {
    Some(Ending {
        booking: faults.reference("booking_id", id)?,
        etag: optional_etag(etag),
        verb,
    })
}

fn canceller(by_business: bool) -> Canceller {
    if by_business {
        Canceller::Business
    } else {
        Canceller::Customer
    }
}

/// A booking to be reopened.
pub fn reopening(
    request: &v1::ReopenBookingRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<Reopening> {
    Some(Reopening {
        booking: faults.reference("booking_id", &request.booking_id)?,
        etag: optional_etag(&request.etag),
        without_package: request.without_package,
    })
}

/// What is to pay a booking instead.
pub fn payer_change(
    request: &v1::ChangePackageRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<PayerChange> {
    let booking = faults.reference("booking_id", &request.booking_id);
    let asked = (request.package_ids.as_slice(), request.package_choice);
    let payer = payer(asked, Choosing::BestOrNone, faults);
    Some(PayerChange {
        booking: booking?,
        etag: optional_etag(&request.etag),
        payer: payer?,
    })
}

/// A series to be cancelled.
pub fn series_cancellation(
    request: &v1::CancelBookingSeriesRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<SeriesCancellation> {
    Some(SeriesCancellation {
        series_id: faults.id("series_id", &request.series_id)?,
        by: canceller(request.by_business),
    })
}

/// The answer to a call that makes bookings: what was not kept has no ids.
pub fn to_made(view: BookingView, call: &Call) -> v1::Booking {
    let booking = to_booking(view);
    if call.validate_only {
        return v1::Booking {
            id: String::new(),
            hold_id: String::new(),
            series_id: String::new(),
            ..booking
        };
    }
    booking
}

/// A booking as a message.
pub fn to_booking(view: BookingView) -> v1::Booking {
    let BookingView { booking, packages } = view;
    let state = match booking.status.state() {
        BookingState::Booked => v1::BookingState::Booked,
        BookingState::Completed => v1::BookingState::Completed,
        BookingState::Cancelled => v1::BookingState::Cancelled,
        BookingState::NoShow => v1::BookingState::NoShow,
    };
    let (ended, by_business) = match &booking.status {
        BookingStatus::Booked { .. } => (None, false),
        BookingStatus::Completed(ended) | BookingStatus::NoShow(ended) => (Some(*ended), false),
        BookingStatus::Cancelled { ended, by_business } => (Some(*ended), *by_business),
    };
    let hold_id = booking.status.hold(booking.id).ok().flatten();
    // A hold that holds nothing any more is not the booking's.
    let hold_id = hold_id.filter(|_| !packages.is_empty());
    let posting_id = ended.and_then(|ended| ended.used_by);
    let series_id = booking.series.map(|(id, _)| id.to_string());
    v1::Booking {
        id: booking.id.to_string(),
        external_id: booking.external_id.unwrap_or_default(),
        customer_id: booking.customer_id.to_string(),
        item_id: booking.item_id.to_string(),
        units: booking.units.to_string(),
        starts_at: Some(timestamp(booking.starts_at)),
        ends_at: to_timestamp(booking.ends_at),
        note: booking.note,
        state: state.into(),
        ended_at: to_timestamp(ended.map(|ended| ended.at)),
        cancelled_by_business: by_business,
        packages: packages.into_iter().map(to_package_use).collect(),
        hold_id: hold_id.as_ref().map(HoldId::to_string).unwrap_or_default(),
        posting_id: posting_id.map(|id| id.to_string()).unwrap_or_default(),
        series_id: series_id.unwrap_or_default(),
        series_index: booking.series.map_or(0, |(_, index)| index),
        created_at: Some(timestamp(booking.created_at)),
        etag: etag(booking.version),
    }
}

fn to_package_use(used: PackageUse) -> v1::BookingPackage {
    v1::BookingPackage {
        package_id: used.package_id.to_string(),
        name: used.name,
        credits: used.credits.to_string(),
        used: used.used.to_string(),
        total: used.total.to_string(),
    }
}
