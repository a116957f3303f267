//! A CSV file, row by row: its columns are found by the names in its first row, in any order.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use csv::{ReaderBuilder, StringRecord, Terminator};

use super::guard::{Guard, Stopped};
use crate::domain::csv::unescaped;
use crate::service::importing::Fault;

/// How alike a name must be to be offered instead, from 0 to 1.
const ALIKE_MIN: f64 = 0.7;
/// How much of a file is looked at to find its separator.
const SAMPLE_LENGTH: u64 = 64 * 1024;
/// What a fault of the whole row is about.
const WHOLE_ROW: &str = "row";

/// What lies between two cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Separator {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// The tabulator.
    Tab,
}

impl Separator {
    const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }

    /// The one that the first row with something in it has most often outside of quotes.
    fn of(sample: &[u8]) -> Self {
        let mut rows = sample.split(|byte| matches!(byte, b'\n' | b'\r'));
        let first = rows.find(|row| !row.is_empty()).unwrap_or_default();
        let mut counts = Self::ALL.map(|separator| (separator, 0_usize));
        let mut is_quoted = false;
        for byte in first {
            is_quoted ^= *byte == b'"';
            for (separator, count) in &mut counts {
                if !is_quoted && *byte == separator.byte() {
                    *count = count.saturating_add(1);
                }
            }
        }
        let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
        most.map_or(Self::Comma, |(separator, _)| separator)
    }
}

/// A column that a file may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) is_required: bool,
}

/// A column that a file must have.
pub(super) const fn required(name: &'static str) -> Column {
    Column {
        name,
        is_required: true,
    }
}

/// A column that a file may leave out.
pub(super) const fn optional(name: &'static str) -> Column {
    Column {
        name,
        is_required: false,
    }
}

/// A file that is read row by row.
pub(super) struct Sheet {
    path: PathBuf,
    reader: csv::Reader<Guard<BufReader<File>>>,
    /// The known columns, in the order of the file's.
    columns: Vec<&'static str>,
    record: StringRecord,
    /// Whether nothing more can be read.
    is_over: bool,
}

/// A row with something in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) line: u64,
    cells: Vec<(&'static str, String)>,
}

impl Row {
    /// What the cell in a column says, without blanks around it; empty if there is no such column.
    pub(super) fn cell(&self, column: &str) -> &str {
        let found = self.cells.iter().find(|(name, _)| *name == column);
        found.map_or("", |(_, text)| text)
    }

    /// The columns in which something stands.
    pub(super) fn filled(&self) -> impl Iterator<Item = &'static str> {
        let filled = self.cells.iter().filter(|(_, text)| !text.is_empty());
        filled.map(|(name, _)| *name)
    }
}

impl Sheet {
    /// Opens a file and reads the names of its columns.
    ///
    /// # Errors
    /// If the file cannot be read. Its own faults come back.
    pub(super) fn open(
        path: &Path,
        known: &[Column],
        separator: Option<Separator>,
    ) -> anyhow::Result<Result<Self, Vec<Fault>>> {
        let open = || File::open(path).with_context(|| format!("cannot read {}", path.display()));
        let separator = if let Some(separator) = separator {
            separator
        } else {
            let mut sample = Vec::new();
            open()?.take(SAMPLE_LENGTH).read_to_end(&mut sample)?;
            Separator::of(&sample)
        };
        let byte = separator.byte();
        let mut sheet = Self {
            path: path.to_owned(),
            reader: ReaderBuilder::new()
                .delimiter(byte)
                .has_headers(false)
                .flexible(true)
                // A carriage return before it is a blank at the end of the last cell.
                .terminator(Terminator::Any(b'\n'))
                .from_reader(Guard::new(BufReader::new(open()?), byte)),
            columns: Vec::new(),
            record: StringRecord::new(),
            is_over: false,
        };
        let found = match sheet.read_record()? {
            Err(fault) => Err(vec![fault]),
            Ok(None) => {
                let names: Vec<&str> = known.iter().map(|column| column.name).collect();
                let expected = format!("must have a first row with names of {}", names.join(", "));
                Err(vec![Fault::new(1, WHOLE_ROW, "", expected)])
            }
            Ok(Some(line)) => columns(&sheet.record, line, known),
        };
        Ok(found.map(|columns| {
            sheet.columns = columns;
            sheet
        }))
    }

    /// How many bytes lie before the row that is read next.
    pub(super) fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The next row with something in it, or what is wrong with it; none at the end, which is also after what cannot
    /// be read as CSV.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Result<Row, Fault>>> {
        loop {
            let line = match self.read_record()? {
                Ok(Some(line)) => line,
                Ok(None) => return Ok(None),
                Err(fault) => return Ok(Some(Err(fault))),
            };
            let cells = self.record.iter().map(|cell| unescaped(cell.trim()));
            if cells.clone().all(str::is_empty) {
                continue;
            }
            let (wanted, found) = (self.columns.len(), self.record.len());
            if wanted != found {
                let expected = format!("must have {wanted} cells, as the first row has");
                let fault = Fault::new(line, WHOLE_ROW, format!("{found} cells"), expected);
                return Ok(Some(Err(fault)));
            }
            let cells = self.columns.iter().copied().zip(cells.map(str::to_owned));
            let cells = cells.collect();
            return Ok(Some(Ok(Row { line, cells })));
        }
    }

    /// Reads the next record; the line on which it begins.
    fn read_record(&mut self) -> anyhow::Result<Result<Option<u64>, Fault>> {
        if self.is_over {
            return Ok(Ok(None));
        }
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Ok(Ok(Some(self.first_line()))),
            Ok(false) => Ok(Ok(None)),
            Err(error) => match stopped(&error) {
                Some(stopped) => {
                    self.is_over = true;
                    let Stopped {
                        line,
                        value,
                        expected,
                    } = stopped;
                    Ok(Err(Fault::new(*line, WHOLE_ROW, value, expected)))
                }
                None => Err(error).with_context(|| format!("cannot read {}", self.path.display())),
            },
        }
    }
}

impl Sheet {
    /// The line on which the record that was just read begins: each ends with a line, and empty ones before it are
    /// passed over.
    fn first_line(&self) -> u64 {
        let breaks = self.record.iter().flat_map(str::bytes);
        let breaks = breaks.filter(|byte| *byte == b'\n').count();
        let lines = u64::try_from(breaks).unwrap_or(0).saturating_add(1);
        self.reader.position().line().saturating_sub(lines)
    }
}

/// Why the guard stopped, if it did.
fn stopped(error: &csv::Error) -> Option<&Stopped> {
    let csv::ErrorKind::Io(error) = error.kind() else {
        return None;
    };
    error.get_ref()?.downcast_ref()
}

/// The columns that a first row names, or all that is wrong with it.
fn columns(
    record: &StringRecord,
    line: u64,
    known: &[Column],
) -> Result<Vec<&'static str>, Vec<Fault>> {
    let mut found: Vec<&'static str> = Vec::new();
    let mut faults = Vec::new();
    for text in record {
        let name = normalized(text);
        match known.iter().find(|column| column.name == name) {
            Some(column) if found.contains(&column.name) => {
                faults.push(Fault::new(line, column.name, text, "must be there once"));
            }
            Some(column) => found.push(column.name),
            None => faults.push(Fault::new(line, WHOLE_ROW, text, unknown(&name, known))),
        }
    }
    let missing = known
        .iter()
        .filter(|column| column.is_required && !found.contains(&column.name));
    faults.extend(missing.map(|column| {
        let expected = "must be among the columns";
        Fault::new(line, column.name, "", expected)
    }));
    if faults.is_empty() {
        Ok(found)
    } else {
        Err(faults)
    }
}

/// The name of a column, however its words are written.
fn normalized(text: &str) -> String {
    text.trim().to_lowercase().replace([' ', '-'], "_")
}

fn unknown(name: &str, known: &[Column]) -> String {
    let alike = known
        .iter()
        .map(|column| (strsim::jaro_winkler(name, column.name), column.name))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((_, nearest)) = alike {
        return format!("must be a known column, such as `{nearest}`");
    }
    let names: Vec<&str> = known.iter().map(|column| column.name).collect();
    format!("must be a known column: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Column; 3] = [required("external_id"), required("name"), optional("email")];

    /// The rows of a file, each as its line and cells, and its faults.
    fn rows(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        let told = |fault: Fault| {
            format!(
                "{}: {}: {:?} {}",
                fault.line, fault.column, fault.value, fault.expected
            )
        };
        let mut sheet = match Sheet::open(&path, &KNOWN, None).unwrap() {
            Ok(sheet) => sheet,
            Err(faults) => return faults.into_iter().map(told).collect(),
        };
        let mut rows = Vec::new();
        while let Some(row) = sheet.next().unwrap() {
            rows.push(match row {
                Ok(row) => format!(
                    "{}: {} {} {}",
                    row.line,
                    row.cell("external_id"),
                    row.cell("name"),
                    row.cell("email")
                ),
                Err(fault) => told(fault),
            });
        }
        rows
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_with_any_separator() {
        let wanted = ["2: 1 Mari, T m@x", "3: 2 Jaan "];
        for text in [
            "name,External ID,email\n\"Mari, T\",1,m@x\nJaan, 2 ,\n",
            "\u{feff}email;NAME;external-id\r\nm@x;Mari, T;1\r\n;Jaan;2",
            "external_id\tname\temail\n1\tMari, T\tm@x\n2\tJaan\t\n\t\t\n",
        ] {
            assert_eq!(rows(text), wanted, "{text}");
        }
        let apart = "\n\n\"a;b;c\",external_id,name\n";
        assert_eq!(Separator::of(apart.as_bytes()), Separator::Comma);
    }

    #[test]
    fn lines_are_counted_through_empty_ones_and_quoted_breaks() {
        let text = "external_id,name\n\n1,\"Mari\nTamm\"\n,\n2,Jaan\n";
        assert_eq!(rows(text), ["3: 1 Mari\nTamm ", "6: 2 Jaan "]);
    }

    #[test]
    fn a_first_row_is_told_all_that_is_wrong_with_it() {
        assert_eq!(
            rows("external_id,emial,shoe size,external id\n"),
            [
                "1: row: \"emial\" must be a known column, such as `email`",
                "1: row: \"shoe size\" must be a known column: external_id, name, email",
                "1: external_id: \"external id\" must be there once",
                "1: name: \"\" must be among the columns",
            ]
        );
        assert_eq!(
            rows("\n"),
            ["1: row: \"\" must have a first row with names of external_id, name, email"]
        );
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_first() {
        assert_eq!(
            rows("external_id,name\n1,Mari,x\n2,Jaan\n"),
            [
                "2: row: \"3 cells\" must have 2 cells, as the first row has",
                "3: 2 Jaan ",
            ]
        );
    }
}
