//! The write path of credits, and the only one.
//!
//! Calls that only move credits are given to [`Ledger::submit`]; callers that need more in the same
//! transaction (sales, extensions) decide themselves and call [`post::post_in`]. Both are idempotent by
//! the request id, which is the posting's id: the primary key of `entries` is the idempotency key.
//!
//! Uses of credits that come at the same time share a commit ([`submit`], `committer`); all other calls, and
//! those that a batch gives back, have a transaction of their own (`solo`). Several replicas may do this on
//! one PostgreSQL: row locks and unique keys are the truth.
//!
//! Order of locks, everywhere: customer, package, lots, each by id. Where credits go on from there to another package,
//! that one and its lots come after (`reach`); it is the newer one. The hot path locks lots only; a
//! decision with effects on a package is not written there but taken again in the solo lane, which
//! locks the package first.

mod committer;
mod facts;
pub mod opening;
pub mod post;
pub mod queue;
pub mod reach;
pub mod replay;
mod solo;
pub mod submit;
pub mod tell;
pub mod uses;
pub mod verify;
pub mod whole;
pub mod within;

pub use submit::{Ledger, Receipt, Submission};

use crate::domain::refusal::Refusal;
use crate::store::error::StoreError;

/// How the ledger can say no or fail; nothing is kept in either case.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// More calls wait for a commit than may; nothing was tried.
    #[error("too many calls wait for a commit")]
    Overloaded,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for LedgerError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}
