//! The links by which customers unsubscribe from e-mails, and subscribe again (G10, RFC 8058).
//!
//! Such a link never ends: who gets an old e-mail may still say no to new ones.

use sea_orm::DbErr;

use crate::config::PublicUrl;
use crate::domain::business::Business;
use crate::domain::notice::NoticeKind;
use crate::ids::{BusinessId, CustomerId};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::links::{self, Link, Purpose};
use crate::service::mailing::MailSettings;
use crate::service::resolve;
use crate::store::customers;
use crate::store::error::StoreError;

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

/// The address at which a customer unsubscribes from a business, which signs links with `key`.
pub fn url(
    public_url: &PublicUrl,
    key: &[u8],
    business_id: BusinessId,
    customer_id: CustomerId,
) -> Result<String, StoreError> {
    let link = Link {
        business_id,
        customer_id,
        ends_at: None,
    };
    let text = link.text(Purpose::Unsubscribe, key)?;
    Ok(format!("{public_url}/unsubscribe/{text}"))
}

/// What the link with this text leads to; nothing if nobody signed it.
pub async fn read(ctx: &Context, text: &str) -> Result<Option<Subscription>, ServiceError> {
    let Some((link, business)) = links::verified(ctx, Purpose::Unsubscribe, text).await? else {
        return Ok(None);
    };
    let found = resolve::surviving(ctx.db.reader(), business.id, link.customer_id).await?;
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
    let Some((link, business)) = links::verified(ctx, Purpose::Unsubscribe, text).await? else {
        return Ok(None);
    };
    let txn = ctx.db.begin().await?;
    let Some(found) = resolve::surviving(&txn, business.id, link.customer_id).await? else {
        txn.rollback().await?;
        return Ok(None);
    };
    let locked = customers::lock(&txn, business.id, found.id).await?;
    let mut customer = locked.ok_or_else(|| StoreError::corrupt("customers", found.id))?;
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
        customers::update(&txn, business.id, &mut customer).await?;
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
