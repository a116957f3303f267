//! `carnet completions` and `carnet man`: what the command line says of itself, for shells and for `man`.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

/// For which shell.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell; put what is printed where it looks for completions.
    pub shell: Shell,
}

/// Where to.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// The folder, which is made if it is missing.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Prints the completions for a shell.
///
/// # Errors
/// If they cannot be written to `out`.
pub fn completions(args: &CompletionsArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "carnet", &mut script);
    out.write_all(&script)?;
    Ok(())
}

/// Writes a manual page for the program and for each of its commands.
///
/// # Errors
/// If the folder cannot be written.
pub fn man(args: &ManArgs, out: &mut impl Write) -> anyhow::Result<()> {
    let folder = &args.folder;
    let problem = || format!("cannot write into {}", folder.display());
    fs::create_dir_all(folder).with_context(problem)?;
    clap_mangen::generate_to(Cli::command(), folder).with_context(problem)?;
    writeln!(out, "The manual pages are in {}.", folder.display())?;
    Ok(())
}
