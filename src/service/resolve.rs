//! Finding what a caller names, and refusing what changed since the caller saw it.

use std::fmt::Display;

use sea_orm::ConnectionTrait;

use crate::domain::customer::Customer;
use crate::domain::refusal::Refusal;
use crate::ids::{
    BookingId, BusinessId, CreditTypeId, CustomerId, GroupId, InvoiceId, ItemId, PackageId,
    Reference, SubscriptionId, TemplateId, UserId,
};
use crate::service::error::ServiceError;
use crate::store::error::StoreError;
use crate::store::{
    bookings, credit_types, customers, groups, invoices, items, packages, subscriptions, templates,
    users,
};

/// The refusal of a name that stands for nothing in this business.
pub fn not_found(kind: &'static str, id: &impl Display) -> Refusal {
    Refusal::NotFound {
        kind,
        id: id.to_string(),
    }
}

/// Refuses a caller who knows another version than `version`.
///
/// # Errors
/// [`Refusal::EtagMismatch`].
pub fn check_etag(
    kind: &'static str,
    id: impl Display,
    version: i64,
    etag: Option<&str>,
) -> Result<(), Refusal> {
    match etag {
        Some(etag) if etag != version.to_string() => Err(Refusal::EtagMismatch {
            kind,
            id: id.to_string(),
        }),
        _ => Ok(()),
    }
}

/// The customer of this id, or the one that took its place (semantics 25).
pub(super) async fn surviving(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<Option<Customer>, StoreError> {
    let found = customers::get(db, business_id, id).await?;
    match found.as_ref().and_then(|customer| customer.merged_into) {
        Some(survivor) => customers::get(db, business_id, survivor).await,
        None => Ok(found),
    }
}

macro_rules! references {
    ($($name:ident: $id:ty = $kind:literal in $table:ident;)+) => {$(
        #[doc = concat!("The ", $kind, " that a caller names; one named by our id may not exist.")]
        ///
        /// # Errors
        /// [`Refusal::NotFound`] if none has that external id.
        pub async fn $name(
            db: &impl ConnectionTrait,
            business_id: BusinessId,
            reference: &Reference<$id>,
        ) -> Result<$id, ServiceError> {
            match reference {
                Reference::Id(id) => Ok(*id),
                Reference::External(external_id) => {
                    let found = $table::by_external_id(db, business_id, external_id).await?;
                    found.ok_or_else(|| not_found($kind, reference).into())
                }
            }
        }
    )+};
}

references! {
    booking: BookingId = "booking" in bookings;
    credit_type: CreditTypeId = "credit type" in credit_types;
    customer: CustomerId = "customer" in customers;
    group: GroupId = "group" in groups;
    invoice: InvoiceId = "invoice" in invoices;
    item: ItemId = "item" in items;
    package: PackageId = "package" in packages;
    subscription: SubscriptionId = "subscription" in subscriptions;
    template: TemplateId = "template" in templates;
    user: UserId = "user" in users;
}
