//! Use cases: one file for each family. Each command has one shape: authorise, lock, look up the
//! request id, settle, decide, append, commit; begin and commit stand in the same function.
//!
//! A service knows nothing of protobuf. Its answers are remembered with the request id, so that a
//! repeat gets what the first call got.

pub mod access;
pub mod adjust;
pub mod amending;
pub mod awarding;
pub mod balances;
pub mod bookings;
pub mod bulk;
pub mod business;
mod buyers;
pub mod call;
mod carrying;
pub mod closures;
pub mod consume;
pub mod context;
pub mod credit_types;
pub mod customers;
pub mod email_content;
pub mod email_rendering;
pub mod email_templates;
pub mod email_trials;
pub mod emails;
pub mod error;
pub mod events;
pub mod explain;
pub mod extension;
pub mod extensions;
pub mod freezing;
pub mod groups;
pub mod history;
pub mod holds;
pub mod invoices;
pub mod issue;
pub mod items;
pub mod merging;
mod offers;
pub mod package_edit;
pub mod package_view;
pub mod packages;
pub mod payments;
pub mod posted;
pub mod quotes;
pub mod readiness;
mod refund;
pub mod reminder_policy;
pub mod renewals;
pub mod resolve;
pub mod revocation;
pub mod sales;
mod settled;
pub mod sharing;
pub mod subscriptions;
pub mod suppressions;
pub mod template_lines;
pub mod templates;
pub mod tokens;
pub mod transfer;
pub mod triggers;
pub mod undo;
pub mod undo_sale;
pub mod usable;
pub mod users;

pub use call::{Answer, Call, Caller};
pub use context::Context;
pub use error::ServiceError;
