//! Finding what a caller names, and refusing what changed since the caller saw it.

use std::fmt::Display;

use sea_orm::ConnectionTrait;

use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, PackageId, Reference};
use crate::service::error::ServiceError;
use crate::store::{contacts, credit_types, packages};

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

/// The credit type that a caller names.
///
/// # Errors
/// [`Refusal::NotFound`] if no credit type has that external id.
pub async fn credit_type(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    reference: &Reference<CreditTypeId>,
) -> Result<CreditTypeId, ServiceError> {
    match reference {
        Reference::Id(id) => Ok(*id),
        Reference::External(external_id) => {
            let found = credit_types::by_external_id(db, business_id, external_id).await?;
            found.ok_or_else(|| not_found("credit type", reference).into())
        }
    }
}

/// The customer that a caller names.
///
/// # Errors
/// [`Refusal::NotFound`] if no customer has that external id.
pub async fn customer(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    reference: &Reference<CustomerId>,
) -> Result<CustomerId, ServiceError> {
    match reference {
        Reference::Id(id) => Ok(*id),
        Reference::External(external_id) => {
            let found = contacts::by_external_id(db, business_id, external_id).await?;
            found.ok_or_else(|| not_found("customer", reference).into())
        }
    }
}

/// The package that a caller names.
///
/// # Errors
/// [`Refusal::NotFound`] if no package has that external id.
pub async fn package(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    reference: &Reference<PackageId>,
) -> Result<PackageId, ServiceError> {
    match reference {
        Reference::Id(id) => Ok(*id),
        Reference::External(external_id) => {
            let found = packages::by_external_id(db, business_id, external_id).await?;
            found.ok_or_else(|| not_found("package", reference).into())
        }
    }
}
