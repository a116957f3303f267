//! The one integration-test binary.
#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]

mod dependencies;
mod foreign_smtp;
mod postgres;
mod smtp;
mod support;
mod tidy;
