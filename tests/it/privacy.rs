//! What is known of a person, and how it goes: exporting and erasing (B5), and logs, through gRPC on both
//! databases.

mod canaries;
mod erasing;
mod exporting;
mod logs;
