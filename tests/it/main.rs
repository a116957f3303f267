//! The one integration-test binary.
#![cfg(test)]

mod foreign_smtp;
mod smtp;
mod support;
