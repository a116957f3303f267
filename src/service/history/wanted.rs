//! Which entries of a source a caller wants to see.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::domain::entry::{Actor, Entry, EntryKind};
use crate::domain::lot::Lot;
use crate::ids::{BusinessId, CustomerId, ItemId, LotId, UserId};
use crate::service::error::ServiceError;
use crate::service::history::EntryFilter;
use crate::service::resolve;
use crate::store::{customers, invoices, lots, package_members};

/// The filters, with what they name found.
pub(super) struct Wanted {
    item_id: Option<ItemId>,
    user_id: Option<UserId>,
    kinds: Vec<EntryKind>,
    /// Under which ids the customer is known that used the credits or got them.
    customer_ids: Option<Vec<CustomerId>>,
    /// On which lines of an invoice.
    invoice_line_ids: Option<HashSet<Uuid>>,
    booking_id: Option<Uuid>,
    /// Recorded from the first instant on and before the second.
    pub(super) recorded: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Of which lots only the entries of some customers are theirs to see.
    pub(super) shared: Option<SharedLots>,
}

/// The lots of others that a customer shares or shared once, and under which ids it did.
pub(super) struct SharedLots {
    lot_ids: HashSet<LotId>,
    customer_ids: Vec<CustomerId>,
}

/// The lots in which a customer's history lies: its own, and those of others in which it left entries.
pub(super) async fn of_customer(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<(Vec<Lot>, SharedLots), ServiceError> {
    let customer_ids = all_ids(txn, business_id, id).await?;
    let mut all = lots::of_customer(txn, business_id, id).await?;
    let shared = package_members::ever_shared_with(txn, business_id, &customer_ids).await?;
    let mut others = lots::of_packages(txn, business_id, &shared).await?;
    others.retain(|lot| lot.customer_id != id);
    let lot_ids = others.iter().map(|lot| lot.id).collect();
    all.append(&mut others);
    let shared = SharedLots {
        lot_ids,
        customer_ids,
    };
    Ok((all, shared))
}

/// The ids of a customer, and of those that were merged into it.
async fn all_ids(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: CustomerId,
) -> Result<Vec<CustomerId>, ServiceError> {
    let mut ids = customers::merged_into(txn, business_id, id).await?;
    ids.push(id);
    Ok(ids)
}

impl Wanted {
    /// What a filter stands for.
    ///
    /// # Errors
    /// [`NotFound`](crate::domain::refusal::Refusal::NotFound).
    pub(super) async fn of(
        txn: &DatabaseTransaction,
        business_id: BusinessId,
        filter: &EntryFilter,
    ) -> Result<Self, ServiceError> {
        let item_id = match &filter.item {
            Some(reference) => Some(resolve::item(txn, business_id, reference).await?),
            None => None,
        };
        let user_id = match &filter.user {
            Some(reference) => Some(resolve::user(txn, business_id, reference).await?),
            None => None,
        };
        let customer_ids = match &filter.customer {
            Some(reference) => {
                let id = resolve::customer(txn, business_id, reference).await?;
                Some(all_ids(txn, business_id, id).await?)
            }
            None => None,
        };
        let invoice_line_ids = match &filter.invoice {
            Some(reference) => {
                let id = resolve::invoice(txn, business_id, reference).await?;
                let invoice = invoices::get(txn, business_id, id).await?;
                let invoice = invoice.ok_or_else(|| resolve::not_found("invoice", reference))?;
                Some(invoice.lines.iter().map(|line| line.id.uuid()).collect())
            }
            None => None,
        };
        let booking_id = match &filter.booking {
            Some(reference) => {
                let id = resolve::booking(txn, business_id, reference).await?;
                Some(id.uuid())
            }
            None => None,
        };
        Ok(Self {
            item_id,
            user_id,
            kinds: filter.kinds.clone(),
            customer_ids,
            invoice_line_ids,
            booking_id,
            recorded: filter.recorded,
            shared: None,
        })
    }

    /// Whether the caller wants to see the entry.
    pub(super) fn wants(&self, entry: &Entry) -> bool {
        let about = &entry.about;
        let is_of = |user_id: UserId| {
            about.consumed_by == Some(user_id) || entry.actor == Actor::User(user_id)
        };
        let is_theirs =
            |ids: &Vec<CustomerId>| about.customer_id.is_some_and(|id| ids.contains(&id));
        let is_anothers = |shared: &SharedLots| {
            shared.lot_ids.contains(&entry.lot_id)
                && about
                    .customer_id
                    .is_none_or(|user| !shared.customer_ids.contains(&user))
        };
        let is_invoiced =
            |ids: &HashSet<Uuid>| about.invoice_line_id.is_some_and(|id| ids.contains(&id));
        !self.shared.as_ref().is_some_and(is_anothers)
            && self
                .item_id
                .is_none_or(|item_id| about.item_id == Some(item_id))
            && self.user_id.is_none_or(is_of)
            && (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && self.customer_ids.as_ref().is_none_or(is_theirs)
            && self.invoice_line_ids.as_ref().is_none_or(is_invoiced)
            && self
                .booking_id
                .is_none_or(|id| about.booking_id == Some(id))
            && self
                .recorded
                .is_none_or(|(from, before)| (from..before).contains(&entry.recorded_at))
    }

    /// Whether no older entry than this one can be wanted.
    pub(super) fn is_over_at(&self, entry: &Entry) -> bool {
        self.recorded
            .is_some_and(|(from, _)| entry.recorded_at < from)
    }
}
