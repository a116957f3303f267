//! Customers: added, found, changed; never deleted.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::domain::customer::Customer;
use crate::domain::refusal::{HolderRefusal, Refusal};
use crate::ids::{CustomerId, Reference};
use crate::service::buyers::check_merged;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::{events, resolve};
use crate::store::customers::{self, Filter};
use crate::store::error::StoreError;

/// What the things of this file are called.
const KIND: &str = "customer";

/// How many customers of one address an error lists.
const CANDIDATES_MAX: usize = 10;

/// What a new customer is.
#[derive(Clone, Debug)]
pub struct NewCustomer {
    /// The caller's own id of the customer.
    pub external_id: Option<String>,
    /// What the customer is called.
    pub name: String,
    /// Where e-mails go.
    pub email: Option<String>,
    /// Whether the address is known to be the customer's.
    pub email_verified: bool,
    /// The telephone number.
    pub phone: Option<String>,
    /// The language of e-mails, as a BCP 47 tag.
    pub locale: Option<String>,
    /// The customer's time zone.
    pub time_zone: Option<Tz>,
    /// Whether the customer may pay on account.
    pub may_purchase_on_account: bool,
    /// Whether the customer wants no e-mails but mandatory ones.
    pub unsubscribed: bool,
}

/// What is to change; `None` leaves a field as it is.
#[derive(Clone, Debug)]
pub struct CustomerUpdate {
    /// Which one.
    pub id: Reference<CustomerId>,
    /// The version that the caller knows; none: whatever it is.
    pub etag: Option<String>,
    /// The caller's own id of the customer.
    pub external_id: Option<Option<String>>,
    /// What the customer is called.
    pub name: Option<String>,
    /// Where e-mails go.
    pub email: Option<Option<String>>,
    /// Whether the address is known to be the customer's.
    pub email_verified: Option<bool>,
    /// The telephone number.
    pub phone: Option<Option<String>>,
    /// The language of e-mails, as a BCP 47 tag.
    pub locale: Option<Option<String>>,
    /// The customer's time zone.
    pub time_zone: Option<Option<Tz>>,
    /// Whether packages can be sold and given to the customer.
    pub active: Option<bool>,
    /// Whether the customer may pay on account.
    pub may_purchase_on_account: Option<bool>,
    /// Whether the customer wants no e-mails but mandatory ones.
    pub unsubscribed: Option<bool>,
}

/// Which page of customers.
#[derive(Clone, Debug)]
pub struct CustomerList {
    /// Inactive ones too.
    pub include_inactive: bool,
    /// What their name, address, external id or telephone number contains; empty: anything.
    pub query: String,
    /// Below this one.
    pub before: Option<CustomerId>,
    /// How many at most.
    pub limit: u64,
}

/// Adds a customer, who is active.
///
/// # Errors
/// `EXTERNAL_ID_TAKEN`.
pub async fn create(
    ctx: &Context,
    call: &Call,
    input: &NewCustomer,
) -> Result<Answer<Customer>, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    if let Some(earlier) = call.claim(&txn, now).await? {
        return Ok(earlier);
    }
    let customer = Customer {
        id: CustomerId::generate(now),
        external_id: input.external_id.clone(),
        name: input.name.clone(),
        email: input.email.clone(),
        email_verified: input.email_verified,
        phone: input.phone.clone(),
        locale: input.locale.clone(),
        time_zone: input.time_zone,
        active: true,
        may_purchase_on_account: input.may_purchase_on_account,
        unsubscribed_at: input.unsubscribed.then_some(now),
        merged_into: None,
        created_at: now,
        version: 1,
    };
    customers::insert(&txn, call.business_id(), &customer)
        .await
        .map_err(|error| taken(error, customer.external_id.as_deref()))?;
    events::customer_created(&txn, call.business_id(), customer.id, now).await?;
    call.remember(&txn, &customer).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(customer))
}

/// One customer.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn get(
    ctx: &Context,
    call: &Call,
    id: &Reference<CustomerId>,
) -> Result<Customer, ServiceError> {
    let reader = ctx.db.reader();
    let known = resolve::customer(reader, call.business_id(), id).await?;
    let found = customers::get(reader, call.business_id(), known).await?;
    found.ok_or_else(|| resolve::not_found(KIND, id).into())
}

/// The one customer to whom a verified address belongs, never a guess (semantics 31).
///
/// # Errors
/// `NOT_FOUND`, `AMBIGUOUS_CUSTOMER`.
pub async fn resolve_email(
    ctx: &Context,
    call: &Call,
    email: &str,
) -> Result<Customer, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    let limit = u64::try_from(CANDIDATES_MAX).unwrap_or(u64::MAX);
    let mut found = customers::by_verified_email(reader, business_id, email, limit).await?;
    match found.pop() {
        Some(only) if found.is_empty() => Ok(only),
        Some(last) => {
            found.push(last);
            let customer_ids = found.into_iter().map(|customer| customer.id).collect();
            Err(Refusal::from(HolderRefusal::AmbiguousCustomer { customer_ids }).into())
        }
        None => Err(resolve::not_found(KIND, &email).into()),
    }
}

/// A page of customers, newest first.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &CustomerList,
) -> Result<Vec<Customer>, ServiceError> {
    let filter = Filter {
        include_inactive: input.include_inactive,
        query: input.query.clone(),
    };
    let (reader, business_id) = (ctx.db.reader(), call.business_id());
    Ok(customers::list(reader, business_id, &filter, input.before, input.limit).await?)
}

/// Changes a customer.
///
/// # Errors
/// `NOT_FOUND`, `ETAG_MISMATCH`, `EXTERNAL_ID_TAKEN`.
pub async fn update(
    ctx: &Context,
    call: &Call,
    input: &CustomerUpdate,
) -> Result<Answer<Customer>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(earlier) = call.claim(&txn, ctx.clock.now()).await? {
        return Ok(earlier);
    }
    let id = resolve::customer(&txn, call.business_id(), &input.id).await?;
    let old = customers::lock(&txn, call.business_id(), id)
        .await?
        .ok_or_else(|| resolve::not_found(KIND, &input.id))?;
    check_merged(&old)?;
    resolve::check_etag(KIND, id, old.version, input.etag.as_deref())?;
    let mut customer = changed(old, input, ctx.clock.now());
    let external_id = customer.external_id.clone();
    customers::update(&txn, call.business_id(), &mut customer)
        .await
        .map_err(|error| taken(error, external_id.as_deref()))?;
    call.remember(&txn, &customer).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(customer))
}

/// A customer after a change. An address that is new is not verified unless the change says so.
fn changed(old: Customer, input: &CustomerUpdate, now: DateTime<Utc>) -> Customer {
    let change = input.clone();
    let email = change.email.unwrap_or_else(|| old.email.clone());
    let still_verified = old.email_verified && email == old.email;
    Customer {
        id: old.id,
        external_id: change.external_id.unwrap_or(old.external_id),
        name: change.name.unwrap_or(old.name),
        email,
        email_verified: change.email_verified.unwrap_or(still_verified),
        phone: change.phone.unwrap_or(old.phone),
        locale: change.locale.unwrap_or(old.locale),
        time_zone: change.time_zone.unwrap_or(old.time_zone),
        active: change.active.unwrap_or(old.active),
        may_purchase_on_account: change
            .may_purchase_on_account
            .unwrap_or(old.may_purchase_on_account),
        unsubscribed_at: match change.unsubscribed {
            None => old.unsubscribed_at,
            Some(true) => old.unsubscribed_at.or(Some(now)),
            Some(false) => None,
        },
        merged_into: old.merged_into,
        created_at: old.created_at,
        version: old.version,
    }
}

fn taken(error: StoreError, external_id: Option<&str>) -> ServiceError {
    ServiceError::taken(error, KIND, external_id)
}
