//! The report at the end: what the files add up to, what the ledger has of them, and what was expected.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use super::ImportArgs;
use super::findings::Findings;
use super::sheet::{Column, Sheet, required};
use crate::domain::credits::Credits;
use crate::domain::money::Currency;
use crate::service::importing::major;
use crate::service::importing::totals::{OfType, Totals};

/// The columns of what is expected.
const COLUMNS: [Column; 2] = [required("what"), required("total")];
/// What stands where there is nothing to compare.
const NOTHING: &str = "-";

/// What was expected, by the names of the report's rows.
#[derive(Debug, Default)]
pub(super) struct Expected(BTreeMap<String, Credits>);

impl Expected {
    /// Reads the file of what is expected, if there is one.
    ///
    /// # Errors
    /// If it cannot be read, or a total is no number.
    pub(super) fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let mut expected = BTreeMap::new();
        let mut findings = Findings::default();
        match Sheet::open(path, &COLUMNS, None)? {
            Err(faults) => findings.add(path, faults),
            Ok(mut sheet) => {
                while let Some(row) = sheet.next()? {
                    match row {
                        Err(fault) => findings.add(path, [fault]),
                        Ok(row) => {
                            let total = Credits::parse(row.cell("total")).with_context(|| {
                                format!("{}:{}: total", path.display(), row.line)
                            })?;
                            expected.insert(row.cell("what").to_owned(), total);
                        }
                    }
                }
            }
        }
        let mut told = Vec::new();
        findings.write(&mut told)?;
        anyhow::ensure!(findings.count() == 0, "{}", String::from_utf8_lossy(&told));
        Ok(Self(expected))
    }
}

/// One row: the same number from several sides, where they have it.
#[derive(Debug)]
struct Row {
    what: String,
    /// With how many decimal places it is written at least.
    places: u32,
    files: Option<Credits>,
    ledger: Option<Credits>,
    expected: Option<Credits>,
}

impl Row {
    fn sides(&self) -> [Option<Credits>; 3] {
        [self.files, self.ledger, self.expected]
    }

    fn differs(&self) -> bool {
        let mut sides = self.sides().into_iter().flatten();
        let first = sides.next();
        sides.any(|side| Some(side) != first)
    }

    fn says_something(&self) -> bool {
        self.sides().iter().any(Option::is_some)
    }

    fn text(&self, side: Option<Credits>) -> String {
        let Some(number) = side else {
            return NOTHING.to_owned();
        };
        let missing = self.places.saturating_sub(number.decimal_places());
        let zeros = "0".repeat(usize::try_from(missing).unwrap_or(0));
        let point = if number.decimal_places() == 0 && missing > 0 {
            "."
        } else {
            ""
        };
        format!("{number}{point}{zeros}")
    }
}

/// The report.
#[derive(Debug)]
pub(super) struct Report {
    currency: Currency,
    has_customers: bool,
    rows: Vec<Row>,
}

impl Report {
    /// What the files say.
    pub(super) fn of_files(totals: &Totals, args: &ImportArgs, currency: Currency) -> Self {
        let mut report = Self {
            currency,
            has_customers: args.customers.is_some(),
            rows: Vec::new(),
        };
        report.rows = report.numbers(totals, Side::Files);
        report
    }

    /// Adds what the ledger has.
    pub(super) fn compare(&mut self, totals: &Totals) {
        for of_ledger in self.numbers(totals, Side::Ledger) {
            let known = self.rows.iter_mut().find(|row| row.what == of_ledger.what);
            match known {
                Some(row) => row.ledger = of_ledger.ledger,
                None => self.rows.push(Row {
                    files: Some(Credits::ZERO),
                    ..of_ledger
                }),
            }
        }
    }

    /// Adds what was expected.
    ///
    /// # Errors
    /// If that names no row.
    pub(super) fn expect(&mut self, expected: Expected) -> anyhow::Result<()> {
        for (what, total) in expected.0 {
            let names: Vec<&str> = self.rows.iter().map(|row| row.what.as_str()).collect();
            let unknown = format!("`{what}` is no row of the report: {}", names.join(", "));
            let row = self.rows.iter_mut().find(|row| row.what == what);
            row.context(unknown)?.expected = Some(total);
        }
        Ok(())
    }

    fn numbers(&self, totals: &Totals, side: Side) -> Vec<Row> {
        let currency = self.currency;
        let mut rows = Vec::new();
        let mut add = |what: String, places: u32, number: Option<Credits>| {
            rows.push(Row {
                what,
                places,
                files: number.filter(|_| side == Side::Files),
                ledger: number.filter(|_| side == Side::Ledger),
                expected: None,
            });
        };
        if self.has_customers {
            add("customers".to_owned(), 0, Some(whole(totals.customers)));
        }
        add("packages".to_owned(), 0, Some(whole(totals.packages)));
        let exponent = currency.exponent();
        let price = Some(major(totals.price_minor, currency)).filter(|_| side == Side::Files);
        add("price".to_owned(), exponent, price);
        for (name, of_type) in &totals.credits {
            let OfType {
                quantity,
                used,
                value,
                value_left,
            } = *of_type;
            let of_ledger = |minor| Some(major(minor, currency)).filter(|_| side == Side::Ledger);
            add(format!("{name}: quantity"), 0, Some(quantity));
            add(format!("{name}: used"), 0, Some(used));
            add(format!("{name}: left"), 0, Some(of_type.left()));
            add(format!("{name}: value"), exponent, of_ledger(value));
            add(
                format!("{name}: value left"),
                exponent,
                of_ledger(value_left),
            );
        }
        rows
    }

    /// How many rows have numbers that differ.
    pub(super) fn differences(&self) -> usize {
        self.rows.iter().filter(|row| row.differs()).count()
    }

    /// Fails if numbers differ, and says what became of the import.
    pub(super) fn refuse_differences(&self, became: &str) -> anyhow::Result<()> {
        let count = self.differences();
        anyhow::ensure!(count == 0, "{count} totals differ; {became}");
        Ok(())
    }

    /// Writes a table.
    pub(super) fn write(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let rows: Vec<&Row> = self.rows.iter().filter(|it| it.says_something()).collect();
        let longest = rows.iter().map(|row| row.what.chars().count()).max();
        let width = longest.unwrap_or(0).max(4);
        writeln!(
            out,
            "{:<width$}  {:>16}  {:>16}  {:>16}",
            "WHAT", "FILES", "LEDGER", "EXPECTED"
        )?;
        for row in rows {
            let [files, ledger, expected] = row.sides().map(|side| row.text(side));
            let mark = if row.differs() { "  differs" } else { "" };
            let what = &row.what;
            writeln!(
                out,
                "{what:<width$}  {files:>16}  {ledger:>16}  {expected:>16}{mark}"
            )?;
        }
        Ok(())
    }
}

/// Who says a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Files,
    Ledger,
}

fn whole(count: u64) -> Credits {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    Credits::UNIT.checked_times(count).unwrap_or_default()
}
