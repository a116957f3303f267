//! Styles are put into a template once, before anything is printed into it, instead of into every e-mail: that took
//! a quarter of the time of the process that sends.
//!
//! What stands in braces is put aside meanwhile, since HTML and its styles are read by a library that does not know
//! it: a comment stands for it between tags, where a reader of HTML leaves comments alone even among the rows of a
//! table, and a word inside tags and styles. It is no proof that the result prints the same; that is tried with the
//! samples, and a template with which it does not gets its styles as it is printed.

use std::collections::BTreeMap;

use css_inline::{CSSInliner, InlineOptions};

/// Where the layout has the body.
const BODY: &str = "{{{body}}}";

/// The HTML with the rules of its style sheet in its elements, or why that cannot be.
pub(super) fn inlined(html: &str) -> Result<String, String> {
    let options: InlineOptions<'static> = CSSInliner::options();
    let options = options.load_remote_stylesheets(false).minify_css(true);
    let inliner = options.build();
    inliner.inline(html).map_err(|error| error.to_string())
}

/// One template for a whole HTML part, with its styles in it; none if it cannot be made.
pub(super) fn template(
    layout: &str,
    body: &str,
    partials: &BTreeMap<&str, &str>,
) -> Option<String> {
    let mut whole = layout.replace(BODY, body);
    for (name, source) in partials {
        // A tag on a line of its own leaves nothing of the line.
        whole = whole.replace(&format!("{{{{> {name}}}}}\n"), source);
    }
    let mut aside = Aside::default();
    let plain = aside.put(&whole)?;
    if goes_by_what_is_printed(&plain) {
        return None;
    }
    Some(aside.put_back(inlined(&plain).ok()?))
}

/// The tags of the template language that were put aside.
#[derive(Default)]
struct Aside<'a> {
    tags: Vec<&'a str>,
}

impl<'a> Aside<'a> {
    /// The source without tags, unless what stands for them stands in it already.
    fn put(&mut self, source: &'a str) -> Option<String> {
        if source.contains(WORD) {
            return None;
        }
        let mut plain = String::with_capacity(source.len());
        let mut rest = source;
        while let Some((before, from)) = split_before(rest, "{{") {
            plain.push_str(before);
            let end = if from.starts_with("{{{") { "}}}" } else { "}}" };
            let (tag, after) = from.split_at(from.find(end)?.checked_add(end.len())?);
            let is_between_tags = is_between_tags(&plain);
            let word = word(self.place(tag));
            plain.push_str(&if is_between_tags {
                comment(&word)
            } else {
                word
            });
            rest = after;
        }
        plain.push_str(rest);
        Some(plain)
    }

    /// The number of a tag, the same for all that are alike.
    fn place(&mut self, tag: &'a str) -> usize {
        let known = self.tags.iter().position(|known| *known == tag);
        known.unwrap_or_else(|| {
            self.tags.push(tag);
            self.tags.len().saturating_sub(1)
        })
    }

    fn put_back(&self, mut plain: String) -> String {
        for (place, tag) in self.tags.iter().enumerate() {
            let word = word(place);
            plain = plain.replace(&comment(&word), tag).replace(&word, tag);
        }
        plain
    }
}

/// How every word begins that stands for a tag.
const WORD: &str = "put-aside-";

fn word(place: usize) -> String {
    format!("{WORD}{place}-")
}

fn comment(word: &str) -> String {
    format!("<!--{word}-->")
}

fn split_before<'a>(text: &'a str, wanted: &str) -> Option<(&'a str, &'a str)> {
    Some(text.split_at(text.find(wanted)?))
}

/// Whether rules may hold or not by what is printed: a sample need not show it.
fn goes_by_what_is_printed(plain: &str) -> bool {
    let is_printed = |value: &str| {
        let mut rest = value.chars();
        let quote = rest.next();
        let inner: String = rest.take_while(|next| Some(*next) != quote).collect();
        inner.contains(WORD)
    };
    let values = ["class=", "id="].into_iter();
    let mut values = values.flat_map(|name| plain.split(name).skip(1));
    values.any(is_printed)
}

/// Whether what follows this HTML stands where an element could: not in a tag, and not in what is read as plain text.
fn is_between_tags(html: &str) -> bool {
    let in_tag = html.rfind('<') > html.rfind('>');
    let in_plain_text = ["style", "title"].iter().any(|name| {
        let begun = html.rfind(&format!("<{name}"));
        begun.is_some() && begun > html.rfind(&format!("</{name}"))
    });
    !in_tag && !in_plain_text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn styled(layout: &str, body: &str) -> Option<String> {
        template(
            layout,
            body,
            &BTreeMap::from([("units", "<b>{{count}}</b>\n")]),
        )
    }

    #[test]
    fn rules_get_into_the_elements_and_tags_stay_where_they_were() {
        let layout = "<html><head><title>{{subject}}</title><style>.a { color: {{ink}}; padding-{{end}}: 1px }\
            </style></head><body>{{{body}}}</body></html>";
        let body = "<table><tbody>\n{{#each rows}}\n<tr><td class=\"a\" style=\"margin: {{gap}}\">{{> units}}\n</td></tr>\n\
            {{/each}}\n</tbody></table>";
        let wanted = "<html><head><title>{{subject}}</title></head><body><table><tbody>\n{{#each rows}}\n<tr>\
            <td class=\"a\" style=\"color:{{ink}};padding-{{end}}:1px;margin:{{gap}}\"><b>{{count}}</b>\n</td></tr>\n\
            {{/each}}\n</tbody></table></body></html>";
        assert_eq!(styled(layout, body).as_deref(), Some(wanted));
    }

    #[test]
    fn what_cannot_be_put_aside_is_left_to_printing() {
        assert_eq!(styled("<p>{{{body}}}</p>", "put-aside-1-"), None);
        assert_eq!(styled("<p>{{{body}}}</p>", "{{open"), None);
        assert_eq!(styled("<p class='a {{b}}'>{{{body}}}</p>", ""), None);
    }
}
