//! The gRPC side: decode, call, encode.
//!
//! Nothing here decides anything about credits. What a request says is read by [`faults`], with every
//! fault at once; what it must be allowed to do is read from the descriptors by [`permission`]. Every
//! error is made by [`status`].
//!
//! How a client gets as far as a call: [`listener`] takes its connection in, in [`tls`] where that is asked for;
//! [`connection`] reads it; [`layers`] surround each call; [`limits`] say how often it may call.

pub mod api;
pub mod bookings;
pub mod business;
pub mod catalog;
pub mod connection;
pub mod convert;
pub mod credits;
pub mod csv;
pub mod customers;
pub mod emails;
pub mod exporting;
pub mod faults;
pub mod holding;
pub mod invoices;
pub mod layers;
pub mod limits;
pub mod listener;
pub mod mask;
pub mod packages;
pub mod page;
pub mod permission;
pub mod portal;
pub mod refusal;
pub mod reports;
pub mod server;
pub mod status;
pub mod stream;
pub mod subscriptions;
pub mod tls;
pub mod triggers;
pub mod watching;
