//! The rules, pure: no async, no database, no clock, no logging.
//!
//! Reading order: [`credits`], [`money`] and [`value`] are the numbers; [`calendar`] and [`validity`]
//! the time; [`line`](mod@line), [`lot`] and [`entry`] the ledger's nouns; [`settle`](mod@settle),
//! [`selection`] and [`decide`](mod@decide) its verbs; [`package`] and [`extend`](mod@extend) what
//! surrounds a lot; [`notice`] and [`email`] what customers are told of it. Every "no" is a [`refusal::Refusal`].

pub mod access;
pub mod amend;
pub mod booking;
pub mod booking_rules;
pub mod bulk;
pub mod business;
pub mod calendar;
pub mod carry;
pub mod catalog;
pub mod change;
pub mod closure;
pub mod credits;
pub mod customer;
pub mod decide;
pub mod edit;
pub mod email;
pub mod email_template;
pub mod entry;
pub mod extend;
pub mod freeze;
pub mod group;
pub mod hold;
pub mod invoice;
pub mod line;
pub mod lot;
pub mod money;
pub mod notice;
pub mod offer;
pub mod overlap;
pub mod package;
pub mod part;
pub mod permission;
pub mod posting;
pub mod pricing;
pub mod queue;
pub mod refusal;
pub mod returned;
pub mod revalue;
pub mod revoke;
pub mod sale;
pub mod selection;
pub mod settle;
pub mod subscription;
pub mod transfer;
pub mod trigger;
pub mod unsell;
pub mod use_limit;
pub mod user;
pub mod validity;
pub mod value;
pub mod watch;

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
pub(crate) mod testing;
