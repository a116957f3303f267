//! What happens without a call: credits expire, periods of subscriptions become due, triggers act, runs go on,
//! days of mail are run, e-mails are delivered, the ledger is proved.
//!
//! A job is a step function that finds what is due in rows, does a bounded part of it and says what it
//! did; tests call it directly. [`schedule`] only wakes them. A step that breaks off, is missed, runs
//! twice or on several replicas at once does no harm: the rows say what is left.

pub mod bulk;
pub mod charges;
pub mod deliver;
pub mod mail_day;
pub mod schedule;
pub mod settle;
pub mod subscriptions;
pub mod triggers;
pub mod verify;
