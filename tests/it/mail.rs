//! E-mails from the fact to the mail server, as clients and customers see them.
//!
//! What a client can do goes through gRPC; the jobs are called by hand on the test's clock.

mod again;
mod backlog;
mod confirmation;
mod desk;
mod expired;
mod faults;
mod killed;
mod late;
mod log;
mod matrix;
mod newer;
mod of_templates;
mod own_templates;
mod policy;
mod quiet;
mod rates;
mod read;
mod reminders;
mod reminders_again;
mod replicas;
mod starting;
mod stood_still;
mod suppressed;
mod told;
mod trials;
mod unsubscribing;
mod upcoming;
mod vitals;
mod withheld;
mod workers;
