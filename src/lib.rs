//! Carnet: prepaid packages that never lose count.
//!
//! A customer pays up front for N sessions, uses them one by one, and is told by e-mail before what is
//! left runs out. One binary serves gRPC and runs a scheduler, on SQLite or on PostgreSQL.
//!
//! ```text
//! main → cli → app → grpc ─→ service ─→ store ─→ domain
//!                    web  ─┘   ↑           ↑
//!                    jobs ─────┴─ ledger ──┘        mail, clock, config, ids: leaves
//! ```
//!
//! An arrow is "may name"; `tests/it/tidy.rs` keeps them. What each room is for, and what it must not do:
//!
//! - [`domain`]: the rules, pure. No async, no database, no clock, no logging.
//! - [`store`]: one file for each table. It decides nothing, and never begins or commits.
//! - [`ledger`]: the only write path of credits, and its proof ([`ledger::verify`]).
//! - [`service`]: use cases, one file for each family. Each command authorises, locks, looks up the
//!   request id, settles, decides, appends and commits; begin and commit stand in the same function.
//! - [`grpc`]: decode, call, encode. [`web`]: the small HTTP side.
//! - [`jobs`]: what the scheduler does; each job is a step that tests call.
//! - [`mail`]: templates, rendering and the SMTP session; knows nothing of packages.
//! - [`app`]: puts it all together. [`cli`]: one file for each command.
//!
//! To see how a credit is used, read in this order: `proto/carnet/v1/credit_service.proto`,
//! [`domain::lot`], [`domain::settle`](mod@domain::settle), [`domain::decide`](mod@domain::decide), [`ledger::submit`], [`service::consume`](mod@service::consume),
//! `src/grpc/credits.rs`, and `tests/it/using.rs`, which does it through a real client on both
//! databases. To see how an e-mail comes about: [`domain::notice`], [`jobs::mail_day`],
//! [`jobs::deliver`].
//!
//! Three things hold everywhere. The ledger is append-only, and every number above an entry is a cache
//! that [`ledger::verify`] proves. What time has caused is true whether or not a job has written it
//! ([`domain::settle`](mod@domain::settle)). A request id takes effect once.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod grpc;
pub mod ids;
pub mod jobs;
pub mod ledger;
pub mod mail;
pub mod proto;
pub mod service;
pub mod store;
pub mod web;
