//! Confirming to a customer what was sold or given (C9).
//!
//! The e-mail is queued in the transaction of the sale, so there is one exactly if there is a sale; it
//! is rendered later, by whoever delivers it.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::email::Email;
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::package::Package;
use crate::ids::{CustomerId, NoticeId};
use crate::store::error::StoreError;
use crate::store::{emails, notices};

/// Packages to tell one customer of.
pub(super) struct Occasion<'a> {
    /// The id of the sale, or of the package that was given; the same one queues nothing twice.
    pub(super) name: String,
    /// Whom to tell.
    pub(super) customer_id: CustomerId,
    /// What of.
    pub(super) packages: Vec<&'a Package>,
}

/// Queues one e-mail for each occasion, unless the business has that off.
pub(super) async fn queue_confirmations(
    txn: &DatabaseTransaction,
    business: &Business,
    occasions: &[Occasion<'_>],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if !(business.feature_enabled && business.reminder_policy.confirmation) {
        return Ok(());
    }
    let kind = NoticeKind::Confirmation;
    let told = occasions.iter().filter(|it| !it.packages.is_empty());
    let new: Vec<Email> = told
        .clone()
        .map(|it| Email::new(business.id, it.customer_id, kind, it.name.clone(), now))
        .collect();
    let email_ids = emails::ensure_all(txn, &new).await?;
    let mut confirmed = Vec::new();
    for (occasion, email_id) in told.zip(email_ids) {
        confirmed.extend(occasion.packages.iter().map(|package| Notice {
            id: NoticeId::generate(now),
            business_id: business.id,
            kind,
            package_id: package.id,
            cause: occasion.name.clone(),
            customer_id: occasion.customer_id,
            email_id: Some(email_id),
            expiry_epoch: package.expiry_epoch,
            lead_days: None,
            dropped: None,
            created_at: now,
        }));
    }
    notices::insert(txn, &confirmed).await
}
