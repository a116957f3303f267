//! Readers of ids: ours, the client's own, and request ids. Those of ours are noted for the audit.

use std::str::FromStr;

use uuid::Uuid;

use super::Faults;
use crate::ids::{InvalidId, Reference};

/// The longest external id, in characters.
const EXTERNAL_ID_LENGTH_MAX: usize = 128;

impl Faults {
    /// An id of ours that must be given; external ids are not taken.
    pub fn id<I: FromStr<Err = InvalidId>>(&mut self, field: &str, text: &str) -> Option<I> {
        if text.is_empty() {
            self.add(field, "must be given");
            return None;
        }
        match text.parse() {
            Ok(id) => {
                self.touched.ids.push(text.to_owned());
                Some(id)
            }
            Err(invalid) => {
                self.add(field, invalid.to_string());
                None
            }
        }
    }

    /// An id that must be given: ours, or the client's as `ext:…`.
    pub fn reference<I: FromStr<Err = InvalidId>>(
        &mut self,
        field: &str,
        text: &str,
    ) -> Option<Reference<I>> {
        let Some(external) = text.strip_prefix("ext:") else {
            return self.id(field, text).map(Reference::Id);
        };
        if external.is_empty() {
            self.add(field, "must have an external id after \"ext:\"");
            return None;
        }
        let external = self.text(field, external, EXTERNAL_ID_LENGTH_MAX)?;
        Some(Reference::External(external))
    }

    /// Like [`Faults::reference`], for a field that may be empty.
    pub fn optional_reference<I: FromStr<Err = InvalidId>>(
        &mut self,
        field: &str,
        text: &str,
    ) -> Option<Option<Reference<I>>> {
        if text.is_empty() {
            return Some(None);
        }
        self.reference(field, text).map(Some)
    }

    /// The client's own id for a thing that is written; may be empty.
    pub fn external_id(&mut self, field: &str, text: &str) -> Option<Option<String>> {
        let text = self.text(field, text, EXTERNAL_ID_LENGTH_MAX)?;
        Some(Some(text).filter(|text| !text.is_empty()))
    }

    /// The `request_id` of a call that moves credits or money: a UUID in its usual form, not nil.
    pub fn request_id(&mut self, text: &str) -> Option<Uuid> {
        if text.is_empty() {
            self.add("request_id", "must be given: a UUID, best of version 7");
            return None;
        }
        self.uuid("request_id", text)
    }

    /// The `request_id` of any other call that writes; may be empty.
    pub fn optional_request_id(&mut self, text: &str) -> Option<Option<Uuid>> {
        if text.is_empty() {
            return Some(None);
        }
        self.uuid("request_id", text).map(Some)
    }

    /// A UUID in its usual form of 36 characters, not nil.
    pub fn uuid(&mut self, field: &str, text: &str) -> Option<Uuid> {
        let uuid = Uuid::try_parse(text).ok().filter(|uuid| {
            // The parser also takes braces, a URN, and no hyphens.
            !uuid.is_nil() && text.len() == 36
        });
        if uuid.is_none() {
            self.add(
                field,
                "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057",
            );
        }
        uuid
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::ids::PackageId;

    #[test]
    fn an_id_is_ours_or_the_clients() {
        let mut faults = Faults::new();
        let ours = PackageId::from_uuid(Uuid::from_u128(7));
        assert_eq!(
            faults.reference("id", &ours.to_string()),
            Some(Reference::Id(ours))
        );
        let theirs = faults.reference::<PackageId>("id", "ext:A 1");
        assert_eq!(theirs, Some(Reference::External("A 1".to_owned())));
        assert_eq!(faults.optional_reference::<PackageId>("id", ""), Some(None));
        assert!(faults.is_empty());
    }

    #[rstest]
    #[case("")]
    #[case("ext:")]
    #[case("ext:a\nb")]
    #[case("pkg_")]
    #[case("lot_00000000000000000000000007")]
    #[case("00000000-0000-0000-0000-000000000007")]
    fn what_is_no_id_of_the_kind_is_refused(#[case] text: &str) {
        let mut faults = Faults::new();
        assert_eq!(faults.reference::<PackageId>("package_id", text), None);
        assert!(!faults.is_empty());
    }

    #[rstest]
    #[case("01890a5dac96774bbcceb302099a8057")]
    #[case("{01890a5d-ac96-774b-bcce-b302099a8057}")]
    #[case("00000000-0000-0000-0000-000000000000")]
    #[case("once")]
    fn what_is_no_uuid_in_its_usual_form_is_refused(#[case] text: &str) {
        assert_eq!(Faults::new().request_id(text), None);
        assert_eq!(Faults::new().optional_request_id(text), None);
    }
}
