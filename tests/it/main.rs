//! The one integration-test binary.
#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]

mod access;
mod audit;
mod bad_input;
mod booking;
mod bulk;
mod business;
mod catalog;
mod charging;
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
mod hostile;
mod importing;
mod invoicing;
mod keeping;
mod leaving;
mod limiting;
mod mail;
mod mail_jobs;
mod mail_model;
mod metrics;
mod model;
mod money_model;
mod overload;
mod partitioned;
mod paying;
mod plans;
mod policies;
mod postgres;
mod privacy;
mod queueing;
mod races;
mod rates;
mod reports;
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
mod tls;
mod traces;
mod transferring;
mod triggering;
mod undoing;
mod unselling;
mod using;
mod verify;
mod watching;
mod within;
