//! What can go wrong with a database, in the few ways that a caller can act on.

use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError, TransactionError};

/// A failure of the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or had no connection to give in time.
    #[error("the database is unavailable: {0}")]
    Unavailable(DbErr),
    /// There is no room left where the database writes. Nothing was kept; what is there can be read.
    #[error("the database is full: {0}")]
    Full(DbErr),
    /// Somebody else held what was needed; the whole unit may be tried again.
    #[error("the database was contended: {0}")]
    Contention(DbErr),
    /// A lock was waited for, or a statement ran, for as long as we allow: another try would only take as
    /// long again.
    #[error("the database took too long: {0}")]
    TooSlow(DbErr),
    /// A number, or a sum of many, is more than the database keeps.
    #[error("a number is too large for the database: {0}")]
    TooLarge(DbErr),
    /// A unique key is taken.
    #[error("a unique key is taken: {0}")]
    Taken(String),
    /// A row says what no row can say.
    #[error("{table} {id} is damaged")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// Which row.
        id: String,
    },
    /// Any other failure: a defect of ours.
    #[error("the database refused: {0}")]
    Database(DbErr),
}

impl StoreError {
    /// A damaged row of `table`.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "ids are small, and callers read better without borrowing them"
    )]
    pub fn corrupt(table: &'static str, id: impl ToString) -> Self {
        Self::Corrupt {
            table,
            id: id.to_string(),
        }
    }

    /// Whether somebody else wrote what this was in the way of, so that the whole unit may be tried again.
    pub fn is_overtaken(&self) -> bool {
        match self {
            Self::Contention(_) => true,
            Self::Database(cause) => matches!(
                cause.sql_err(),
                Some(SqlErr::ForeignKeyConstraintViolation(_))
            ),
            Self::Unavailable(_)
            | Self::Full(_)
            | Self::TooSlow(_)
            | Self::TooLarge(_)
            | Self::Taken(_)
            | Self::Corrupt { .. } => false,
        }
    }

    /// Whether a connection broke that there was, perhaps after a commit, so that another one may tell. Where there
    /// was none to be had, another try would only keep the caller waiting.
    pub fn is_cut_off(&self) -> bool {
        matches!(self, Self::Unavailable(cause)
            if !matches!(cause, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)))
    }

    /// The same failure, where a lock was to be waited for only so long that a try in another way makes sense.
    #[must_use]
    pub fn contended_if_locked(self) -> Self {
        if let Self::TooSlow(cause) = &self
            && is_lock_timeout(cause)
        {
            return Self::Contention(cause.clone());
        }
        self
    }
}

/// PostgreSQL: serialization failure, deadlock.
const POSTGRES_CONTENTION: &[&str] = &["40001", "40P01"];
/// PostgreSQL: lock not available in time, statement cancelled by its time-out.
const POSTGRES_TOO_SLOW: &[&str] = &["55P03", "57014"];
/// PostgreSQL: lock not available in time.
const POSTGRES_LOCK_TIMEOUT: &str = "55P03";
/// PostgreSQL: no value in a column that must have one.
const POSTGRES_NOT_NULL: &str = "23502";
/// PostgreSQL: shutting down, crashed, starting up, too many connections, cannot connect now; and what a pooler says
/// of all that ends a connection.
const POSTGRES_UNAVAILABLE: &[&str] = &["57P01", "57P02", "57P03", "53300", "25006", "08P01"];
/// PostgreSQL: a number out of its range.
const POSTGRES_OUT_OF_RANGE: &str = "22003";
/// SQLite has no code of its own for it, only this text.
const SQLITE_OUT_OF_RANGE: &str = "integer overflow";
/// PostgreSQL: disk full.
const POSTGRES_FULL: &[&str] = &["53100"];
/// SQLite: full, and the extended codes of a write and of the memory that readers share for which there is no room.
const SQLITE_FULL: &[&str] = &["13", "778", "4874"];
/// SQLite: busy, locked, and their extended codes for recovery, snapshot and shared cache.
const SQLITE_CONTENTION: &[&str] = &["5", "6", "261", "262", "517"];

impl From<DbErr> for StoreError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "they are another crate's, and it may add some"
    )]
    fn from(error: DbErr) -> Self {
        if let Some(SqlErr::UniqueConstraintViolation(what)) = error.sql_err() {
            return Self::Taken(what);
        }
        if matches!(error, DbErr::ConnectionAcquire(_)) {
            return Self::Unavailable(error);
        }
        let Some(cause) = cause(&error) else {
            return Self::Database(error);
        };
        match cause {
            SqlxError::Database(_) => {
                let code = code(&error).unwrap_or_default();
                let is_in = |codes: &[&str]| codes.contains(&code.as_str());
                if is_in(POSTGRES_CONTENTION) || is_in(SQLITE_CONTENTION) {
                    Self::Contention(error)
                } else if is_in(POSTGRES_TOO_SLOW) {
                    Self::TooSlow(error)
                } else if is_in(POSTGRES_FULL) || is_in(SQLITE_FULL) {
                    Self::Full(error)
                } else if is_in(POSTGRES_UNAVAILABLE) {
                    Self::Unavailable(error)
                } else if code == POSTGRES_OUT_OF_RANGE
                    || error.to_string().contains(SQLITE_OUT_OF_RANGE)
                {
                    Self::TooLarge(error)
                } else {
                    Self::Database(error)
                }
            }
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "they are another crate's, and it may add some"
)]
fn cause(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => Some(cause),
        _ => None,
    }
}

/// The database's own code of a failure: an SQLSTATE, or SQLite's extended result code.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "they are another crate's, and it may add some"
)]
pub fn code(error: &DbErr) -> Option<String> {
    match cause(error)? {
        SqlxError::Database(failure) => failure.code().map(Into::into),
        _ => None,
    }
}

/// Whether a statement failed because somebody else held a row for longer than it was to wait.
fn is_lock_timeout(error: &DbErr) -> bool {
    code(error).is_some_and(|code| code == POSTGRES_LOCK_TIMEOUT)
}

/// Whether a statement failed because a value was missing.
pub fn is_missing_value(error: &DbErr) -> bool {
    code(error).is_some_and(|code| code == POSTGRES_NOT_NULL)
}

/// PostgreSQL: there is no such table.
const POSTGRES_UNDEFINED_TABLE: &str = "42P01";
/// SQLite has no code of its own for it, only this text.
const SQLITE_UNDEFINED_TABLE: &str = "no such table";

/// Whether a statement failed because its table does not exist.
pub fn is_missing_table(error: &DbErr) -> bool {
    code(error).is_some_and(|code| {
        code == POSTGRES_UNDEFINED_TABLE || error.to_string().contains(SQLITE_UNDEFINED_TABLE)
    })
}

impl From<TransactionError<Self>> for StoreError {
    fn from(error: TransactionError<Self>) -> Self {
        match error {
            TransactionError::Connection(error) => error.into(),
            TransactionError::Transaction(error) => error,
        }
    }
}
