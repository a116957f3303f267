//! Carnet: prepaid packages that never lose count.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod grpc;
pub mod ids;
pub mod jobs;
pub mod ledger;
pub mod mail;
pub mod proto;
pub mod service;
pub mod store;
pub mod web;
