//! Whether this process can do its work.

use crate::service::context::Context;
use crate::store::migrate::{self, SchemaError};

/// Why the process cannot serve now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// The database does not answer.
    DatabaseUnavailable,
    /// The schema lacks migrations.
    SchemaTooOld,
    /// The schema was made by a newer binary that this one cannot work beside.
    SchemaTooNew,
}

impl Unready {
    /// A stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DatabaseUnavailable => "database_unavailable",
            Self::SchemaTooOld => "schema_too_old",
            Self::SchemaTooNew => "schema_too_new",
        }
    }
}

/// Asks the database whether it answers and has the schema that is needed.
///
/// # Errors
/// Why the process cannot serve now.
pub async fn readiness(ctx: &Context) -> Result<(), Unready> {
    match migrate::recheck(&ctx.db).await {
        Ok(_) => Ok(()),
        Err(SchemaError::TooOld { .. }) => Err(Unready::SchemaTooOld),
        Err(SchemaError::TooNew { .. }) => Err(Unready::SchemaTooNew),
        Err(error @ SchemaError::Store(_)) => {
            tracing::warn!(%error, "not ready: {error}");
            Err(Unready::DatabaseUnavailable)
        }
    }
}
