//! Pages of lists: their size, and the tokens that name where the next one begins.
//!
//! A token is opaque to clients: a version, a digest of the method and its filters, and a position
//! that the list's query understands. A token that is used with other filters is refused, since its
//! position would mean nothing there. It holds no secrets and is not signed: a forged position shows
//! nothing that the caller could not list anyway.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::grpc::faults::Faults;
use crate::grpc::layers::panic::internal;
use crate::proto::v1;

/// How many rows a page has if the client does not say.
const SIZE_DEFAULT: i32 = 50;

/// The most rows on a page.
const SIZE_MAX: i32 = 200;

/// The longest token, in characters.
const TOKEN_LENGTH_MAX: usize = 2_048;

/// Of the form of the token's content.
const VERSION: u8 = 1;

/// A request for a page of a list.
pub trait Paged: Message + Clone {
    /// The name of the request, which keeps the tokens of different lists apart.
    const NAME: &'static str;

    /// How many rows are asked for; 0 if the client does not say.
    fn page_size(&self) -> i32;

    /// Where to begin; empty for the first page.
    fn page_token(&self) -> &str;

    /// The same without size and token: the filters.
    #[must_use]
    fn filters(&self) -> Self;
}

macro_rules! paged {
    ($($request:ident),+ $(,)?) => {$(
        impl Paged for v1::$request {
            const NAME: &'static str = stringify!($request);

            fn page_size(&self) -> i32 {
                self.page_size
            }

            fn page_token(&self) -> &str {
                &self.page_token
            }

            fn filters(&self) -> Self {
                let mut filters = self.clone();
                filters.page_size = 0;
                filters.page_token.clear();
                filters
            }
        }
    )+};
}

paged! {
    ListTokensRequest,
    ListUsersRequest,
    ListRolesRequest,
    ListAuditEventsRequest,
    ListCreditTypesRequest,
    ListItemsRequest,
    ListTemplatesRequest,
    ListCustomersRequest,
    ListGroupsRequest,
    ListPackagesRequest,
    ListChangesRequest,
    ExtendPackagesRequest,
    ListBulkResultsRequest,
    ListClosuresRequest,
    PreviewClosureRequest,
    ListUsablePackagesRequest,
    ListEntriesRequest,
    ListEmailsRequest,
    ListUpcomingRequest,
    ListSuppressionsRequest,
    ListEmailTemplatesRequest,
    ListSubscriptionsRequest,
    ListBookingsRequest,
    ListTriggersRequest,
    ListChargeRequestsRequest,
    ListInvoicesRequest,
    OutstandingRequest,
    PackagesRequest,
    LedgerRequest,
    GetMyPackagesRequest,
    ListMyEntriesRequest,
}

/// Which page of a list is wanted. `P` is the position of the last row of the page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<P> {
    /// How many rows at most, 1 to 200.
    pub size: u16,
    /// Behind which position it begins; none for the first page.
    pub after: Option<P>,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct Token<P> {
    #[serde(rename = "v")]
    version: u8,
    #[serde(rename = "f")]
    digest: String,
    #[serde(rename = "p")]
    position: P,
}

impl<P> Page<P> {
    /// The first page of no list in particular: to read the other fields by where the page is not good.
    pub fn first() -> Self {
        Self {
            size: 1,
            after: None,
            digest: String::new(),
        }
    }
}

impl<P: Serialize + DeserializeOwned> Page<P> {
    /// Reads the size and the token of a request.
    pub fn read<R: Paged>(request: &R, faults: &mut Faults) -> Option<Self> {
        let digest = digest(request);
        let size = match request.page_size() {
            0 => Some(SIZE_DEFAULT),
            asked => faults.number("page_size", asked, 1..=SIZE_MAX),
        };
        let after = match request.page_token() {
            "" => Some(None),
            token => position(token, &digest, faults).map(Some),
        };
        Some(Self {
            size: u16::try_from(size?).ok()?,
            after: after?,
            digest,
        })
    }

    /// How many rows to ask the store for: one more than the page holds, to know whether there is a next.
    pub fn limit(&self) -> u64 {
        u64::from(self.size).saturating_add(1)
    }

    /// Cuts what was found to the page, with the token of the next one; empty if this is the last.
    pub fn cut<T>(
        &self,
        mut found: Vec<T>,
        position: impl FnOnce(&T) -> P,
    ) -> Result<(Vec<T>, String), Status> {
        let size = usize::from(self.size);
        if found.len() <= size {
            return Ok((found, String::new()));
        }
        found.truncate(size);
        let token = match found.last() {
            Some(last) => self.next_token(position(last))?,
            None => String::new(),
        };
        Ok((found, token))
    }

    /// The token of the page behind a position; empty if there is none.
    pub fn token_of(&self, position: Option<P>) -> Result<String, Status> {
        position.map_or(Ok(String::new()), |position| self.next_token(position))
    }

    /// The token of the page behind this one, whose last row is at `position`.
    pub fn next_token(&self, position: P) -> Result<String, Status> {
        let token = Token {
            version: VERSION,
            digest: self.digest.clone(),
            position,
        };
        let json = serde_json::to_vec(&token).map_err(|error| {
            tracing::error!(%error, "a page token could not be written: {error}");
            internal()
        })?;
        Ok(URL_SAFE_NO_PAD.encode(json))
    }
}

fn position<P: DeserializeOwned>(text: &str, digest: &str, faults: &mut Faults) -> Option<P> {
    let token = (text.len() <= TOKEN_LENGTH_MAX)
        .then(|| URL_SAFE_NO_PAD.decode(text).ok())
        .flatten()
        .and_then(|json| serde_json::from_slice::<Token<P>>(&json).ok())
        .filter(|token| token.version == VERSION);
    let Some(token) = token else {
        faults.add(
            "page_token",
            "must be the next_page_token of an earlier answer",
        );
        return None;
    };
    if token.digest != digest {
        faults.add(
            "page_token",
            "must be used with the filters that it was made for",
        );
        return None;
    }
    Some(token.position)
}

/// Half of the SHA-256 over the name of the request and its filters.
fn digest<R: Paged>(request: &R) -> String {
    let mut hasher = Sha256::new();
    hasher.update(R::NAME);
    hasher.update([0]);
    hasher.update(request.filters().encode_to_vec());
    let hash = hasher.finalize();
    URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::proto::v1::{ListCustomersRequest, ListItemsRequest};

    fn customers(query: &str, page_token: String) -> ListCustomersRequest {
        ListCustomersRequest {
            page_token,
            query: query.to_owned(),
            ..Default::default()
        }
    }

    fn read(request: &impl Paged) -> Option<Page<u64>> {
        Page::read(request, &mut Faults::new())
    }

    #[test]
    fn a_token_leads_on_from_its_position() {
        let first = read(&customers("mari", String::new())).unwrap();
        assert_eq!((first.size, first.after), (50, None));
        let token = first.next_token(42).unwrap();
        let mut next = customers("mari", token);
        next.page_size = 10;
        let second = read(&next).unwrap();
        assert_eq!((second.size, second.after), (10, Some(42)));
    }

    #[test]
    fn a_token_is_good_only_for_its_own_filters_and_list() {
        let first = read(&customers("mari", String::new())).unwrap();
        let token = first.next_token(42).unwrap();
        assert_eq!(read(&customers("jaan", token.clone())), None);
        let items = ListItemsRequest {
            page_token: token,
            ..Default::default()
        };
        assert_eq!(read(&items), None);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_by_its_field(
            token in "\\PC{1,80}|[A-Za-z0-9_-]{1,300}",
        ) {
            let mut faults = Faults::new();
            prop_assert_eq!(Page::<u64>::read(&customers("", token), &mut faults), None);
            let status = faults.all(None::<()>).unwrap_err();
            let named = tonic_types::StatusExt::get_details_bad_request(&status).unwrap();
            prop_assert_eq!(named.field_violations[0].field.as_str(), "page_token");
        }

        #[test]
        fn a_token_with_any_character_changed_is_refused_or_only_another_position(
            position: u64,
            place: prop::sample::Index,
            character in "[A-Za-z0-9_-]",
        ) {
            let first = read(&customers("mari", String::new())).unwrap();
            let mut token = first.next_token(position).unwrap();
            let place = place.index(token.len());
            token.replace_range(place..=place, &character);
            if let Some(page) = read(&customers("mari", token.clone())) {
                prop_assert_eq!((&page.digest, page.size), (&first.digest, first.size));
                prop_assert!(page.after.is_some());
            }
            prop_assert_eq!(read(&customers("jaan", token)), None);
        }

        #[test]
        fn any_position_is_led_on_from(position: u64, query in "\\PC{0,10}") {
            let first = read(&customers(&query, String::new())).unwrap();
            let next = customers(&query, first.next_token(position).unwrap());
            prop_assert_eq!(read(&next).unwrap().after, Some(position));
        }
    }

    #[rstest]
    #[case("x")]
    #[case("=====")]
    #[case("bm90IGpzb24")]
    #[case("eyJ2IjoxfQ")]
    fn what_is_no_token_is_refused(#[case] token: &str) {
        assert_eq!(read(&customers("", token.to_owned())), None);
        let long = token.repeat(5_000);
        assert_eq!(read(&customers("", long)), None);
    }

    #[rstest]
    #[case(-1)]
    #[case(201)]
    #[case(i32::MIN)]
    fn a_size_out_of_range_is_refused(#[case] page_size: i32) {
        let request = ListItemsRequest {
            page_size,
            ..Default::default()
        };
        assert_eq!(read(&request), None);
    }
}
