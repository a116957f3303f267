//! What the tests stand on.

pub(crate) mod app;
pub(crate) mod day;
pub(crate) mod dump;
pub(crate) mod dynamic;
pub(crate) mod frames;
pub(crate) mod fresh;
pub(crate) mod held;
pub(crate) mod ledger;
pub(crate) mod mailroom;
pub(crate) mod partition;
pub(crate) mod plant;
pub(crate) mod pooler;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod refused;
pub(crate) mod scrape;
pub(crate) mod sentences;
pub(crate) mod shop;
pub(crate) mod smtp;
pub(crate) mod staff;
pub(crate) mod steps;
pub(crate) mod tenant;
pub(crate) mod tls;
pub(crate) mod web;
