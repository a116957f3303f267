//! E-mails from the fact to the mail server, as clients and customers see them.
//!
//! What a client can do goes through gRPC; the jobs are called by hand on the test's clock.

mod confirmation;
mod expired;
mod faults;
mod killed;
mod log;
mod own_templates;
mod policy;
mod reminders;
mod reminders_again;
mod replicas;
mod starting;
mod suppressed;
mod told;
mod trials;
mod withheld;
