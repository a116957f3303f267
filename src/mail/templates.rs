//! The set of e-mail templates and languages, and rendering with it.
//!
//! A set is used only if all of it passes: every template names published variables only, and every kind
//! renders in every language. HTML is escaped; subjects and text parts are rendered by an engine that
//! does not (`O'Neil`). What a business wrote itself is rendered with the words and the layout of the set
//! ([`own`]).
//!
//! Deliberately absent: reading files while e-mails are sent.

pub mod own;
mod styling;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use handlebars::{Handlebars, RenderError as EngineError, no_escape};
use serde_json::Value;

use super::check::{self, Partials, Published};
use super::content::{EmailContent, EmailKind, one_line};
use super::files::{self, Files};
use super::helper::Translate;
use super::locale::{FALLBACK_TAG, Locale, Locales, WordsError};
use super::output::Limited;
use super::sample;
use super::view::View;
use own::Source;

/// The longest part of an e-mail, in bytes; more is a template that ran away.
pub const PART_BYTES_MAX: usize = 512 * 1024;

/// The templates of a kind, in its folder.
const PARTS: [&str; 3] = ["subject.txt.hbs", "body.txt.hbs", "body.html.hbs"];
/// What a kind's HTML part is called with its layout around it and its styles in it: no file.
const STYLED: &str = "styled.html.hbs";
const HTML_LAYOUT: &str = "layout.html.hbs";
const TEXT_LAYOUT: &str = "layout.txt.hbs";
/// What the templates of HTML parts may include, and the file of each.
const PARTIALS: [(&str, &str); 1] = [("units", "units.html.hbs")];

/// Why a set of templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file of the directory cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file or directory.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// A template is refused.
    #[error("{path} {reason}")]
    Refused {
        /// The template's path in the set.
        path: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A file of words is refused.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// A sample e-mail cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// Why an e-mail cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[error("the {kind} e-mail in {locale} cannot be rendered: {reason}")]
pub struct RenderError {
    /// The kind of e-mail.
    pub kind: &'static str,
    /// The language.
    pub locale: String,
    /// What is wrong.
    pub reason: String,
}

/// A rendered e-mail, without its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line, not escaped.
    pub subject: String,
    /// A whole document with its styles inlined.
    pub html: String,
    /// The same in plain text.
    pub text: String,
}

/// A checked set of templates and languages.
pub struct TemplateSet {
    html: Handlebars<'static>,
    text: Handlebars<'static>,
    partials: Partials,
    sources: BTreeMap<&'static str, Source>,
    /// The kinds whose HTML part is one template that has its styles already.
    styled: BTreeSet<&'static str>,
    locales: Arc<Locales>,
}

impl TemplateSet {
    /// The set that is part of the program.
    pub fn embedded() -> Result<Self, TemplateError> {
        Self::from_files(&files::embedded())
    }

    /// The same, checked once for the whole process.
    pub fn shipped() -> Result<Arc<Self>, TemplateError> {
        static SHIPPED: OnceLock<Arc<TemplateSet>> = OnceLock::new();
        if let Some(set) = SHIPPED.get() {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(Self::embedded()?);
        Ok(Arc::clone(SHIPPED.get_or_init(|| set)))
    }

    /// The program's set with the files of `directory` in place of its own.
    ///
    /// # Errors
    ///
    /// The first fault found; then nothing of the directory is used.
    pub fn from_directory(directory: &Path) -> Result<Self, TemplateError> {
        Self::from_files(&files::with_directory(directory)?)
    }

    pub(super) fn from_files(files: &Files) -> Result<Self, TemplateError> {
        let locales: Vec<Locale> = files
            .iter()
            .filter_map(|(path, text)| Some((path.strip_prefix("words/")?, text)))
            .map(|(name, text)| Locale::parse(name.trim_end_matches(".json"), text))
            .collect::<Result<_, _>>()?;
        let locales = Arc::new(Locales::new(locales)?);
        let mut set = Self {
            html: engine(&locales),
            text: engine(&locales),
            partials: Partials::new(),
            sources: BTreeMap::new(),
            styled: BTreeSet::new(),
            locales,
        };
        set.text.register_escape_fn(no_escape);
        for (name, path) in PARTIALS {
            let template =
                check::parse(file(files, path)?).map_err(|fault| refused(path, &fault))?;
            set.html.register_template(name, template.clone());
            set.partials.insert(name.to_owned(), template);
        }
        for kind in EmailKind::ALL {
            let mut data = set.data(&sample::content(kind, FALLBACK_TAG))?;
            let [subject, text, html] = PARTS.map(|part| path(kind, part));
            let source = Source {
                subject: set.add(&subject, files, &data)?.trim_end().to_owned(),
                text: set.add(&text, files, &data)?,
                html: set.add(&html, files, &data)?,
            };
            set.sources.insert(kind.name(), source);
            add_layout_fields(&mut data, String::new(), String::new());
            for path in [HTML_LAYOUT, TEXT_LAYOUT] {
                set.add(path, files, &data)?;
            }
        }
        for kind in EmailKind::ALL {
            set.style(kind, files)?;
        }
        set.try_samples()?;
        Ok(set)
    }

    /// Adds a template of the set and returns its source.
    fn add(&mut self, path: &str, files: &Files, sample: &Value) -> Result<String, TemplateError> {
        let source = file(files, path)?;
        let is_html = path.ends_with(".html.hbs");
        let none = Partials::new();
        let published = Published {
            sample,
            words: Some(self.locales.resolve(FALLBACK_TAG)),
            partials: if is_html { &self.partials } else { &none },
        };
        let checked = check::compile(source, published);
        let template = checked.map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            refused(path, &faults.join("; "))
        })?;
        let engine = if is_html {
            &mut self.html
        } else {
            &mut self.text
        };
        engine.register_template(path, template);
        Ok(source.to_owned())
    }

    /// Puts the styles into the HTML template of a kind, if what that prints is the same.
    fn style(&mut self, kind: EmailKind, files: &Files) -> Result<(), TemplateError> {
        let body = path(kind, PARTS[2]);
        let mut partials = BTreeMap::new();
        for (name, path) in PARTIALS {
            partials.insert(name, file(files, path)?);
        }
        let styled = styling::template(file(files, HTML_LAYOUT)?, file(files, &body)?, &partials);
        if let Some(Ok(template)) = styled.as_deref().map(check::parse) {
            self.html.register_template(&path(kind, STYLED), template);
            if self.prints_the_same_styled(kind)? {
                self.styled.insert(kind.name());
                return Ok(());
            }
        }
        let kind = kind.name();
        tracing::info!(
            kind,
            "styles are put into each {kind} e-mail: not into its template"
        );
        Ok(())
    }

    fn prints_the_same_styled(&mut self, kind: EmailKind) -> Result<bool, RenderError> {
        for content in sample::all(kind, FALLBACK_TAG) {
            let wanted = self.render(&content)?;
            self.styled.insert(kind.name());
            let styled = self.render(&content);
            self.styled.remove(kind.name());
            // What has its styles is only written in the reader's own way by this.
            let [wanted, styled] = [Ok(wanted), styled].map(|rendered| {
                let html = rendered.map_err(|error| error.to_string())?.html;
                styling::inlined(&html)
            });
            if styled != wanted {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Renders every kind in every language, with as much and with as little as there can be.
    fn try_samples(&self) -> Result<(), RenderError> {
        for locale in self.locales.iter() {
            for kind in EmailKind::ALL {
                for content in sample::all(kind, locale.tag()) {
                    self.render(&content)?;
                }
            }
        }
        Ok(())
    }

    /// The languages of this set.
    pub fn locales(&self) -> &Locales {
        &self.locales
    }

    /// Renders one e-mail in the customer's language.
    ///
    /// # Errors
    ///
    /// With a set that was checked: only if the content names no package, or one that is about to
    /// expire has no last usable day.
    pub fn render(&self, content: &EmailContent) -> Result<Rendered, RenderError> {
        let mut data = self.data(content)?;
        let [subject, text, html] = PARTS.map(|part| path(content.kind, part));
        let subject = self.print(&self.text, &subject, content, &data)?;
        let text = self.print(&self.text, &text, content, &data)?;
        if !self.styled.contains(content.kind.name()) {
            let html = self.print(&self.html, &html, content, &data)?;
            let printed = Source {
                subject,
                text,
                html,
            };
            return self.lay_out(content, data, printed);
        }
        let subject = one_line(&subject);
        let text = self.lay_out_text(content, &mut data, &subject, &text)?;
        Ok(Rendered {
            html: self.print(&self.html, &path(content.kind, STYLED), content, &data)?,
            subject,
            text,
        })
    }

    /// Puts what was printed into the layout, and styles into its HTML.
    fn lay_out(
        &self,
        content: &EmailContent,
        mut data: Value,
        printed: Source,
    ) -> Result<Rendered, RenderError> {
        let subject = one_line(&printed.subject);
        let text = self.lay_out_text(content, &mut data, &subject, &printed.text)?;
        set_field(&mut data, "body", printed.html);
        let html = self.print(&self.html, HTML_LAYOUT, content, &data)?;
        let html = styling::inlined(&html).map_err(|reason| self.failed(content, reason))?;
        Ok(Rendered {
            subject,
            html,
            text,
        })
    }

    fn lay_out_text(
        &self,
        content: &EmailContent,
        data: &mut Value,
        subject: &str,
        text: &str,
    ) -> Result<String, RenderError> {
        add_layout_fields(data, subject.to_owned(), tidy(text));
        Ok(tidy(&self.print(&self.text, TEXT_LAYOUT, content, data)?))
    }

    fn print(
        &self,
        engine: &Handlebars<'static>,
        path: &str,
        content: &EmailContent,
        data: &Value,
    ) -> Result<String, RenderError> {
        let printed = print(|output| engine.render_to_write(path, data, output));
        printed.map_err(|error| self.failed(content, format!("{path}: {error}")))
    }

    pub(super) fn data(&self, content: &EmailContent) -> Result<Value, RenderError> {
        let locale = self.locales.resolve(&content.locale);
        let view = View::new(content, locale).map_err(|reason| self.failed(content, reason))?;
        serde_json::to_value(view).map_err(|error| self.failed(content, error.to_string()))
    }

    fn failed(&self, content: &EmailContent, reason: String) -> RenderError {
        let locale = self.locales.resolve(&content.locale).tag().to_owned();
        RenderError {
            kind: content.kind.name(),
            locale,
            reason,
        }
    }
}

/// What a part of a kind's templates is called.
fn path(kind: EmailKind, part: &str) -> String {
    format!("{}/{part}", kind.name())
}

fn file<'a>(files: &'a Files, path: &str) -> Result<&'a str, TemplateError> {
    let found = files.get(path).map(String::as_str);
    found.ok_or_else(|| refused(path, &"is missing"))
}

fn refused(path: &str, reason: &impl ToString) -> TemplateError {
    TemplateError::Refused {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn engine(locales: &Arc<Locales>) -> Handlebars<'static> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_helper("t", Box::new(Translate::new(Arc::clone(locales))));
    engine
}

/// Why something could not be printed, and where in its template, if that is known.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
struct PrintError {
    place: Option<(usize, usize)>,
    reason: String,
}

fn print(
    render: impl FnOnce(&mut Limited) -> Result<(), EngineError>,
) -> Result<String, PrintError> {
    let mut output = Limited::new(PART_BYTES_MAX);
    render(&mut output).map_err(|error| PrintError {
        place: error.line_no.zip(error.column_no),
        reason: error.to_string(),
    })?;
    output.into_text().ok_or_else(|| PrintError {
        place: None,
        reason: "is not text".to_owned(),
    })
}

fn add_layout_fields(data: &mut Value, subject: String, body: String) {
    set_field(data, "subject", subject);
    set_field(data, "body", body);
}

fn set_field(data: &mut Value, name: &str, text: String) {
    if let Value::Object(fields) = data {
        fields.insert(name.to_owned(), Value::String(text));
    }
}

/// At most one empty line in a row, none at the ends.
fn tidy(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.trim().lines().map(str::trim_end) {
        if !(line.is_empty() && lines.last().is_some_and(|last| last.is_empty())) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "templates_languages_tests.rs"]
mod language_tests;
