//! Heads that an auditor kept: lines that `carnet verify` printed earlier, or words on the command line.

use std::fmt::Write as _;
use std::str::FromStr;

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use crate::domain::entry::Hash;
use crate::ids::BusinessId;

/// A head that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) business_id: BusinessId,
    pub(super) as_of: DateTime<Utc>,
    pub(super) hash: Hash,
}

/// `BUSINESS=HEX`: a head whose instant is said apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedHead {
    pub(super) business_id: BusinessId,
    pub(super) hash: Hash,
}

impl FromStr for NamedHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "must be a business and 64 hexadecimal digits, as in biz_…=0f…";
        let (id, head) = text.split_once('=').ok_or(wanted)?;
        Ok(Self {
            business_id: id.parse().map_err(|_| wanted)?,
            hash: unhex(head).ok_or(wanted)?,
        })
    }
}

/// Reads the lines that [`super::run`] prints; blank ones are passed over.
pub(super) fn parse(text: &str) -> anyhow::Result<Vec<Kept>> {
    let lines = text.lines().zip(1_usize..);
    lines
        .filter(|(line, _)| !line.trim().is_empty())
        .map(|(line, number)| {
            line_of(line).with_context(|| format!("line {number} is no line of `carnet verify`"))
        })
        .collect()
}

fn line_of(line: &str) -> Option<Kept> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at.checked_add(1)?).copied()
    };
    Some(Kept {
        business_id: words.first()?.parse().ok()?,
        as_of: after("of")?.parse().ok()?,
        hash: unhex(after("head")?)?,
    })
}

/// 32 bytes as 64 digits.
pub(in crate::cli) fn hex(hash: &Hash) -> String {
    let mut text = String::new();
    for byte in hash {
        // Writing to a string cannot fail.
        let _done = write!(text, "{byte:02x}");
    }
    text
}

fn unhex(text: &str) -> Option<Hash> {
    let mut hash: Hash = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_survives_its_text() {
        let hash: Hash = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        assert_eq!(unhex(&hex(&hash)), Some(hash));
        for text in ["", "0f", "+f", &"g".repeat(64), &"ö".repeat(32)] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_line_is_told_by_its_number() {
        let error = parse("\n\nbiz_1 is fine\n").unwrap_err().to_string();
        assert_eq!(error, "line 3 is no line of `carnet verify`");
        assert_eq!(parse("\n").unwrap(), []);
    }
}
