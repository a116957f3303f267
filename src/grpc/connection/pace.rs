//! How fast a connection is read, by the frames of HTTP/2 that come in.
//!
//! A ping, a change of settings, a stream that is taken back: such frames cost their sender a few bytes and us an
//! answer or the beginning of a call. Each takes a time out of an allowance that fills up again as time passes;
//! who has none left is read that much slower. Nobody is cut off, so a client that pings much to measure its
//! line goes on. Calls and their data are free: they have limits of their own.

use std::time::Duration;

use tokio::time::Instant;

/// What a connection begins with before its first frame.
const PREFACE_BYTES: usize = 24;
/// What a frame begins with: three bytes of length, type, flags, stream.
const HEAD_BYTES: usize = 9;

/// The allowance of a connection that was quiet for a while.
const ALLOWANCE: Duration = Duration::from_secs(5);
/// What a frame takes that asks for an answer or for nothing: two hundred a second, a thousand after a pause.
const ODD_FRAME: Duration = Duration::from_millis(5);
/// What a frame takes that makes room for more of an answer. Readers of long answers send many.
const WINDOW_UPDATE: Duration = Duration::from_micros(50);

/// Follows what a client sends.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many bytes are left before the head of a frame.
    skip: usize,
    head: Vec<u8>,
    has_begun: bool,
    /// When the allowance is whole again; at most [`ALLOWANCE`] ahead while the client is in time.
    whole_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            skip: PREFACE_BYTES,
            head: Vec::with_capacity(HEAD_BYTES),
            has_begun: false,
            whole_at: now,
        }
    }

    /// Whether a frame has come in.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes note of what came in, and says when more may.
    pub(super) fn note(&mut self, mut bytes: &[u8], now: Instant) -> Instant {
        self.whole_at = self.whole_at.max(now);
        while let Some((first, rest)) = bytes.split_first() {
            if self.skip > 0 {
                let (skipped, rest) = bytes.split_at(self.skip.min(bytes.len()));
                self.skip = self.skip.saturating_sub(skipped.len());
                bytes = rest;
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            if let [high, middle, low, kind, flags, _, _, _, _] = *self.head.as_slice() {
                let length = u32::from_be_bytes([0, high, middle, low]);
                self.skip = usize::try_from(length).unwrap_or(usize::MAX);
                self.head.clear();
                self.has_begun = true;
                let cost = cost(kind, flags, length);
                self.whole_at = self.whole_at.checked_add(cost).unwrap_or(self.whole_at);
            }
        }
        self.whole_at.checked_sub(ALLOWANCE).unwrap_or(now)
    }
}

/// What a frame takes of the allowance (RFC 9113, section 6).
fn cost(kind: u8, flags: u8, length: u32) -> Duration {
    /// The end of a stream in data, the answer to settings and pings.
    const FIRST_FLAG: u8 = 1;
    let has_first_flag = flags & FIRST_FLAG != 0;
    match kind {
        // Data, empty only at the end of a stream.
        0 if length > 0 || has_first_flag => Duration::ZERO,
        // Headers.
        1 => Duration::ZERO,
        // The answers to our settings and pings.
        4 | 6 if has_first_flag => Duration::ZERO,
        8 => WINDOW_UPDATE,
        _ => ODD_FRAME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    /// How long a client waits that sends the preface and these frames at once, in pieces of `piece` bytes.
    fn waits(frames: &[Vec<u8>], piece: usize) -> Duration {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        let all = [vec![b' '; PREFACE_BYTES], frames.concat()].concat();
        let mut goes_on_at = now;
        for piece in all.chunks(piece) {
            goes_on_at = pace.note(piece, now);
        }
        goes_on_at.saturating_duration_since(now)
    }

    #[test]
    fn frames_are_found_however_the_bytes_come_in() {
        let frames: Vec<_> = [
            frame(6, 0, &[6; 8]),
            frame(1, 4, &[6; 33]),
            frame(3, 0, &[0; 4]),
        ]
        .into_iter()
        .cycle()
        .take(3 * 2_000)
        .collect();
        for piece in [1, 7, 24, 100, 4_096, 1 << 20] {
            assert_eq!(waits(&frames, piece), Duration::from_secs(15), "{piece}");
        }
    }

    #[test]
    fn only_what_costs_its_sender_nothing_is_slowed() {
        for (kind, flags, payload, waits_seconds) in [
            (0, 0, 1, 0),   // data
            (0, 1, 0, 0),   // the end of a stream
            (0, 0, 0, 45),  // data that are none
            (1, 4, 20, 0),  // headers
            (2, 0, 5, 45),  // priority
            (3, 0, 4, 45),  // taken back
            (4, 0, 6, 45),  // settings
            (4, 1, 0, 0),   // an answer to ours
            (6, 0, 8, 45),  // ping
            (6, 1, 8, 0),   // an answer to ours
            (9, 0, 8, 45),  // headers that go on and on
            (99, 0, 0, 45), // nobody knows
        ] {
            let frames = vec![frame(kind, flags, &vec![0; payload]); 10_000];
            let waited = waits(&frames, 4_096).as_secs();
            assert_eq!(waited, waits_seconds, "type {kind}, flags {flags}");
        }
        let updates = vec![frame(8, 0, &[0; 4]); 20_000];
        assert_eq!(waits(&updates, 4_096), Duration::ZERO);
    }

    #[test]
    fn the_allowance_comes_back() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        pace.note(&[b' '; PREFACE_BYTES], begun);
        let pings = vec![frame(6, 0, &[0; 8]); 1_000].concat();
        for pause in 0..10 {
            let now = begun + 5 * Duration::from_secs(pause);
            assert!(pace.note(&pings, now) <= now, "pause {pause}");
        }
        let now = begun + Duration::from_secs(45);
        assert!(pace.note(&pings, now) > now);
        assert!(pace.has_begun());
    }
}
