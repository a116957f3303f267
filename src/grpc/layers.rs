//! What surrounds every call, before a service sees it.
//!
//! From the outside in: [`measure`], so that every call is counted; [`read_out`], so that who is refused before the
//! call was read can send the rest of it; [`mod@panic`], so that a fault in anything
//! else is still an answer; [`shed`], so that a crowd is refused before it costs anything; [`deadline`]. They
//! know HTTP and gRPC, and nothing of credits. Who the caller is, is asked further in, since that needs the
//! database.

pub mod authenticate;
pub mod deadline;
pub mod measure;
pub mod panic;
pub mod read_out;
pub mod shed;
mod trace;
