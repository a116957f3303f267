//! Heads: one hash over the chains of a business as they were at an instant.
//!
//! Whatever is recorded later leaves it as it is, because time never goes backwards within a lot; so a
//! head that was kept can be computed again at any time, and differs if anything that it covers was
//! rewritten, removed or slipped in.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::domain::entry::{Entry, Hash};
use crate::ids::{BusinessId, LotId};

/// What is hashed first, so that no other hash of ours is ever the same.
const DOMAIN: &[u8] = b"carnet head 1";

/// The head of a business as of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// It covers what was recorded at this instant or before.
    pub as_of: DateTime<Utc>,
    /// How many lots there were.
    pub lots: u64,
    /// How many entries they had.
    pub entries: u64,
    /// A hash over the ends of all chains, in the order of the lots' ids.
    pub hash: Hash,
}

/// A head in the making.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
struct Part {
    as_of: DateTime<Utc>,
    hasher: Sha256,
    lots: u64,
    entries: u64,
    /// How many entries the present lot had at that instant, and the hash of the last.
    end: Option<(u64, Hash)>,
}

impl Heads {
    pub(super) fn new(business_id: BusinessId, instants: &[DateTime<Utc>]) -> Self {
        let part = |as_of: &DateTime<Utc>| Part {
            as_of: *as_of,
            hasher: Sha256::new()
                .chain_update(DOMAIN)
                .chain_update(business_id.uuid().as_bytes()),
            lots: 0,
            entries: 0,
            end: None,
        };
        Self {
            parts: instants.iter().map(part).collect(),
        }
    }

    /// The next entry of the present lot, oldest first.
    pub(super) fn entry(&mut self, entry: &Entry) {
        for part in &mut self.parts {
            if entry.recorded_at <= part.as_of {
                let before = part.end.map_or(0, |(count, _)| count);
                part.end = Some((before.saturating_add(1), entry.hash));
            }
        }
    }

    /// The present lot was looked at; the next one is to come.
    pub(super) fn end_of_lot(&mut self, lot_id: LotId) {
        for part in &mut self.parts {
            let Some((count, hash)) = part.end.take() else {
                continue;
            };
            part.hasher.update(lot_id.uuid().as_bytes());
            part.hasher.update(count.to_be_bytes());
            part.hasher.update(hash);
            part.lots = part.lots.saturating_add(1);
            part.entries = part.entries.saturating_add(count);
        }
    }

    pub(super) fn finish(self) -> Vec<Head> {
        let head = |part: Part| Head {
            as_of: part.as_of,
            lots: part.lots,
            entries: part.entries,
            hash: part.hasher.finalize().into(),
        };
        self.parts.into_iter().map(head).collect()
    }
}
