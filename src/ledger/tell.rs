//! Queuing what customers are to be told of what was done (C9, G4).
//!
//! The e-mail is queued in the transaction of the deed, so there is one exactly if that took effect; it
//! is rendered later, by whoever delivers it, and everything is checked again then.
//!
//! Deliberately absent: a job that looks for deeds. A use that may cross a line which its business watches
//! leaves the batch for a transaction of its own, so the other uses pay nothing for it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::change::{Change, ChangeKind};
use crate::domain::email::Email;
use crate::domain::entry::EntryKind;
use crate::domain::lot::Lot;
use crate::domain::notice::{self, Notice, NoticeKind};
use crate::domain::package::Package;
use crate::domain::posting::Posting;
use crate::domain::template_emails::ReminderPolicies;
use crate::domain::watch::Watch;
use crate::ids::{BusinessId, CustomerId, LotId, NoticeId, PackageId};
use crate::store::error::StoreError;
use crate::store::{businesses, emails, lots, notices, packages, template_versions};

/// Packages to tell one customer of.
pub struct Occasion<'a> {
    /// What it is about: the sale, the package that was given, the posting or the hold. The same one
    /// queues nothing twice.
    pub name: String,
    /// Whom to tell.
    pub customer_id: CustomerId,
    /// What of.
    pub packages: Vec<&'a Package>,
}

/// Queues one e-mail for each occasion, of those of its packages for which that is on.
pub async fn queue(
    txn: &DatabaseTransaction,
    business: &Business,
    kind: NoticeKind,
    occasions: &[Occasion<'_>],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if !business.feature_enabled {
        return Ok(());
    }
    let mut packages = occasions.iter().flat_map(|it| &it.packages);
    let policies = if packages.any(|package| package.template.is_some()) {
        template_versions::reminder_policies(txn, business).await?
    } else {
        ReminderPolicies::new(&business.reminder_policy, [])
    };
    let is_told = |package: &&&Package| notice::is_on(kind, policies.of(package));
    let told = occasions
        .iter()
        .filter(|it| it.packages.iter().any(|package| is_told(&package)));
    let new: Vec<Email> = told
        .clone()
        .map(|it| Email::new(business.id, it.customer_id, kind, it.name.clone(), now))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let email_ids = emails::ensure(txn, &new).await?;
    let mut queued = Vec::new();
    for (occasion, email_id) in told.zip(email_ids) {
        queued.extend(
            occasion
                .packages
                .iter()
                .filter(is_told)
                .map(|package| Notice {
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
                }),
        );
    }
    notices::insert(txn, &queued).await
}

/// Queues that a posting left little or nothing of a package, where `watch` wants that.
pub(super) async fn of_crossings(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    watch: &Watch,
    posting: &Posting,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<PackageId> = watch.may_have_crossed(posting).into_iter().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let mut all: BTreeMap<PackageId, Vec<Lot>> = BTreeMap::new();
    for lot in lots::of_packages(txn, business_id, &ids).await? {
        all.entry(lot.package_id).or_default().push(lot);
    }
    let mut crossed: BTreeMap<NoticeKind, Vec<PackageId>> = BTreeMap::new();
    for (id, lots) in all {
        if let Some(kind) = watch.crossed(posting, id, &lots) {
            crossed.entry(kind).or_default().push(id);
        }
    }
    let cause = posting.id.to_string();
    for (kind, ids) in crossed {
        tell_owners(txn, business_id, kind, (&cause, ids), now).await?;
    }
    Ok(())
}

/// Queues that what was held came free because its time was over.
pub(super) async fn of_time_outs(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    posting: &Posting,
) -> Result<(), StoreError> {
    let mut timed_out: BTreeMap<_, BTreeSet<LotId>> = BTreeMap::new();
    let mut written_at = None;
    let entries = posting.entries.iter();
    for entry in entries.filter(|entry| entry.kind == EntryKind::TimeOut) {
        if let Some(hold_id) = entry.about.hold_id {
            timed_out.entry(hold_id).or_default().insert(entry.lot_id);
        }
        written_at = Some(entry.recorded_at);
    }
    let Some(now) = written_at else {
        return Ok(());
    };
    for (hold_id, lot_ids) in timed_out {
        let lots = posting.lots.iter().filter(|lot| lot_ids.contains(&lot.id));
        let ids: BTreeSet<PackageId> = lots.map(|lot| lot.package_id).collect();
        let about = (hold_id.to_string(), ids.into_iter().collect());
        let kind = NoticeKind::HoldTimedOut;
        tell_owners(txn, business_id, kind, (&about.0, about.1), now).await?;
    }
    Ok(())
}

/// Queues that a package was extended or restored, if that is among its changes.
pub(super) async fn of_changes(
    txn: &DatabaseTransaction,
    package: &Package,
    changes: &[Change],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let extends = |it: &Change| matches!(it.kind, ChangeKind::Extended | ChangeKind::Restored);
    if !changes.iter().any(extends) {
        return Ok(());
    }
    let Some(business) = businesses::get(txn, package.business_id).await? else {
        return Ok(());
    };
    let occasion = Occasion {
        name: format!("{}:{}", package.id, package.expiry_epoch),
        customer_id: package.customer_id,
        packages: vec![package],
    };
    queue(txn, &business, NoticeKind::Extended, &[occasion], now).await
}

/// Queues one e-mail for each owner of these packages.
async fn tell_owners(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    kind: NoticeKind,
    (cause, ids): (&str, Vec<PackageId>),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let Some(business) = businesses::get(txn, business_id).await? else {
        return Ok(());
    };
    let found = packages::by_ids(txn, business_id, &ids).await?;
    let mut by_owner: BTreeMap<CustomerId, Vec<&Package>> = BTreeMap::new();
    for package in &found {
        by_owner
            .entry(package.customer_id)
            .or_default()
            .push(package);
    }
    let occasions = by_owner
        .into_iter()
        .map(|(customer_id, packages)| Occasion {
            name: cause.to_owned(),
            customer_id,
            packages,
        });
    queue(txn, &business, kind, &occasions.collect::<Vec<_>>(), now).await
}
