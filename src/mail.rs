//! E-mail: templates, rendering and the SMTP session.
//!
//! A leaf: it knows no database, no job and no RPC. Callers compute what an e-mail says
//! ([`content`]), have it rendered in the customer's language ([`templates`]), keep the result, and
//! later build the message ([`message`]) and hand it to a [`transport`].

pub mod capture;
mod check;
pub mod content;
mod helper;
pub mod locale;
pub mod message;
mod output;
pub mod pseudo;
mod reply;
mod sample;
pub mod session;
pub mod templates;
pub mod transport;
mod view;
