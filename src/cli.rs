//! The command line: one file per command.
//!
//! A command writes to the streams that it is handed and returns what went wrong; here that becomes
//! words and an exit code: 0 done, 1 refused or failed, 2 asked wrongly.

use std::io::{self, Stderr, Stdout, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::progress::ProgressStyle;
use crate::clock::Clock;
use crate::config::{LogSettings, Settings};

pub mod backup;
pub mod business;
pub mod call;
pub mod demo;
pub mod describe;
pub mod import;
pub mod logging;
pub mod migrate;
pub mod progress;
pub mod remind;
pub mod serve;
pub mod token;
pub mod verify;

/// Prepaid packages that never lose count.
#[derive(Debug, Parser)]
#[command(name = "carnet", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What is logged.
    #[command(flatten)]
    pub log: LogSettings,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what Carnet does: a business with a past, in a new folder, on SQLite.
    Demo(Box<demo::DemoArgs>),
    /// Serve gRPC and run the jobs.
    Serve(Box<ServeArgs>),
    /// Bring the schema of the database up to date.
    Migrate(migrate::MigrateArgs),
    /// Make and list businesses, take one along, delete one.
    #[command(subcommand)]
    Business(business::BusinessCommand),
    /// Make API tokens.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Show what would go out by e-mail in the next days, to whom, and what not and why.
    Remind(remind::RemindArgs),
    /// Bring customers and half-used packages of another system into a business, from CSV files.
    Import(import::ImportArgs),
    /// Prove that every balance is what its entries say.
    Verify(verify::VerifyArgs),
    /// Copy an SQLite database, while it is served.
    Backup(backup::BackupArgs),
    /// Call any method of a running server with JSON.
    Call(call::CallArgs),
    /// Print the completions for a shell.
    Completions(describe::CompletionsArgs),
    /// Write manual pages into a folder.
    Man(describe::ManArgs),
}

/// What to serve.
#[derive(clap::Args, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    settings: Settings,
}

/// Runs a command to its end.
pub async fn run(cli: Cli) -> ExitCode {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let logging = match logging::start(&cli.log) {
        Ok(logging) => logging,
        Err(error) => return failed(&error, &mut err, 2),
    };
    let exit_code = perform(cli.command, &mut out, &mut err).await;
    logging.end();
    exit_code
}

async fn perform(command: Command, out: &mut Stdout, err: &mut Stderr) -> ExitCode {
    let clock = Clock::System;
    let done = match command {
        Command::Demo(args) => Box::pin(demo::run(*args, out)).await,
        Command::Serve(args) => serve::run(args.settings).await,
        Command::Migrate(args) => migrate::run(&args, out).await,
        Command::Business(command) => {
            let style = ProgressStyle::of(err);
            Box::pin(business::run(&command, &clock, style, (out, err))).await
        }
        Command::Token(command) => token::run(&command, &clock, out).await,
        Command::Remind(args) => remind::run(&args, &clock, out).await,
        Command::Import(args) => {
            let style = ProgressStyle::of(err);
            Box::pin(import::run(&args, &clock, style, (out, err))).await
        }
        Command::Verify(args) => {
            let style = ProgressStyle::of(err);
            verify::run(&args, &clock, style, (out, err)).await
        }
        Command::Backup(args) => backup::run(&args, out).await,
        Command::Completions(args) => describe::completions(&args, out),
        Command::Man(args) => describe::man(&args, out),
        Command::Call(args) => match call::run(&args, &clock, out, err).await {
            Ok(()) => Ok(()),
            Err(error) => {
                // If the error cannot be shown, the exit code still tells of it.
                let _unshown = call::report::write_error(err, &error);
                return ExitCode::from(error.exit_code());
            }
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, err, 1),
    }
}

fn failed(error: &anyhow::Error, err: &mut impl Write, exit_code: u8) -> ExitCode {
    let _unshown = writeln!(err, "carnet: {error:#}");
    ExitCode::from(exit_code)
}
