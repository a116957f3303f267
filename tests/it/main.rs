//! The one integration-test binary.
#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]

mod audit;
mod bad_input;
mod booking;
mod bulk;
mod business;
mod catalog;
mod closures;
mod contention;
mod customers;
mod database_away;
mod decoding;
mod demo;
mod dependencies;
mod documents;
mod editing;
mod explaining;
mod extending;
mod first_use;
mod foreign_smtp;
mod freezing;
mod group_commit;
mod history;
mod holding;
mod invoicing;
mod keeping;
mod limiting;
mod mail;
mod mail_jobs;
mod metrics;
mod model;
mod partitioned;
mod paying;
mod plans;
mod postgres;
mod queueing;
mod races;
mod requests;
mod revoking;
mod schema;
mod selling;
mod serving;
mod settling;
mod smtp;
mod stopping;
mod story;
mod subscribing;
mod support;
mod template_life;
mod tidy;
mod traces;
mod transferring;
mod triggering;
mod undoing;
mod unselling;
mod using;
mod verify;
mod within;
