//! Splits Rust, protobuf and SQL into words, strings and punctuation; comments fall away.
//!
//! It knows just enough of each language not to mistake a comment or a string for code.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier, keyword or number; in SQL a quoted identifier too.
    Word,
    /// The inside of a string literal, escapes as written.
    Text,
    /// One character of anything else.
    Mark,
}

/// A piece of a source.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl Token {
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text == word
    }

    pub(super) fn is_mark(&self, mark: &str) -> bool {
        self.kind == Kind::Mark && self.text == mark
    }
}

/// A language that the rules read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Rust,
    Protobuf,
    Sql,
}

impl Language {
    /// The language of a file, by how its path ends.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.rsplit_once('.')?.1 {
            "rs" => Some(Self::Rust),
            "proto" => Some(Self::Protobuf),
            "sql" => Some(Self::Sql),
            _ => None,
        }
    }

    /// The tokens of `text` in this language.
    pub(super) fn tokens(self, text: &str) -> Vec<Token> {
        let mut lexer = Lexer {
            language: self,
            rest: text,
            line: 1,
            tokens: Vec::new(),
        };
        while !lexer.rest.is_empty() {
            lexer.step();
        }
        lexer.tokens
    }
}

struct Lexer<'a> {
    language: Language,
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Takes the first `length` bytes and answers them.
    fn take(&mut self, length: usize) -> String {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken.to_owned()
    }

    fn push(&mut self, line: usize, kind: Kind, text: String) {
        self.tokens.push(Token { line, kind, text });
    }

    /// The length up to and including the first `end` from `start` on.
    fn length_through(&self, start: usize, end: &str) -> usize {
        self.rest[start..]
            .find(end)
            .map_or(self.rest.len(), |at| start + at + end.len())
    }

    fn step(&mut self) {
        let comment = if self.language == Language::Sql {
            "--"
        } else {
            "//"
        };
        if self.rest.starts_with(comment) {
            self.take(self.length_through(0, "\n"));
        } else if self.rest.starts_with("/*") {
            self.block_comment();
        } else if let Some(hashes) = self.raw_string() {
            self.delimited(hashes + 2, &format!("\"{}", "#".repeat(hashes)));
        } else if self.rest.starts_with('"') {
            self.quoted('"');
        } else if self.rest.starts_with('\'') {
            self.apostrophe();
        } else {
            self.word_or_mark();
        }
    }

    fn block_comment(&mut self) {
        let (mut depth, mut at) = (0_usize, 0);
        loop {
            if self.rest[at..].starts_with("/*") {
                (depth, at) = (depth + 1, at + 2);
            } else if self.rest[at..].starts_with("*/") {
                (depth, at) = (depth - 1, at + 2);
            } else {
                at += self.rest[at..].chars().next().map_or(1, char::len_utf8);
            }
            if depth == 0 || at >= self.rest.len() {
                break;
            }
        }
        self.take(at.min(self.rest.len()));
    }

    /// How many hashes a raw string that starts here has.
    fn raw_string(&self) -> Option<usize> {
        let rest = self.rest.strip_prefix('r')?;
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let starts = self.language == Language::Rust && rest[hashes..].starts_with('"');
        starts.then_some(hashes)
    }

    /// A string whose inside starts after `start` bytes and goes to `end`, without escapes.
    fn delimited(&mut self, start: usize, end: &str) {
        let line = self.line;
        let length = self.length_through(start, end);
        let taken = self.take(length);
        let inside = taken[start..].strip_suffix(end).unwrap_or(&taken[start..]);
        self.push(line, Kind::Text, inside.to_owned());
    }

    /// A string between two `quote`s, with escapes; in SQL a doubled quote does no harm.
    fn quoted(&mut self, quote: char) {
        let line = self.line;
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, character)| {
            let ends = *character == quote && !escaped;
            escaped = *character == '\\' && !escaped && self.language != Language::Sql;
            ends
        });
        let length = end.map_or(self.rest.len(), |(at, _)| at + 1);
        let taken = self.take(length);
        let inside = taken.trim_start_matches(quote).trim_end_matches(quote);
        let identifier = self.language == Language::Sql && quote == '"';
        let kind = if identifier { Kind::Word } else { Kind::Text };
        self.push(line, kind, inside.to_owned());
    }

    /// A string, a Rust character, or the start of a Rust lifetime.
    fn apostrophe(&mut self) {
        let mut characters = self.rest.chars().skip(1);
        let is_character = match (characters.next(), characters.next()) {
            (Some('\\'), _) => true,
            (Some(_), Some(second)) => second == '\'',
            _ => false,
        };
        if self.language != Language::Rust || is_character {
            self.quoted_character();
        } else {
            self.take(1);
        }
    }

    fn quoted_character(&mut self) {
        if self.language == Language::Rust && self.rest.starts_with("'''") {
            self.take(3);
        } else {
            self.quoted('\'');
        }
    }

    fn word_or_mark(&mut self) {
        let line = self.line;
        let part_of_word = |character: char| character.is_alphanumeric() || character == '_';
        let length = self
            .rest
            .find(|character| !part_of_word(character))
            .unwrap_or(self.rest.len());
        if length > 0 {
            let word = self.take(length);
            self.push(line, Kind::Word, word);
            return;
        }
        let length = self.rest.chars().next().map_or(1, char::len_utf8);
        let mark = self.take(length);
        if !mark.trim().is_empty() {
            self.push(line, Kind::Mark, mark);
        }
    }
}

#[test]
fn comments_fall_away_and_strings_are_told_from_code() {
    let rust = r##"
        // line "not a string"
        /* block /* nested */ 'x */ use a::b; /// doc
        let s = "str // \" more"; let c = '"'; let l: &'static str = r#"raw "quoted" "#;
        let n = '\''; b"bytes"; 'a: loop {}
    "##;
    let of = |kind| {
        let tokens = Language::Rust.tokens(rust).into_iter();
        tokens
            .filter(move |token| token.kind == kind)
            .map(|token| token.text)
            .collect::<Vec<_>>()
    };
    let texts = [r#"str // \" more"#, "\"", "raw \"quoted\" ", r"\", "bytes"];
    assert_eq!(of(Kind::Text), texts);
    let words = of(Kind::Word).join(" ");
    assert_eq!(words, "use a b let s let c let l static str let n b a loop");
}

#[test]
fn sql_and_protobuf_are_read_too() {
    let line_of = |language: Language, text: &str, word: &str| {
        let tokens = language.tokens(text);
        let found = tokens.into_iter().find(|token| token.is_word(word));
        found.map(|token| token.line)
    };
    let sql = "-- now()\nSELECT 'it''s -- text', \"Name\";\nSELECT last";
    assert_eq!(line_of(Language::Sql, sql, "now"), None);
    assert_eq!(line_of(Language::Sql, sql, "Name"), Some(2));
    assert_eq!(line_of(Language::Sql, sql, "last"), Some(3));
    let proto = "// wallet\nmessage A {\n  string b = 1; /* x */\n}";
    assert_eq!(line_of(Language::Protobuf, proto, "wallet"), None);
    assert_eq!(line_of(Language::Protobuf, proto, "b"), Some(3));
    assert_eq!(Language::of("a.hbs"), None);
}
