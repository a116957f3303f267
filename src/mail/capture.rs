//! A transport for trying out: each message becomes an `.eml` file.
//!
//! A file appears whole or not at all. Its name follows from the Message-ID, so that a second attempt
//! of one e-mail replaces the first instead of adding to it.

use std::io;
use std::path::{Path, PathBuf};

use tokio::fs;
use tokio::io::AsyncWriteExt;

use super::message::Outgoing;
use super::transport::{Outcome, Stage};

/// A folder that takes messages.
#[derive(Clone, Debug)]
pub struct CaptureFolder {
    path: PathBuf,
}

impl CaptureFolder {
    /// The folder at `path`; it is made when the first message comes.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one message.
    pub async fn store(&self, message: &Outgoing) -> Outcome {
        let name = file_name(&message.message_id);
        match self.write(&name, &message.bytes).await {
            Ok(()) => Outcome::Accepted {
                reply: format!("captured as {name}"),
            },
            Err(error) => Outcome::NotTried {
                stage: Stage::Connect,
                reason: format!("cannot capture: {error}"),
            },
        }
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.path).await?;
        let unfinished = self.path.join(format!(".{name}.part"));
        let mut file = fs::File::create(&unfinished).await?;
        file.write_all(bytes).await?;
        file.sync_all().await?;
        fs::rename(&unfinished, self.path.join(name)).await
    }
}

fn file_name(message_id: &str) -> String {
    let safe = |character: char| {
        if character.is_ascii_alphanumeric() || "._-".contains(character) {
            character
        } else {
            '-'
        }
    };
    let inner = message_id.trim_matches(['<', '>', '.']);
    format!("{}.eml", inner.chars().map(safe).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, bytes: &[u8]) -> Outgoing {
        Outgoing {
            message_id: id.to_owned(),
            sender: "a@example.com".parse().unwrap(),
            recipient: "b@example.com".parse().unwrap(),
            bytes: bytes.to_vec(),
        }
    }

    #[tokio::test]
    async fn a_message_is_one_file_however_often_it_is_sent() {
        let directory = tempfile::tempdir().unwrap();
        let folder = CaptureFolder::new(directory.path().join("mail"));
        for bytes in [b"first".as_slice(), b"second"] {
            let outcome = folder.store(&message("<eml_1@carnet>", bytes)).await;
            assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        }
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(files.len(), 1);
        assert_eq!(
            std::fs::read(folder.path().join("eml_1-carnet.eml")).unwrap(),
            b"second"
        );
    }

    #[tokio::test]
    async fn a_folder_that_cannot_be_written_costs_no_attempt() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let outcome = CaptureFolder::new(file.path())
            .store(&message("<a@b>", b"x"))
            .await;
        assert!(
            matches!(
                outcome,
                Outcome::NotTried {
                    stage: Stage::Connect,
                    ..
                }
            ),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_file_stays_in_its_folder() {
        assert_eq!(file_name("<../../etc/passwd@x>"), "-..-etc-passwd-x.eml");
    }
}
