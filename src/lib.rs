//! Carnet: prepaid packages that never lose count.

pub mod cli;
pub mod clock;
pub mod domain;
pub mod grpc;
pub mod ids;
pub mod mail;
pub mod proto;
