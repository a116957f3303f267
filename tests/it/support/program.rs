//! Commands of the program, run to their end.

use std::process::{Output, Stdio};

use tokio::process::Command;

/// Runs the program on a database, with no other setting than these arguments.
pub(crate) async fn carnet(arguments: &[&str], database_url: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_carnet"))
        .args(arguments)
        .env_clear()
        .env("CARNET_DATABASE_URL", database_url)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

/// Standard output, as text.
pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error, as text.
pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
