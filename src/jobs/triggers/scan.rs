//! Finds in the ledger which packages were used up or ended, and raises it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::entry::EntryKind;
use crate::domain::package::Package;
use crate::domain::trigger::{EventKind, Trigger, happened};
use crate::ids::{BusinessId, LotId, PackageId};
use crate::ledger::reach::settled;
use crate::service::events::of_package;
use crate::service::{Context, ServiceError};
use crate::store::entries::Written;
use crate::store::{entries, event_scans, events, lots, packages, triggers};

/// What entries are looked for: what can use a package up, and what says that it ended.
const KINDS: [EntryKind; 3] = [EntryKind::Consume, EntryKind::Capture, EntryKind::Expire];
/// What the events are that are found here.
const FOUND: [EventKind; 2] = [EventKind::PackageUsedUp, EventKind::PackageExpired];
/// How many entries one look reads: more than one instant can have.
const ENTRIES_PER_PASS_MAX: u64 = 5_000;
/// How long before the last look the next one begins: longer than a transaction lasts that writes entries.
const OVERLAP: TimeDelta = TimeDelta::minutes(2);
/// How long a time one look reads: an index of blocks sorts all of it.
const SPAN_MAX: TimeDelta = TimeDelta::hours(1);
/// How far back it is looked where a package came from.
const ORIGINS_MAX: usize = 100;

/// Looks through what was written since the last look, if somebody waits for what can be found there.
pub(super) async fn look(ctx: &Context, business_id: BusinessId) -> Result<(), ServiceError> {
    let reader = ctx.db.reader();
    let waiting = triggers::waiting(reader, business_id, &FOUND).await?;
    let Some(first) = waiting.iter().map(|trigger| trigger.created_at).min() else {
        return Ok(());
    };
    let until = ctx.clock.now();
    let known = event_scans::get(reader, business_id).await?;
    let mut from = known.map_or(first, |at| at.max(first));
    from = from.checked_sub_signed(OVERLAP).unwrap_or(from);
    loop {
        let limit = ENTRIES_PER_PASS_MAX;
        let through = from
            .checked_add_signed(SPAN_MAX)
            .unwrap_or(until)
            .min(until);
        let found = entries::written(reader, business_id, (from, through), &KINDS, limit).await?;
        raise(ctx, business_id, &waiting, &found).await?;
        let last = found.last().map_or(through, |entry| entry.recorded_at);
        let is_all = u64::try_from(found.len()).is_ok_and(|count| count < limit) || last <= from;
        let done_until = if is_all { through } else { last };
        let txn = ctx.db.begin().await?;
        event_scans::put(&txn, business_id, done_until).await?;
        txn.commit().await?;
        if done_until >= until {
            return Ok(());
        }
        from = done_until;
    }
}

/// What was written on the lots of one package, and when the last of it was true.
#[derive(Default)]
struct Seen {
    kinds: Vec<EntryKind>,
    used_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
}

impl Seen {
    fn see(&mut self, entry: &Written) {
        self.kinds.push(entry.kind);
        if entry.kind == EntryKind::Expire {
            self.ended_at = self.ended_at.max(entry.effective_at);
        } else {
            self.used_at = self.used_at.max(entry.recorded_at);
        }
    }
}

async fn raise(
    ctx: &Context,
    business_id: BusinessId,
    waiting: &[Trigger],
    found: &[Written],
) -> Result<(), ServiceError> {
    let reader = ctx.db.reader();
    let lot_ids: Vec<LotId> = found.iter().map(|entry| entry.lot_id).collect();
    let mut seen: BTreeMap<PackageId, Seen> = BTreeMap::new();
    let moved = lots::by_ids(reader, business_id, &lot_ids).await?;
    let of_lot: BTreeMap<LotId, PackageId> =
        moved.iter().map(|lot| (lot.id, lot.package_id)).collect();
    for entry in found {
        if let Some(package_id) = of_lot.get(&entry.lot_id) {
            seen.entry(*package_id).or_default().see(entry);
        }
    }
    for (package_id, seen) in seen {
        let Some(package) = packages::get(reader, business_id, package_id).await? else {
            continue;
        };
        let all = lots::of_packages(reader, business_id, &[package_id]).await?;
        let now = ctx.clock.now();
        let all = settled(reader, business_id, all, now).await?;
        let Some(kind) = happened(&package, &all, &seen.kinds) else {
            continue;
        };
        let at = if kind == EventKind::PackageExpired {
            seen.ended_at
        } else {
            seen.used_at
        };
        let waits = |trigger: &Trigger| trigger.occasion.kind == kind && trigger.created_at <= at;
        if waiting.iter().any(waits) && !is_of_trigger(ctx, &package).await? {
            let txn = ctx.db.begin().await?;
            events::insert(&txn, &of_package(&package, kind, at)).await?;
            txn.commit().await?;
        }
    }
    Ok(())
}

/// Whether a trigger issued the package, or the one that its credits were moved from.
async fn is_of_trigger(ctx: &Context, package: &Package) -> Result<bool, ServiceError> {
    let (reader, business_id) = (ctx.db.reader(), package.business_id);
    let mut origins = vec![package.id];
    let mut came_from = package.came_from;
    while let Some(id) = came_from.filter(|_| origins.len() < ORIGINS_MAX) {
        origins.push(id);
        let earlier = packages::get(reader, business_id, id).await?;
        came_from = earlier.and_then(|package| package.came_from);
    }
    Ok(events::issued_any(reader, business_id, &origins).await?)
}
