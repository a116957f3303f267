//! What a run finds out about one package; nothing here reads or writes.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::Run;
use crate::domain::calendar;
use crate::domain::lot::Lot;
use crate::domain::notice::{
    self, DropReason, Notice, NoticeKind, Timeline, expired_cause, lead_cause,
};
use crate::domain::package::Package;
use crate::ids::{NoticeId, PackageId};

/// What was read about the packages of one unit.
pub(super) struct Facts {
    pub(super) lots: Vec<Lot>,
    pub(super) notices: Vec<Notice>,
    pub(super) changed_at: HashMap<PackageId, DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
}

/// The notices of a package that fell due and are not there yet.
pub(super) fn notices_of(run: &Run, package: &Package, facts: &Facts) -> Vec<Notice> {
    let lots: Vec<Lot> = facts
        .lots
        .iter()
        .filter(|lot| lot.package_id == package.id)
        .cloned()
        .collect();
    let package = &package.as_of(&lots);
    let Some(timeline) = timeline(run, package, facts) else {
        return Vec::new();
    };
    if package.revoked_at.is_some() || package.transferred_at.is_some() {
        return Vec::new();
    }
    let mut found = reminders(run, package, facts, &timeline, &lots);
    if run.business.reminder_policy.expired_notice && notice::has_lost_something(&lots) {
        let due = notice::expired_due(&timeline, &run.window);
        found.extend(due.map(|told| {
            let cause = expired_cause(package.expiry_epoch);
            new_notice(package, NoticeKind::Expired, cause, told.err(), facts.now)
        }));
    }
    found.retain(|new| facts.notices.iter().all(|known| !is_same(known, new)));
    found
}

fn reminders(
    run: &Run,
    package: &Package,
    facts: &Facts,
    timeline: &Timeline,
    lots: &[Lot],
) -> Vec<Notice> {
    let due = notice::reminders_due(run.leads_of(package), timeline, &run.window);
    let has_something_to_lose = notice::has_something_to_lose(lots);
    let told = due.told.filter(|_| has_something_to_lose);
    let mattered = has_something_to_lose || notice::has_lost_something(lots);
    let untold = due.untold.into_iter().filter(|_| mattered);
    told.map(|lead| (lead, None))
        .into_iter()
        .chain(untold.map(|(lead, reason)| (lead, Some(reason))))
        .map(|(lead, dropped)| {
            let cause = lead_cause(lead, package.expiry_epoch);
            let kind = NoticeKind::Expiring;
            let mut notice = new_notice(package, kind, cause, dropped, facts.now);
            notice.lead_days = i32::try_from(lead).ok();
            notice
        })
        .collect()
}

/// The days of a package, in the business's zone as it is now.
fn timeline(run: &Run, package: &Package, facts: &Facts) -> Option<Timeline> {
    let zone = run.business.zone;
    let changed_at = facts.changed_at.get(&package.id).copied();
    let since = changed_at.unwrap_or(package.created_at);
    Some(Timeline {
        last_usable_day: calendar::last_usable_day(package.expires_at?, zone),
        since: calendar::local_day(since, zone),
        reminded_on: reminded_on(run, package, facts),
    })
}

/// The day on which the customer was last reminded of an earlier expiry of the package.
fn reminded_on(run: &Run, package: &Package, facts: &Facts) -> Option<NaiveDate> {
    facts
        .notices
        .iter()
        .filter(|notice| notice.package_id == package.id && notice.kind == NoticeKind::Expiring)
        .filter(|notice| notice.email_id.is_some() && notice.dropped.is_none())
        .filter(|notice| notice.expiry_epoch < package.expiry_epoch)
        .map(|notice| calendar::local_day(notice.created_at, run.business.zone))
        .max()
}

fn new_notice(
    package: &Package,
    kind: NoticeKind,
    cause: String,
    dropped: Option<DropReason>,
    now: DateTime<Utc>,
) -> Notice {
    Notice {
        id: NoticeId::generate(now),
        business_id: package.business_id,
        kind,
        package_id: package.id,
        cause,
        customer_id: package.customer_id,
        email_id: None,
        expiry_epoch: package.expiry_epoch,
        lead_days: None,
        dropped,
        created_at: now,
    }
}

fn is_same(known: &Notice, new: &Notice) -> bool {
    known.kind == new.kind && known.package_id == new.package_id && known.cause == new.cause
}
