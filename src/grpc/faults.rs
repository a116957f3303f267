//! Reads the fields of a request and collects everything that is wrong with them.
//!
//! A reader returns `None` where it wrote a fault down, and the caller goes on reading, so that a
//! client learns of all faults at once, each by the path of its field. [`Faults::all`] ends the
//! reading: it hands over what was read, or the error. Nothing is decided here that needs the
//! database, and nothing is corrected but surrounding blanks and the case of e-mail addresses.

use std::ops::RangeInclusive;

use tonic::{Code, Status};
use tonic_types::FieldViolation;

use crate::domain::audit::Touched;
use crate::grpc::layers::panic::internal;
use crate::grpc::status::Failure;
use crate::proto::v1::Reason;

mod id;
mod text;
mod time;

pub use self::time::timestamp;

/// How many faults an error lists. The details travel in headers, of which common clients take no
/// more than 8 KiB.
const LISTED_MAX: usize = 40;

/// The longest amount, in characters: 13 digits, the point, 6 digits, and some leading zeros.
const DECIMAL_LENGTH_MAX: usize = 32;

/// The faults of one request so far.
#[derive(Debug, Default)]
pub struct Faults {
    within: Vec<String>,
    found: Vec<FieldViolation>,
    touched: Touched,
}

impl Faults {
    /// No faults yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a fault of a field down. The description continues "this field", as in "must be given".
    pub fn add(&mut self, field: &str, description: impl Into<String>) {
        let mut path = self.within.join(".");
        if !path.is_empty() && !field.is_empty() {
            path.push('.');
        }
        path.push_str(field);
        self.found.push(FieldViolation::new(path, description));
    }

    /// Reads the fields of a message inside this one, such as `"template"`.
    pub fn within<T>(&mut self, field: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within.push(field.to_owned());
        let value = read(self);
        self.within.pop();
        value
    }

    /// Reads the fields of one message of a list, such as `"entries[2]"`.
    pub fn within_item<T>(
        &mut self,
        field: &str,
        index: usize,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.within(&format!("{field}[{index}]"), read)
    }

    /// Hands over what was read of the ids in the request, and which fields an update writes.
    pub fn touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    /// Notes which fields an update writes.
    pub(super) fn note_fields(&mut self, names: impl IntoIterator<Item = &'static str>) {
        self.touched.fields.extend(names);
    }

    /// Whether nothing was found wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Ends the reading: what was read, or `INVALID_ARGUMENT` with all faults. Takes one value or a
    /// tuple of up to eight, as the readers returned them.
    pub fn all<T: Readings>(self, readings: T) -> Result<T::Values, Status> {
        if !self.is_empty() {
            return Err(self.into_status());
        }
        // A reader that gives nothing writes a fault down, so this is a fault of ours.
        readings.values().ok_or_else(internal)
    }

    /// The error with all faults.
    fn into_status(self) -> Status {
        let count = self.found.len();
        let message = match self.found.as_slice() {
            [only] => format!("{} {}", only.field, only.description),
            _ if count > LISTED_MAX => {
                format!("{count} faults in the request, of which {LISTED_MAX} are listed")
            }
            _ => format!("{count} faults in the request"),
        };
        let mut listed = self.found;
        listed.truncate(LISTED_MAX);
        Failure::new(Code::InvalidArgument, Reason::InvalidArgument, message)
            .with_field_faults(listed)
            .into_status()
    }

    /// A message that must be given.
    pub fn required<'a, T>(&mut self, field: &str, value: Option<&'a T>) -> Option<&'a T> {
        if value.is_none() {
            self.add(field, "must be given");
        }
        value
    }

    /// An amount of credits or units that must be given, above 0 and without a sign or exponent. It is
    /// checked in its form only, and handed on as it is.
    pub fn decimal<'a>(&mut self, field: &str, text: &'a str) -> Option<&'a str> {
        if text.is_empty() {
            self.add(field, "must be given");
            return None;
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if text.len() > DECIMAL_LENGTH_MAX || !digits(whole) || !digits(fraction) {
            self.add(field, "must be a decimal number such as \"1.5\"");
            return None;
        }
        if text.bytes().all(|byte| matches!(byte, b'0' | b'.')) {
            self.add(field, "must be above 0");
            return None;
        }
        Some(text)
    }

    /// A number in a range.
    pub fn number(&mut self, field: &str, number: i32, range: RangeInclusive<i32>) -> Option<i32> {
        if range.contains(&number) {
            return Some(number);
        }
        self.add(
            field,
            format!("must be between {} and {}", range.start(), range.end()),
        );
        None
    }

    /// The length of a list, in a range. Refuse a list that is too long before reading its items.
    pub fn count(&mut self, field: &str, count: usize, range: RangeInclusive<usize>) -> Option<()> {
        if range.contains(&count) {
            return Some(());
        }
        let (least, most) = (range.start(), range.end());
        self.add(
            field,
            format!("must have {least} to {most} entries, not {count}"),
        );
        None
    }

    /// A choice that must be made: a known value of an enum, and not its zero.
    pub fn choice<E>(&mut self, field: &str, number: i32) -> Option<E>
    where
        E: TryFrom<i32> + Default + PartialEq,
    {
        let choice = E::try_from(number)
            .ok()
            .filter(|choice| *choice != E::default());
        if choice.is_none() {
            self.add(
                field,
                if number == 0 {
                    "must be given".to_owned()
                } else {
                    format!("must be one of the known values, not {number}")
                },
            );
        }
        choice
    }

    /// A list of choices, each of them known and not zero; may be empty.
    pub fn choices<E>(&mut self, field: &str, numbers: &[i32]) -> Option<Vec<E>>
    where
        E: TryFrom<i32> + Default + PartialEq,
    {
        let read: Vec<Option<E>> = numbers
            .iter()
            .enumerate()
            .map(|(index, number)| self.choice(&format!("{field}[{index}]"), *number))
            .collect();
        read.into_iter().collect()
    }
}

/// What readers returned, to be handed over all together: an `Option`, or a tuple of them.
pub trait Readings {
    /// The same without the options.
    type Values;

    /// The values, or nothing if one of them is missing.
    fn values(self) -> Option<Self::Values>;
}

impl<T> Readings for Option<T> {
    type Values = T;

    fn values(self) -> Option<T> {
        self
    }
}

macro_rules! tuples_of_readings {
    ($(($($value:ident),+);)+) => {$(
        impl<$($value),+> Readings for ($(Option<$value>,)+) {
            type Values = ($($value,)+);

            #[expect(non_snake_case, reason = "a value is named as its type")]
            fn values(self) -> Option<Self::Values> {
                let ($($value,)+) = self;
                Some(($($value?,)+))
            }
        }
    )+};
}

tuples_of_readings! {
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
    (A, B, C, D, E, F);
    (A, B, C, D, E, F, G);
    (A, B, C, D, E, F, G, H);
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use tonic_types::StatusExt;

    use super::*;
    use crate::ids::{CustomerId, PackageId};
    use crate::proto::v1::PaymentMethod;

    /// The paths of the faults in an error.
    fn paths(status: &Status) -> Vec<String> {
        let request = status.get_details_bad_request().unwrap();
        let faults = request.field_violations.into_iter();
        faults.map(|fault| fault.field).collect()
    }

    #[test]
    fn all_faults_are_reported_at_once_by_their_paths() {
        let mut faults = Faults::new();
        let request_id = faults.request_id("");
        let entry = faults.within_item("entries", 2, |faults| {
            let customer = faults.reference::<CustomerId>("customer_id", "pkg_1");
            faults.within("recorded", |faults| {
                faults.choice::<PaymentMethod>("method", 99)
            });
            customer
        });
        let status = faults.all((request_id, entry)).unwrap_err();

        assert_eq!(status.code(), Code::InvalidArgument);
        let wanted = [
            "request_id",
            "entries[2].customer_id",
            "entries[2].recorded.method",
        ];
        assert_eq!(paths(&status), wanted);
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            "INVALID_ARGUMENT"
        );
    }

    #[test]
    fn without_faults_everything_that_was_read_is_handed_over() {
        let mut faults = Faults::new();
        let id = faults.request_id("01890a5d-ac96-774b-bcce-b302099a8057");
        let units = faults.decimal("units", "1.5");
        let (id, units) = faults.all((id, units)).unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(units, "1.5");
    }

    #[test]
    fn a_single_fault_is_told_in_the_message() {
        let mut faults = Faults::new();
        let read = faults.decimal("credits.amount", "");
        let status = faults.all(read).unwrap_err();
        assert_eq!(status.message(), "credits.amount must be given");
    }

    #[test]
    fn an_error_stays_small_enough_for_headers() {
        let mut faults = Faults::new();
        for index in 0..1_000 {
            faults.within_item("entries", index, |faults| faults.id::<PackageId>("id", "x"));
        }
        let status = faults.all(Some(())).unwrap_err();
        assert_eq!(paths(&status).len(), LISTED_MAX);
        assert!(status.message().starts_with("1000 faults"));
        assert!(status.details().len() < 6_000, "{}", status.details().len());
    }

    #[rstest]
    #[case("-1")]
    #[case("+1")]
    #[case("1e3")]
    #[case("1,5")]
    #[case(".5")]
    #[case("1.")]
    #[case("1.2.3")]
    #[case(" 1")]
    #[case("NaN")]
    #[case("٣")]
    #[case("0")]
    #[case("0.000")]
    #[case("111111111111111111111111111111111")]
    fn what_is_no_amount_is_refused(#[case] text: &str) {
        assert_eq!(Faults::new().decimal("amount", text), None);
    }
}
