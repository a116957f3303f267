//! Checks a template before it is used: what it is made of and which names it uses.
//!
//! The template engine prints nothing for a misspelt name inside `{{#if}}`, lets templates include
//! each other without end, and opens any depth of loops. So a template is walked against a full sample
//! of the data: every name must lead somewhere in it. Allowed are variables, `if`, `unless`, `each`,
//! `with` and `t`; partials and decorators are refused.

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Path, Template};
use serde_json::Value;

/// How deeply blocks may be nested.
const DEPTH_MAX: usize = 8;
/// The longest template, in bytes.
pub(super) const TEMPLATE_BYTES_MAX: usize = 64 * 1024;

/// Compiles a template and checks it against `sample`.
///
/// # Errors
///
/// What is wrong, in words for whoever wrote the template.
pub(super) fn compile(source: &str, sample: &Value) -> Result<Template, String> {
    if source.len() > TEMPLATE_BYTES_MAX {
        return Err(format!("is longer than {TEMPLATE_BYTES_MAX} bytes"));
    }
    let template = Template::compile(source).map_err(|error| error.to_string())?;
    elements(&template, &[sample])?;
    Ok(template)
}

/// `scopes` ends with what `this` is; before it lie what `../` leads to, from the root on.
fn elements(template: &Template, scopes: &[&Value]) -> Result<(), String> {
    if scopes.len() > DEPTH_MAX {
        return Err(format!("nests blocks more than {DEPTH_MAX} deep"));
    }
    for element in &template.elements {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::Expression(expression)
            | TemplateElement::HtmlExpression(expression) => {
                self::expression(expression, scopes)?;
            }
            TemplateElement::HelperBlock(helper) => block(helper, scopes)?,
            TemplateElement::DecoratorExpression(_)
            | TemplateElement::DecoratorBlock(_)
            | TemplateElement::PartialExpression(_)
            | TemplateElement::PartialBlock(_) => {
                return Err("includes another template, which is not allowed".to_owned());
            }
            _ => return Err("has an element of an unknown kind".to_owned()),
        }
    }
    Ok(())
}

fn expression(helper: &HelperTemplate, scopes: &[&Value]) -> Result<(), String> {
    let plain = helper.params.is_empty() && helper.hash.is_empty();
    if let (true, Parameter::Path(path)) = (plain, &helper.name) {
        return resolve(path, scopes).map(|_| ());
    }
    match shown(&helper.name).as_str() {
        "t" => arguments(helper, scopes),
        other => Err(format!("calls {other}, which is not a helper")),
    }
}

fn block(helper: &HelperTemplate, scopes: &[&Value]) -> Result<(), String> {
    if helper.block_param.is_some() {
        return Err("names what a block loops over, which is not supported".to_owned());
    }
    arguments(helper, scopes)?;
    let subject = match helper.params.as_slice() {
        [Parameter::Path(path)] => resolve(path, scopes)?,
        _ => return Err(format!("a {} block takes one name", shown(&helper.name))),
    };
    let inner = match shown(&helper.name).as_str() {
        // The engine opens no scope for these two.
        "if" | "unless" => scopes.to_vec(),
        "with" => pushed(scopes, subject),
        "each" => {
            let items = subject.as_array().and_then(|items| items.first());
            pushed(scopes, items.ok_or("an each block needs a list")?)
        }
        other => return Err(format!("opens a block {other}, which is not a helper")),
    };
    if let Some(body) = &helper.template {
        elements(body, &inner)?;
    }
    if let Some(body) = &helper.inverse {
        elements(body, scopes)?;
    }
    Ok(())
}

fn arguments(helper: &HelperTemplate, scopes: &[&Value]) -> Result<(), String> {
    for parameter in helper.params.iter().chain(helper.hash.values()) {
        match parameter {
            Parameter::Path(path) => drop(resolve(path, scopes)?),
            Parameter::Literal(_) => {}
            Parameter::Name(name) => return Err(format!("names {name}, which is unknown")),
            Parameter::Subexpression(_) => {
                return Err("uses a call inside a call, which is not supported".to_owned());
            }
            _ => return Err("uses an unknown kind of argument".to_owned()),
        }
    }
    Ok(())
}

fn resolve<'a>(path: &Path, scopes: &[&'a Value]) -> Result<&'a Value, String> {
    let raw = match path {
        Path::Relative((_, raw)) | Path::Local((_, _, raw)) => raw.as_str(),
    };
    let unknown = || format!("names {raw}, which is not a published variable");
    let mut scopes = scopes.to_vec();
    let mut rest = raw;
    while let Some(up) = rest.strip_prefix("../") {
        scopes.pop();
        rest = up;
    }
    let mut segments = rest.split(['.', '/']).peekable();
    let mut value = *scopes.last().ok_or_else(unknown)?;
    match segments.peek().copied() {
        Some("@root") => value = *scopes.first().ok_or_else(unknown)?,
        Some("this") => {}
        Some("@index" | "@first" | "@last") => return Ok(&Value::Null),
        Some(_) | None => return fields(value, segments).ok_or_else(unknown),
    }
    segments.next();
    fields(value, segments).ok_or_else(unknown)
}

fn fields<'a, 'b>(value: &'a Value, mut names: impl Iterator<Item = &'b str>) -> Option<&'a Value> {
    names.try_fold(value, |value, name| value.get(name))
}

fn pushed<'a>(scopes: &[&'a Value], inner: &'a Value) -> Vec<&'a Value> {
    let mut scopes = scopes.to_vec();
    scopes.push(inner);
    scopes
}

fn shown(parameter: &Parameter) -> String {
    parameter.as_name().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(source: &str) -> Result<(), String> {
        let sample = serde_json::json!({
            "name": "x", "none": null,
            "packages": [{ "name": "y", "lines": [{ "left": "1" }] }],
        });
        compile(source, &sample).map(|_| ())
    }

    #[test]
    fn published_names_pass_in_their_places() {
        let good = "{{name}} {{#if none}}{{none}}{{else}}-{{/if}} {{#each packages}}{{name}}{{@index}}\
            {{#unless @first}},{{/unless}}{{../name}}{{#each lines}}{{left}}{{@root.name}}{{../name}}\
            {{/each}}{{#each lines}}{{this.left}}{{/each}}{{/each}}{{t \"a.b\" count=name}}";
        assert_eq!(verdict(good), Ok(()));
    }

    #[test]
    fn a_name_that_nobody_published_is_refused_wherever_it_stands() {
        for source in [
            "{{nmae}}",
            "{{#if missing}}x{{/if}}",
            "{{#if name}}{{missing}}{{/if}}",
            "{{#if name}}{{else}}{{missing}}{{/if}}",
            "{{left}}",
            "{{#each packages}}{{left}}{{/each}}",
            "{{#each packages}}{{../../name}}{{/each}}",
            "{{t \"a\" x=missing}}",
            "{{@root.missing}}",
            "{{{missing}}}",
        ] {
            let refusal = verdict(source).expect_err(source);
            assert!(
                refusal.contains("not a published variable"),
                "{source}: {refusal}"
            );
        }
    }

    #[test]
    fn what_can_run_away_is_refused() {
        for source in [
            "{{> other}}",
            "{{#> other}}{{/other}}",
            "{{* inline}}",
            "{{#*inline \"a\"}}b{{/inline}}",
            "{{lookup packages 0}}",
            "{{log name}}",
            "{{#raw}}{{/raw}}",
            "{{#each name}}x{{/each}}",
            "{{#if name}",
        ] {
            assert!(verdict(source).is_err(), "{source}");
        }
        assert!(verdict(&"x".repeat(TEMPLATE_BYTES_MAX + 1)).is_err());
        let deep = format!("{}{}", "{{#with @root}}".repeat(9), "{{/with}}".repeat(9));
        assert!(verdict(&deep).unwrap_err().contains("deep"));
    }
}
