//! Readers of text: names, notes, addresses, and the names of zones, languages and currencies.

use chrono_tz::Tz;
use icu_locale_core::LanguageIdentifier;
use iso_currency::Currency;

use super::Faults;
use crate::mail::content::Colour;
use crate::mail::message;

/// The longest e-mail address, in characters, as the mail standards have it.
const EMAIL_LENGTH_MAX: usize = 254;

/// The longest address of a web page, in characters.
const URL_LENGTH_MAX: usize = 500;

/// What no address may hold that e-mails show: a fragment, a user, or what ends an attribute.
const NOT_IN_LINKS: [char; 6] = ['#', '@', '"', '\'', '<', '>'];

impl Faults {
    /// One line of text of at most `length_max` characters, trimmed; may be empty.
    pub fn text(&mut self, field: &str, text: &str, length_max: usize) -> Option<String> {
        self.checked_text(field, text, length_max, |_| false)
    }

    /// One line of text that must be given, of at most `length_max` characters, trimmed.
    pub fn required_text(&mut self, field: &str, text: &str, length_max: usize) -> Option<String> {
        if text.trim().is_empty() {
            self.add(field, "must be given");
            return None;
        }
        self.text(field, text, length_max)
    }

    /// Text with line breaks and tabs, of at most `length_max` characters, trimmed; may be empty.
    pub fn long_text(&mut self, field: &str, text: &str, length_max: usize) -> Option<String> {
        self.checked_text(field, text, length_max, |c| matches!(c, '\n' | '\r' | '\t'))
    }

    /// Text that must be given and is kept as it is, of at most `bytes_max` bytes.
    pub fn verbatim(&mut self, field: &str, text: &str, bytes_max: usize) -> Option<String> {
        if text.trim().is_empty() {
            self.add(field, "must be given");
            return None;
        }
        let bytes = text.len();
        if bytes > bytes_max {
            let fault = format!("must have at most {bytes_max} bytes, not {bytes}");
            self.add(field, fault);
            return None;
        }
        self.long_text(field, text, bytes_max)
            .map(|_| text.to_owned())
    }

    fn checked_text(
        &mut self,
        field: &str,
        text: &str,
        length_max: usize,
        allowed: impl Fn(char) -> bool,
    ) -> Option<String> {
        let text = text.trim();
        let length = text.chars().count();
        if length > length_max {
            self.add(
                field,
                format!("must have at most {length_max} characters, not {length}"),
            );
            return None;
        }
        if let Some(found) = text.chars().find(|c| is_control(*c) && !allowed(*c)) {
            let code = u32::from(found);
            self.add(
                field,
                format!("must have no control characters (U+{code:04X})"),
            );
            return None;
        }
        Some(text.to_owned())
    }

    /// An e-mail address, trimmed and lower-cased; may be empty, which is none.
    pub fn email(&mut self, field: &str, text: &str) -> Option<Option<String>> {
        let text = self.text(field, text, EMAIL_LENGTH_MAX)?;
        if text.is_empty() {
            return Some(None);
        }
        let folded = text.to_lowercase();
        if !message::is_address(&folded) {
            self.add(field, "must be an e-mail address");
            return None;
        }
        Some(Some(folded))
    }

    /// What links begin with: `https`, or `http` to this machine, and no query or fragment; without a
    /// slash at its end. May be empty, which is none.
    pub fn link_base_url(&mut self, field: &str, text: &str) -> Option<Option<String>> {
        let text = self.text(field, text, URL_LENGTH_MAX)?;
        if text.is_empty() {
            return Some(None);
        }
        if !text.contains(NOT_IN_LINKS) && is_link_base(&text) {
            return Some(Some(text.trim_end_matches('/').to_owned()));
        }
        self.add(
            field,
            "must be an address such as https://packages.example.com",
        );
        None
    }

    /// The `https` address of a picture; may be empty, which is none.
    pub fn picture_url(&mut self, field: &str, text: &str) -> Option<Option<String>> {
        let text = self.text(field, text, URL_LENGTH_MAX)?;
        if text.is_empty() {
            return Some(None);
        }
        let is_sound = !text.contains(NOT_IN_LINKS) && !text.contains(char::is_whitespace);
        let uri = text.parse::<http::Uri>().ok().filter(|_| is_sound);
        let is_https = uri.is_some_and(|uri| uri.scheme_str() == Some("https"));
        if !is_https {
            let example = "must be an address such as https://example.com/logo.png";
            self.add(field, example);
        }
        is_https.then_some(Some(text))
    }

    /// A colour as `#rrggbb`; may be empty, which is none.
    pub fn colour(&mut self, field: &str, text: &str) -> Option<Option<Colour>> {
        let text = text.trim();
        if text.is_empty() {
            return Some(None);
        }
        let colour = Colour::parse(text);
        if colour.is_none() {
            self.add(field, "must be a colour such as \"#0f766e\"");
        }
        colour.map(Some)
    }

    /// The name of a time zone that must be given.
    pub fn time_zone(&mut self, field: &str, text: &str) -> Option<Tz> {
        let zone = text.parse().ok();
        if zone.is_none() {
            self.add(
                field,
                "must be an IANA time zone such as \"Europe/Tallinn\"",
            );
        }
        zone
    }

    /// Like [`Faults::time_zone`], for a field that may be empty.
    pub fn optional_time_zone(&mut self, field: &str, text: &str) -> Option<Option<Tz>> {
        if text.is_empty() {
            return Some(None);
        }
        self.time_zone(field, text).map(Some)
    }

    /// A language that must be given, with or without a script and a region.
    pub fn locale(&mut self, field: &str, text: &str) -> Option<LanguageIdentifier> {
        let locale = LanguageIdentifier::try_from_str(text)
            .ok()
            .filter(|locale| !locale.language.is_unknown());
        if locale.is_none() {
            self.add(
                field,
                "must be a BCP 47 language such as \"et\" or \"en-GB\"",
            );
        }
        locale
    }

    /// Like [`Faults::locale`], for a field that may be empty.
    pub fn optional_locale(
        &mut self,
        field: &str,
        text: &str,
    ) -> Option<Option<LanguageIdentifier>> {
        if text.is_empty() {
            return Some(None);
        }
        self.locale(field, text).map(Some)
    }

    /// A currency that must be given.
    pub fn currency(&mut self, field: &str, text: &str) -> Option<Currency> {
        let currency = Currency::from_code(text);
        if currency.is_none() {
            self.add(field, "must be an ISO 4217 currency such as \"EUR\"");
        }
        currency
    }
}

/// Control characters proper, the line and paragraph separators, and those that reverse the direction
/// of what follows and so can make one name look like another.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_link_base(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else {
        return false;
    };
    let local = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let scheme = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => local,
        _ => false,
    };
    scheme && uri.query().is_none()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn text_is_trimmed_and_counted_in_characters() {
        let mut faults = Faults::new();
        assert_eq!(
            faults.text("name", " Mari Õun ", 8).as_deref(),
            Some("Mari Õun")
        );
        assert_eq!(
            faults.long_text("note", "a\n\tb", 10).as_deref(),
            Some("a\n\tb")
        );
        assert!(faults.is_empty());
        assert_eq!(faults.text("name", "Mari Õunad", 9), None);
        assert_eq!(faults.required_text("name", "  ", 9), None);
    }

    #[rstest]
    #[case("a\r\nBcc: x@example.com")]
    #[case("a\0b")]
    #[case("a\u{7f}b")]
    #[case("a\u{85}b")]
    #[case("a\u{2028}b")]
    #[case("a\u{202e}b")]
    fn control_characters_are_refused(#[case] text: &str) {
        assert_eq!(Faults::new().text("name", text, 100), None);
    }

    #[rstest]
    #[case("mari")]
    #[case("mari@")]
    #[case("@example.com")]
    #[case("a@b@c")]
    #[case("mari@example.com, jaan@example.com")]
    #[case("Mari <mari@example.com>")]
    #[case("mari@exa mple.com")]
    fn what_is_no_address_is_refused(#[case] text: &str) {
        assert_eq!(Faults::new().email("email", text), None);
    }

    #[test]
    fn an_address_is_lower_cased_in_any_script() {
        let read = Faults::new().email("email", " Õnne@Example.COM ");
        assert_eq!(read, Some(Some("õnne@example.com".to_owned())));
        assert_eq!(Faults::new().email("email", ""), Some(None));
    }

    #[rstest]
    #[case("https://packages.example.com/", true)]
    #[case("http://localhost:8080", true)]
    #[case("http://packages.example.com", false)]
    #[case("https://packages.example.com/?a=b", false)]
    #[case("https://packages.example.com/#a", false)]
    #[case("https://user@packages.example.com", false)]
    #[case("javascript:alert(1)", false)]
    #[case("packages.example.com", false)]
    fn links_begin_with_a_safe_address(#[case] text: &str, #[case] taken: bool) {
        let read = Faults::new().link_base_url("link_base_url", text);
        assert_eq!(read.is_some(), taken, "{read:?}");
    }

    #[rstest]
    #[case("https://cdn.example.com/logo.png?v=2", true)]
    #[case("http://cdn.example.com/logo.png", false)]
    #[case("http://localhost/logo.png", false)]
    #[case("data:image/png;base64,AAAA", false)]
    #[case("javascript:alert(1)", false)]
    #[case("https://cdn.example.com/a b.png", false)]
    #[case("https://cdn.example.com/\"onload=x", false)]
    #[case("//cdn.example.com/logo.png", false)]
    #[case("https://", false)]
    fn pictures_come_over_https(#[case] text: &str, #[case] taken: bool) {
        let read = Faults::new().picture_url("logo_url", text);
        assert_eq!(read.is_some(), taken, "{read:?}");
    }

    #[test]
    fn a_colour_is_kept_in_small_letters() {
        let mut faults = Faults::new();
        let css = |read: Option<Option<Colour>>| read.map(|colour| colour.map(Colour::css));
        assert_eq!(
            css(faults.colour("c", " #0F766E ")),
            Some(Some("#0f766e".to_owned()))
        );
        assert_eq!(css(faults.colour("c", "")), Some(None));
        assert!(faults.is_empty());
        assert_eq!(css(faults.colour("c", "teal")), None);
    }

    #[test]
    fn zones_languages_and_currencies_must_exist() {
        let mut faults = Faults::new();
        assert_eq!(
            faults.time_zone("z", "Europe/Tallinn"),
            Some(Tz::Europe__Tallinn)
        );
        let locale = faults.locale("l", "EN-gb").map(|locale| locale.to_string());
        assert_eq!(locale.as_deref(), Some("en-GB"));
        assert_eq!(faults.currency("c", "EUR"), Some(Currency::EUR));
        assert!(faults.is_empty());

        assert_eq!(faults.time_zone("z", "Europe/Tartu"), None);
        assert_eq!(faults.locale("l", "und"), None);
        assert_eq!(faults.locale("l", "english please"), None);
        assert_eq!(faults.currency("c", "eur"), None);
        assert_eq!(faults.currency("c", "EURO"), None);
    }
}
