//! The customer's page (H7): what the button of an e-mail leads to.
//!
//! It shows what `PortalService` tells, in the customer's language, to whoever has the link: until the link ends, the
//! business switches packages off, or the customer is erased.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::config::PublicUrl;
use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::customer::Customer;
use crate::domain::lot::Lot;
use crate::domain::package::Status;
use crate::ids::{BusinessId, CustomerId, PackageId};
use crate::ledger::reach::settled;
use crate::mail::content::PackageFacts;
use crate::mail::templates::TemplateSet;
use crate::service::context::Context;
use crate::service::email_content::{self, Facts};
use crate::service::error::ServiceError;
use crate::service::history::Position;
use crate::service::links::{self, Link, Purpose};
use crate::service::mailing::MailSettings;
use crate::service::package_view::view;
use crate::service::portal::{self, MyEntry, MyEntryList};
use crate::service::resolve;
use crate::store::error::StoreError;
use crate::store::{lots, packages};

/// For how long a link is good: longer than most leads of reminders, so that the newest e-mail has a good one.
const LINK_LASTS: TimeDelta = TimeDelta::days(90);
/// The most packages on the page; the newest are shown.
const PACKAGES_MAX: usize = 200;
/// How many events are shown at a time.
const EVENTS_PER_PAGE: usize = 20;

/// What a link leads to.
pub struct Opened {
    /// The words of the page.
    pub templates: Arc<TemplateSet>,
    /// The language of the customer, as a BCP 47 tag.
    pub locale: String,
    /// What there is to see.
    pub shown: Shown,
}

/// What there is to see.
#[derive(Clone, Debug)]
pub enum Shown {
    /// The customer's own.
    Page(Box<CustomerPage>),
    /// Nothing: the link was good for long enough.
    Ended,
    /// Nothing: the business has packages switched off.
    SwitchedOff,
}

/// What a customer sees.
#[derive(Clone, Debug)]
pub struct CustomerPage {
    /// Whose packages they are.
    pub business_name: String,
    /// Today where the business is.
    pub today: NaiveDate,
    /// Where the business is.
    pub zone: Tz,
    /// The packages, the newest first; none where only earlier events are shown.
    pub packages: Option<Vec<ShownPackage>>,
    /// What became of the credits, newest first.
    pub events: Vec<MyEntry>,
    /// Where earlier events begin; none if there are none.
    pub next: Option<String>,
}

/// A package on the page.
#[derive(Clone, Debug)]
pub struct ShownPackage {
    /// What there is to say of it.
    pub facts: PackageFacts,
    /// What it is now.
    pub status: Status,
    /// The last day for which it is frozen, if it is.
    pub frozen_through: Option<NaiveDate>,
    /// Whether it is somebody else's, who shares it.
    pub is_shared: bool,
}

/// What the address of the page begins with in the e-mails of a business; none: they lead elsewhere, or nowhere.
pub fn offered<'a>(operator: &'a MailSettings, business: &Business) -> Option<&'a PublicUrl> {
    let leads_elsewhere = business.sender.link_base_url.is_some();
    operator.public_url.as_ref().filter(|_| !leads_elsewhere)
}

/// What such an address looks like; nobody signed this one, so it shows nothing.
pub fn example_url(public_url: &PublicUrl) -> String {
    format!("{public_url}/packages/example")
}

/// The address at which a customer sees its packages for a while; its business signs links with `key`.
pub fn url(
    public_url: &PublicUrl,
    key: &[u8],
    (business_id, customer_id): (BusinessId, CustomerId),
    now: DateTime<Utc>,
) -> Result<String, StoreError> {
    let link = Link {
        business_id,
        customer_id,
        ends_at: now
            .checked_add_signed(LINK_LASTS)
            .map(|at| at.trunc_subsecs(0)),
    };
    let text = link.text(Purpose::Packages, key)?;
    Ok(format!("{public_url}/packages/{text}"))
}

/// What the link with this text leads to, with the events from a place on that an earlier answer named; nothing if
/// nobody signed it, if the place is none, or if the customer was erased.
pub async fn open(
    ctx: &Context,
    text: &str,
    from: Option<&str>,
) -> Result<Option<Opened>, ServiceError> {
    let Some((link, business)) = links::verified(ctx, Purpose::Packages, text).await? else {
        return Ok(None);
    };
    let after = from.map(read_place);
    if after == Some(None) {
        return Ok(None);
    }
    let found = resolve::surviving(ctx.db.reader(), business.id, link.customer_id).await?;
    let Some(customer) = found.filter(|customer| customer.erased_at.is_none()) else {
        return Ok(None);
    };
    let now = ctx.clock.now();
    let shown = if link.ends_at.is_none_or(|ends_at| ends_at <= now) {
        Shown::Ended
    } else if !business.feature_enabled {
        Shown::SwitchedOff
    } else {
        let page = page(ctx, &business, &customer, after.flatten(), now).await?;
        Shown::Page(Box::new(page))
    };
    Ok(Some(Opened {
        templates: ctx.mailing.templates.current()?,
        locale: email_content::locale(&business, Some(&customer)),
        shown,
    }))
}

async fn page(
    ctx: &Context,
    business: &Business,
    customer: &Customer,
    after: Option<Position>,
    now: DateTime<Utc>,
) -> Result<CustomerPage, ServiceError> {
    let packages = match after {
        None => Some(packages_of(ctx, business, customer, now).await?),
        Some(_) => None,
    };
    let list = MyEntryList {
        after,
        size: EVENTS_PER_PAGE,
    };
    let events = portal::entries_of(ctx, business.id, customer.id, list).await?;
    Ok(CustomerPage {
        business_name: business.name.clone(),
        today: calendar::local_day(now, business.zone),
        zone: business.zone,
        packages,
        events: events.rows,
        next: events.next.as_ref().and_then(place),
    })
}

async fn packages_of(
    ctx: &Context,
    business: &Business,
    customer: &Customer,
    now: DateTime<Utc>,
) -> Result<Vec<ShownPackage>, ServiceError> {
    let txn = ctx.db.snapshot().await?;
    let mine = portal::of_customer(&txn, business.id, customer.id).await?;
    let newest = mine.keys().rev().copied().take(PACKAGES_MAX);
    let ids: Vec<PackageId> = newest.collect();
    let found = packages::by_ids(&txn, business.id, &ids).await?;
    let lots = lots::of_packages(&txn, business.id, &ids).await?;
    let lots = settled(&txn, business.id, lots, now).await?;
    let types = email_content::types_of(&txn, business.id, &lots).await?;
    txn.commit().await?;
    let facts = Facts {
        business,
        contact: customer,
        packages: &[],
        lots: &lots,
        types: &types,
        now,
    };
    let shown = found.iter().rev().map(|package| {
        let of_package = lots.iter().filter(|lot| lot.package_id == package.id);
        let of_package: Vec<Lot> = of_package.cloned().collect();
        let view = view(package, &of_package, business, now);
        let frozen_until = view.package.frozen_until_max;
        Ok(ShownPackage {
            facts: email_content::package_facts(&view.package, &facts)?,
            status: view.status,
            frozen_through: frozen_until.map(|at| calendar::last_usable_day(at, business.zone)),
            is_shared: mine.get(&package.id) == Some(&true),
        })
    });
    shown.collect()
}

/// A place in the history as it stands in an address. It holds no secrets and is not signed: whichever place is
/// asked for, it is one in the history of the customer whose link it is.
fn place(position: &Position) -> Option<String> {
    let json = serde_json::to_vec(position).ok()?;
    Some(URL_SAFE_NO_PAD.encode(json))
}

fn read_place(text: &str) -> Option<Position> {
    let json = URL_SAFE_NO_PAD.decode(text).ok()?;
    serde_json::from_slice(&json).ok()
}
