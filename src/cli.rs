//! The command line: one file per command.
//!
//! A command writes to the streams that it is handed and returns what went wrong; here that becomes
//! words and an exit code: 0 done, 1 refused or failed, 2 asked wrongly.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::clock::Clock;

pub mod call;

/// Prepaid packages that never lose count.
#[derive(Debug, Parser)]
#[command(name = "carnet", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Call any method of a running server with JSON.
    Call(call::CallArgs),
}

/// Runs a command to its end.
pub async fn run(cli: Cli) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let done = match cli.command {
        Command::Call(args) => call::run(&args, &Clock::System, &mut out, &mut err).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If the error cannot be shown, the exit code still tells of it.
            let _unshown = call::report::write_error(&mut err, &error).and_then(|()| err.flush());
            ExitCode::from(error.exit_code())
        }
    }
}
