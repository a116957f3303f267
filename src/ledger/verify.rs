//! Proving the ledger: every lot's chain is replayed, and every cached number is held against it.
//!
//! A fault is reported, never mended. The head of a business is a hash over the ends of all its chains:
//! kept outside, it shows later that nothing that it covers was rewritten.

use sea_orm::ConnectionTrait;
use sha2::{Digest, Sha256};

use crate::domain::entry::{Entry, EntryKey, Hash};
use crate::domain::lot::{Fold, Lot};
use crate::ids::{BusinessId, LotId};
use crate::store::error::StoreError;
use crate::store::{entries, lots};

/// How many lots are read at a time.
const LOTS_PER_PAGE: u64 = 200;
/// How many entries of a chain are read at a time.
const ENTRIES_PER_PAGE: u64 = 1_000;

/// What a proof found.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many lots were replayed.
    pub lots: u64,
    /// How many entries they have.
    pub entries: u64,
    /// What does not add up.
    pub faults: Vec<Fault>,
    /// A hash over the ends of all chains, in the order of the lots' ids.
    pub head: Hash,
}

/// One thing that does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In which lot; none: in the business as a whole.
    pub lot_id: Option<LotId>,
    /// What is wrong.
    pub what: String,
}

/// Replays every lot of a business; `progress` hears how many lots are done.
pub async fn verify(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    mut progress: impl FnMut(u64),
) -> Result<Report, StoreError> {
    let mut head = Sha256::new();
    let mut report = Report {
        lots: 0,
        entries: 0,
        faults: Vec::new(),
        head: [0; 32],
    };
    let mut after = None;
    loop {
        let page = lots::page(db, business_id, after, LOTS_PER_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for lot in &page {
            let history = history(db, lot).await?;
            report.lots = report.lots.saturating_add(1);
            let found = u64::try_from(history.len()).unwrap_or(u64::MAX);
            report.entries = report.entries.saturating_add(found);
            report
                .faults
                .extend(faults(lot, &history).into_iter().map(|what| Fault {
                    lot_id: Some(lot.id),
                    what,
                }));
            head.update(lot.id.uuid().as_bytes());
            head.update(lot.tail.hash);
        }
        progress(report.lots);
    }
    let stored = entries::count(db, business_id).await?;
    if stored != report.entries {
        report.faults.push(Fault {
            lot_id: None,
            what: format!(
                "{stored} entries are stored, {} are in the chains of lots",
                report.entries
            ),
        });
    }
    report.head = head.finalize().into();
    Ok(report)
}

/// All entries of a lot, oldest first, as far as the chain can be followed.
async fn history(db: &impl ConnectionTrait, lot: &Lot) -> Result<Vec<Entry>, StoreError> {
    let mut history: Vec<Entry> = Vec::new();
    let mut next = lot.tail.last;
    while let Some(key) = next {
        let page = entries::chain(db, lot.business_id, key, ENTRIES_PER_PAGE).await?;
        next = page.last().and_then(|entry| entry.previous);
        let came_round = page.iter().any(|entry| entry.lot_id != lot.id);
        history.extend(page);
        if came_round || i64::try_from(history.len()).unwrap_or(i64::MAX) > lot.tail.seq {
            break;
        }
    }
    history.reverse();
    Ok(history)
}

/// What does not add up in a lot, given its entries oldest first.
fn faults(lot: &Lot, history: &[Entry]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fold = Fold::default();
    let mut hash: Hash = [0; 32];
    let mut previous: Option<&Entry> = None;
    for entry in history {
        faults.extend(entry_faults(lot, previous, entry, &hash));
        match fold.moved(
            entry.kind,
            (entry.from, entry.to),
            entry.amount,
            entry.value,
        ) {
            Some(next) => fold = next,
            None => faults.push(format!("entry {} cannot follow", entry.seq)),
        }
        if entry.balances != fold.balances {
            faults.push(format!("entry {} tells other balances", entry.seq));
        }
        hash = entry.hash;
        previous = Some(entry);
    }
    if fold != lot.fold {
        faults.push("the lot's cached numbers are not the fold of its entries".to_owned());
    }
    let seq = previous.map_or(0, |entry| entry.seq);
    if seq != lot.tail.seq || hash != lot.tail.hash {
        faults.push("the lot does not name the end of its chain".to_owned());
    }
    faults
}

fn entry_faults(
    lot: &Lot,
    previous: Option<&Entry>,
    entry: &Entry,
    previous_hash: &Hash,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("entry {}: {what}", entry.seq));
        }
    };
    let previous_key: Option<EntryKey> = previous.map(|entry| entry.key);
    check(entry.lot_id == lot.id, "is another lot's");
    check(
        entry.seq == previous.map_or(0, |entry| entry.seq).saturating_add(1),
        "leaves a gap before it",
    );
    check(
        entry.previous == previous_key,
        "names another one before it",
    );
    check(
        entry.hash == entry.digest(previous_hash),
        "its hash is not its own",
    );
    check(
        previous.is_none_or(|previous| previous.recorded_at <= entry.recorded_at),
        "was recorded before the one before it",
    );
    faults
}
