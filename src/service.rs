//! Use cases: one file for each family. Each command has one shape: authorise, lock, look up the
//! request id, settle, decide, append, commit; begin and commit stand in the same function.
//!
//! A service knows nothing of protobuf. Its answers are remembered with the request id, so that a
//! repeat gets what the first call got.

pub mod access;
pub mod call;
pub mod confirmation;
pub mod context;
pub mod credit_types;
pub mod emails;
pub mod error;
pub mod health;
pub mod reminder_policy;
pub mod resolve;

pub use call::{Answer, Call, Caller};
pub use context::Context;
pub use error::ServiceError;
