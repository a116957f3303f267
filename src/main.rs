//! The `carnet` program: reads its arguments and hands over to the library.

use std::process::ExitCode;

use carnet::cli::{self, Cli};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(Cli::parse()).await
}
