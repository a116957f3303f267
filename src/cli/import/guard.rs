//! Reads a file on its way to the CSV reader, and stops where that would go wrong: at what is not UTF-8, and at a
//! quote that is opened and never closed, which would take all the rest of the file for one cell.

use std::fmt;
use std::io::{self, Read};

/// The longest row, in bytes.
const ROW_LENGTH_MAX: u64 = 64 * 1024;
/// The first character of some files in UTF-8: it says just that.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Why reading stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stopped {
    /// The line, from 1.
    pub(super) line: u64,
    /// What is there.
    pub(super) value: String,
    /// What is wanted instead.
    pub(super) expected: String,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            value,
            expected,
        } = self;
        write!(f, "line {line}: {value} {expected}")
    }
}

impl std::error::Error for Stopped {}

/// Where in a row a byte lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the beginning of a cell.
    Start,
    /// In a cell without quotes.
    Plain,
    /// Between quotes that were opened on this line.
    Quoted(u64),
    /// After a quote between quotes: the closing one, or the first of two.
    AfterQuote(u64),
}

/// A reader of UTF-8 that looks at what it hands on.
#[derive(Debug)]
pub(super) struct Guard<R> {
    inner: R,
    separator: u8,
    /// How many bytes were looked at.
    offset: u64,
    line: u64,
    /// Whether the last line is not ended.
    is_in_line: bool,
    row_length: u64,
    place: Place,
    /// The beginning of a character whose end is still to come.
    begun: Vec<u8>,
    /// Why reading stops once what lies before was handed on.
    stopped: Option<Stopped>,
}

impl<R: Read> Guard<R> {
    pub(super) fn new(inner: R, separator: u8) -> Self {
        Self {
            inner,
            separator,
            offset: 0,
            line: 1,
            is_in_line: false,
            row_length: 0,
            place: Place::Start,
            begun: Vec::new(),
            stopped: None,
        }
    }

    /// How many of these bytes may be handed on.
    fn look(&mut self, bytes: &[u8]) -> usize {
        let mut sound = 0;
        for byte in bytes {
            if let Err(stopped) = self.byte(*byte) {
                self.stopped = Some(stopped);
                break;
            }
            self.offset = self.offset.saturating_add(1);
            sound = usize::saturating_add(sound, 1);
        }
        sound
    }

    fn byte(&mut self, byte: u8) -> Result<(), Stopped> {
        self.character(byte)?;
        self.row_length = self.row_length.saturating_add(1);
        if self.row_length > ROW_LENGTH_MAX {
            return Err(self.too_long());
        }
        let ends_cell = byte == self.separator || byte == b'\n';
        self.place = match (self.place, byte) {
            (Place::Start, b'"') => Place::Quoted(self.line),
            (Place::Quoted(line), b'"') => Place::AfterQuote(line),
            (Place::AfterQuote(line), b'"') | (Place::Quoted(line), _) => Place::Quoted(line),
            _ if ends_cell => Place::Start,
            // A byte order mark is no part of the first cell.
            (Place::Start, _) if self.is_in_mark(byte) => Place::Start,
            _ => Place::Plain,
        };
        self.is_in_line = byte != b'\n';
        if byte == b'\n' {
            self.line = self.line.saturating_add(1);
            if self.place == Place::Start {
                self.row_length = 0;
            }
        }
        Ok(())
    }

    fn is_in_mark(&self, byte: u8) -> bool {
        let offset = usize::try_from(self.offset).ok();
        offset.and_then(|offset| BYTE_ORDER_MARK.get(offset)) == Some(&byte)
    }

    /// Checks one byte more of a character.
    fn character(&mut self, byte: u8) -> Result<(), Stopped> {
        if byte == 0 {
            return Err(self.stop(byte, "must be UTF-8; this looks like UTF-16"));
        }
        if self.begun.is_empty() && byte.is_ascii() {
            return Ok(());
        }
        self.begun.push(byte);
        match std::str::from_utf8(&self.begun) {
            Ok(_) => {
                self.begun.clear();
                Ok(())
            }
            Err(error) if error.error_len().is_none() => Ok(()),
            Err(_) => Err(self.no_character(byte)),
        }
    }

    fn no_character(&self, byte: u8) -> Stopped {
        let first = self.begun.first().copied().unwrap_or(byte);
        if self.offset <= 1 && matches!(first, 0xFE | 0xFF) {
            return self.stop(first, "must be UTF-8; this is the mark of UTF-16");
        }
        let expected = format!(
            "must be UTF-8; this looks like Latin-1 or Windows-1252, where it is `{}`",
            char::from(first)
        );
        let before = self.begun.len().saturating_sub(1);
        let before = u64::try_from(before).unwrap_or(0);
        Stopped {
            value: format!(
                "byte 0x{first:02X} at offset {}",
                self.offset.saturating_sub(before)
            ),
            ..self.stop(first, expected)
        }
    }

    fn stop(&self, byte: u8, expected: impl Into<String>) -> Stopped {
        Stopped {
            line: self.line,
            value: format!("byte 0x{byte:02X} at offset {}", self.offset),
            expected: expected.into(),
        }
    }

    fn too_long(&self) -> Stopped {
        match self.place {
            Place::Quoted(line) => open_quote(line),
            Place::Start | Place::Plain | Place::AfterQuote(_) => Stopped {
                line: self.line,
                value: format!("a row of over {ROW_LENGTH_MAX} bytes"),
                expected: "must be shorter".to_owned(),
            },
        }
    }

    /// Checks that the file may end here.
    fn end(&mut self) -> Result<(), Stopped> {
        if let Some(first) = self.begun.first().copied() {
            return Err(self.no_character(first));
        }
        match self.place {
            Place::Quoted(line) => Err(open_quote(line)),
            Place::Start | Place::Plain | Place::AfterQuote(_) => Ok(()),
        }
    }
}

impl<R> Guard<R> {
    /// Ends the last line if the file does not, so that every row ends with a line.
    fn end_line(&mut self, buffer: &mut [u8]) -> usize {
        match buffer.first_mut().filter(|_| self.is_in_line) {
            Some(first) => {
                *first = b'\n';
                self.is_in_line = false;
                1
            }
            None => 0,
        }
    }
}

fn open_quote(line: u64) -> Stopped {
    Stopped {
        line,
        value: "\"".to_owned(),
        expected: "must be closed by another quote".to_owned(),
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopped.is_none() {
            let count = self.inner.read(buffer)?;
            if count == 0 && !buffer.is_empty() {
                self.end().map_err(io::Error::other)?;
                return Ok(self.end_line(buffer));
            }
            let sound = self.look(buffer.get(..count).unwrap_or_default());
            if sound > 0 {
                return Ok(sound);
            }
        }
        match self.stopped.clone() {
            Some(stopped) => Err(io::Error::other(stopped)),
            None => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is handed on of a file that is read a few bytes at a time, and why that stops.
    fn read(bytes: &[u8]) -> (Vec<u8>, Option<Stopped>) {
        let mut guard = Guard::new(bytes, b',');
        let (mut all, mut buffer) = (Vec::new(), [0; 7]);
        loop {
            match guard.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) => {
                    let stopped = error.get_ref().and_then(|it| it.downcast_ref::<Stopped>());
                    return (all, stopped.cloned());
                }
            }
        }
    }

    #[test]
    fn utf_8_is_handed_on_as_it_is_and_its_last_line_is_ended() {
        let text = "\u{feff}id,name\n1,\"Õnne \"\"Ö\"\" 水\n𖽏\"\n2,5\" pipe\n".as_bytes();
        assert_eq!(read(text), (text.to_vec(), None));
        assert_eq!(read(b""), (Vec::new(), None));
        assert_eq!(read(b"id\r\n1"), (b"id\r\n1\n".to_vec(), None));
    }

    #[test]
    fn what_is_not_utf_8_is_told_by_its_byte_and_line() {
        let (before, stopped) = read(b"id,name\n1,M\xE4rt\n2,Mari\n");
        assert_eq!(before, b"id,name\n1,M\xE4");
        let stopped = stopped.unwrap();
        assert_eq!(
            (stopped.line, stopped.value.as_str()),
            (2, "byte 0xE4 at offset 11")
        );
        assert!(stopped.expected.ends_with("where it is `ä`"), "{stopped}");
        let (_, at_the_end) = read(b"id\nM\xC3");
        assert_eq!(at_the_end.unwrap().line, 2);
        for (bytes, what) in [
            (
                &b"\xFF\xFEi\0d\0"[..],
                "byte 0xFF at offset 0 must be UTF-8; this is the mark",
            ),
            (
                b"\xFE\xFF\0i\0d",
                "byte 0xFE at offset 0 must be UTF-8; this is the mark",
            ),
            (
                b"i\0d\0",
                "byte 0x00 at offset 1 must be UTF-8; this looks like UTF-16",
            ),
        ] {
            let stopped = read(bytes).1.unwrap().to_string();
            assert!(stopped.contains(what), "{stopped}");
        }
    }

    #[test]
    fn a_quote_that_is_never_closed_is_told_by_the_line_that_opens_it() {
        let (_, stopped) = read(b"id,name\n1,\"Mari\n2,Jaan\n3,Kati\n");
        assert_eq!(stopped.unwrap(), open_quote(2));
        let mut endless = b"id\n\"".to_vec();
        endless.extend(std::iter::repeat_n(b'x', 70_000));
        assert_eq!(read(&endless).1.unwrap(), open_quote(2));
        endless.truncate(3);
        endless.extend(std::iter::repeat_n(b'x', 70_000));
        let stopped = read(&endless).1.unwrap();
        assert!(stopped.value.starts_with("a row of over"), "{stopped}");
    }
}
