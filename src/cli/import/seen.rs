//! Texts that were seen before, and where: 96 bits of each, so that a million of them need few bytes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

/// Texts of a file, with their lines.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<[u8; 12], u32>);

impl Seen {
    /// Notes a text; the line on which it was seen before, if it was.
    pub(super) fn see(&mut self, text: &str, line: u64) -> Option<u32> {
        match self.0.entry(fingerprint(text)) {
            Entry::Occupied(before) => Some(*before.get()),
            Entry::Vacant(new) => {
                new.insert(u32::try_from(line).unwrap_or(u32::MAX));
                None
            }
        }
    }

    /// Whether a text was seen.
    pub(super) fn has(&self, text: &str) -> bool {
        self.0.contains_key(&fingerprint(text))
    }
}

fn fingerprint(text: &str) -> [u8; 12] {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let mut first = [0; 12];
    for (byte, of_digest) in first.iter_mut().zip(digest) {
        *byte = of_digest;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_told_by_the_line_on_which_it_was_first() {
        let mut seen = Seen::default();
        assert_eq!(seen.see("a", 2), None);
        assert_eq!(seen.see("b", 3), None);
        assert_eq!(seen.see("a", 4), Some(2));
        assert_eq!(seen.see("a", 5), Some(2));
        assert!(seen.has("b") && !seen.has("c"));
    }
}
