//! The store: one file for each table, with its entity, its queries, and how a row becomes a thing of
//! the domain. What is done to all that a business has is in [`whole`] and [`leaving`].
//!
//! Reads take `&impl ConnectionTrait`, writes take `&DatabaseTransaction`. The store never begins or
//! commits: whoever calls it does, visibly. No rule is decided here.

pub mod audit_events;
pub mod bookings;
pub mod bulk_results;
pub mod bulk_runs;
pub mod businesses;
mod by_id;
pub mod changes;
pub mod charge_requests;
pub mod closure_packages;
pub mod closures;
pub mod columns;
pub mod credit_types;
pub mod customers;
pub mod database_clock;
pub mod db;
pub mod email_attempts;
pub mod email_templates;
pub mod emails;
pub mod entries;
pub mod error;
pub mod event_scans;
pub mod events;
mod external_ids;
pub mod feed;
pub mod group_members;
pub mod groups;
pub mod hold_lots;
pub mod holds;
pub mod invoice_lines;
pub mod invoice_numbers;
pub mod invoices;
pub mod items;
pub mod job_runs;
pub mod leaving;
pub mod lines;
pub mod lots;
pub mod mail_days;
pub mod mail_rates;
pub mod migrate;
pub mod notices;
mod owners;
pub mod package_members;
pub mod packages;
pub mod payments;
pub mod personal;
pub mod posting_notes;
pub mod requests;
pub mod retention;
pub mod roles;
mod rows;
pub mod sales;
pub mod serve_lock;
pub mod shared;
pub mod subscription_periods;
pub mod subscriptions;
pub mod suppressions;
pub mod template_versions;
pub mod templates;
pub mod tokens;
pub mod transports;
pub mod triggers;
pub mod users;
pub mod whole;
