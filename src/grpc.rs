//! The gRPC side: decode, call, encode.
//!
//! Nothing here decides anything about credits. What a call must be allowed to do is read from the
//! descriptors by [`permission`].

pub mod layers;
pub mod permission;
pub mod status;
