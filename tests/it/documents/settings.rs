//! `docs/settings.md`: every command and setting, from the command line's own description.

use std::fmt::Write;

use carnet::cli::Cli;
use clap::builder::StyledStr;
use clap::{Arg, Command, CommandFactory};

use super::comments::in_a_cell;

pub(super) fn page() -> String {
    let mut program = Cli::command();
    program.build();
    let mut page = "# Commands and settings\n\n\
        A setting is a flag or an environment variable; the flag wins. `carnet COMMAND --help` says the same.\n"
        .to_owned();
    let common: Vec<_> = program
        .get_arguments()
        .filter(|it| it.is_global_set())
        .collect();
    page.push_str("\n## Every command\n");
    table(&mut page, &common);
    for command in program.get_subcommands() {
        describe(&mut page, command, "carnet");
    }
    page
}

fn describe(page: &mut String, command: &Command, before: &str) {
    let name = format!("{before} {}", command.get_name());
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    if command.has_subcommands() {
        for inner in command.get_subcommands() {
            describe(page, inner, &name);
        }
        return;
    }
    let about = text(command.get_long_about().or(command.get_about()));
    writeln!(page, "\n## `{name}`\n\n{about}").unwrap();
    let own = command.get_arguments().filter(|it| !it.is_global_set());
    let own: Vec<_> = own.filter(|it| it.get_id() != "help").collect();
    if !own.is_empty() {
        table(page, &own);
    }
}

fn table(page: &mut String, arguments: &[&Arg]) {
    page.push_str("\n| flag | variable | default | what it is |\n|---|---|---|---|\n");
    for argument in arguments {
        if argument.is_hide_set() {
            continue;
        }
        let value = argument.get_value_names().unwrap_or_default();
        let value = value.first().map_or("", |name| name.as_str());
        let takes = argument.get_action().takes_values();
        let flag = match (argument.get_long(), takes) {
            (Some(flag), true) => format!("--{flag} {value}"),
            (Some(flag), false) => format!("--{flag}"),
            (None, _) => value.to_owned(),
        };
        let variable = argument
            .get_env()
            .map(|name| format!("`{}`", name.to_string_lossy()));
        let default = argument.get_default_values().iter();
        let default: Vec<_> = default
            .map(|it| format!("`{}`", it.to_string_lossy()))
            .collect();
        writeln!(
            page,
            "| `{flag}` | {} | {} | {} |",
            variable.unwrap_or_default(),
            default.join(" "),
            in_a_cell(&text(argument.get_long_help().or(argument.get_help()))),
        )
        .unwrap();
    }
}

fn text(styled: Option<&StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}
