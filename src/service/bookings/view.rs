//! Bookings as callers see them: with what is left in the packages that pay them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};

use crate::domain::booking::{Applied, Booking, BookingState};
use crate::domain::credits::Credits;
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::ids::{BusinessId, HoldId, LotId, PackageId};
use crate::ledger::reach::settled;
use crate::service::error::ServiceError;
use crate::store::{holds, lots, packages};

/// A booking at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookingView {
    /// The booking.
    pub booking: Booking,
    /// What pays it.
    pub packages: Vec<PackageUse>,
}

/// What a package pays of a booking, and how much of it is used: "3 of 10 used".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageUse {
    /// The package.
    pub package_id: PackageId,
    /// Its name.
    pub name: String,
    /// The credits that the booking holds or used.
    pub credits: Credits,
    /// How many of this type are used or held by now.
    pub used: Credits,
    /// How many of this type there were in all.
    pub total: Credits,
}

/// Bookings as they are at `now`. What was freed because its package was taken away pays nothing.
pub(super) async fn views(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    bookings: Vec<Booking>,
    now: DateTime<Utc>,
) -> Result<Vec<BookingView>, ServiceError> {
    let ids: BTreeSet<PackageId> = bookings.iter().flat_map(Booking::package_ids).collect();
    let ids: Vec<PackageId> = ids.into_iter().collect();
    let (found, all, open) = if ids.is_empty() {
        (Vec::new(), Vec::new(), BTreeSet::new())
    } else {
        let all = lots::of_packages(db, business_id, &ids).await?;
        let lot_ids: Vec<LotId> = all.iter().map(|lot| lot.id).collect();
        let open = holds::open_in(db, business_id, &lot_ids).await?;
        let found = packages::by_ids(db, business_id, &ids).await?;
        let open: BTreeSet<HoldId> = open.into_iter().map(|hold| hold.id).collect();
        (found, settled(db, business_id, all, now).await?, open)
    };
    let views = bookings.into_iter().map(|booking| {
        let holds = booking.status.hold(booking.id).ok().flatten();
        let is_freed = booking.status.state() == BookingState::Booked
            && holds.is_none_or(|hold_id| !open.contains(&hold_id));
        let packages = if is_freed {
            Vec::new()
        } else {
            uses(&booking.applied, &found, &all)
        };
        BookingView { booking, packages }
    });
    Ok(views.collect())
}

fn uses(applied: &[Applied], packages: &[Package], lots: &[Lot]) -> Vec<PackageUse> {
    let mut shown: Vec<PackageUse> = Vec::new();
    for part in applied {
        let add = |sum: Credits, more: Credits| sum.checked_add(more).unwrap_or(sum);
        if let Some(of_same) = shown.iter_mut().find(|it| it.package_id == part.package_id) {
            of_same.credits = add(of_same.credits, part.credits);
            continue;
        }
        let lot = lots.iter().find(|lot| lot.id == part.lot_id);
        let package = packages.iter().find(|it| it.id == part.package_id);
        let (Some(lot), Some(package)) = (lot, package) else {
            continue;
        };
        let alike = lots.iter().filter(|it| {
            it.package_id == part.package_id
                && it.line.kind == LineKind::Prepaid
                && it.line.credit_type_id == lot.line.credit_type_id
        });
        let (mut used, mut total) = (Credits::ZERO, Credits::ZERO);
        for it in alike {
            let balances = it.fold.balances;
            used = add(used, add(balances.consumed, balances.held));
            total = add(total, it.issued.quantity);
        }
        shown.push(PackageUse {
            package_id: package.id,
            name: package.name.clone(),
            credits: part.credits,
            used,
            total,
        });
    }
    shown
}
