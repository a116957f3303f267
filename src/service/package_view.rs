//! Packages as callers see them: with status, counters and lots, true at one moment whether or not what
//! time caused was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};

use crate::domain::business::Business;
use crate::domain::credits::Credits;
use crate::domain::entry::Balances;
use crate::domain::line::Line;
use crate::domain::lot::{Lot, Origin};
use crate::domain::package::{Package, Status};
use crate::ids::{CustomerId, LineId, LotId, PackageId};
use crate::ledger::reach::settled;
use crate::service::error::ServiceError;
use crate::store::{lots, package_members};

/// A package at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageView {
    /// The package.
    pub package: Package,
    /// What it is at that moment.
    pub status: Status,
    /// The last local day on which it can be used.
    pub last_usable_day: Option<NaiveDate>,
    /// Until when it can be restored after its end.
    pub restorable_until: Option<DateTime<Utc>>,
    /// What is in it, in the order of its lines.
    pub lines: Vec<LineView>,
    /// Who may use it besides the customer of the package, where that was read.
    pub members: Vec<CustomerId>,
}

/// A line of a package at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineView {
    /// The line as sold.
    pub line: Line,
    /// The credits of all its lots.
    pub balances: Balances,
    /// Its lots, oldest first.
    pub lots: Vec<LotView>,
}

/// A lot at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LotView {
    /// The lot.
    pub id: LotId,
    /// Why it exists.
    pub origin: Origin,
    /// How many credits were put in.
    pub quantity: Credits,
    /// For which value, in minor units.
    pub value_minor: i64,
    /// The value of what is unused, in minor units.
    pub unused_value_minor: i64,
    /// What became of its credits.
    pub balances: Balances,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The package as it is at `now`; `lots` are all of its lots, settled at `now`.
pub fn view(
    package: &Package,
    lots: &[Lot],
    business: &Business,
    now: DateTime<Utc>,
) -> PackageView {
    let package = &package.as_of(lots);
    let mut by_line: BTreeMap<(i32, LineId), Vec<&Lot>> = BTreeMap::new();
    for lot in lots {
        by_line
            .entry((lot.line.position, lot.line.id))
            .or_default()
            .push(lot);
    }
    PackageView {
        status: package.status(lots, now),
        last_usable_day: package.last_usable_day(),
        restorable_until: package.restorable_until(business.quarantine_days),
        lines: by_line
            .values()
            .filter_map(|lots| line_view(lots))
            .collect(),
        package: package.clone(),
        members: Vec::new(),
    }
}

/// One package as it is at `now`, with its lots and members read.
pub async fn full_view(
    db: &impl ConnectionTrait,
    business: &Business,
    package: Package,
    now: DateTime<Utc>,
) -> Result<PackageView, ServiceError> {
    let id = package.id;
    let lots = lots::of_packages(db, business.id, &[id]).await?;
    let lots = settled(db, business.id, lots, now).await?;
    let members = package_members::of_packages(db, business.id, &[id]).await?;
    let members = members.into_iter().map(|(customer_id, _)| customer_id);
    Ok(PackageView {
        members: members.collect(),
        ..view(&package, &lots, business, now)
    })
}

/// Packages as they are at `now`, with their lots read.
pub async fn views(
    db: &impl ConnectionTrait,
    business: &Business,
    packages: Vec<Package>,
    now: DateTime<Utc>,
) -> Result<Vec<PackageView>, ServiceError> {
    let ids: Vec<PackageId> = packages.iter().map(|package| package.id).collect();
    let mut by_package: BTreeMap<PackageId, Vec<Lot>> = BTreeMap::new();
    let lots = lots::of_packages(db, business.id, &ids).await?;
    for lot in settled(db, business.id, lots, now).await? {
        by_package.entry(lot.package_id).or_default().push(lot);
    }
    Ok(packages
        .into_iter()
        .map(|package| {
            let lots = by_package.remove(&package.id).unwrap_or_default();
            view(&package, &lots, business, now)
        })
        .collect())
}

fn line_view(lots: &[&Lot]) -> Option<LineView> {
    let line = Arc::clone(&lots.first()?.line);
    Some(LineView {
        line: Line::clone(&line),
        balances: sum(lots.iter().map(|lot| lot.fold.balances)),
        lots: lots.iter().map(|lot| lot_view(lot)).collect(),
    })
}

fn lot_view(lot: &Lot) -> LotView {
    LotView {
        id: lot.id,
        origin: lot.origin,
        quantity: lot.issued.quantity,
        value_minor: lot.issued.value,
        unused_value_minor: lot.fold.pools.unused,
        balances: lot.fold.balances,
        created_at: lot.created_at,
    }
}

/// The sum of balances; amounts are bounded far below where a sum could leave its range.
pub fn sum(balances: impl IntoIterator<Item = Balances>) -> Balances {
    let add = |a: Credits, b: Credits| a.checked_add(b).unwrap_or(a);
    balances
        .into_iter()
        .fold(Balances::default(), |sum, next| Balances {
            available: add(sum.available, next.available),
            held: add(sum.held, next.held),
            consumed: add(sum.consumed, next.consumed),
            expired: add(sum.expired, next.expired),
            revoked: add(sum.revoked, next.revoked),
            transferred: add(sum.transferred, next.transferred),
        })
}
