//! What is counted where a refusal says numbers.

use std::fmt;

/// What the numbers of a refusal count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedIn {
    /// Credits.
    Credits,
    /// Units of the item that was asked for.
    Units,
}

impl fmt::Display for CountedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Credits => "credits",
            Self::Units => "units",
        })
    }
}
