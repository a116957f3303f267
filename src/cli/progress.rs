//! How far a long command is: one line that is written over on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often the line on a terminal is written anew.
const LINE_EVERY: Duration = Duration::from_millis(100);
/// How often a plain line is written.
const LINES_EVERY: Duration = Duration::from_secs(10);

/// How many signs a bar has.
const BAR_WIDTH: u64 = 24;

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

/// A bar of so many of so many, such as `[======------]  50 %`. What was added meanwhile makes it no longer.
pub(super) fn bar(done: u64, total: u64) -> String {
    let part_of = |whole: u64| {
        let part = u128::from(done).saturating_mul(whole.into());
        let part = part.checked_div(total.into()).unwrap_or(whole.into());
        u64::try_from(part).map_or(whole, |part| part.min(whole))
    };
    let filled = part_of(BAR_WIDTH);
    let signs: String = (0..BAR_WIDTH)
        .map(|at| if at < filled { '=' } else { '-' })
        .collect();
    format!("[{signs}] {:3} %", part_of(100))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{LINES_EVERY, Progress, ProgressStyle, bar};

    #[test]
    fn a_bar_fills_and_never_overflows() {
        assert_eq!(bar(0, 8), "[------------------------]   0 %");
        assert_eq!(bar(3, 8), "[=========---------------]  37 %");
        assert_eq!(bar(7, 8), "[=====================---]  87 %");
        for (done, total) in [(8, 8), (9, 8), (0, 0), (u64::MAX, 1)] {
            assert_eq!(bar(done, total), "[========================] 100 %");
        }
    }

    #[test]
    fn a_line_is_written_over_and_taken_away() {
        let mut progress = Progress::new(ProgressStyle::Line);
        let mut err = Vec::new();
        progress.show(&mut err, |_| "too early".to_owned());
        assert!(err.is_empty());
        for text in ["a third", "a half"] {
            progress.shown = long_ago();
            progress.show(&mut err, |_| text.to_owned());
        }
        progress.clear(&mut err);
        assert_eq!(err, b"\ra third\x1b[K\ra half\x1b[K\r\x1b[K");
    }

    #[test]
    fn lines_stand_below_each_other() {
        let mut progress = Progress::new(ProgressStyle::Lines);
        let mut err = Vec::new();
        progress.shown = long_ago();
        progress.show(&mut err, |_| "a third".to_owned());
        progress.clear(&mut err);
        assert_eq!(err, b"a third\n");
    }

    fn long_ago() -> Instant {
        let at = Instant::now().checked_sub(LINES_EVERY);
        at.expect("the clock ran before")
    }
}
