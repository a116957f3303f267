//! Checks the HTML that a business writes: plain, complete, without scripts, links to web pages only.
//!
//! The HTML is read before anything is printed into it, by a grammar far narrower than that of browsers;
//! whatever does not fit is refused, so that nobody's reading of it can differ from ours. Variables may
//! stand in text and inside quoted values of attributes, where printing escapes them, and nowhere else in
//! a tag. Every element ends where it began, inside each block too, so that nothing around it is caught.
//! A link begins with its scheme and host, or with a variable that holds an address that was checked.

mod allowed;

use super::check::Fault;

use allowed::{fault_of_value, has_no_end, is_allowed_attribute, is_allowed_element};

/// All that is wrong with the HTML of a template whose own syntax is right.
pub(super) fn faults(source: &str) -> Vec<Fault> {
    let mut reader = Reader {
        rest: source,
        line: 1,
        column: 1,
        open: Vec::new(),
        faults: Vec::new(),
    };
    reader.read();
    reader.faults
}

/// The template engine would print the braces.
const BACKSLASH: &str = "has a backslash in front of {{, which is not supported";

type Place = (usize, usize);

/// What is open at one place.
enum Open {
    Element { name: String, at: Place },
    Block { at: Place },
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
    open: Vec<Open>,
    faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while let Some(next) = self.rest.chars().next() {
            let at = self.place();
            match next {
                '\\' if self.rest.starts_with("\\{{") => {
                    self.add(at, BACKSLASH);
                    self.skip("\\".len());
                }
                '{' if self.rest.starts_with("{{") => {
                    let tag = self.tag();
                    self.block(tag, at);
                }
                '<' => self.markup(at),
                other => {
                    self.skip(other.len_utf8());
                }
            }
        }
        while let Some(open) = self.open.pop() {
            if let Open::Element { name, at } = open {
                self.add(at, format!("opens <{name}> and never ends it"));
            }
        }
        self.faults.sort();
    }

    fn place(&self) -> Place {
        (self.line, self.column)
    }

    fn add(&mut self, at: Place, reason: impl Into<String>) {
        self.faults.push(Fault::at(at, reason));
    }

    /// Goes on behind so many bytes, and returns them.
    fn skip(&mut self, bytes: usize) -> &'a str {
        let (passed, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        for character in passed.chars() {
            if character == '\n' {
                self.line = self.line.saturating_add(1);
                self.column = 1;
            } else {
                self.column = self.column.saturating_add(1);
            }
        }
        self.rest = rest;
        passed
    }

    /// Goes on behind the next `end`, or to the end of all; returns what was before it.
    fn skip_past(&mut self, end: &str) -> &'a str {
        let length = self.rest.find(end).unwrap_or(self.rest.len());
        let passed = self.skip(length);
        self.skip(end.len().min(self.rest.len()));
        passed
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.skip(self.rest.len().saturating_sub(rest.len()));
    }

    /// Reads letters, digits and hyphens, in small letters.
    fn name(&mut self) -> String {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let length = self.rest.bytes().take_while(|byte| is_part(*byte)).count();
        self.skip(length).to_ascii_lowercase()
    }

    /// Reads a tag of the template language and returns what is between its braces. It never reads further
    /// than the template engine does, which may find braces in a text in quotes.
    fn tag(&mut self) -> &'a str {
        let at = self.place();
        self.skip("{{".len());
        let inner = self.skip_past("}}");
        if inner.starts_with("!--") {
            self.add(
                at,
                "has a comment with hyphens, which is not supported; write {{! … }}",
            );
        }
        let inner = inner.trim_matches(['~', ' ', '\t', '\r', '\n']);
        if inner.starts_with(['{', '&']) {
            self.add(at, "prints without escaping, which is not allowed");
        }
        inner
    }

    /// Keeps account of the blocks that a tag of the template language begins, turns or ends.
    fn block(&mut self, tag: &str, at: Place) {
        match Turn::of(tag) {
            Turn::Begins => self.open.push(Open::Block { at }),
            Turn::Ends => {
                self.end_elements(at);
                self.open.pop();
            }
            Turn::Turns => self.end_elements(at),
            Turn::None => {}
        }
    }

    /// Ends the elements that a block has open where it ends.
    fn end_elements(&mut self, at: Place) {
        while let Some(Open::Element { name, at: opened }) = self
            .open
            .pop_if(|open| matches!(open, Open::Element { .. }))
        {
            let (line, column) = at;
            let reason = format!(
                "opens <{name}> and does not end it before the block does, in line {line}, column {column}"
            );
            self.add(opened, reason);
        }
    }

    fn markup(&mut self, at: Place) {
        self.skip("<".len());
        if self.rest.starts_with("!--") {
            self.add(
                at,
                "has an HTML comment, which some mail programs obey; write {{! … }}",
            );
            self.skip_past("-->");
        } else if self.rest.starts_with('/') {
            self.skip("/".len());
            self.end_tag(at);
        } else if self
            .rest
            .starts_with(|next: char| next.is_ascii_alphabetic())
        {
            self.start_tag(at);
        } else {
            self.add(at, "has a < that begins no element; write &lt;");
        }
    }

    fn end_tag(&mut self, at: Place) {
        let name = self.name();
        self.skip_blanks();
        if !self.rest.starts_with('>') {
            self.add(at, format!("has more in </{name}> than its name"));
        }
        self.skip_past(">");
        let is_next =
            |open: &mut Open| matches!(open, Open::Element { name: own, .. } if *own == name);
        if self.open.pop_if(is_next).is_none() {
            let reason = match self.open.last() {
                Some(Open::Element { name: own, .. }) => {
                    format!("ends <{name}> where <{own}> is open")
                }
                Some(Open::Block { at: (line, _) }) => {
                    format!(
                        "ends <{name}>, which is not open in the block that begins in line {line}"
                    )
                }
                None => format!("ends <{name}>, which is not open"),
            };
            self.add(at, reason);
        }
    }

    fn start_tag(&mut self, at: Place) {
        let name = self.name();
        if !is_allowed_element(&name) {
            self.add(
                at,
                format!("has the element <{name}>, which is not allowed"),
            );
        }
        loop {
            self.skip_blanks();
            let place = self.place();
            if self.rest.starts_with('>') {
                self.skip(">".len());
                break;
            } else if self.rest.starts_with("/>") && has_no_end(&name) {
                self.skip("/>".len());
                return;
            } else if !self
                .rest
                .starts_with(|next: char| next.is_ascii_alphabetic())
            {
                self.add(place, format!("has in <{name}> what is not an attribute"));
                self.skip_past(">");
                break;
            }
            if !self.attribute(place) {
                self.skip_past(">");
                break;
            }
        }
        if !has_no_end(&name) {
            self.open.push(Open::Element { name, at });
        }
    }

    /// Reads an attribute; whether what follows can be read.
    fn attribute(&mut self, at: Place) -> bool {
        let name = self.name();
        if !is_allowed_attribute(&name) {
            self.add(
                at,
                format!("has the attribute {name}, which is not allowed"),
            );
        }
        self.skip_blanks();
        let quote = self
            .rest
            .strip_prefix('=')
            .map(|rest| rest.trim_start().chars().next());
        let Some(Some(quote @ ('"' | '\''))) = quote else {
            self.add(
                at,
                format!("has the attribute {name} without a value in quotes"),
            );
            return false;
        };
        self.skip("=".len());
        self.skip_blanks();
        self.skip(quote.len_utf8());
        let Some(value) = self.value(quote) else {
            self.add(
                at,
                format!("has the attribute {name} whose value does not end"),
            );
            return false;
        };
        if let Some(reason) = fault_of_value(&name, value) {
            self.add(at, reason);
        }
        true
    }

    /// Reads to the quote that ends a value; what a block inside it begins ends inside it.
    fn value(&mut self, quote: char) -> Option<&'a str> {
        let begin = self.rest;
        let mut blocks = 0_usize;
        while let Some(next) = self.rest.chars().next() {
            let at = self.place();
            if next == quote {
                let length = begin.len().saturating_sub(self.rest.len());
                self.skip(quote.len_utf8());
                if blocks > 0 {
                    self.add(at, "ends a value inside a block that began in it");
                }
                return begin.get(..length);
            }
            if self.rest.starts_with("\\{{") {
                self.add(at, BACKSLASH);
                self.skip("\\".len());
            } else if self.rest.starts_with("{{") {
                let tag = self.tag();
                if tag.starts_with('>') {
                    self.add(
                        at,
                        "includes another template inside a value, which is not allowed",
                    );
                }
                match Turn::of(tag) {
                    Turn::Begins => blocks = blocks.saturating_add(1),
                    Turn::Ends | Turn::Turns if blocks == 0 => {
                        self.add(
                            at,
                            "ends or turns a block inside a value, which began outside of it",
                        );
                    }
                    Turn::Ends => blocks = blocks.saturating_sub(1),
                    Turn::Turns | Turn::None => {}
                }
            } else {
                self.skip(next.len_utf8());
            }
        }
        None
    }
}

/// What a tag of the template language does to blocks.
enum Turn {
    Begins,
    Turns,
    Ends,
    None,
}

impl Turn {
    fn of(tag: &str) -> Self {
        if tag == "^" || tag == "else" || tag.starts_with("else ") {
            Self::Turns
        } else if tag.starts_with(['#', '^']) {
            Self::Begins
        } else if tag.starts_with('/') {
            Self::Ends
        } else {
            Self::None
        }
    }
}

#[cfg(test)]
#[path = "markup_tests.rs"]
mod tests;
