//! The one integration-test binary.
#![cfg(test)]

mod smtp;
mod support;
