//! The links in e-mails that a customer can open without a token.
//!
//! A link bears the business, the customer, for some purposes when it ends, and a signature over all that and
//! the purpose: whoever has the e-mail can use it, nobody can make one up, and none does what another is for. The
//! key is the business's own and lies in the database, so all replicas read the same links and no setting can be
//! forgotten.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::business::Business;
use crate::ids::{BusinessId, CustomerId};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::businesses;
use crate::store::error::StoreError;

/// The bytes of a signature: half of the hash, which nobody guesses either.
const SIGNATURE_BYTES: usize = 16;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To unsubscribe from e-mails, and subscribe again.
    Unsubscribe,
    /// To see one's packages.
    Packages,
}

/// Who a link is for, and how long it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Whose customer.
    pub(super) business_id: BusinessId,
    /// Which one, or the one that took its place.
    pub(super) customer_id: CustomerId,
    /// From when on it shows nothing, in whole seconds; none: never.
    pub(super) ends_at: Option<DateTime<Utc>>,
}

/// What the link with this text says, and the business; nothing if nobody signed it for this purpose. Whether it
/// has ended is for the caller.
pub(super) async fn verified(
    ctx: &Context,
    purpose: Purpose,
    text: &str,
) -> Result<Option<(Link, Business)>, ServiceError> {
    let Some((link, signature)) = parse(text) else {
        return Ok(None);
    };
    let reader = ctx.db.reader();
    let Some(key) = businesses::link_key(reader, link.business_id).await? else {
        return Ok(None);
    };
    let mac = link.mac(purpose, &key)?;
    if mac.verify_truncated_left(&signature).is_err() {
        return Ok(None);
    }
    let business = businesses::get(reader, link.business_id).await?;
    Ok(business.map(|business| (link, business)))
}

fn parse(text: &str) -> Option<(Link, [u8; SIGNATURE_BYTES])> {
    let (said, signature) = text.rsplit_once('.')?;
    let mut parts = said.split('.');
    let link = Link {
        business_id: parts.next()?.parse().ok()?,
        customer_id: parts.next()?.parse().ok()?,
        ends_at: match parts.next() {
            None => None,
            Some(seconds) => Some(DateTime::from_timestamp(seconds.parse().ok()?, 0)?),
        },
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let signature = signature.try_into().ok()?;
    parts.next().is_none().then_some((link, signature))
}

impl Purpose {
    /// What is signed begins with this, so that no signature can stand in for that of another purpose.
    const fn signed_first(self) -> &'static [u8] {
        match self {
            Self::Unsubscribe => b"unsubscribe\0",
            Self::Packages => b"packages\0",
        }
    }
}

impl Link {
    /// Its text, which stands in an address; `key` is what the business signs links with.
    pub(super) fn text(self, purpose: Purpose, key: &[u8]) -> Result<String, StoreError> {
        let signature = self.mac(purpose, key)?.finalize().into_bytes();
        let signature = signature.get(..SIGNATURE_BYTES).unwrap_or_default();
        let end = self.ends_at.map(|at| format!(".{}", at.timestamp()));
        Ok(format!(
            "{}.{}{}.{}",
            self.business_id,
            self.customer_id,
            end.unwrap_or_default(),
            URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    fn mac(self, purpose: Purpose, key: &[u8]) -> Result<Hmac<Sha256>, StoreError> {
        let mac = Hmac::<Sha256>::new_from_slice(key);
        let mut mac = mac.map_err(|_| StoreError::corrupt("businesses", self.business_id))?;
        mac.update(purpose.signed_first());
        mac.update(self.business_id.uuid().as_bytes());
        mac.update(self.customer_id.uuid().as_bytes());
        if let Some(ends_at) = self.ends_at {
            mac.update(&ends_at.timestamp().to_be_bytes());
        }
        Ok(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn link(ends_at: Option<i64>) -> Link {
        Link {
            business_id: BusinessId::generate(DateTime::UNIX_EPOCH),
            customer_id: CustomerId::generate(DateTime::UNIX_EPOCH),
            ends_at: ends_at.and_then(|seconds| DateTime::from_timestamp(seconds, 0)),
        }
    }

    fn is_signed(text: &str, purpose: Purpose, key: &[u8]) -> bool {
        parse(text).is_some_and(|(link, signature)| {
            let mac = link.mac(purpose, key).unwrap();
            mac.verify_truncated_left(&signature).is_ok()
        })
    }

    #[test]
    fn a_link_is_good_as_it_was_signed_and_no_other() {
        let purpose = Purpose::Unsubscribe;
        let (mine, other) = (link(None), link(None));
        let text = mine.text(purpose, &KEY).unwrap();
        assert!(is_signed(&text, purpose, &KEY));
        assert!(!is_signed(&text, purpose, &[8; 32]), "another key");
        let of_other = other.text(purpose, &KEY).unwrap();
        let signature = of_other.rsplit('.').next().unwrap();
        for forged in [
            format!("{}.{}.{signature}", mine.business_id, mine.customer_id),
            format!("{}.{}.", mine.business_id, mine.customer_id),
            format!("{}.{}", mine.business_id, mine.customer_id),
            format!("{text}.x"),
            format!("{text}A"),
            text[..text.len() - 1].to_owned(),
            "..".to_owned(),
            String::new(),
            "biz_é.cus_é.é".to_owned(),
        ] {
            assert!(!is_signed(&forged, purpose, &KEY), "{forged}");
        }
    }

    #[test]
    fn no_link_does_what_another_is_for_or_lasts_longer_than_it_was_signed_for() {
        for link in [link(None), link(Some(1_700_000_000))] {
            let text = link.text(Purpose::Packages, &KEY).unwrap();
            assert!(is_signed(&text, Purpose::Packages, &KEY));
            assert!(!is_signed(&text, Purpose::Unsubscribe, &KEY), "{text}");
        }
        let ending = link(Some(1_700_000_000));
        let text = ending.text(Purpose::Packages, &KEY).unwrap();
        assert_eq!(parse(&text).unwrap().0, ending);
        for longer in [
            text.replace(".1700000000.", ".1800000000."),
            text.replace(".1700000000.", "."),
            text.replace(".1700000000.", ".9223372036854775807."),
            text.replace(".1700000000.", ".1700000000.1700000000."),
        ] {
            assert!(!is_signed(&longer, Purpose::Packages, &KEY), "{longer}");
        }
    }
}
