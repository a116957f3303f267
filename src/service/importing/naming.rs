//! Finding what a cell names: by our id, by the business's own, or by its name.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::customer::fold;

/// How alike a name must be to be offered instead, from 0 to 1.
const ALIKE_MIN: f64 = 0.7;

/// Things of one kind, by all that they are called.
#[derive(Debug)]
pub(super) struct Names<T> {
    /// Their kind, with its article.
    kind: &'static str,
    /// By our ids and the business's own.
    by_id: HashMap<String, Arc<T>>,
    /// By their names, folded; what is put away stands back.
    by_name: HashMap<String, Named<T>>,
}

#[derive(Debug)]
struct Named<T> {
    current: Vec<Arc<T>>,
    put_away: Vec<Arc<T>>,
}

/// What a thing is called.
pub(super) struct Called<'a> {
    pub(super) id: String,
    pub(super) external_id: Option<&'a str>,
    pub(super) names: Vec<&'a str>,
    pub(super) is_current: bool,
}

impl<T> Names<T> {
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            by_id: HashMap::new(),
            by_name: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, thing: T, called: impl FnOnce(&T) -> Called<'_>) {
        let thing = Arc::new(thing);
        let Called {
            id,
            external_id,
            names,
            is_current,
        } = called(&thing);
        self.by_id.insert(id, Arc::clone(&thing));
        if let Some(external_id) = external_id {
            self.by_id
                .insert(external_id.to_owned(), Arc::clone(&thing));
        }
        let mut names: Vec<String> = names.into_iter().map(fold).collect();
        names.dedup();
        for name in names {
            let alike = self.by_name.entry(name).or_insert_with(|| Named {
                current: Vec::new(),
                put_away: Vec::new(),
            });
            if is_current {
                alike.current.push(Arc::clone(&thing));
            } else {
                alike.put_away.push(Arc::clone(&thing));
            }
        }
    }

    /// The thing that a text names, or what would have been expected.
    pub(super) fn find(&self, text: &str) -> Result<Arc<T>, String> {
        let id = text.strip_prefix("ext:").unwrap_or(text);
        if let Some(thing) = self.by_id.get(id) {
            return Ok(Arc::clone(thing));
        }
        let kind = self.kind;
        let candidates = self.by_name.get(&fold(text)).map(|named| {
            if named.current.is_empty() {
                &named.put_away
            } else {
                &named.current
            }
        });
        match candidates.map(Vec::as_slice) {
            Some([only]) => Ok(Arc::clone(only)),
            Some(several) => Err(format!(
                "must be the external id of {kind}: {} have this name",
                several.len()
            )),
            None => Err(self.nearest(text)),
        }
    }

    fn nearest(&self, text: &str) -> String {
        let kind = self.kind;
        let wanted = fold(text);
        let known = self.by_id.keys().chain(self.by_name.keys());
        let best = known
            .map(|name| (strsim::jaro_winkler(&wanted, &fold(name)), name))
            .filter(|(alike, _)| *alike >= ALIKE_MIN)
            .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
        match best {
            Some((_, name)) => format!("must be {kind} of the business, such as `{name}`"),
            None => format!("must be {kind} of the business"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names<(&'static str, &'static str, bool)> {
        let mut names = Names::new("a template");
        for thing in [
            ("tpl_1", "Ten massages", true),
            ("tpl_2", "ten Massages", false),
            ("tpl_3", "Gift", true),
            ("tpl_4", "Gift", true),
            ("tpl_5", "Old", false),
        ] {
            names.add(thing, |(id, name, is_current)| Called {
                id: (*id).to_owned(),
                external_id: id.strip_prefix("tpl_"),
                names: vec![name],
                is_current: *is_current,
            });
        }
        names
    }

    #[test]
    fn a_thing_is_found_by_its_ids_and_by_a_name_that_only_it_has() {
        let names = names();
        for (text, id) in [
            ("tpl_4", "tpl_4"),
            ("3", "tpl_3"),
            ("ext:3", "tpl_3"),
            (" TEN massages", "tpl_1"),
            ("old", "tpl_5"),
        ] {
            assert_eq!(names.find(text).unwrap().0, id, "{text}");
        }
    }

    #[test]
    fn what_is_not_found_is_told_with_the_nearest_name() {
        let names = names();
        let wanted = |text| names.find(text).unwrap_err();
        assert_eq!(
            wanted("gift"),
            "must be the external id of a template: 2 have this name"
        );
        assert_eq!(
            wanted("Ten masages"),
            "must be a template of the business, such as `ten massages`"
        );
        assert_eq!(wanted("Yoga"), "must be a template of the business");
    }
}
