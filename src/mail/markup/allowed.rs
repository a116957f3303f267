//! What the HTML that a business writes may hold: elements, attributes, and values of attributes.

/// Elements that mail programs show alike; all else is refused, scripts and forms foremost.
const ELEMENTS: [&str; 43] = [
    "a",
    "b",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "ins",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "th",
    "tr",
    "ul",
];
/// Those that have no end tag.
const WITHOUT_END: [&str; 4] = ["br", "col", "hr", "img"];
/// Attributes that can do nothing but show; those that begin with `aria-` as well.
const ATTRIBUTES: [&str; 25] = [
    "align",
    "alt",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "class",
    "color",
    "colspan",
    "dir",
    "face",
    "height",
    "href",
    "lang",
    "role",
    "rowspan",
    "scope",
    "size",
    "span",
    "src",
    "start",
    "style",
    "title",
    "valign",
    "width",
];
/// Attributes that lead somewhere.
const LINKS: [&str; 2] = ["href", "src"];
/// Variables that hold a checked address.
const ADDRESSES: [&str; 3] = ["business.link_url", "business.logo_url", "unsubscribe_url"];
/// Variables that may stand in a style.
const STYLES: [&str; 5] = [
    "business.accent",
    "business.accent_text",
    "business.accent_edge",
    "start",
    "end",
];
/// What a style must not hold, since it could load or hide something, or spell such a thing otherwise.
const NOT_IN_STYLES: [&str; 6] = ["url(", "expression", "@", "\\", "/*", "&"];

/// Whether the element may stand anywhere; its name is in small letters.
pub(super) fn is_allowed_element(name: &str) -> bool {
    ELEMENTS.contains(&name)
}

/// Whether the element has no end tag.
pub(super) fn has_no_end(name: &str) -> bool {
    WITHOUT_END.contains(&name)
}

/// Whether the attribute may stand in any element; its name is in small letters.
pub(super) fn is_allowed_attribute(name: &str) -> bool {
    ATTRIBUTES.contains(&name) || name.starts_with("aria-")
}

/// What is wrong with the value of an attribute.
pub(super) fn fault_of_value(name: &str, value: &str) -> Option<String> {
    if LINKS.contains(&name) && !is_link(value) {
        let known = ADDRESSES
            .map(|address| format!("{{{{{address}}}}}"))
            .join(" or ");
        return Some(format!(
            "has in {name} what begins neither with https:// or http:// and a host, nor with {known}"
        ));
    }
    if name != "style" {
        return None;
    }
    let lower = without_variables(value).to_ascii_lowercase();
    if let Some(found) = NOT_IN_STYLES.iter().find(|part| lower.contains(*part)) {
        return Some(format!("has {found} in a style, which is not allowed"));
    }
    let mut variables = value
        .split("{{")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once("}}")?.0));
    let unknown = variables.find(|variable| !STYLES.contains(&from_root(variable)))?;
    Some(format!(
        "has {} in a style, where only these may stand: {}",
        unknown.trim(),
        STYLES.join(", ")
    ))
}

/// What stands in a value beside its variables.
fn without_variables(value: &str) -> String {
    let mut parts = value.split("{{");
    let first = parts.next().unwrap_or_default();
    let behind = parts.map(|part| part.split_once("}}").map_or(part, |(_, rest)| rest));
    std::iter::once(first).chain(behind).collect()
}

fn is_link(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let host = ["https://", "http://"]
        .iter()
        .find_map(|scheme| lower.strip_prefix(scheme));
    if let Some(host) = host {
        return host.starts_with(|next: char| next.is_alphanumeric())
            && !lower.contains(|character: char| character.is_whitespace() && character != ' ');
    }
    let variable = value
        .strip_prefix("{{")
        .and_then(|rest| rest.split_once("}}"));
    variable.is_some_and(|(variable, _)| ADDRESSES.contains(&from_root(variable)))
}

/// A variable of the root, however it is reached; what is not one is refused with the other names.
fn from_root(variable: &str) -> &str {
    let plain = variable.trim_matches(['~', ' ']);
    plain.trim_start_matches("../").trim_start_matches("@root.")
}
