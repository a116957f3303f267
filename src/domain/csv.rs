//! Comma-separated values as RFC 4180 writes them, safe to open in a spreadsheet.
//!
//! A cell that a spreadsheet would take for a formula gets an apostrophe in front. A cell that is a number as
//! a whole, such as `-1.5`, is no formula and stays a number. [`unescaped`] takes such an apostrophe away
//! again.

/// What a formula begins with, in its usual and its full width.
const FORMULA_BEGINS: [char; 11] = [
    '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
];

/// What a cell must be quoted for.
const QUOTED_FOR: [u8; 4] = *b",\"\r\n";

/// Appends a row.
pub fn push_row<T: AsRef<str>>(out: &mut String, cells: impl IntoIterator<Item = T>) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_cell(out, cell.as_ref());
    }
    out.push_str("\r\n");
}

fn push_cell(out: &mut String, text: &str) {
    let mark = if is_escaped(text) && !is_number(text) {
        "'"
    } else {
        ""
    };
    if text.bytes().any(|byte| QUOTED_FOR.contains(&byte)) {
        out.push('"');
        out.push_str(mark);
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(mark);
        out.push_str(text);
    }
}

/// The text that a cell of [`push_row`] was.
pub fn unescaped(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_escaped(text) => text,
        _ => cell,
    }
}

/// Whether the text could be a formula, or looks like one that is escaped already.
fn is_escaped(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA_BEGINS)
}

/// Whether the text is a decimal number as a whole.
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_digit());
    let magnitude = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, "0"));
    digits(whole) && digits(fraction)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row(cells: &[&str]) -> String {
        let mut out = String::new();
        push_row(&mut out, cells);
        out
    }

    #[test]
    fn cells_are_quoted_only_where_they_must_be() {
        assert_eq!(row(&["a", "", "b c"]), "a,,b c\r\n");
        assert_eq!(
            row(&["a,b", "say \"no\"", "two\nlines"]),
            "\"a,b\",\"say \"\"no\"\"\",\"two\nlines\"\r\n"
        );
    }

    #[test]
    fn a_formula_is_text_and_a_number_stays_a_number() {
        for formula in [
            "=1+1", "+372 555", "-x", "@SUM(A1)", "\tx", "-1-1", "=", "-",
        ] {
            assert_eq!(row(&[formula]), format!("'{formula}\r\n"));
        }
        assert_eq!(row(&["\r=1"]), "\"'\r=1\"\r\n");
        assert_eq!(row(&["=\"a\",1"]), "\"'=\"\"a\"\",1\"\r\n");
        for plain in [
            "-1.5",
            "-12",
            "0",
            "1.5",
            "a=b",
            "O'Neil",
            "'t Hooft",
            "2026-01-15",
        ] {
            assert_eq!(row(&[plain]), format!("{plain}\r\n"));
            assert_eq!(unescaped(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn no_cell_begins_a_formula_and_each_is_read_again(text in "\\PC{0,12}|['=+@\\-\t]{0,3}.{0,5}") {
            let row = row(&[&text]);
            let cell = row.strip_suffix("\r\n").unwrap();
            let bare = cell.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            let cell = bare.map_or(cell.to_owned(), |it| it.replace("\"\"", "\""));
            prop_assert!(is_number(&cell) || !cell.starts_with(FORMULA_BEGINS));
            prop_assert_eq!(unescaped(&cell), text);
        }
    }
}
