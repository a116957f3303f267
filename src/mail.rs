//! E-mail: templates, rendering and the SMTP session.
//!
//! A leaf: it knows no database, no job and no RPC. Callers compute what an e-mail says
//! ([`content`]), have it rendered in the customer's language ([`templates`]), keep the result, and
//! later build the message ([`message`]) and hand it to a [`transport`].

pub mod capture;
pub mod check;
pub mod content;
mod files;
mod helper;
pub mod locale;
mod markup;
pub mod message;
mod output;
pub mod pseudo;
pub mod reload;
mod reply;
pub mod sample;
pub mod session;
pub mod templates;
pub mod transport;
pub mod variables;
pub mod view;
