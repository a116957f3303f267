//! The set of e-mail templates and languages, and rendering with it.
//!
//! The set in `email-templates/` is part of the program, so a release needs no files. A directory of
//! the same shape can override any of its files and add languages; it is used only if the whole set
//! passes: every template names published variables only, and every kind renders in every language.
//! HTML is escaped; subjects and text parts are rendered by an engine that does not (`O'Neil`).
//!
//! Deliberately absent: partials, and reading files while e-mails are sent.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use css_inline::{CSSInliner, InlineOptions};
use handlebars::{Handlebars, no_escape};
use serde_json::Value;

use super::check;
use super::content::{EmailContent, EmailKind, one_line};
use super::helper::Translate;
use super::locale::{Locale, Locales, WordsError};
use super::output::Limited;
use super::sample;
use super::view::{View, paths};

/// The longest part of an e-mail, in bytes; more is a template that ran away.
pub const PART_BYTES_MAX: usize = 512 * 1024;

macro_rules! embedded {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../email-templates/", $path)))),+]
    };
}

/// Every file of the set, by its path under `email-templates/`.
const EMBEDDED: [(&str, &str); 31] = embedded![
    "layout.html.hbs",
    "layout.txt.hbs",
    "confirmation/subject.txt.hbs",
    "confirmation/body.txt.hbs",
    "confirmation/body.html.hbs",
    "expiring/subject.txt.hbs",
    "expiring/body.txt.hbs",
    "expiring/body.html.hbs",
    "expired/subject.txt.hbs",
    "expired/body.txt.hbs",
    "expired/body.html.hbs",
    "low_balance/subject.txt.hbs",
    "low_balance/body.txt.hbs",
    "low_balance/body.html.hbs",
    "used_up/subject.txt.hbs",
    "used_up/body.txt.hbs",
    "used_up/body.html.hbs",
    "extended/subject.txt.hbs",
    "extended/body.txt.hbs",
    "extended/body.html.hbs",
    "renewed/subject.txt.hbs",
    "renewed/body.txt.hbs",
    "renewed/body.html.hbs",
    "hold_timed_out/subject.txt.hbs",
    "hold_timed_out/body.txt.hbs",
    "hold_timed_out/body.html.hbs",
    "words/en.json",
    "words/et.json",
    "words/de.json",
    "words/fr.json",
    "words/es.json",
];

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
        /// What is wrong with it.
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
    locales: Arc<Locales>,
}

impl TemplateSet {
    /// The set that is part of the program.
    pub fn embedded() -> Result<Self, TemplateError> {
        Self::from_files(&embedded_files())
    }

    /// The program's set with the files of `directory` in place of its own.
    ///
    /// # Errors
    ///
    /// The first fault found; then nothing of the directory is used.
    pub fn from_directory(directory: &Path) -> Result<Self, TemplateError> {
        let mut files = embedded_files();
        for (path, text) in &mut files {
            let file = directory.join(path.as_str());
            if file.exists() {
                *text = read(&file)?;
            }
        }
        files.extend(words_in(&directory.join("words"))?);
        Self::from_files(&files)
    }

    fn from_files(files: &BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let locales: Vec<Locale> = files
            .iter()
            .filter_map(|(path, text)| Some((path.strip_prefix("words/")?, text)))
            .map(|(name, text)| Locale::parse(name.trim_end_matches(".json"), text))
            .collect::<Result<_, _>>()?;
        let locales = Arc::new(Locales::new(locales)?);
        let mut set = Self {
            html: engine(&locales),
            text: engine(&locales),
            locales,
        };
        set.text.register_escape_fn(no_escape);
        for kind in EmailKind::ALL {
            let content = sample::content(kind, "en");
            let mut data = set.data(&content)?;
            set.add_bodies(kind, files, &data)?;
            add_layout_fields(&mut data, String::new(), String::new());
            for path in ["layout.html.hbs", "layout.txt.hbs"] {
                set.add(path, files, &data)?;
            }
        }
        set.try_samples()?;
        Ok(set)
    }

    fn add_bodies(
        &mut self,
        kind: EmailKind,
        files: &BTreeMap<String, String>,
        sample: &Value,
    ) -> Result<(), TemplateError> {
        for part in ["subject.txt.hbs", "body.txt.hbs", "body.html.hbs"] {
            self.add(&format!("{}/{part}", kind.name()), files, sample)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        path: &str,
        files: &BTreeMap<String, String>,
        sample: &Value,
    ) -> Result<(), TemplateError> {
        let refused = |reason: String| TemplateError::Refused {
            path: path.to_owned(),
            reason,
        };
        let source = files
            .get(path)
            .ok_or_else(|| refused("is missing".to_owned()))?;
        let template = check::compile(source, sample).map_err(refused)?;
        let engine = if path.ends_with(".html.hbs") {
            &mut self.html
        } else {
            &mut self.text
        };
        engine.register_template(path, template);
        Ok(())
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

    /// The names that templates of every kind may print, such as `packages[].name`.
    pub fn published_variables(&self) -> Result<Vec<String>, RenderError> {
        Ok(paths(
            &self.data(&sample::content(EmailKind::Expiring, "en"))?,
        ))
    }

    /// Renders one e-mail in the customer's language.
    ///
    /// # Errors
    ///
    /// With a set that was checked: only if the content names no package, or one that is about to
    /// expire has no last usable day.
    pub fn render(&self, content: &EmailContent) -> Result<Rendered, RenderError> {
        let kind = content.kind.name();
        let failed = |reason| self.failed(content, reason);
        let mut data = self.data(content)?;
        let part = |engine: &Handlebars<'static>, path: &str, data: &Value| {
            print(engine, path, data).map_err(failed)
        };
        let subject = one_line(&part(
            &self.text,
            &format!("{kind}/subject.txt.hbs"),
            &data,
        )?);
        let text_body = part(&self.text, &format!("{kind}/body.txt.hbs"), &data)?;
        let html_body = part(&self.html, &format!("{kind}/body.html.hbs"), &data)?;
        add_layout_fields(&mut data, subject.clone(), tidy(&text_body));
        let text = tidy(&part(&self.text, "layout.txt.hbs", &data)?);
        add_layout_fields(&mut data, subject.clone(), html_body);
        let html = part(&self.html, "layout.html.hbs", &data)?;
        let html = inliner()
            .inline(&html)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Rendered {
            subject,
            html,
            text,
        })
    }

    fn data(&self, content: &EmailContent) -> Result<Value, RenderError> {
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

fn engine(locales: &Arc<Locales>) -> Handlebars<'static> {
    let mut engine = Handlebars::new();
    engine.set_strict_mode(true);
    engine.register_helper("t", Box::new(Translate::new(Arc::clone(locales))));
    engine
}

fn print(engine: &Handlebars<'static>, path: &str, data: &Value) -> Result<String, String> {
    let mut output = Limited::new(PART_BYTES_MAX);
    engine
        .render_to_write(path, data, &mut output)
        .map_err(|error| format!("{path}: {error}"))?;
    output
        .into_text()
        .ok_or_else(|| format!("{path}: is not text"))
}

fn add_layout_fields(data: &mut Value, subject: String, body: String) {
    if let Value::Object(fields) = data {
        fields.insert("subject".to_owned(), Value::String(subject));
        fields.insert("body".to_owned(), Value::String(body));
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

fn inliner() -> CSSInliner<'static> {
    let options: InlineOptions<'static> = CSSInliner::options();
    options.load_remote_stylesheets(false).build()
}

fn embedded_files() -> BTreeMap<String, String> {
    EMBEDDED
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

fn words_in(directory: &Path) -> Result<BTreeMap<String, String>, TemplateError> {
    let mut words = BTreeMap::new();
    if !directory.exists() {
        return Ok(words);
    }
    let unreadable = |source| TemplateError::Unreadable {
        path: directory.display().to_string(),
        source,
    };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry
            .path()
            .extension()
            .is_some_and(|ending| ending == "json")
        {
            words.insert(format!("words/{name}"), read(&entry.path())?);
        }
    }
    Ok(words)
}

fn read(path: &Path) -> Result<String, TemplateError> {
    fs::read_to_string(path).map_err(|source| TemplateError::Unreadable {
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "templates_languages_tests.rs"]
mod language_tests;
