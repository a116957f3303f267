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

/// Queues one e-mail that confirms these packages of one customer, unless the business has that off.
/// `occasion` is the id of the sale, or of the request that gave them; the same one queues nothing twice.
pub(super) async fn queue_confirmation(
    txn: &DatabaseTransaction,
    business: &Business,
    customer_id: CustomerId,
    packages: &[Package],
    occasion: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let is_on = business.feature_enabled && business.reminder_policy.confirmation;
    if !is_on || packages.is_empty() {
        return Ok(());
    }
    let kind = NoticeKind::Confirmation;
    let email = Email::new(business.id, customer_id, kind, occasion.to_owned(), now);
    let email_id = emails::ensure(txn, &email).await?;
    let confirmed: Vec<Notice> = packages
        .iter()
        .map(|package| Notice {
            id: NoticeId::generate(now),
            business_id: business.id,
            kind,
            package_id: package.id,
            cause: occasion.to_owned(),
            customer_id,
            email_id: Some(email_id),
            expiry_epoch: package.expiry_epoch,
            lead_days: None,
            dropped: None,
            created_at: now,
        })
        .collect();
    notices::insert(txn, &confirmed).await
}
