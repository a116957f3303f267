//! Reading chains of entries: many short ones at once, a long one in pages.
//!
//! A chain can only be followed backwards, and is replayed forwards. Of a long one the first walk keeps
//! only where each page begins; the second walk reads the pages again from the oldest on. So a lot with
//! millions of entries needs no more memory than one with a thousand.

use std::collections::HashMap;

use crate::domain::entry::{Entry, EntryKey};
use crate::domain::lot::Lot;
use crate::store::db::Database;
use crate::store::entries;
use crate::store::entries::proof;
use crate::store::error::StoreError;

/// How many entries of one chain are read at a time.
pub(super) const ENTRIES_PER_PAGE: u64 = 1_000;

/// Up to how many entries a chain is short.
const SHORT_MAX: i64 = 64;

/// Whether the lot says that its chain is short.
pub(super) fn is_short(lot: &Lot) -> bool {
    lot.tail.seq <= SHORT_MAX
}

/// The entries of these short lots, each lot's oldest first, as far as its chain can be followed.
pub(super) async fn short(db: &Database, lots: &[&Lot]) -> Result<Vec<Vec<Entry>>, StoreError> {
    let Some(business_id) = lots.first().map(|lot| lot.business_id) else {
        return Ok(Vec::new());
    };
    // As they were read: whoever writes goes on with the chain, and does not change what is behind.
    let ends: Vec<EntryKey> = lots.iter().filter_map(|lot| lot.tail.last).collect();
    let depth = lots.iter().map(|lot| lot.tail.seq).max().unwrap_or(0);
    // One more than there should be, so that a chain that goes on is seen.
    let depth = depth.max(1).saturating_add(1);
    let found = proof::chains(db.reader(), business_id, &ends, depth).await?;
    let by_key: HashMap<EntryKey, Entry> =
        found.into_iter().map(|entry| (entry.key, entry)).collect();
    Ok(lots.iter().map(|lot| follow(lot, &by_key)).collect())
}

fn follow(lot: &Lot, by_key: &HashMap<EntryKey, Entry>) -> Vec<Entry> {
    let mut chain = Vec::new();
    let mut next = lot.tail.last;
    // A chain that comes round ends where it says that it should.
    for _ in 0..=lot.tail.seq.max(0) {
        let Some(entry) = next.and_then(|key| by_key.get(&key)) else {
            break;
        };
        chain.push(entry.clone());
        next = entry.previous;
    }
    chain.reverse();
    chain
}

/// Where the pages of a chain begin, the oldest page first: the newest entry of each.
pub(super) async fn pages(db: &Database, lot: &Lot) -> Result<Vec<EntryKey>, StoreError> {
    let mut pages = Vec::new();
    let mut count = 0_u64;
    let mut next = lot.tail.last;
    while let Some(key) = next {
        pages.push(key);
        let page = page(db, lot, key).await?;
        count = count.saturating_add(u64::try_from(page.len()).unwrap_or(u64::MAX));
        let came_round = i64::try_from(count).unwrap_or(i64::MAX) > lot.tail.seq;
        next = page.first().and_then(|oldest| oldest.previous);
        if came_round {
            break;
        }
    }
    pages.reverse();
    Ok(pages)
}

/// The entries from `newest` backwards, one page of them, oldest first.
pub(super) async fn page(
    db: &Database,
    lot: &Lot,
    newest: EntryKey,
) -> Result<Vec<Entry>, StoreError> {
    let reader = db.reader();
    let mut page = entries::chain(reader, lot.business_id, newest, ENTRIES_PER_PAGE).await?;
    page.reverse();
    Ok(page)
}
