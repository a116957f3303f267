//! The rules, pure: no async, no database, no clock, no logging.

pub mod calendar;
pub mod credits;
pub mod money;
pub mod validity;
pub mod value;
