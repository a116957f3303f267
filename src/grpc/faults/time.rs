//! Readers of local dates and of instants, and the writer of instants.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use prost_types::Timestamp;

use super::Faults;

/// The years in which dates are taken seriously.
const YEARS: std::ops::RangeInclusive<i32> = 1970..=2200;

impl Faults {
    /// A local date that must be given, `YYYY-MM-DD`.
    pub fn date(&mut self, field: &str, text: &str) -> Option<NaiveDate> {
        if text.is_empty() {
            self.add(field, "must be given");
            return None;
        }
        // The parser also takes blanks and fewer digits; only the usual form comes back the same.
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .filter(|date| date.to_string() == text);
        let Some(date) = date else {
            self.add(field, "must be a date such as 2026-12-31");
            return None;
        };
        if !YEARS.contains(&date.year()) {
            self.add_year_fault(field);
            return None;
        }
        Some(date)
    }

    /// Like [`Faults::date`], for a field that may be empty.
    pub fn optional_date(&mut self, field: &str, text: &str) -> Option<Option<NaiveDate>> {
        if text.is_empty() {
            return Some(None);
        }
        self.date(field, text).map(Some)
    }

    /// An instant in whole microseconds.
    pub fn instant(&mut self, field: &str, timestamp: &Timestamp) -> Option<DateTime<Utc>> {
        let instant = u32::try_from(timestamp.nanos)
            .ok()
            .filter(|nanos| *nanos < 1_000_000_000)
            .and_then(|nanos| DateTime::from_timestamp(timestamp.seconds, nanos));
        let Some(instant) = instant else {
            self.add(field, "must be an instant");
            return None;
        };
        if !YEARS.contains(&instant.year()) {
            self.add_year_fault(field);
            return None;
        }
        if instant.timestamp_subsec_nanos() % 1_000 != 0 {
            self.add(field, "must be in whole microseconds");
            return None;
        }
        Some(instant)
    }

    /// Like [`Faults::instant`], for a field that may be unset.
    pub fn optional_instant(
        &mut self,
        field: &str,
        timestamp: Option<&Timestamp>,
    ) -> Option<Option<DateTime<Utc>>> {
        match timestamp {
            None => Some(None),
            Some(timestamp) => self.instant(field, timestamp).map(Some),
        }
    }

    /// Like [`Faults::instant`], for a field that must be set.
    pub fn required_instant(
        &mut self,
        field: &str,
        timestamp: Option<&Timestamp>,
    ) -> Option<DateTime<Utc>> {
        let timestamp = self.required(field, timestamp)?;
        self.instant(field, timestamp)
    }

    fn add_year_fault(&mut self, field: &str) {
        let (first, last) = (YEARS.start(), YEARS.end());
        self.add(field, format!("must lie in the years {first} to {last}"));
    }
}

/// An instant as it is written into answers.
pub fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    Timestamp {
        seconds: instant.timestamp(),
        nanos: i32::try_from(instant.timestamp_subsec_nanos()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_date_is_read_as_it_is_written() {
        let read = Faults::new().date("start_date", "2028-02-29");
        assert_eq!(
            read.map(|date| date.to_string()).as_deref(),
            Some("2028-02-29")
        );
        assert_eq!(Faults::new().optional_date("start_date", ""), Some(None));
    }

    #[rstest]
    #[case("")]
    #[case("2027-02-29")]
    #[case("2027-2-9")]
    #[case("27-02-09")]
    #[case("+2027-02-09")]
    #[case(" 2027-02-09")]
    #[case("2027-02-09T00:00:00Z")]
    #[case("09.02.2027")]
    #[case("9999-12-31")]
    #[case("0001-01-01")]
    fn what_is_no_date_is_refused(#[case] text: &str) {
        assert_eq!(Faults::new().date("start_date", text), None);
    }

    #[test]
    fn an_instant_comes_back_as_it_was_given() {
        let given = Timestamp {
            seconds: 1_800_000_000,
            nanos: 123_456_000,
        };
        let read = Faults::new().instant("at", &given).unwrap();
        assert_eq!(timestamp(read), given);
        assert_eq!(Faults::new().optional_instant("at", None), Some(None));
        assert_eq!(Faults::new().required_instant("at", None), None);
    }

    #[rstest]
    #[case(1_800_000_000, 1)]
    #[case(1_800_000_000, -1)]
    #[case(1_800_000_000, 1_000_000_000)]
    #[case(i64::MAX, 0)]
    #[case(253_402_300_799, 0)]
    #[case(-62_135_596_800, 0)]
    fn what_is_no_sensible_instant_is_refused(#[case] seconds: i64, #[case] nanos: i32) {
        assert_eq!(
            Faults::new().instant("at", &Timestamp { seconds, nanos }),
            None
        );
    }
}
