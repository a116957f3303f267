//! The one integration-test binary.
#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]

mod bad_input;
mod business;
mod catalog;
mod customers;
mod database_away;
mod dependencies;
mod extending;
mod first_use;
mod foreign_smtp;
mod group_commit;
mod history;
mod mail;
mod mail_jobs;
mod postgres;
mod races;
mod requests;
mod schema;
mod selling;
mod serving;
mod settling;
mod smtp;
mod stopping;
mod story;
mod support;
mod tidy;
mod using;
