//! Identifiers: UUIDv7 inside, `TypeID` text (`pkg_01h…`) outside.
//!
//! Each kind of thing has a type of its own, so that a customer's id cannot stand where a package's
//! is wanted. New ids carry the instant at which they were made, so that their indexes are
//! append-mostly. A posting has no id of its own kind: its id is the request id, a plain UUID.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::{Builder, NoContext, Timestamp, Uuid};

/// Why a text is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be an id such as {prefix}_01jd0c5hqbf9bvxk2mqnz8s6wt")]
pub struct InvalidId {
    /// The prefix that an id of the wanted kind has.
    pub prefix: &'static str,
}

/// A new version-7 UUID that carries the instant `at`.
pub fn new_uuid(at: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(at.timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(
        NoContext,
        seconds,
        at.timestamp_subsec_nanos(),
    ))
}

/// The first UUID that [`new_uuid`] can make in the first whole millisecond from `at` on: where a time begins
/// in an index of ids.
pub fn first_uuid(at: DateTime<Utc>) -> Uuid {
    let microseconds = u128::try_from(at.timestamp_micros()).unwrap_or(0);
    Uuid::from_u128(microseconds.div_ceil(1_000) << 80)
}

/// The version-8 UUID that `at` and these texts always give: whoever does the same again finds what was done. It
/// sorts among the version-7 UUIDs of the millisecond `at`.
pub fn derived_uuid(at: DateTime<Utc>, texts: &[&str]) -> Uuid {
    let mut hasher = Sha256::new();
    for text in texts {
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        hasher.update(length.to_be_bytes());
        hasher.update(text);
    }
    let mut bytes: [u8; 16] = [0; 16];
    let milliseconds = u64::try_from(at.timestamp_millis()).unwrap_or(0);
    let digest: [u8; 32] = hasher.finalize().into();
    let parts = milliseconds.to_be_bytes().into_iter().skip(2).chain(digest);
    for (byte, part) in bytes.iter_mut().zip(parts) {
        *byte = part;
    }
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// Whether a text is an id of ours, of whatever kind.
pub fn is_id(text: &str) -> bool {
    text.is_ascii() && text.contains('_') && text.parse::<TypeSafeId<DynamicType>>().is_ok()
}

/// How a client names a thing: by the id that we gave it, or by the client's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference<I> {
    /// Our id, such as `pkg_01jd0c5hqbf9bvxk2mqnz8s6wt`.
    Id(I),
    /// The client's id, written `ext:` and the id; without the `ext:` here.
    External(String),
}

impl<I: fmt::Display> fmt::Display for Reference<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::External(external_id) => write!(f, "ext:{external_id}"),
        }
    }
}

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What the text form begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id that carries the instant `at`.
            pub fn generate(at: DateTime<Utc>) -> Self {
                Self(new_uuid(at))
            }

            /// The id that this UUID is.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID that the databases keep.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match DynamicType::new(Self::PREFIX) {
                    Ok(kind) => write!(f, "{}", TypeSafeId::from_type_and_uuid(kind, self.0)),
                    Err(_) => Err(fmt::Error),
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { prefix: Self::PREFIX };
                // The library cuts a long prefix at a byte for its error, which panics inside a letter.
                if !text.is_ascii() {
                    return Err(invalid);
                }
                match text.parse::<TypeSafeId<DynamicType>>() {
                    Ok(id) if id.type_prefix() == Self::PREFIX => Ok(Self(id.uuid())),
                    _ => Err(invalid),
                }
            }
        }
    )+};
}

id_types! {
    /// A business: one tenant.
    BusinessId = "biz";
    /// A member of a business's staff.
    UserId = "usr";
    /// What members of staff may do.
    RoleId = "rol";
    /// An API token.
    TokenId = "tok";
    /// A credit type.
    CreditTypeId = "ctp";
    /// A product or service that credits can pay for.
    ItemId = "itm";
    /// A package as it is offered.
    TemplateId = "tpl";
    /// A line of a template version or of a package.
    LineId = "lin";
    /// A customer.
    CustomerId = "cus";
    /// A group of customers.
    GroupId = "grp";
    /// One `SellPackages` call for one owner.
    SaleId = "sal";
    /// A package that was sold or given.
    PackageId = "pkg";
    /// The credits of one line in one package at one unit value.
    LotId = "lot";
    /// Credits that are set aside; its UUID is its posting's id.
    HoldId = "hld";
    /// One fact to tell a customer.
    NoticeId = "ntc";
    /// One message to a customer.
    EmailId = "eml";
    /// A payment that was recorded.
    PaymentId = "pay";
    /// What the payment system is to charge.
    ChargeRequestId = "chg";
    /// Work on many packages.
    BulkRunId = "run";
    /// Days on which a business is closed.
    ClosureId = "clo";
    /// A standing agreement to pay for the same package each period.
    SubscriptionId = "sub";
    /// A standing order to issue credits when something happens.
    TriggerId = "trg";
    /// Something that happened.
    EventId = "evt";
    /// An invoice.
    InvoiceId = "inv";
    /// A line of an invoice.
    InvoiceLineId = "inl";
    /// A booking of an item at a time.
    BookingId = "bkg";
    /// Something that was done, or refused.
    AuditEventId = "aud";
    /// Bookings that were made together, one every so many weeks.
    BookingSeriesId = "bks";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_is_told_as_it_is_written() {
        let id = PackageId::from_uuid(Uuid::nil());
        assert_eq!(Reference::Id(id).to_string(), id.to_string());
        let external = Reference::<PackageId>::External("7".to_owned());
        assert_eq!(external.to_string(), "ext:7");
    }

    proptest! {
        #[test]
        fn every_uuid_survives_its_text_form_as_every_kind_and_as_no_other(bits: u128) {
            let uuid = Uuid::from_u128(bits);
            let package = PackageId::from_uuid(uuid).to_string();
            prop_assert_eq!(package.parse::<PackageId>(), Ok(PackageId::from_uuid(uuid)));
            prop_assert!(package.parse::<LotId>().is_err());
            let business = BusinessId::from_uuid(uuid).to_string();
            prop_assert_eq!(business.parse::<BusinessId>(), Ok(BusinessId::from_uuid(uuid)));
            let json = serde_json::to_string(&LotId::from_uuid(uuid)).unwrap();
            prop_assert_eq!(serde_json::from_str::<LotId>(&json).unwrap(), LotId::from_uuid(uuid));
        }

        #[test]
        fn any_text_is_the_one_text_of_an_id_or_refused(
            text in "\\PC{0,40}|pkg_[0-9a-z]{26}|pkg_[0-7][0-9A-Za-z]{25}|[a-z_]{0,6}[0-9a-z]{20,30}",
        ) {
            if let Ok(id) = text.parse::<PackageId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn an_id_survives_its_text_form() {
        let id = PackageId::generate(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let text = id.to_string();
        assert!(text.starts_with("pkg_"), "{text}");
        assert_eq!(text.parse::<PackageId>(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let lot = LotId::generate(DateTime::UNIX_EPOCH).to_string();
        assert!(lot.parse::<PackageId>().is_err());
        assert!("pkg_".parse::<PackageId>().is_err());
        assert!("".parse::<PackageId>().is_err());
    }

    #[test]
    fn a_long_text_in_any_script_is_refused() {
        for letter in ["a", "õ", "水", "𖽏"] {
            for before in 0..4 {
                let prefix = format!("{}{}", "x".repeat(before), letter.repeat(63));
                let text = format!("{prefix}_01jd0c5hqbf9bvxk2mqnz8s6wt");
                assert!(text.parse::<PackageId>().is_err(), "{text}");
            }
        }
    }

    #[test]
    fn a_time_begins_before_all_ids_of_its_millisecond_and_after_those_of_the_one_before() {
        let at = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let before = DateTime::from_timestamp_micros(1_700_000_000_122_001).unwrap();
        assert!(new_uuid(before) < first_uuid(at) && first_uuid(at) < new_uuid(at));
        assert_eq!(first_uuid(before), first_uuid(at));
    }

    #[test]
    fn a_derived_id_is_always_the_same_and_never_that_of_other_texts() {
        let at = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let id = derived_uuid(at, &["a", "bc"]);
        assert_eq!(id, derived_uuid(at, &["a", "bc"]));
        assert_ne!(id, derived_uuid(at, &["ab", "c"]));
        assert_eq!(id.get_version_num(), 8);
        let later = DateTime::from_timestamp_millis(1_700_000_000_124).unwrap();
        assert!(first_uuid(at) < id && id < first_uuid(later));
    }

    #[test]
    fn an_id_of_any_kind_is_told_from_other_texts() {
        assert!(is_id(&TokenId::generate(DateTime::UNIX_EPOCH).to_string()));
        for text in [
            "",
            "ext:7",
            "Mari",
            "mari@example.com",
            "cus_",
            "00000000000000000000000007",
        ] {
            assert!(!is_id(text), "{text}");
        }
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        let first = LotId::generate(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let second = LotId::generate(DateTime::from_timestamp(1_700_000_001, 0).unwrap());
        assert!(first < second);
    }
}
