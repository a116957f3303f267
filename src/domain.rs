//! The rules, pure: no async, no database, no clock, no logging.
//!
//! Reading order: [`credits`], [`money`] and [`value`] are the numbers; [`calendar`] and [`validity`]
//! the time; [`line`](mod@line), [`lot`] and [`entry`] the ledger's nouns; [`settle`](mod@settle),
//! [`selection`] and [`decide`](mod@decide) its verbs; [`package`] and [`extend`](mod@extend) what
//! surrounds a lot; [`notice`] and [`email`] what customers are told of it. Every "no" is a [`refusal::Refusal`].

pub mod access;
pub mod amend;
pub mod audit;
pub mod booking;
pub mod booking_rules;
pub mod breaker;
pub mod bulk;
pub mod business;
pub mod calendar;
pub mod carry;
pub mod catalog;
pub mod change;
pub mod charge;
pub mod closure;
pub mod credits;
pub mod csv;
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
pub mod liability;
pub mod line;
pub mod lot;
pub mod money;
pub mod notice;
pub mod offer;
pub mod opening;
pub mod overlap;
pub mod package;
pub mod part;
pub mod payment;
pub mod permission;
pub mod policies;
pub mod posting;
pub mod pricing;
pub mod queue;
pub mod quiet;
pub mod refusal;
pub mod returned;
pub mod revalue;
pub mod revoke;
pub mod role;
pub mod sale;
pub mod selection;
pub mod send_rate;
pub mod settle;
pub mod subscription;
pub mod template_emails;
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
