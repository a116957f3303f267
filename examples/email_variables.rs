//! Prints what e-mail templates may print: `cargo run --example email_variables > docs/email-variables.md`.

use std::io::Write;

use anyhow::Result;
use carnet::mail::templates::TemplateSet;
use carnet::mail::variables;

fn main() -> Result<()> {
    let page = variables::page(&TemplateSet::embedded()?)?;
    std::io::stdout().write_all(page.as_bytes())?;
    Ok(())
}
