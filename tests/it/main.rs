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
mod foreign_smtp;
mod history;
mod mail_jobs;
mod postgres;
mod races;
mod requests;
mod schema;
mod selling;
mod serving;
mod smtp;
mod stopping;
mod support;
mod tidy;
mod using;
