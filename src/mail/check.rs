//! Checks a template before it is used: what it is made of and which names it uses.
//!
//! The template engine prints nothing for a misspelt name inside `{{#if}}`, lets templates include
//! each other without end, and opens any depth of loops. So a template is walked against a full sample
//! of the data: every name must lead somewhere in it. Allowed are variables, `if`, `unless`, `each`,
//! `with`, `t` with a phrase that there is, and the partials of the set, which include none themselves;
//! decorators are refused. A loop inside a loop goes over a list of the element that it is at, so that
//! there are never more rounds than there are things to tell.

use std::collections::BTreeMap;
use std::fmt;

use handlebars::template::{DecoratorTemplate, HelperTemplate, Parameter, TemplateElement};
use handlebars::{Path, Template, TemplateError};
use serde_json::Value;

use super::locale::Locale;

/// How deeply blocks may be nested.
const DEPTH_MAX: usize = 8;
/// How many blocks a template may open, and how many brackets one tag may have: the engine's parser goes
/// down a level for each, and a stack has an end.
const BLOCKS_MAX: usize = 100;
const BRACKETS_MAX: usize = 10;
/// The longest template, in bytes.
pub(super) const TEMPLATE_BYTES_MAX: usize = 64 * 1024;

/// Something wrong with a template, and where; lines and columns are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
    /// What is wrong, in words for whoever wrote the template.
    pub reason: String,
}

impl Fault {
    pub(super) fn at((line, column): (usize, usize), reason: impl Into<String>) -> Self {
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: number(line),
            column: number(column),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            column,
            reason,
        } = self;
        write!(f, "line {line}, column {column}: {reason}")
    }
}

/// Templates that others may include, by name.
pub(super) type Partials = BTreeMap<String, Template>;

/// What a template may name.
#[derive(Clone, Copy)]
pub(super) struct Published<'a> {
    /// A sample that says something in every field.
    pub(super) sample: &'a Value,
    /// The phrases; `None` where none are known yet.
    pub(super) words: Option<&'a Locale>,
    /// What it may include.
    pub(super) partials: &'a Partials,
}

/// Compiles a template and checks it.
///
/// # Errors
///
/// All that is wrong, in the order of the text.
pub(super) fn compile(source: &str, published: Published<'_>) -> Result<Template, Vec<Fault>> {
    if source.len() > TEMPLATE_BYTES_MAX {
        let reason = format!("is longer than {TEMPLATE_BYTES_MAX} bytes");
        return Err(vec![Fault::at((1, 1), reason)]);
    }
    let template = parse(source).map_err(|fault| vec![fault])?;
    let mut walk = Walk {
        published,
        within: None,
        at: (1, 1),
        faults: Vec::new(),
    };
    walk.elements(
        &template,
        &Scopes {
            values: vec![published.sample],
            loops: false,
        },
    );
    if walk.faults.is_empty() {
        Ok(template)
    } else {
        Err(walk.faults)
    }
}

/// Compiles a template that others include; it is checked where they do.
pub(super) fn parse(source: &str) -> Result<Template, Fault> {
    let opens_block = |tag: &&str| {
        let tag = tag.trim_start_matches(['{', '~', ' ', '\t', '\r', '\n']);
        tag.starts_with(['#', '^'])
    };
    let tags = source.split("{{").skip(1);
    if tags.clone().filter(opens_block).count() > BLOCKS_MAX {
        let reason = format!("opens more than {BLOCKS_MAX} blocks");
        return Err(Fault::at((1, 1), reason));
    }
    if tags.into_iter().any(|tag| brackets_of(tag) > BRACKETS_MAX) {
        let reason = format!("has more than {BRACKETS_MAX} brackets in one tag");
        return Err(Fault::at((1, 1), reason));
    }
    Template::compile(source).map_err(|error: TemplateError| {
        let position = error.pos().unwrap_or((1, 1));
        let reason = error.reason().to_string();
        Fault::at(position, reason.lines().next().unwrap_or_default())
    })
}

/// How many brackets there are in a tag, which ends with the first braces outside of quotes; where quotes
/// do not end, that may be more than there are.
fn brackets_of(tag: &str) -> usize {
    let mut quote = None;
    let mut found = 0_usize;
    let mut rest = tag;
    while let Some(next) = rest.chars().next() {
        match quote {
            None if rest.starts_with("}}") => break,
            None if matches!(next, '"' | '\'') => quote = Some(next),
            Some(open) if next == open => quote = None,
            None | Some(_) => {}
        }
        if matches!(next, '(' | '[' | '{') {
            found = found.saturating_add(1);
        }
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
    }
    found
}

/// What names stand for at one place.
struct Scopes<'a> {
    /// Ends with what `this` is; before it lie what `../` leads to, from the root on.
    values: Vec<&'a Value>,
    /// Whether the place is inside a loop.
    loops: bool,
}

impl<'a> Scopes<'a> {
    /// What names stand for inside a block.
    fn inside(&self, name: &str, path: &Path) -> Result<Self, String> {
        let leads_out = self.loops && (raw(path).contains("../") || raw(path).contains("@root"));
        if leads_out && matches!(name, "with" | "each") {
            return Err(format!(
                "opens {name} inside a loop on what lies outside of it"
            ));
        }
        let subject = self.resolve(path)?;
        match name {
            // The engine opens no scope for these two.
            "if" | "unless" => Ok(Self {
                values: self.values.clone(),
                loops: self.loops,
            }),
            "with" => Ok(self.pushed(subject, false)),
            "each" => {
                let items = subject.as_array().and_then(|items| items.first());
                let item = items.ok_or("opens each on what is not a list")?;
                Ok(self.pushed(item, true))
            }
            other => Err(format!("opens a block {other}, which is not a helper")),
        }
    }

    fn pushed(&self, inner: &'a Value, loops: bool) -> Self {
        let mut values = self.values.clone();
        values.push(inner);
        Self {
            values,
            loops: self.loops || loops,
        }
    }

    fn resolve(&self, path: &Path) -> Result<&'a Value, String> {
        let raw = raw(path);
        let unknown = || format!("names {raw}, which is not a published variable");
        let mut scopes = self.values.as_slice();
        let mut rest = raw;
        while let Some(up) = rest.strip_prefix("../") {
            scopes = scopes
                .split_last()
                .map(|(_, outer)| outer)
                .ok_or_else(unknown)?;
            rest = up;
        }
        let mut segments = rest.split(['.', '/']).peekable();
        let mut value = *scopes.last().ok_or_else(unknown)?;
        match segments.peek().copied() {
            Some("@root") => value = *self.values.first().ok_or_else(unknown)?,
            Some("this") => {}
            Some("@index" | "@first" | "@last") => return Ok(&Value::Null),
            Some(_) | None => return fields(value, segments).ok_or_else(unknown),
        }
        segments.next();
        fields(value, segments).ok_or_else(unknown)
    }
}

fn raw(path: &Path) -> &str {
    match path {
        Path::Relative((_, raw)) | Path::Local((_, _, raw)) => raw.as_str(),
    }
}

/// A walk through a template.
struct Walk<'a> {
    published: Published<'a>,
    /// The partial that the walk is in.
    within: Option<&'a str>,
    /// Where in the template it is; in a partial, where that is included.
    at: (usize, usize),
    faults: Vec<Fault>,
}

impl<'a> Walk<'a> {
    fn add(&mut self, reason: impl fmt::Display) {
        let reason = match self.within {
            Some(partial) => format!("includes {partial}, which {reason}"),
            None => reason.to_string(),
        };
        self.faults.push(Fault::at(self.at, reason));
    }

    fn elements(&mut self, template: &Template, scopes: &Scopes<'a>) {
        if scopes.values.len() > DEPTH_MAX {
            self.add(format_args!("nests blocks more than {DEPTH_MAX} deep"));
            return;
        }
        let outer = self.at;
        for (index, element) in template.elements.iter().enumerate() {
            if let (None, Some(position)) = (self.within, template.mapping.get(index)) {
                self.at = (position.0, position.1);
            }
            self.element(element, scopes);
        }
        self.at = outer;
    }

    fn element(&mut self, element: &TemplateElement, scopes: &Scopes<'a>) {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::Expression(expression)
            | TemplateElement::HtmlExpression(expression) => self.expression(expression, scopes),
            TemplateElement::HelperBlock(helper) => self.block(helper, scopes),
            TemplateElement::PartialExpression(partial) => self.partial(partial, scopes),
            TemplateElement::DecoratorExpression(_)
            | TemplateElement::DecoratorBlock(_)
            | TemplateElement::PartialBlock(_) => {
                self.add("includes another template in a way that is not allowed");
            }
            _ => self.add("has an element of an unknown kind"),
        }
    }

    fn partial(&mut self, partial: &DecoratorTemplate, scopes: &Scopes<'a>) {
        let name = shown(&partial.name);
        let found = self.published.partials.get_key_value(&name);
        let is_plain = partial.params.is_empty() && partial.hash.is_empty();
        match found {
            _ if self.within.is_some() => {
                self.add(format_args!("includes {name}, which a partial may not"));
            }
            None => self.add(format_args!("includes {name}, which there is not")),
            Some(_) if !is_plain => {
                self.add(format_args!("gives values to {name}, which takes none"));
            }
            Some((name, template)) => {
                self.within = Some(name.as_str());
                self.elements(template, scopes);
                self.within = None;
            }
        }
    }

    fn expression(&mut self, helper: &HelperTemplate, scopes: &Scopes<'a>) {
        let plain = helper.params.is_empty() && helper.hash.is_empty();
        if let (true, Parameter::Path(path)) = (plain, &helper.name) {
            if let Err(reason) = scopes.resolve(path) {
                self.add(reason);
            }
            return;
        }
        match shown(&helper.name).as_str() {
            "t" => {
                self.phrase(helper);
                self.arguments(helper, scopes);
            }
            other => self.add(format_args!("calls {other}, which is not a helper")),
        }
    }

    fn phrase(&mut self, helper: &HelperTemplate) {
        let [Parameter::Literal(Value::String(key))] = helper.params.as_slice() else {
            self.add("calls t without one phrase in quotes");
            return;
        };
        let Some(words) = self.published.words else {
            return;
        };
        let missing = match words.placeholders(key) {
            None => {
                self.add(format_args!("names the phrase {key}, which there is not"));
                return;
            }
            Some(names) => names
                .into_iter()
                .find(|name| !helper.hash.contains_key(*name)),
        };
        if let Some(name) = missing {
            self.add(format_args!("gives the phrase {key} no value for {name}"));
        }
    }

    fn block(&mut self, helper: &HelperTemplate, scopes: &Scopes<'a>) {
        if helper.block_param.is_some() {
            self.add("names what a block loops over, which is not supported");
            return;
        }
        let name = shown(&helper.name);
        let [Parameter::Path(path)] = helper.params.as_slice() else {
            self.add(format_args!("opens a block {name} without one name"));
            return;
        };
        let inner = match scopes.inside(&name, path) {
            Ok(inner) => inner,
            Err(reason) => {
                self.add(reason);
                return;
            }
        };
        if let Some(body) = &helper.template {
            self.elements(body, &inner);
        }
        if let Some(body) = &helper.inverse {
            self.elements(body, scopes);
        }
    }

    fn arguments(&mut self, helper: &HelperTemplate, scopes: &Scopes<'a>) {
        for parameter in helper.params.iter().chain(helper.hash.values()) {
            match parameter {
                Parameter::Path(path) => {
                    if let Err(reason) = scopes.resolve(path) {
                        self.add(reason);
                    }
                }
                Parameter::Literal(_) => {}
                Parameter::Name(name) => self.add(format_args!("names {name}, which is unknown")),
                Parameter::Subexpression(_) => {
                    self.add("uses a call inside a call, which is not supported");
                }
                _ => self.add("uses an unknown kind of argument"),
            }
        }
    }
}

fn fields<'a, 'b>(value: &'a Value, mut names: impl Iterator<Item = &'b str>) -> Option<&'a Value> {
    names.try_fold(value, |value, name| value.get(name))
}

fn shown(parameter: &Parameter) -> String {
    parameter.as_name().unwrap_or("?").to_owned()
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
