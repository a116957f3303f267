//! Templates that a business wrote itself: checked before they are kept, and again whenever they are
//! used, since the rules and the variables may have changed meanwhile (G8).
//!
//! They may print the published variables of their kind, use `if`, `unless`, `each`, `with` and the words
//! of the set, and include the partials of the set in HTML. The layout around them is the set's, so that
//! the look, the reply line and what must be under every e-mail are always there.

use handlebars::Handlebars;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RenderError, Rendered, TemplateSet, print, set_field};
use crate::mail::check::{self, Fault, Partials, Published};
use crate::mail::content::{EmailContent, EmailKind, one_line};
use crate::mail::{markup, sample};

/// The longest template of a subject, in bytes.
pub const SUBJECT_BYTES_MAX: usize = 1_000;
/// The longest template of a body, in bytes.
pub const BODY_BYTES_MAX: usize = check::TEMPLATE_BYTES_MAX;

/// The three texts that make an e-mail, as templates or as printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// One line.
    pub subject: String,
    /// What stands in the text part, between greeting and button.
    pub text: String,
    /// What stands there in the HTML part.
    pub html: String,
}

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The subject.
    Subject,
    /// The text part.
    Text,
    /// The HTML part.
    Html,
}

/// Something wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartFault {
    /// In which part.
    pub part: Part,
    /// Where in it, and what.
    pub fault: Fault,
}

impl Source {
    fn parts(&self) -> [(Part, &str); 3] {
        [
            (Part::Subject, &self.subject),
            (Part::Text, &self.text),
            (Part::Html, &self.html),
        ]
    }
}

impl TemplateSet {
    /// The templates of a kind as they are in the set; a business may begin with them.
    pub fn source(&self, kind: EmailKind) -> Option<&Source> {
        self.sources.get(kind.name())
    }

    /// Checks the templates that a business wrote for a kind in a language, and tries them with samples.
    ///
    /// # Errors
    ///
    /// All that is wrong, in the order of the parts and of their text; what only printing shows, once
    /// nothing else is wrong.
    pub fn check_own(
        &self,
        kind: EmailKind,
        locale: &str,
        source: &Source,
    ) -> Result<(), Vec<PartFault>> {
        self.check_texts(kind, locale, source)?;
        let mut faults = Vec::new();
        for content in sample::all(kind, locale) {
            if let Err(fault) = self.print_own(&content, source)
                && !faults.contains(&fault)
            {
                faults.push(fault);
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// What can be found without printing.
    fn check_texts(
        &self,
        kind: EmailKind,
        locale: &str,
        source: &Source,
    ) -> Result<(), Vec<PartFault>> {
        let data = self.data(&sample::content(kind, locale));
        let data = data.map_err(|error| vec![whole(Part::Subject, error.reason)])?;
        let none = Partials::new();
        let mut faults = Vec::new();
        for (part, text) in source.parts() {
            let is_html = part == Part::Html;
            let published = Published {
                sample: &data,
                words: Some(self.locales().resolve(locale)),
                partials: if is_html { &self.partials } else { &none },
            };
            let mut found = check::compile(text, published).err().unwrap_or_default();
            // What the template engine cannot read would be misread as HTML too.
            if is_html && check::parse(text).is_ok() {
                found.extend(markup::faults(text));
                found.sort();
            }
            if text.trim().is_empty() {
                found.push(Fault::at((1, 1), "says nothing"));
            }
            if part == Part::Subject && (text.len() > SUBJECT_BYTES_MAX || text.contains('\n')) {
                let reason = format!("is not one line of at most {SUBJECT_BYTES_MAX} bytes");
                found.push(Fault::at((1, 1), reason));
            }
            faults.extend(found.into_iter().map(|fault| PartFault { part, fault }));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// Renders an e-mail with what a business wrote for the language `content.locale`.
    ///
    /// # Errors
    ///
    /// What is wrong with the templates, or why these facts cannot be told by them.
    pub fn render_own(
        &self,
        content: &EmailContent,
        source: &Source,
    ) -> Result<Rendered, RenderError> {
        let failed = |fault: &PartFault| {
            let PartFault { part, fault } = fault;
            self.failed(content, format!("{part:?}, {fault}"))
        };
        let checked = self.check_texts(content.kind, &content.locale, source);
        checked.map_err(|faults| match faults.first() {
            Some(first) => failed(first),
            None => self.failed(content, String::new()),
        })?;
        let (data, printed) = self
            .print_own(content, source)
            .map_err(|fault| failed(&fault))?;
        self.lay_out(content, data, printed)
    }

    fn print_own(
        &self,
        content: &EmailContent,
        source: &Source,
    ) -> Result<(Value, Source), PartFault> {
        let mut data = self
            .data(content)
            .map_err(|error| whole(Part::Subject, error.reason))?;
        // The words may be those of another language, the text is not.
        set_field(&mut data, "language", content.locale.clone());
        let part = |engine: &Handlebars<'static>, part: Part, text: &str| {
            let printed = print(|output| engine.render_template_to_write(text, &data, output));
            printed.map_err(|error| PartFault {
                part,
                fault: Fault::at(error.place.unwrap_or((1, 1)), error.reason),
            })
        };
        let printed = Source {
            subject: part(&self.text, Part::Subject, &source.subject)?,
            text: part(&self.text, Part::Text, &source.text)?,
            html: part(&self.html, Part::Html, &source.html)?,
        };
        if one_line(&printed.subject).is_empty() {
            return Err(whole(Part::Subject, "prints nothing".to_owned()));
        }
        Ok((data, printed))
    }
}

fn whole(part: Part, reason: String) -> PartFault {
    PartFault {
        part,
        fault: Fault::at((1, 1), reason),
    }
}

#[cfg(test)]
#[path = "own_tests.rs"]
mod tests;
