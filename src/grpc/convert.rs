//! Between messages and the things of the domain: one file for each service's nouns.

pub mod catalog;
pub mod common;
pub mod package;
pub mod selling;
pub mod using;
