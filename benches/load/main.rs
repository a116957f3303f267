//! The load generator of the benchmarks: fills a database, and calls a server as fast as it answers.
//!
//! `benches/run` drives it and prints the table; `benches/README.md` says what is measured. Each result
//! is one line of JSON on standard output. Calls that end otherwise than they should are counted and
//! make the process fail, so that no number stands for calls that did nothing.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a measurement that overflows should fail"
)]

mod calls;
mod dataset;
mod desk;
mod drive;
mod echo;
mod fill;
mod mail;
mod reading;
mod report;
mod selling;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use crate::calls::Work;
use crate::reading::Report;

/// The server's, so that the echo is compared with nothing but the work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Load for Carnet.
#[derive(Debug, Parser)]
#[command(name = "load", args_override_self = true)]
struct Program {
    #[command(subcommand)]
    command: Command,
    /// Cargo's own mark of a benchmark.
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fill an empty, migrated database with packages whose ledger is true.
    Fill(FillArgs),
    /// Call a server and tell how fast it answered.
    Run(RunArgs),
    /// Close the business that sells, and tell how long its packages took.
    Close(CloseArgs),
    /// Read a report to its end, and tell how long it took.
    Read(ReadArgs),
    /// Run the mail day for the packages that are due, and tell how long each took.
    MailDay(MailArgs),
    /// Deliver the e-mails of that day to a mail server, and tell how fast it took them.
    Deliver(DeliverArgs),
    /// Serve the echo: the calls' own messages, and nothing behind them.
    Echo(EchoArgs),
}

/// What to fill.
#[derive(Args, Clone, Debug)]
struct FillArgs {
    /// `postgres://…`, or `sqlite://path`.
    #[arg(long, value_name = "URL")]
    database_url: String,
    /// How many packages.
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT")]
    packages: u64,
    /// How many packages of one credit besides, for work that uses packages up.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    shallow_packages: u64,
    /// How many packages besides of which e-mails tell; a third of them on each of three days.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    due_packages: u64,
    /// How often each of the first packages was used since it was sold, a day apart.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    uses_per_package: u32,
    /// Where to write what a run has to know of it.
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,
}

/// What to call, and how.
#[derive(Args, Clone, Debug)]
struct RunArgs {
    /// The server.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// What the filler wrote.
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,
    /// What to do.
    #[arg(long, value_enum)]
    work: Work,
    /// How many calls are under way at once.
    #[arg(long, default_value_t = 64, value_name = "COUNT")]
    in_flight: u32,
    /// Begin so many calls a second, whether or not earlier ones are done (open loop); latency then
    /// counts from the moment at which a call should have begun. Without it: a closed loop.
    #[arg(long, value_name = "PER-SECOND")]
    rate: Option<u32>,
    /// Over how many connections.
    #[arg(long, default_value_t = 4, value_name = "COUNT")]
    connections: u32,
    /// How long to measure.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    seconds: u64,
    /// How long to call before measuring.
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    warm_up_seconds: u64,
    /// Measure for as long as another business takes to sell so many packages, instead of `--seconds`.
    #[arg(long, value_name = "PACKAGES")]
    while_selling: Option<u64>,
    /// The first customer for work that uses packages up; each run needs others.
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    supply_from: u64,
    /// How many customers such work may use; it ends with them.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    supply: u64,
    /// How many packages the customer has whose packages are listed; they are sold before if need be.
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    holding: u64,
}

/// Whose business closes.
#[derive(Args, Clone, Debug)]
struct CloseArgs {
    /// The server, which has a scheduler.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// What the filler wrote.
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,
}

/// What to read.
#[derive(Args, Clone, Debug)]
struct ReadArgs {
    /// The server.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// What the filler wrote.
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,
    /// Which report.
    #[arg(long, value_enum)]
    report: Report,
}

/// Which mail day.
#[derive(Args, Clone, Debug)]
struct MailArgs {
    /// A filled database that nothing serves.
    #[arg(long, value_name = "URL")]
    database_url: String,
    /// What the filler wrote.
    #[arg(long, value_name = "FILE")]
    dataset: PathBuf,
    /// Which one of the days that tell of packages.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3))]
    day: u64,
}

/// What to deliver, and where to.
#[derive(Args, Clone, Debug)]
struct DeliverArgs {
    #[command(flatten)]
    mail: MailArgs,
    /// The mail server, which speaks in the clear.
    #[arg(long, value_name = "HOST:PORT")]
    smtp_address: String,
    /// Over how many connections.
    #[arg(long, default_value_t = 16, value_name = "COUNT")]
    connections: u32,
    /// How long to deliver, if there are e-mails for so long.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    seconds: u64,
}

/// Where to serve the echo.
#[derive(Args, Clone, Debug)]
struct EchoArgs {
    /// Where.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "HOST:PORT")]
    address: std::net::SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Program::parse().command {
        Command::Fill(args) => {
            let dataset = Box::pin(fill::fill(&args)).await?;
            dataset.write(&args.dataset)
        }
        Command::Run(args) => {
            let outcome = drive::run(&args).await?;
            print(&outcome.to_json())?;
            outcome.must_be_clean()
        }
        Command::Close(args) => print(&drive::close(&args).await?),
        Command::Read(args) => print(&drive::read(&args).await?),
        Command::MailDay(args) => print(&Box::pin(mail::run_day(&args)).await?),
        Command::Deliver(args) => print(&Box::pin(mail::deliver(&args)).await?),
        Command::Echo(args) => echo::serve(args.address).await,
    }
}

/// Writes one line of JSON to standard output.
fn print(line: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
