//! How far a proof is: one line that is written over on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::ids::BusinessId;
use crate::ledger::verify::Done;

/// How often the line on a terminal is written anew.
const LINE_EVERY: Duration = Duration::from_millis(100);
/// How often a plain line is written.
const LINES_EVERY: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressStyle {
    /// One line, written over: for a person at a terminal.
    Line,
    /// A line now and then: for a log.
    Lines,
}

impl ProgressStyle {
    /// What suits this stream.
    pub fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() {
            Self::Line
        } else {
            Self::Lines
        }
    }
}

/// The progress of one business.
#[derive(Debug)]
pub(super) struct Progress {
    style: ProgressStyle,
    business_id: BusinessId,
    began: Instant,
    shown: Instant,
}

impl Progress {
    pub(super) fn new(style: ProgressStyle, business_id: BusinessId) -> Self {
        let now = Instant::now();
        Self {
            style,
            business_id,
            began: now,
            shown: now,
        }
    }

    /// Shows how far it is, if it is time to. What cannot be shown is no reason to stop.
    pub(super) fn show(&mut self, done: Done, err: &mut impl Write) {
        let every = match self.style {
            ProgressStyle::Line => LINE_EVERY,
            ProgressStyle::Lines => LINES_EVERY,
        };
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let text = self.text(done);
        let _unshown = match self.style {
            ProgressStyle::Line => write!(err, "\r{text}\x1b[K").and_then(|()| err.flush()),
            ProgressStyle::Lines => writeln!(err, "{text}"),
        };
    }

    /// Takes the line away, so that what follows stands alone.
    pub(super) fn clear(&self, err: &mut impl Write) {
        if self.style == ProgressStyle::Line {
            let _unshown = write!(err, "\r\x1b[K");
        }
    }

    fn text(&self, done: Done) -> String {
        let Done {
            lots,
            lots_total,
            entries,
        } = done;
        let milliseconds = self.began.elapsed().as_millis().max(1);
        let rate = u128::from(entries)
            .saturating_mul(1_000)
            .checked_div(milliseconds)
            .unwrap_or(0);
        let business_id = self.business_id;
        format!("{business_id}: {lots} of {lots_total} lots, {entries} entries, {rate} entries/s")
    }
}
