//! Between messages and the things of the domain: one file for each service's nouns.

pub mod amending;
pub mod bulk;
pub mod business;
pub mod closure;
pub mod common;
pub mod credit_type;
pub mod customer;
pub mod editing;
pub mod email;
pub mod explaining;
pub mod giving;
pub mod group;
pub mod history;
pub mod holding;
pub mod item;
pub mod line;
pub mod package;
pub mod pricing;
pub mod returning;
pub mod selling;
pub mod subscription;
pub mod suppression;
pub mod template;
pub mod trigger;
pub mod using;
