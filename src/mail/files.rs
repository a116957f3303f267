//! The files that a set of templates is made of.
//!
//! Those in `email-templates/` are part of the program, so a release needs none. A directory of the same
//! shape can override any of them and add languages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::templates::TemplateError;

/// Texts by their path under `email-templates/`.
pub(super) type Files = BTreeMap<String, String>;

macro_rules! embedded {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("../../email-templates/", $path)))),+]
    };
}

/// Every file of the program's own set.
const EMBEDDED: [(&str, &str); 32] = embedded![
    "layout.html.hbs",
    "layout.txt.hbs",
    "units.html.hbs",
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

/// The program's own files.
pub(super) fn embedded() -> Files {
    EMBEDDED
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

/// The program's files with those of `directory` in place of its own.
///
/// # Errors
///
/// A file that is there and cannot be read.
pub(super) fn with_directory(directory: &Path) -> Result<Files, TemplateError> {
    let mut files = embedded();
    for (path, text) in &mut files {
        let file = directory.join(path.as_str());
        if file.exists() {
            *text = read(&file)?;
        }
    }
    files.extend(words_in(&directory.join("words"))?);
    Ok(files)
}

fn words_in(directory: &Path) -> Result<Files, TemplateError> {
    let mut words = Files::new();
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
