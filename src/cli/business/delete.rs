//! `carnet business delete`: deletes a business with all that it has, once it was named again.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;

use super::open;
use crate::cli::progress::{Progress, ProgressStyle};
use crate::clock::Clock;
use crate::config::DatabaseSettings;
use crate::ids::BusinessId;
use crate::service::leaving::{self, Leaver};

/// Which business, and its name.
#[derive(Args, Clone, Debug)]
pub struct DeleteArgs {
    /// The business; it must be switched off.
    #[arg(value_name = "ID")]
    pub id: BusinessId,
    /// The name of the business, to say that it is meant; none: it is asked for on the terminal.
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    #[command(flatten)]
    database: DatabaseSettings,
}

/// Tells on the second stream what goes, and deletes it if it is confirmed.
///
/// # Errors
/// If it is not there, is in use or is not confirmed; of the database, and then the same command goes on.
pub(super) async fn run(
    args: &DeleteArgs,
    clock: &Clock,
    style: ProgressStyle,
    (out, err): (&mut impl Write, &mut impl Write),
) -> anyhow::Result<()> {
    let ctx = open(&args.database, clock).await?;
    let leaver = leaving::look(&ctx, args.id).await?;
    let rows_total = tell(&leaver, err)?;
    let (id, name) = (args.id, &leaver.business.name);
    let said = match &args.confirm {
        Some(said) => said.clone(),
        None if io::stdin().is_terminal() => ask(err, &mut io::stdin().lock())?,
        None => anyhow::bail!("nothing is deleted: say that it is meant by --confirm and its name"),
    };
    anyhow::ensure!(
        said == *name,
        "nothing is deleted: `{said}` is not its name, which is `{name}`"
    );
    let mut progress = Progress::new(style);
    let mut done = 0_u64;
    let deleted = leaving::delete(&ctx, id, |table, rows| {
        done = done.saturating_add(rows);
        progress.show(err, |_| {
            format!("{id}: {done} of {rows_total} rows, {table}")
        });
    });
    let deleted = deleted.await?;
    progress.clear(err);
    writeln!(out, "{id} is gone, with {deleted} rows")?;
    Ok(ctx.db.close().await?)
}

/// Tells what goes; how many rows it is.
fn tell(leaver: &Leaver, err: &mut impl Write) -> io::Result<u64> {
    let (name, id) = (&leaver.business.name, leaver.business.id);
    let already = if leaver.has_begun {
        ", which has begun to leave or never arrived whole,"
    } else {
        ""
    };
    writeln!(err, "{name} ({id}){already} goes for good, with")?;
    let mut rows_total = 0_u64;
    for (table, rows) in &leaver.rows {
        writeln!(err, "{rows:>12}  {table}")?;
        rows_total = rows_total.saturating_add(*rows);
    }
    Ok(rows_total)
}

/// Asks for the name.
fn ask(err: &mut impl Write, answers: &mut impl BufRead) -> io::Result<String> {
    write!(err, "Type its name to delete it: ")?;
    err.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_line_without_its_end() {
        for line in ["Swim school\n", "Swim school\r\n", "Swim school"] {
            let mut shown = Vec::new();
            assert_eq!(
                ask(&mut shown, &mut line.as_bytes()).unwrap(),
                "Swim school"
            );
            assert!(String::from_utf8(shown).unwrap().contains("Type its name"));
        }
    }
}
