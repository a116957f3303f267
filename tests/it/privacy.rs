//! What is known of a person, and how it goes: exporting and erasing (B5), logs, and retention (J7), through gRPC on
//! both databases.

mod canaries;
mod erasing;
mod exporting;
mod logs;
mod retention;
