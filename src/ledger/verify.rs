//! Proving the ledger: every lot's chain is replayed, every cached number is held against it, and every
//! entry must mean something.
//!
//! A fault is reported, never mended. Only what is immutable is read page by page; a lot and the package
//! whose terms it copies are read in one snapshot. So the ledger is proved while it is written to, no
//! transaction stays open, and memory does not grow with the number of entries. Whether an entry is in no
//! lot's chain is told only of entries that were recorded before [`Asked::settled_at`]: younger ones may
//! be under way.

mod chain;
mod flaw;
mod head;
mod holding;
mod moved;
mod postings;
mod replay;
mod undo;

use std::collections::HashMap;
use std::ops::ControlFlow;

use chrono::{DateTime, TimeDelta, Utc};

pub use flaw::{Fault, Flaw, Place, instant};
pub use head::Head;

use crate::domain::credits::Credits;
use crate::domain::entry::Entry;
use crate::domain::lot::{Lot, Origin};
use crate::domain::package::Package;
use crate::ids::{BusinessId, LotId, PackageId};
use crate::store::db::Database;
use crate::store::entries::proof;
use crate::store::error::StoreError;
use crate::store::{holds, lots, packages};

use flaw::Findings;
use head::Heads;
use moved::Arrival;
use replay::Replay;

/// After how long nothing that was recorded can still be under way: longer than statements may run and
/// than clocks may differ.
pub const SETTLED_AFTER: TimeDelta = TimeDelta::minutes(5);

/// How many lots are read at a time.
const LOTS_PER_PAGE: u64 = 200;

/// What is to be proved.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was recorded at this instant or before is committed by now.
    pub settled_at: DateTime<Utc>,
    /// The instants whose heads are wanted.
    pub heads: Vec<DateTime<Utc>>,
}

/// The steps of a proof, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Step {
    /// The lots and their entries.
    #[default]
    Lots,
    /// The holds, so many of them by now.
    Holds(u64),
    /// The entries once more, by posting, so many of them by now.
    Postings(u64),
}

/// How far a proof is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// What is under way.
    pub step: Step,
    /// How many lots were replayed.
    pub lots: u64,
    /// How many there are.
    pub lots_total: u64,
    /// How many entries were replayed.
    pub entries: u64,
}

/// What a proof found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was replayed.
    pub done: Done,
    /// What does not add up, the first thousand of it.
    pub faults: Vec<Fault>,
    /// How many faults there are.
    pub faults_count: u64,
    /// The heads that were asked for, in that order.
    pub heads: Vec<Head>,
    /// Whether it was ended before all was looked at; it then proves nothing.
    pub broken_off: bool,
}

impl Asked {
    /// Proves what is there at `now`, while others may write, and tells these heads.
    pub fn at(now: DateTime<Utc>, heads: Vec<DateTime<Utc>>) -> Self {
        Self {
            settled_at: settled_at(now),
            heads,
        }
    }

    /// Proves everything that there is: only while nobody writes.
    pub fn everything() -> Self {
        Self {
            settled_at: DateTime::<Utc>::MAX_UTC,
            heads: Vec::new(),
        }
    }
}

/// The latest instant that nothing can be added to any more at `now`.
pub fn settled_at(now: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_sub_signed(SETTLED_AFTER).unwrap_or(now)
}

/// Proves the ledger of a business. `progress` hears how far it is after each page, and can break it off.
pub async fn verify(
    db: &Database,
    business_id: BusinessId,
    asked: &Asked,
    mut progress: impl FnMut(Done) -> ControlFlow<()>,
) -> Result<Report, StoreError> {
    let mut walk = Walk {
        db,
        business_id,
        settled_at: asked.settled_at,
        heads: Heads::new(business_id, &asked.heads),
        findings: Findings::default(),
        done: Done::default(),
        chained: 0,
    };
    walk.done.lots_total = proof::count_lots(db.reader(), business_id).await?;
    let broken_off = walk.everything(&mut progress).await?.is_break();
    Ok(Report {
        done: walk.done,
        faults: walk.findings.kept,
        faults_count: walk.findings.count,
        heads: walk.heads.finish(),
        broken_off,
    })
}

/// A walk over a business.
struct Walk<'a> {
    db: &'a Database,
    business_id: BusinessId,
    settled_at: DateTime<Utc>,
    heads: Heads,
    findings: Findings,
    done: Done,
    /// How many settled entries are in chains.
    chained: u64,
}

impl Walk<'_> {
    async fn everything(
        &mut self,
        progress: &mut impl FnMut(Done) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut after = None;
        loop {
            let ids =
                proof::lot_ids(self.db.reader(), self.business_id, after, LOTS_PER_PAGE).await?;
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            let (lots, packages) = self.read(&ids).await?;
            self.copies(&lots, &packages);
            self.lots(&lots, &packages).await?;
            if progress(self.done).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let done = self.done;
        let (db, business_id) = (self.db, self.business_id);
        let mut go_on = |step| progress(Done { step, ..done }).is_continue();
        if !holding::prove(db, business_id, &mut self.findings, |read| {
            go_on(Step::Holds(read))
        })
        .await?
        {
            return Ok(ControlFlow::Break(()));
        }
        let stored = postings::prove(
            self.db,
            self.business_id,
            self.settled_at,
            &mut self.findings,
            |read| go_on(Step::Postings(read)),
        )
        .await?;
        let Some(stored) = stored else {
            return Ok(ControlFlow::Break(()));
        };
        if stored != self.chained {
            let chained = self.chained;
            let flaw = Flaw::Strays { stored, chained };
            self.findings.add(Place::Business, flaw);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The lots and their packages as they were at one moment, held against the holds of that moment; what
    /// cannot be read is a fault.
    async fn read(
        &mut self,
        ids: &[LotId],
    ) -> Result<(Vec<Lot>, HashMap<PackageId, Package>), StoreError> {
        let business_id = self.business_id;
        let snapshot = self.db.snapshot().await?;
        for id in proof::odd_lots(&snapshot, business_id, ids).await? {
            self.findings.in_lot(id, [Flaw::Row]);
        }
        let mut found = Vec::new();
        match lots::by_ids(&snapshot, business_id, ids).await {
            Err(StoreError::Corrupt { .. }) => {
                for id in ids {
                    let one = lots::by_ids(&snapshot, business_id, &[*id]).await;
                    found.extend(self.or_damaged(*id, one)?.unwrap_or_default());
                }
            }
            page => found = page?,
        }
        let mut package_ids: Vec<PackageId> = found.iter().map(|lot| lot.package_id).collect();
        package_ids.sort_unstable();
        package_ids.dedup();
        let packages = match packages::by_ids(&snapshot, business_id, &package_ids).await {
            Err(StoreError::Corrupt { table, id }) => {
                let flaw = Flaw::Damaged { table, id };
                self.findings.add(Place::Business, flaw);
                Vec::new()
            }
            packages => packages?,
        };
        match holds::open_in(&snapshot, business_id, ids).await {
            Err(StoreError::Corrupt { table, id }) => {
                let flaw = Flaw::Damaged { table, id };
                self.findings.add(Place::Business, flaw);
            }
            open => {
                let open = open?;
                for lot in &found {
                    self.findings.in_lot(lot.id, holding::in_lot(lot, &open));
                }
            }
        }
        snapshot.rollback().await?;
        let by_id = packages.into_iter().map(|package| (package.id, package));
        Ok((found, by_id.collect()))
    }

    /// What a lot copies from its package is what the package says.
    fn copies(&mut self, lots: &[Lot], packages: &HashMap<PackageId, Package>) {
        for lot in lots {
            let flaw = match packages.get(&lot.package_id) {
                None => Some(Flaw::NoPackage),
                Some(package) if copies_agree(lot, package) => None,
                Some(_) => Some(Flaw::Terms),
            };
            self.findings.in_lot(lot.id, flaw);
            let stranded = packages
                .get(&lot.package_id)
                .is_some_and(|package| is_stranded(lot, package));
            self.findings
                .in_lot(lot.id, stranded.then_some(Flaw::Stranded));
        }
    }

    async fn lots(
        &mut self,
        lots: &[Lot],
        packages: &HashMap<PackageId, Package>,
    ) -> Result<(), StoreError> {
        let short: Vec<&Lot> = lots.iter().filter(|lot| chain::is_short(lot)).collect();
        let chains = match chain::short(self.db, &short).await {
            // Read one by one below, so that only the damaged one cannot be.
            Err(StoreError::Corrupt { .. }) => Vec::new(),
            chains => chains?,
        };
        for (lot, entries) in short.iter().zip(&chains) {
            let proved = self.others(entries).await;
            self.or_damaged(lot.id, proved)?;
        }
        let ids = short.iter().map(|lot| lot.id);
        let mut chains: HashMap<LotId, Vec<Entry>> = ids.zip(chains).collect();
        let mut arrivals = Vec::new();
        for lot in lots {
            let mut replay = Replay::new(lot);
            if let Some(entries) = chains.remove(&lot.id) {
                self.entries(&mut replay, lot.id, &entries);
            } else {
                let paged = self.pages(&mut replay, lot).await;
                self.or_damaged(lot.id, paged)?;
            }
            self.findings.in_lot(lot.id, replay.end());
            if let Some((first, amount)) = replay.begun()
                && lot.origin == Origin::Transferred
            {
                let package = packages.get(&lot.package_id);
                arrivals.push(Arrival {
                    lot,
                    first,
                    amount,
                    came_from: package.and_then(|package| package.came_from),
                });
            }
            self.heads.end_of_lot(lot.id);
            self.done.lots = self.done.lots.saturating_add(1);
        }
        moved::prove(self.db, self.business_id, &arrivals, &mut self.findings).await
    }

    /// What entries of a lot say of others, and of holds.
    async fn others(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let (db, business_id) = (self.db, self.business_id);
        undo::prove(db, business_id, entries, &mut self.findings).await?;
        holding::prove_ends(db, business_id, entries, &mut self.findings).await
    }

    async fn pages(&mut self, replay: &mut Replay<'_>, lot: &Lot) -> Result<(), StoreError> {
        for newest in chain::pages(self.db, lot).await? {
            let entries = chain::page(self.db, lot, newest).await?;
            self.others(&entries).await?;
            self.entries(replay, lot.id, &entries);
        }
        Ok(())
    }

    fn entries(&mut self, replay: &mut Replay<'_>, lot_id: LotId, entries: &[Entry]) {
        for entry in entries {
            self.findings.in_lot(lot_id, replay.entry(entry));
            self.heads.entry(entry);
            self.done.entries = self.done.entries.saturating_add(1);
            if entry.recorded_at <= self.settled_at {
                self.chained = self.chained.saturating_add(1);
            }
        }
    }

    /// A row that cannot be read is a fault and no reason to stop.
    fn or_damaged<T>(
        &mut self,
        lot_id: LotId,
        result: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match result {
            Err(StoreError::Corrupt { table, id }) => {
                self.findings.in_lot(lot_id, [Flaw::Damaged { table, id }]);
                Ok(None)
            }
            other => other.map(Some),
        }
    }
}

/// What comes back into a package that was taken away or moved goes on at once, so nothing of what is written
/// is ever available in it.
fn is_stranded(lot: &Lot, package: &Package) -> bool {
    let has_left = package.revoked_at.is_some()
        || package.transferred_at.is_some()
        || lot.transferred_to.is_some();
    has_left && lot.available() > Credits::ZERO
}

fn copies_agree(lot: &Lot, package: &Package) -> bool {
    lot.terms == package.terms()
        && lot.priority == package.priority
        && lot.customer_id == package.customer_id
}
