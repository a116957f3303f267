//! At most one server on an SQLite file.
//!
//! A lock on a file beside the database, which the operating system lets go of with the process,
//! however that ends. Only servers take it: commands beside a running server are welcome, since SQLite
//! itself keeps their transactions apart.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::PathBuf;

use crate::store::db::sqlite_path;

/// Why a database cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeLockError {
    /// Another server has it.
    #[error(
        "{} is already served by another process; several servers need PostgreSQL", .0.display()
    )]
    Taken(PathBuf),
    /// The lock file cannot be made or locked.
    #[error("cannot lock {}: {cause}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
}

/// The right to serve an SQLite file, for as long as it is kept.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

impl ServeLock {
    /// Takes the right to serve the database at `url`; PostgreSQL needs none.
    ///
    /// # Errors
    /// [`ServeLockError::Taken`] if another server has it.
    pub fn take(url: &str) -> Result<Option<Self>, ServeLockError> {
        let Some(database) = sqlite_path(url) else {
            return Ok(None);
        };
        let mut path = database.as_os_str().to_owned();
        path.push(".serve-lock");
        let path = PathBuf::from(path);
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let file = match opened {
            Ok(file) => file,
            Err(cause) => return Err(ServeLockError::Io { path, cause }),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Err(ServeLockError::Taken(database.to_owned())),
            Err(TryLockError::Error(cause)) => Err(ServeLockError::Io { path, cause }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlite_file_has_one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/carnet.db", folder.path().display());
        let first = ServeLock::take(&url).unwrap();
        assert!(first.is_some());
        assert!(matches!(
            ServeLock::take(&url),
            Err(ServeLockError::Taken(_))
        ));
        drop(first);
        assert!(ServeLock::take(&url).is_ok());
    }

    #[test]
    fn postgres_may_have_many_servers() {
        assert!(ServeLock::take("postgres://host/carnet").unwrap().is_none());
    }
}
