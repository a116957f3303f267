//! How far a long command is: one line that is written over on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

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

/// The progress of one piece of work.
#[derive(Debug)]
pub(super) struct Progress {
    style: ProgressStyle,
    began: Instant,
    shown: Instant,
}

impl Progress {
    pub(super) fn new(style: ProgressStyle) -> Self {
        let now = Instant::now();
        Self {
            style,
            began: now,
            shown: now,
        }
    }

    /// Shows how far it is, if it is time to. What cannot be shown is no reason to stop.
    pub(super) fn show(&mut self, err: &mut impl Write, text: impl FnOnce(&Self) -> String) {
        let every = match self.style {
            ProgressStyle::Line => LINE_EVERY,
            ProgressStyle::Lines => LINES_EVERY,
        };
        if self.shown.elapsed() < every {
            return;
        }
        self.shown = Instant::now();
        let text = text(self);
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

    /// How many a second so many have been since it began.
    pub(super) fn per_second(&self, count: u64) -> u128 {
        let milliseconds = self.began.elapsed().as_millis().max(1);
        let thousandfold = u128::from(count).saturating_mul(1_000);
        thousandfold.checked_div(milliseconds).unwrap_or(0)
    }
}
