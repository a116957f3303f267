//! A file in parts, each as large as one transaction writes.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::cells::Writing;
use super::findings::Findings;
use super::seen::Seen;
use super::sheet::{Column, Row, Separator, Sheet};
use super::{Fault, customers, packages};
use crate::cli::progress::Progress;
use crate::service::importing::customers::{self as importing_customers, CustomerLine};
use crate::service::importing::packages::{self as importing_packages, PackageLine};

/// A kind of file: how its rows become things.
pub(super) trait Kind: Default {
    /// What its rows are about.
    type Line: Lined;

    /// Its columns.
    const COLUMNS: &'static [Column];
    /// The most things of a part.
    const PART_MAX: usize;

    /// Takes a row; the thing that is complete with it, or with the row before it, if one is.
    fn take(&mut self, row: &Row, writing: Writing, faults: &mut Vec<Fault>) -> Option<Self::Line>;

    /// The thing that is complete with the end of the file, if one is.
    fn end(&mut self) -> Option<Self::Line>;
}

/// What lies on a line.
pub(super) trait Lined {
    fn line(&self) -> u64;
}

impl Lined for CustomerLine {
    fn line(&self) -> u64 {
        self.line
    }
}

impl Lined for PackageLine {
    fn line(&self) -> u64 {
        self.line
    }
}

/// The file of customers.
#[derive(Debug, Default)]
pub(super) struct Customers;

impl Kind for Customers {
    type Line = CustomerLine;

    const COLUMNS: &'static [Column] = &customers::COLUMNS;
    const PART_MAX: usize = importing_customers::PART_MAX;

    fn take(
        &mut self,
        row: &Row,
        writing: Writing,
        faults: &mut Vec<Fault>,
    ) -> Option<CustomerLine> {
        let read = customers::read(row, writing);
        read.map_err(|found| faults.extend(found)).ok()
    }

    fn end(&mut self) -> Option<CustomerLine> {
        None
    }
}

/// The file of packages.
#[derive(Debug, Default)]
pub(super) struct Packages {
    /// The package whose rows are being read; of one that is faulty only how it is known.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    external_id: String,
    line: u64,
    package: Option<PackageLine>,
}

impl Kind for Packages {
    type Line = PackageLine;

    const COLUMNS: &'static [Column] = &packages::COLUMNS;
    const PART_MAX: usize = importing_packages::PART_MAX;

    fn take(
        &mut self,
        row: &Row,
        writing: Writing,
        faults: &mut Vec<Fault>,
    ) -> Option<PackageLine> {
        let external_id = row.cell("external_id");
        if let Some(current) = &mut self.current
            && current.external_id == external_id
            && !external_id.is_empty()
        {
            match (
                packages::read_part(row, current.line, writing),
                &mut current.package,
            ) {
                (Ok(part), Some(package)) => package.parts.push(part),
                (Ok(_), None) => {}
                (Err(found), _) => {
                    faults.extend(found);
                    current.package = None;
                }
            }
            return None;
        }
        let read = packages::read(row, writing);
        let next = Current {
            external_id: external_id.to_owned(),
            line: row.line,
            package: read.map_err(|found| faults.extend(found)).ok(),
        };
        self.current.replace(next)?.package
    }

    fn end(&mut self) -> Option<PackageLine> {
        self.current.take()?.package
    }
}

/// A part of a file.
pub(super) struct Part<L> {
    /// What could be read.
    pub(super) lines: Vec<L>,
    /// What could not.
    pub(super) faults: Vec<Fault>,
}

impl<L: Lined> Part<L> {
    /// Refuses what has a text that another line had before.
    pub(super) fn once(
        &mut self,
        seen: &mut Seen,
        column: &'static str,
        text: impl Fn(&L) -> Option<&str>,
    ) {
        let faults = &mut self.faults;
        self.lines.retain(|it| {
            let before = text(it).and_then(|text| seen.see(text, it.line()).map(|on| (text, on)));
            let Some((text, before)) = before else {
                return true;
            };
            let expected = format!("must be there once: it is on line {before} already");
            faults.push(Fault::new(it.line(), column, text, expected));
            false
        });
    }
}

/// A file that is read in parts.
pub(super) struct Parts<K> {
    path: PathBuf,
    sheet: Sheet,
    writing: Writing,
    kind: K,
    is_over: bool,
    doing: &'static str,
    progress: Progress,
    length: u64,
    rows: u64,
}

impl<K: Kind> Parts<K> {
    /// Opens a file, if there is one and its columns can be read; else its faults are added to `findings`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn open(
        path: Option<&Path>,
        (doing, progress): (&'static str, Progress),
        (separator, writing): (Option<Separator>, Writing),
        findings: &mut Findings,
    ) -> anyhow::Result<Option<Self>> {
        let Some(path) = path else {
            return Ok(None);
        };
        match Sheet::open(path, K::COLUMNS, separator)? {
            Err(faults) => {
                findings.add(path, faults);
                Ok(None)
            }
            Ok(sheet) => Ok(Some(Self {
                path: path.to_owned(),
                sheet,
                writing,
                kind: K::default(),
                is_over: false,
                doing,
                progress,
                length: std::fs::metadata(path)?.len(),
                rows: 0,
            })),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The next part; none at the end. What cannot be read as CSV ends the file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn next(&mut self, err: &mut impl Write) -> anyhow::Result<Option<Part<K::Line>>> {
        let mut part = Part {
            lines: Vec::new(),
            faults: Vec::new(),
        };
        if self.is_over {
            self.progress.clear(err);
            return Ok(None);
        }
        while part.lines.len() < K::PART_MAX && part.faults.len() < K::PART_MAX && !self.is_over {
            match self.sheet.next()? {
                Some(Ok(row)) => {
                    self.rows = self.rows.saturating_add(1);
                    let taken = self.kind.take(&row, self.writing, &mut part.faults);
                    part.lines.extend(taken);
                }
                Some(Err(fault)) => part.faults.push(fault),
                None => self.is_over = true,
            }
        }
        if self.is_over {
            part.lines.extend(self.kind.end());
        }
        let (doing, path) = (self.doing, self.path.display());
        let (rows, read) = (self.rows, self.sheet.position().saturating_mul(100));
        let percent = read.checked_div(self.length).unwrap_or(100);
        self.progress.show(err, |progress| {
            let rate = progress.per_second(rows);
            format!("{doing} {path}: {percent} %, {rows} rows, {rate} rows/s")
        });
        Ok(Some(part))
    }
}
