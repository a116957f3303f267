//! `docs/email-variables.md`: what the templates of each kind of e-mail may print.

use std::fmt::Write;

use carnet::mail::content::EmailKind;
use carnet::mail::templates::TemplateSet;
use carnet::mail::variables;

use super::comments::in_a_cell;

const INTRODUCTION: &str = "\
# What e-mail templates may print

`GetEmailTemplate` answers the same. A template is [Handlebars](https://handlebarsjs.com/guide/): `{{name}}`
prints a variable, `{{#if}}`, `{{#unless}}`, `{{#each}}` and `{{#with}}` open blocks, `{{t \"phrase\" name=value}}`
prints a phrase of the language, and in HTML `{{> units}}` inside `{{#each lines}}` draws the units of a line.
`first` is the first package and has all that `packages[]` has. Inside a block `../` leads one block out and
`@root` to the outermost. What may be missing is to be printed inside `{{#if}}`. Any other name is refused when
a template is saved.
";

pub(super) fn page() -> String {
    let set = TemplateSet::embedded().unwrap();
    let mut page = INTRODUCTION.to_owned();
    for kind in EmailKind::ALL {
        write!(
            page,
            "\n## `{}`\n\n| variable | what it is | what it says | may be missing | example |\n|---|---|---|---|---|\n",
            kind.name()
        )
        .unwrap();
        for variable in variables::of_kind(&set, kind).unwrap() {
            writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                variable.path,
                variable.nature.as_str(),
                in_a_cell(variable.description),
                if variable.may_be_missing { "yes" } else { "" },
                in_a_cell(&variable.example),
            )
            .unwrap();
        }
    }
    page
}
