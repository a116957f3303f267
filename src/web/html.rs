//! Words into HTML: escaping, the frame of a page, and its style.

use std::fmt::Write;

use axum::http::header;
use axum::response::IntoResponse;

/// The text with everything escaped that means something in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A whole page around a body that is HTML already.
pub(super) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n\
         <body>\n<header class=\"top\"><a href=\"/emails\">Carnet</a> \
         <span>captured e-mails</span></header>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
}

/// Names and values under each other; empty values are left out.
pub(super) fn facts(pairs: &[(&str, String)]) -> String {
    let mut html = "<dl>".to_owned();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        let (name, value) = (escape(name), escape(value));
        // Writing into a String cannot fail.
        let _ = write!(html, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    html.push_str("</dl>");
    html
}

/// A whole page for a customer, in the customer's language.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a> {
    /// The BCP 47 tag of its language.
    pub(super) language: &'a str,
    /// Which way that is written: `ltr` or `rtl`.
    pub(super) direction: &'a str,
    /// Its heading.
    pub(super) title: &'a str,
    /// What follows, which is HTML already.
    pub(super) body: &'a str,
    /// The class of its layout.
    pub(super) class: &'a str,
}

impl<'a> Document<'a> {
    /// A short page in English, for who cannot be known.
    pub(super) fn english(title: &'a str, body: &'a str) -> Self {
        Self {
            language: "en",
            direction: "ltr",
            title,
            body,
            class: "narrow",
        }
    }

    /// The page.
    pub(super) fn html(&self) -> String {
        let Self {
            direction,
            body,
            class,
            ..
        } = self;
        let (language, title) = (escape(self.language), escape(self.title));
        format!(
            "<!doctype html>\n<html lang=\"{language}\" dir=\"{direction}\">\n<head>\n\
             <meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"robots\" content=\"noindex\">\n\
             <title>{title}</title>\n<link rel=\"stylesheet\" href=\"../style.css\">\n</head>\n\
             <body>\n<main class=\"{class}\">\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
        )
    }
}

/// The style of all pages.
pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_markup() {
        assert_eq!(
            escape("<b a=\"1\" c='2'>&"),
            "&lt;b a=&quot;1&quot; c=&#39;2&#39;&gt;&amp;"
        );
        assert_eq!(
            facts(&[("To", "<i>".to_owned()), ("Why", String::new())]),
            "<dl><div><dt>To</dt><dd>&lt;i&gt;</dd></div></dl>"
        );
    }
}
