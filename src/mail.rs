//! E-mail: templates, rendering and the SMTP session.
//!
//! A leaf: it knows no database, no job and no RPC. Callers compute what an e-mail says
//! ([`content`]), have it rendered in the customer's language ([`templates`]), keep the result, and
//! later build the message and hand it to a transport.

mod check;
pub mod content;
mod helper;
pub mod locale;
mod output;
mod sample;
pub mod templates;
mod view;
