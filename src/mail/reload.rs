//! The set of templates that is in use, and taking a folder's changes over while the program runs.
//!
//! Invariant: what is in use has passed whole. A folder that does not pass is left aside and said so
//! once; e-mails go on with the set that was there before. A change is taken over only when two looks in
//! a row saw the same files, since copying several files is not done at once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::files::{self, Files};
use super::templates::{TemplateError, TemplateSet};

/// How long lies between two looks at the folder.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The templates in use; clones share them.
#[derive(Clone, Default)]
pub struct Templates {
    /// None: those that are part of the program.
    in_use: Arc<RwLock<Option<Arc<TemplateSet>>>>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Templates").finish_non_exhaustive()
    }
}

impl Templates {
    /// The set in use at this moment.
    ///
    /// # Errors
    ///
    /// Only if the program's own set does not pass.
    pub fn current(&self) -> Result<Arc<TemplateSet>, TemplateError> {
        let in_use = self.in_use.read().unwrap_or_else(PoisonError::into_inner);
        match in_use.as_ref() {
            Some(set) => Ok(Arc::clone(set)),
            None => TemplateSet::shipped(),
        }
    }

    fn replace(&self, set: TemplateSet) {
        let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
        *in_use = Some(Arc::new(set));
    }
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A folder whose files stand in place of the program's own.
pub struct Folder {
    path: PathBuf,
    templates: Templates,
    /// What was taken over or refused last.
    judged: Files,
    /// What the last look saw.
    seen: Files,
}

impl Folder {
    /// Reads a folder and takes it into use.
    ///
    /// # Errors
    ///
    /// The first fault of its set.
    pub fn open(path: &Path) -> Result<Self, TemplateError> {
        let files = files::with_directory(path)?;
        let templates = Templates::default();
        templates.replace(TemplateSet::from_files(&files)?);
        Ok(Self {
            path: path.to_owned(),
            templates,
            seen: files.clone(),
            judged: files,
        })
    }

    /// What is in use of it.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// Looks at the folder, and takes a change over if the look before saw the same.
    ///
    /// # Errors
    ///
    /// What is wrong with the files as they are now, each time only once.
    pub fn look(&mut self) -> Result<Look, TemplateError> {
        let files = files::with_directory(&self.path)?;
        if files != self.seen {
            self.seen = files;
            return Ok(Look::Waits);
        }
        if files == self.judged {
            return Ok(Look::Same);
        }
        self.judged.clone_from(&files);
        self.templates.replace(TemplateSet::from_files(&files)?);
        Ok(Look::TakenOver)
    }

    /// Looks again and again, without an end.
    pub async fn follow(mut self) {
        let path = self.path.display().to_string();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looked = tokio::task::spawn_blocking(move || {
                let look = self.look();
                (self, look)
            });
            let Ok((folder, look)) = looked.await else {
                tracing::error!("the templates in {path} are not followed any more");
                return;
            };
            self = folder;
            match look {
                Ok(Look::TakenOver) => {
                    tracing::info!("the templates in {path} are in use as they are now");
                }
                Ok(Look::Same | Look::Waits) => {}
                Err(error) => {
                    tracing::error!(%error, "the templates in {path} are not taken over: {error}");
                }
            }
        }
    }
}

/// What came of a look at the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing has changed.
    Same,
    /// Something has, and may not be done yet.
    Waits,
    /// A change is in use from now on.
    TakenOver,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::mail::content::EmailKind;
    use crate::mail::sample;

    const SUBJECT: &str = "expired/subject.txt.hbs";

    fn subject(templates: &Templates) -> String {
        let set = templates.current().unwrap();
        let content = sample::content(EmailKind::Expired, "en");
        set.render(&content).unwrap().subject
    }

    fn folder_saying(text: &str) -> (tempfile::TempDir, Folder) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("expired")).unwrap();
        fs::write(directory.path().join(SUBJECT), text).unwrap();
        let folder = Folder::open(directory.path()).unwrap();
        (directory, folder)
    }

    #[test]
    fn a_change_is_taken_over_when_two_looks_saw_the_same() {
        let (directory, mut folder) = folder_saying("One");
        let templates = folder.templates().clone();
        assert_eq!(folder.look().unwrap(), Look::Same);
        fs::write(directory.path().join(SUBJECT), "Two").unwrap();
        assert_eq!(folder.look().unwrap(), Look::Waits);
        assert_eq!(subject(&templates), "One");
        assert_eq!(folder.look().unwrap(), Look::TakenOver);
        assert_eq!(subject(&templates), "Two");
        assert_eq!(folder.look().unwrap(), Look::Same);
    }

    #[test]
    fn a_folder_that_does_not_pass_whole_leaves_what_was_in_use_and_says_so_once() {
        let (directory, mut folder) = folder_saying("One");
        let templates = folder.templates().clone();
        fs::write(directory.path().join(SUBJECT), "Two").unwrap();
        fs::create_dir(directory.path().join("used_up")).unwrap();
        let broken = directory.path().join("used_up/body.txt.hbs");
        fs::write(&broken, "{{nmae}}").unwrap();
        assert_eq!(folder.look().unwrap(), Look::Waits);
        let refusal = folder.look().unwrap_err().to_string();
        assert!(
            refusal.contains("used_up/body.txt.hbs") && refusal.contains("nmae"),
            "{refusal}"
        );
        assert_eq!(folder.look().unwrap(), Look::Same);
        assert_eq!(subject(&templates), "One");
        fs::remove_file(broken).unwrap();
        assert_eq!(folder.look().unwrap(), Look::Waits);
        assert_eq!(folder.look().unwrap(), Look::TakenOver);
        assert_eq!(subject(&templates), "Two");
    }
}
