//! Which fields an update writes.
//!
//! Without a mask, those that are not empty in the message; `*` means all of them (AIP-134). A field
//! that is in the mask and empty in the message is cleared. Fields that no client can write are not
//! known here, so naming one is a fault and not silently ignored.

use std::collections::BTreeSet;

use prost_types::FieldMask;

use crate::grpc::faults::Faults;

/// A field that clients can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writable {
    /// Its name in the message.
    pub name: &'static str,
    /// Whether the message of this request has something in it.
    pub given: bool,
}

/// The fields that clients can write, each with whether the message has something in it.
pub fn writable<const N: usize>(fields: [(&'static str, bool); N]) -> [Writable; N] {
    fields.map(|(name, given)| Writable { name, given })
}

/// The fields that one update writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    names: BTreeSet<&'static str>,
}

impl Mask {
    /// Reads the `update_mask` of a request; every field that can be written is in `fields`.
    pub fn read(
        mask: Option<&FieldMask>,
        fields: &[Writable],
        faults: &mut Faults,
    ) -> Option<Self> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let mut names = BTreeSet::new();
        if paths.is_empty() {
            names.extend(
                fields
                    .iter()
                    .filter(|field| field.given)
                    .map(|field| field.name),
            );
        }
        let mut complete = true;
        for (index, path) in paths.iter().enumerate() {
            if path == "*" {
                names.extend(fields.iter().map(|field| field.name));
            } else if let Some(field) = fields.iter().find(|field| field.name == path) {
                names.insert(field.name);
            } else {
                let known: Vec<_> = fields.iter().map(|field| field.name).collect();
                faults.add(
                    &format!("update_mask.paths[{index}]"),
                    format!("must be one of {}, or *", known.join(", ")),
                );
                complete = false;
                // One is enough to tell, and keeps the error small.
                break;
            }
        }
        faults.note_fields(names.iter().copied());
        complete.then_some(Self { names })
    }

    /// Whether the update writes this field.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// What the update writes in this field, if it writes it: the outer option is missing if `read` found a
    /// fault, the inner one if the field is to be left as it is.
    pub fn field<T>(&self, name: &str, read: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
        if self.has(name) {
            read().map(Some)
        } else {
            Some(None)
        }
    }

    /// Whether the update writes nothing.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(paths: &[&str]) -> Option<Vec<&'static str>> {
        let fields = [
            Writable {
                name: "name",
                given: true,
            },
            Writable {
                name: "email",
                given: false,
            },
            Writable {
                name: "phone",
                given: false,
            },
        ];
        let mask = FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        };
        let mut faults = Faults::new();
        let mask = Mask::read(Some(&mask), &fields, &mut faults);
        assert_eq!(mask.is_none(), !faults.is_empty());
        mask.map(|mask| mask.names.into_iter().collect())
    }

    #[test]
    fn without_a_mask_the_fields_that_are_given_are_written() {
        assert_eq!(read(&[]), Some(vec!["name"]));
        assert_eq!(
            Mask::read(None, &[], &mut Faults::new()).map(|mask| mask.is_empty()),
            Some(true)
        );
    }

    #[test]
    fn a_field_in_the_mask_is_written_even_if_it_is_empty() {
        assert_eq!(read(&["email"]), Some(vec!["email"]));
        assert_eq!(read(&["*"]), Some(vec!["email", "name", "phone"]));
    }

    #[test]
    fn a_field_that_cannot_be_written_is_refused() {
        assert_eq!(read(&["name", "id"]), None);
        assert_eq!(read(&["Name"]), None);
        assert_eq!(read(&[""]), None);
    }
}
