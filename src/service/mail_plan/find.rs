//! What is found out about one package; nothing here reads or writes.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Known, MailPlan};
use crate::domain::calendar;
use crate::domain::lot::Lot;
use crate::domain::notice::{
    self, DropReason, Notice, NoticeKind, Timeline, expired_cause, lead_cause,
};
use crate::domain::package::Package;
use crate::ids::NoticeId;

/// Some packages at a moment.
pub(super) struct Facts<'a> {
    /// Settled.
    pub(super) lots: &'a [Lot],
    pub(super) others: &'a [(Package, Vec<Lot>)],
    pub(super) known: &'a Known,
    pub(super) now: DateTime<Utc>,
}

/// The notices of a package that fall due and are not there yet.
pub(super) fn notices_of(plan: &MailPlan, package: &Package, facts: &Facts<'_>) -> Vec<Notice> {
    let lots: Vec<Lot> = facts
        .lots
        .iter()
        .filter(|lot| lot.package_id == package.id)
        .cloned()
        .collect();
    let as_stored = package;
    let package = &as_stored.as_of(&lots);
    let has_thawed = as_stored.frozen_at.is_some() && package.frozen_at.is_none();
    let thawed_at = as_stored.frozen_until_max.filter(|_| has_thawed);
    let Some(timeline) = timeline(plan, package, thawed_at, facts) else {
        return Vec::new();
    };
    let mut found = reminders(plan, package, facts, &timeline, &lots);
    found.extend(expired(plan, package, facts, &timeline, &lots));
    found.retain(|new| facts.known.notices.iter().all(|known| !is_same(known, new)));
    found
}

/// Why nothing is told of a package, whatever is left in it.
fn bar(package: &Package) -> Option<DropReason> {
    if package.revoked_at.is_some() {
        Some(DropReason::Revoked)
    } else if package.transferred_at.is_some() {
        Some(DropReason::Transferred)
    } else {
        package.frozen_at.map(|_| DropReason::Frozen)
    }
}

/// That a newer package goes on where this one ends, if the customer is told nothing of it then.
fn newer(
    plan: &MailPlan,
    kind: NoticeKind,
    package: &Package,
    facts: &Facts<'_>,
    lots: &[Lot],
) -> Option<DropReason> {
    let policy = plan.policies.of(package);
    let checked = notice::Facts {
        package,
        lots,
        policy,
        others: facts.others,
    };
    notice::is_covered_by_newer(kind, &checked, facts.now).then_some(DropReason::NewerPackage)
}

fn reminders(
    plan: &MailPlan,
    package: &Package,
    facts: &Facts<'_>,
    timeline: &Timeline,
    lots: &[Lot],
) -> Vec<Notice> {
    let own = &plan.policies.of(package).lead_days;
    let off = own.is_empty().then_some(DropReason::KindOff);
    let leads = if own.is_empty() {
        &plan.business.reminder_policy.lead_days
    } else {
        own
    };
    let due = notice::reminders_due(leads, timeline, &plan.window);
    let has_something_to_lose = notice::has_something_to_lose(lots);
    let nothing_left = (!has_something_to_lose).then_some(DropReason::UsedUp);
    let mattered = has_something_to_lose || notice::has_lost_something(lots);
    let never_mattered = (!mattered).then_some(DropReason::UsedUp);
    let bar = bar(package).or(off);
    let newer = || newer(plan, NoticeKind::Expiring, package, facts, lots);
    let told = due.told.map(|lead| {
        let dropped = bar.or(nothing_left);
        (lead, dropped.or_else(newer))
    });
    let untold = due.untold.into_iter();
    let untold = untold.map(|(lead, reason)| (lead, bar.or(never_mattered).or(Some(reason))));
    told.into_iter()
        .chain(untold)
        .map(|(lead, dropped)| {
            let cause = lead_cause(lead, package.expiry_epoch);
            let kind = NoticeKind::Expiring;
            let mut notice = new_notice(package, kind, cause, dropped, facts.now);
            notice.lead_days = i32::try_from(lead).ok();
            notice
        })
        .collect()
}

fn expired(
    plan: &MailPlan,
    package: &Package,
    facts: &Facts<'_>,
    timeline: &Timeline,
    lots: &[Lot],
) -> Option<Notice> {
    let told = notice::expired_due(timeline, &plan.window)?;
    let is_off = !plan.policies.of(package).expired_notice;
    let dropped = bar(package)
        .or(is_off.then_some(DropReason::KindOff))
        .or((!notice::has_lost_something(lots)).then_some(DropReason::NothingLost))
        .or(told.err())
        .or_else(|| newer(plan, NoticeKind::Expired, package, facts, lots));
    let cause = expired_cause(package.expiry_epoch);
    let kind = NoticeKind::Expired;
    Some(new_notice(package, kind, cause, dropped, facts.now))
}

/// The days of a package, in the business's zone as it is now; of one that is frozen, those that it would
/// have if it were not.
fn timeline(
    plan: &MailPlan,
    package: &Package,
    thawed_at: Option<DateTime<Utc>>,
    facts: &Facts<'_>,
) -> Option<Timeline> {
    let zone = plan.business.zone;
    let changed_at = facts.known.changed_at.get(&package.id).copied();
    let since = changed_at.max(thawed_at).unwrap_or(package.created_at);
    Some(Timeline {
        last_usable_day: calendar::last_usable_day(package.end()?, zone),
        since: calendar::local_day(since, zone),
        reminded_on: reminded_on(plan, package, facts),
    })
}

/// The day on which the customer was last reminded of an earlier expiry of the package.
fn reminded_on(plan: &MailPlan, package: &Package, facts: &Facts<'_>) -> Option<NaiveDate> {
    facts
        .known
        .notices
        .iter()
        .filter(|notice| notice.package_id == package.id && notice.kind == NoticeKind::Expiring)
        .filter(|notice| notice.email_id.is_some() && notice.dropped.is_none())
        .filter(|notice| notice.expiry_epoch < package.expiry_epoch)
        .map(|notice| calendar::local_day(notice.created_at, plan.business.zone))
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
