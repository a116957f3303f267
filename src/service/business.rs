//! Businesses: made by the operator of the server; their settings, changed by themselves.

use chrono_tz::Tz;

use crate::domain::business::{Business, Invoicing, ReminderPolicy, Sender};
use crate::domain::money::Currency;
use crate::domain::policies::Policies;
use crate::ids::BusinessId;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::businesses;

/// What the things of this file are called.
const KIND: &str = "business";
/// Days after expiry in which a package can be restored, until the business says otherwise.
const DEFAULT_QUARANTINE_DAYS: i32 = 30;

/// What a new business is; the rest of its settings are its own to choose.
#[derive(Clone, Debug)]
pub struct NewBusiness {
    /// What customers read.
    pub name: String,
    /// Where its days begin and end.
    pub zone: Tz,
    /// The language of its e-mails, as a BCP 47 tag.
    pub locale: String,
    /// What its prices are in.
    pub currency: Currency,
    /// Whether packages are switched on at once (C10).
    pub feature_enabled: bool,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct SettingsUpdate {
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// What customers read.
    pub name: Option<String>,
    /// Where its days begin and end.
    pub zone: Option<Tz>,
    /// The language of its e-mails.
    pub locale: Option<String>,
    /// Whether packages are switched on.
    pub feature_enabled: Option<bool>,
    /// Whether it sells on account.
    pub account_payments_active: Option<bool>,
    /// Whether prices are written with tax.
    pub prices_include_tax: Option<bool>,
    /// Days after expiry in which a package can be restored.
    pub quarantine_days: Option<i32>,
    /// What holds where a template leaves it unset.
    pub policies: Option<Policies>,
    /// The priority of packages whose template has none.
    pub default_priority: Option<i32>,
    /// How its invoices work: all of it.
    pub invoicing: Option<Invoicing>,
    /// Who its e-mails come from.
    pub sender: Option<Sender>,
}

/// Makes a business.
pub async fn create_business(ctx: &Context, input: &NewBusiness) -> Result<Business, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    let business = Business {
        id: BusinessId::generate(now),
        name: input.name.clone(),
        zone: input.zone,
        locale: input.locale.clone(),
        currency: input.currency,
        feature_enabled: input.feature_enabled,
        account_payments_active: false,
        prices_include_tax: true,
        quarantine_days: DEFAULT_QUARANTINE_DAYS,
        policies: Policies::default(),
        default_priority: 0,
        reminder_policy: ReminderPolicy::default(),
        invoicing: Invoicing::default(),
        sender: Sender::default(),
        version: 1,
    };
    businesses::insert(&txn, &business, now).await?;
    txn.commit().await?;
    Ok(business)
}

/// All businesses of this server, oldest first: for its operator.
pub async fn list_businesses(ctx: &Context) -> Result<Vec<Business>, ServiceError> {
    Ok(businesses::all(ctx.db.reader()).await?)
}

/// The caller's business as it is now.
///
/// # Errors
/// `NOT_FOUND` if it has left meanwhile.
pub async fn get_settings(ctx: &Context, call: &Call, (): &()) -> Result<Business, ServiceError> {
    let id = call.business_id();
    let found = businesses::get(ctx.db.reader(), id).await?;
    found.ok_or_else(|| resolve::not_found(KIND, &id).into())
}

/// Changes the settings of the caller's business.
///
/// # Errors
/// `ETAG_MISMATCH`.
pub async fn update_settings(
    ctx: &Context,
    call: &Call,
    input: &SettingsUpdate,
) -> Result<Answer<Business>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = call.business_id();
    let old = businesses::lock(&txn, id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &id))?;
    resolve::check_etag(KIND, id, old.version, input.etag.as_deref())?;
    let mut business = changed(old, input);
    businesses::update(&txn, &mut business).await?;
    call.remember(&txn, &business).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(business))
}

fn changed(old: Business, input: &SettingsUpdate) -> Business {
    let change = input.clone();
    Business {
        name: change.name.unwrap_or(old.name),
        zone: change.zone.unwrap_or(old.zone),
        locale: change.locale.unwrap_or(old.locale),
        feature_enabled: change.feature_enabled.unwrap_or(old.feature_enabled),
        account_payments_active: change
            .account_payments_active
            .unwrap_or(old.account_payments_active),
        prices_include_tax: change.prices_include_tax.unwrap_or(old.prices_include_tax),
        quarantine_days: change.quarantine_days.unwrap_or(old.quarantine_days),
        policies: change.policies.unwrap_or(old.policies),
        default_priority: change.default_priority.unwrap_or(old.default_priority),
        invoicing: change.invoicing.unwrap_or(old.invoicing),
        sender: change.sender.unwrap_or(old.sender),
        ..old
    }
}
