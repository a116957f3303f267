//! The faults of files: the first of them in words, the rest counted.

use std::io::{self, Write};
use std::path::Path;

use super::Fault;
use crate::mail::content::one_line;

/// How many faults are listed.
const LISTED_MAX: usize = 200;
/// How much of a cell is shown, in characters.
const VALUE_LENGTH_MAX: usize = 60;

/// What was found wrong.
#[derive(Debug, Default)]
pub(super) struct Findings {
    listed: Vec<String>,
    count: u64,
}

impl Findings {
    /// Adds the faults of a part of a file, those of one line after those of the lines before it.
    pub(super) fn add(&mut self, path: &Path, faults: impl IntoIterator<Item = Fault>) {
        let mut faults: Vec<Fault> = faults.into_iter().collect();
        faults.sort_by_key(|fault| fault.line);
        let count = u64::try_from(faults.len()).unwrap_or(u64::MAX);
        self.count = self.count.saturating_add(count);
        let room = LISTED_MAX.saturating_sub(self.listed.len());
        let first = faults.iter().take(room);
        self.listed.extend(first.map(|fault| line(path, fault)));
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Writes the first of them, and how many more there are.
    pub(super) fn write(&self, err: &mut impl Write) -> io::Result<()> {
        for line in &self.listed {
            writeln!(err, "{line}")?;
        }
        let listed = u64::try_from(self.listed.len()).unwrap_or(u64::MAX);
        match self.count.saturating_sub(listed) {
            0 => Ok(()),
            more => writeln!(err, "… and {more} faults more"),
        }
    }
}

fn line(path: &Path, fault: &Fault) -> String {
    let Fault {
        line,
        column,
        value,
        expected,
    } = fault;
    let mut shown: String = one_line(value).chars().take(VALUE_LENGTH_MAX).collect();
    if shown.len() < one_line(value).len() {
        shown.push('…');
    }
    format!("{}:{line}: {column}: `{shown}` {expected}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_faults_are_listed_by_line_and_the_rest_is_counted() {
        let mut findings = Findings::default();
        let fault = |line| Fault::new(line, "used", "9\u{202e}\n9", "must be less");
        findings.add(Path::new("a.csv"), (2..150).rev().map(fault));
        findings.add(Path::new("a.csv"), (150..300).map(fault));
        let mut told = Vec::new();
        findings.write(&mut told).unwrap();
        let told = String::from_utf8(told).unwrap();
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), LISTED_MAX + 1);
        assert_eq!(lines[0], "a.csv:2: used: `9 9` must be less");
        assert_eq!(lines[LISTED_MAX], "… and 98 faults more");
        let long = Fault::new(2, "name", "x".repeat(61), "must be less");
        let wanted = format!("a: 2: name: `{}…` must be less", "x".repeat(60));
        assert_eq!(line(Path::new("a"), &long), wanted.replacen(": ", ":", 1));
    }
}
