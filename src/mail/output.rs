//! Where templates print to: memory, up to a limit, because a few bytes of template can loop over a
//! list of lists and print megabytes.

use std::io::{self, Write};

/// Collects what is written and fails beyond its limit.
pub(super) struct Limited {
    written: Vec<u8>,
    bytes_max: usize,
}

impl Limited {
    /// An empty output that takes at most `bytes_max`.
    pub(super) const fn new(bytes_max: usize) -> Self {
        Self {
            written: Vec::new(),
            bytes_max,
        }
    }

    /// What was written, if it is UTF-8.
    pub(super) fn into_text(self) -> Option<String> {
        String::from_utf8(self.written).ok()
    }
}

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written.len().saturating_add(bytes.len()) > self.bytes_max {
            return Err(io::Error::other(format!(
                "prints more than {} bytes",
                self.bytes_max
            )));
        }
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_stops_at_its_limit() {
        let mut output = Limited::new(3);
        assert!(output.write_all(b"abc").is_ok());
        assert!(output.write_all(b"d").is_err());
        assert_eq!(output.into_text().as_deref(), Some("abc"));
    }
}
