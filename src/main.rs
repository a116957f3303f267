//! The `carnet` program: reads its arguments and hands over to the library.

use std::process::ExitCode;

use carnet::cli::{self, Cli};
use clap::Parser;

/// Calls make many small allocations on several threads at once, for which the system's allocator takes locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    Box::pin(cli::run(Cli::parse())).await
}
