//! Reads the cells of a row and collects all that is wrong with them. Texts keep the rules of the API.

use chrono::NaiveDate;

use super::sheet::Row;
use crate::domain::credits::Credits;
use crate::domain::money::Currency;
use crate::grpc::faults::Faults;
use crate::service::importing::Fault;

/// How amounts are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    /// What prices are in.
    pub(super) currency: Currency,
    /// What stands before the decimal places: a point or a comma.
    pub(super) decimal_mark: char,
}

/// A row that is being read.
pub(super) struct Cells<'a> {
    row: &'a Row,
    writing: Writing,
    faults: Vec<Fault>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(row: &'a Row, writing: Writing) -> Self {
        Self {
            row,
            writing,
            faults: Vec::new(),
        }
    }

    /// Ends the reading: what was read, or all that is wrong.
    pub(super) fn all<T>(self, read: Option<T>) -> Result<T, Vec<Fault>> {
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => Err(self.faults),
        }
    }

    /// Writes down that a cell is wrong.
    pub(super) fn refuse(&mut self, column: &'static str, expected: impl Into<String>) {
        let value = self.row.cell(column);
        let fault = Fault::new(self.row.line, column, value, expected);
        self.faults.push(fault);
    }

    /// What a cell says, by a rule of the API.
    pub(super) fn text<T>(
        &mut self,
        column: &'static str,
        rule: impl FnOnce(&mut Faults, &str) -> Option<T>,
    ) -> Option<T> {
        let mut faults = Faults::new();
        let read = rule(&mut faults, self.row.cell(column));
        for (_, expected) in faults.found() {
            self.refuse(column, expected);
        }
        read
    }

    /// The same of a cell that must not be empty.
    pub(super) fn required<T>(
        &mut self,
        column: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        if self.row.cell(column).is_empty() {
            self.refuse(column, "must be given");
            return None;
        }
        read(self)
    }

    /// A cell that says something, or nothing.
    pub(super) fn given(&self, column: &str) -> Option<&'a str> {
        Some(self.row.cell(column)).filter(|text| !text.is_empty())
    }

    /// Yes or no; empty is `otherwise`.
    pub(super) fn is_so(&mut self, column: &'static str, otherwise: Otherwise) -> Option<bool> {
        let Some(text) = self.given(column) else {
            return Some(otherwise == Otherwise::Yes);
        };
        let read = yes_or_no(text);
        if read.is_none() {
            self.refuse(column, "must be yes or no");
        }
        read
    }

    /// A day, if one is given.
    #[expect(
        clippy::option_option,
        reason = "outside: whether it could be read; inside: whether it is there"
    )]
    pub(super) fn day(&mut self, column: &'static str) -> Option<Option<NaiveDate>> {
        let Some(text) = self.given(column) else {
            return Some(None);
        };
        let read = day(text);
        if read.is_none() {
            self.refuse(column, "must be a day such as 2026-01-31");
        }
        read.map(Some)
    }

    /// An amount of credits, 0 or more.
    pub(super) fn credits(&mut self, column: &'static str) -> Option<Credits> {
        let text = self.plain(column)?;
        match Credits::parse(&text) {
            Ok(amount) if amount >= Credits::ZERO => Some(amount),
            Ok(_) => {
                self.refuse(column, "must not be below 0");
                None
            }
            Err(error) => {
                self.refuse(column, format!("must be an amount of credits: {error}"));
                None
            }
        }
    }

    /// A sum of money in minor units, 0 or more.
    pub(super) fn money(&mut self, column: &'static str) -> Option<i64> {
        let text = self.plain(column)?;
        let places = self.writing.currency.exponent();
        let scale = 10_i64.checked_pow(6_u32.saturating_sub(places))?;
        let read = Credits::parse(&text).ok();
        let read = read.filter(|it| *it >= Credits::ZERO && !it.is_finer_than(places));
        if read.is_none() {
            let code = self.writing.currency.code();
            let expected = format!(
                "must be a sum in {code} with at most {places} decimal places and nothing but digits"
            );
            self.refuse(column, expected);
        }
        read?.millionths().checked_div(scale)
    }

    /// Yes, no, or a sum of money; empty is yes.
    pub(super) fn paid(&mut self, column: &'static str) -> Option<Paid> {
        match self.given(column).map(str::to_lowercase).as_deref() {
            None | Some("yes") => Some(Paid::All),
            Some("no") => Some(Paid::Sum(0)),
            Some(_) => self.money(column).map(Paid::Sum),
        }
    }

    /// A number with a point before its decimal places. The other mark is refused: it could as well stand between
    /// thousands.
    fn plain(&mut self, column: &'static str) -> Option<String> {
        let text = self.row.cell(column);
        let (mark, other) = match self.writing.decimal_mark {
            ',' => (',', '.'),
            _ => ('.', ','),
        };
        if text.contains(other) {
            let expected = format!("must be a number that has `{mark}` before its decimal places");
            let hint = if mark == '.' {
                " (or give --decimal-comma)"
            } else {
                ""
            };
            self.refuse(column, format!("{expected}{hint}"));
            return None;
        }
        Some(text.replace(mark, "."))
    }
}

/// What an empty cell means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Otherwise {
    Yes,
    No,
}

/// How much was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    /// All of it.
    All,
    /// So much, in minor units.
    Sum(i64),
}

/// Yes or no, as people and programs write it.
pub(super) fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "true" | "1" => Some(true),
        "no" | "n" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// A day as ISO 8601 writes it, and no other.
pub(super) fn day(text: &str) -> Option<NaiveDate> {
    let day: NaiveDate = text.parse().ok()?;
    (day.to_string() == text).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_iso_and_nothing_else() {
        assert!(day("2026-02-28").is_some());
        for text in [
            "2026-02-29",
            "28.02.2026",
            "02/28/2026",
            "2026-2-28",
            "20260228",
            "",
        ] {
            assert_eq!(day(text), None, "{text}");
        }
    }

    #[test]
    fn yes_and_no_are_read_in_any_case() {
        for (text, read) in [("YES", Some(true)), ("0", Some(false)), ("ja", None)] {
            assert_eq!(yes_or_no(text), read, "{text}");
        }
    }
}
