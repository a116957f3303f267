//! The links by which customers unsubscribe from e-mails, and subscribe again (G10, RFC 8058).
//!
//! A link bears the business, the customer and a signature over both, so whoever has the e-mail can use it
//! without a token, and nobody can make one up. It never ends: who gets an old e-mail may still say no to
//! new ones. The key is the business's own and lies in the database, so all replicas read the same links
//! and no setting can be forgotten.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{ConnectionTrait, DbErr};
use sha2::Sha256;

use crate::config::PublicUrl;
use crate::domain::business::Business;
use crate::domain::notice::NoticeKind;
use crate::ids::{BusinessId, CustomerId};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::mailing::MailSettings;
use crate::store::error::StoreError;
use crate::store::{businesses, customers};

/// What is signed begins with this, so that no other signature of the same key can stand in for it.
const PURPOSE: &[u8] = b"unsubscribe\0";
/// The bytes of a signature: half of the hash, which nobody guesses either.
const SIGNATURE_BYTES: usize = 16;

/// What a customer wants who opened the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// No more e-mails but mandatory ones.
    Unsubscribe,
    /// E-mails as before.
    Subscribe,
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Whose e-mails.
    pub business_name: String,
    /// The language of the customer, as a BCP 47 tag.
    pub locale: String,
    /// Whether the customer has unsubscribed.
    pub is_unsubscribed: bool,
    /// Whether some e-mails come all the same.
    pub has_mandatory: bool,
}

/// Whose customer a link is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Named {
    business_id: BusinessId,
    customer_id: CustomerId,
}

/// What the link of an e-mail of this kind begins with; none: no link. A kind that comes all the same has none.
pub fn offered<'a>(
    operator: &'a MailSettings,
    business: &Business,
    kind: NoticeKind,
) -> Option<&'a PublicUrl> {
    let is_mandatory = business.reminder_policy.is_mandatory(kind);
    operator.public_url.as_ref().filter(|_| !is_mandatory)
}

/// What such an address looks like; nobody signed this one, so it unsubscribes nobody.
pub fn example_url(public_url: &PublicUrl) -> String {
    format!("{public_url}/unsubscribe/example")
}

/// The address at which a customer unsubscribes from a business.
pub async fn url(
    db: &impl ConnectionTrait,
    public_url: &PublicUrl,
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<String, ServiceError> {
    let key = businesses::link_key(db, business_id).await?;
    let key = key.ok_or_else(|| StoreError::corrupt("businesses", business_id))?;
    let named = Named {
        business_id,
        customer_id,
    };
    Ok(format!("{public_url}/unsubscribe/{}", named.signed(&key)?))
}

/// What the link with this text leads to; nothing if nobody signed it.
pub async fn read(ctx: &Context, text: &str) -> Result<Option<Subscription>, ServiceError> {
    let reader = ctx.db.reader();
    let Some((named, business)) = verified(ctx, text).await? else {
        return Ok(None);
    };
    let id = surviving(reader, named).await?;
    let found = customers::get(reader, named.business_id, id).await?;
    Ok(found.map(|customer| {
        let is_unsubscribed = customer.unsubscribed_at.is_some();
        subscription(&business, customer.locale, is_unsubscribed)
    }))
}

/// Does what the customer wants and says what holds now; nothing if nobody signed the link. A wish that is
/// fulfilled already changes nothing.
pub async fn fulfil(
    ctx: &Context,
    text: &str,
    wish: Wish,
) -> Result<Option<Subscription>, ServiceError> {
    let Some((named, business)) = verified(ctx, text).await? else {
        return Ok(None);
    };
    let txn = ctx.db.begin().await?;
    let id = surviving(&txn, named).await?;
    let Some(mut customer) = customers::lock(&txn, named.business_id, id).await? else {
        txn.rollback().await?;
        return Ok(None);
    };
    if customer.merged_into.is_some() {
        let changed = DbErr::Custom("the customer was merged meanwhile".to_owned());
        return Err(StoreError::Contention(changed).into());
    }
    let wanted = match wish {
        Wish::Unsubscribe => customer.unsubscribed_at.or(Some(ctx.clock.now())),
        Wish::Subscribe => None,
    };
    if wanted == customer.unsubscribed_at {
        txn.rollback().await?;
    } else {
        customer.unsubscribed_at = wanted;
        customers::update(&txn, named.business_id, &mut customer).await?;
        txn.commit().await?;
    }
    let locale = customer.locale;
    Ok(Some(subscription(&business, locale, wanted.is_some())))
}

fn subscription(
    business: &Business,
    locale: Option<String>,
    is_unsubscribed: bool,
) -> Subscription {
    Subscription {
        business_name: business.name.clone(),
        locale: locale.unwrap_or_else(|| business.locale.clone()),
        is_unsubscribed,
        has_mandatory: !business.reminder_policy.mandatory.is_empty(),
    }
}

/// The customer that is named, or the one that took its place.
async fn surviving(db: &impl ConnectionTrait, named: Named) -> Result<CustomerId, StoreError> {
    let id = named.customer_id;
    let found = customers::get(db, named.business_id, id).await?;
    Ok(found
        .and_then(|customer| customer.merged_into)
        .unwrap_or(id))
}

async fn verified(ctx: &Context, text: &str) -> Result<Option<(Named, Business)>, ServiceError> {
    let Some((named, signature)) = parse(text) else {
        return Ok(None);
    };
    let reader = ctx.db.reader();
    let Some(key) = businesses::link_key(reader, named.business_id).await? else {
        return Ok(None);
    };
    if named.mac(&key)?.verify_truncated_left(&signature).is_err() {
        return Ok(None);
    }
    let business = businesses::get(reader, named.business_id).await?;
    Ok(business.map(|business| (named, business)))
}

fn parse(text: &str) -> Option<(Named, [u8; SIGNATURE_BYTES])> {
    let mut parts = text.split('.');
    let named = Named {
        business_id: parts.next()?.parse().ok()?,
        customer_id: parts.next()?.parse().ok()?,
    };
    let signature = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
    let signature = signature.try_into().ok()?;
    parts.next().is_none().then_some((named, signature))
}

impl Named {
    /// The text of the link.
    fn signed(self, key: &[u8]) -> Result<String, StoreError> {
        let signature = self.mac(key)?.finalize().into_bytes();
        let signature = signature.get(..SIGNATURE_BYTES).unwrap_or_default();
        Ok(format!(
            "{}.{}.{}",
            self.business_id,
            self.customer_id,
            URL_SAFE_NO_PAD.encode(signature)
        ))
    }

    fn mac(self, key: &[u8]) -> Result<Hmac<Sha256>, StoreError> {
        let mac = Hmac::<Sha256>::new_from_slice(key);
        let mut mac = mac.map_err(|_| StoreError::corrupt("businesses", self.business_id))?;
        mac.update(PURPOSE);
        mac.update(self.business_id.uuid().as_bytes());
        mac.update(self.customer_id.uuid().as_bytes());
        Ok(mac)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn named() -> Named {
        Named {
            business_id: BusinessId::generate(DateTime::UNIX_EPOCH),
            customer_id: CustomerId::generate(DateTime::UNIX_EPOCH),
        }
    }

    fn is_signed(text: &str, key: &[u8]) -> bool {
        parse(text).is_some_and(|(named, signature)| {
            let mac = named.mac(key).unwrap();
            mac.verify_truncated_left(&signature).is_ok()
        })
    }

    #[test]
    fn a_link_is_good_as_it_was_signed_and_no_other() {
        let (mine, other) = (named(), named());
        let text = mine.signed(&KEY).unwrap();
        assert!(is_signed(&text, &KEY));
        assert!(!is_signed(&text, &[8; 32]), "another key");
        let of_other = other.signed(&KEY).unwrap();
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
            assert!(!is_signed(&forged, &KEY), "{forged}");
        }
    }
}
