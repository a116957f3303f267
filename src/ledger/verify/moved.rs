//! Lots that began with a transfer: they pay in the order of the lot that they came from.

use std::collections::HashMap;

use super::flaw::{Findings, Flaw, Place};
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, EntryKey};
use crate::domain::lot::{Basis, Lot};
use crate::ids::{BusinessId, LotId, PackageId};
use crate::store::db::Database;
use crate::store::entries::proof;
use crate::store::error::StoreError;
use crate::store::lots;

/// How many entries are looked up at a time.
const DEPARTURES_PER_PAGE: usize = 100;

/// A lot that began with a transfer.
#[derive(Debug)]
pub(super) struct Arrival<'a> {
    /// The lot.
    pub(super) lot: &'a Lot,
    /// Its first entry.
    pub(super) first: EntryKey,
    /// The credits that it began with.
    pub(super) amount: Credits,
    /// The package that its package came from.
    pub(super) came_from: Option<PackageId>,
}

/// Proves that these lots tell the issue of those that they came from. What cannot be read is a fault.
pub(super) async fn prove(
    db: &Database,
    business_id: BusinessId,
    arrivals: &[Arrival<'_>],
    findings: &mut Findings,
) -> Result<(), StoreError> {
    if arrivals.is_empty() {
        return Ok(());
    }
    let sources = match sources(db, business_id, arrivals).await {
        Err(StoreError::Corrupt { table, id }) => {
            findings.add(Place::Business, Flaw::Damaged { table, id });
            return Ok(());
        }
        sources => sources?,
    };
    for Arrival { lot, .. } in arrivals {
        let is_told = sources.get(&lot.id) == Some(&lot.issued);
        let flaw = (!is_told).then_some(Flaw::IssuedElsewhere);
        findings.in_lot(lot.id, flaw);
    }
    Ok(())
}

/// What was issued in the lot that each of these came from.
async fn sources(
    db: &Database,
    business_id: BusinessId,
    arrivals: &[Arrival<'_>],
) -> Result<HashMap<LotId, Basis>, StoreError> {
    let db = db.reader();
    // What leaves one lot and what arrives in the other stand side by side.
    let departures: HashMap<EntryKey, LotId> = arrivals
        .iter()
        .filter(|arrival| arrival.amount > Credits::ZERO)
        .filter_map(|Arrival { first, lot, .. }| {
            let n = first.n.checked_sub(1)?;
            Some((EntryKey { n, ..*first }, lot.id))
        })
        .collect();
    let keys: Vec<EntryKey> = departures.keys().copied().collect();
    let mut left: HashMap<LotId, Vec<LotId>> = HashMap::new();
    for keys in keys.chunks(DEPARTURES_PER_PAGE) {
        let found = proof::by_keys(db, business_id, keys).await?;
        for entry in found.iter().filter(|it| it.to == Account::Transferred) {
            let arrived_in = departures.get(&entry.key).copied();
            left.entry(entry.lot_id).or_default().extend(arrived_in);
        }
    }
    let mut sources = HashMap::new();
    let ids: Vec<LotId> = left.keys().copied().collect();
    for source in lots::by_ids(db, business_id, &ids).await? {
        let arrived_in = left.get(&source.id).into_iter().flatten();
        sources.extend(arrived_in.map(|id| (*id, source.issued)));
    }
    // Nothing left the lot of one that began with nothing, but it names it.
    let opened = arrivals.iter().filter(|it| it.amount == Credits::ZERO);
    let packages: Vec<PackageId> = opened.filter_map(|it| it.came_from).collect();
    for source in lots::of_packages(db, business_id, &packages).await? {
        let opened = source.transferred_to;
        sources.extend(opened.map(|id| (id, source.issued)));
    }
    Ok(sources)
}
