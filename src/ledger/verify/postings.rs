//! Postings: the entries of one request stand together, what it moves between lots arrives, and every stored
//! entry is in some lot's chain.

use chrono::{DateTime, Utc};

use super::flaw::{Findings, Flaw};
use crate::ids::BusinessId;
use crate::store::db::Database;
use crate::store::entries::proof::{self, Link};
use crate::store::error::StoreError;

/// How many entries are read at a time.
const LINKS_PER_PAGE: u64 = 5_000;

/// Walks over all postings; says how many entries were recorded at `settled_at` or before, or nothing if
/// `go_on`, which hears how many were read, said that it is enough.
pub(super) async fn prove(
    db: &Database,
    business_id: BusinessId,
    settled_at: DateTime<Utc>,
    findings: &mut Findings,
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<Option<u64>, StoreError> {
    let (mut stored, mut read) = (0_u64, 0_u64);
    let mut walk = Walk::default();
    let mut after = None;
    loop {
        let page = proof::links(db.reader(), business_id, after, LINKS_PER_PAGE).await?;
        let Some(last) = page.last() else {
            walk.end_posting(findings);
            return Ok(Some(stored));
        };
        after = Some(last.key);
        for link in page {
            read = read.saturating_add(1);
            if link.recorded_at <= settled_at.timestamp_micros() {
                stored = stored.saturating_add(1);
            }
            walk.link(link, findings);
        }
        if !go_on(read) {
            return Ok(None);
        }
    }
}

/// The posting that is being walked over.
#[derive(Debug, Default)]
struct Walk {
    before: Option<Link>,
    /// Its first entry that time did not cause.
    asked_for: Option<Link>,
    /// The credits and the value that left lots by transfer and have not arrived in others.
    underway: [i128; 2],
}

impl Walk {
    fn link(&mut self, link: Link, findings: &mut Findings) {
        let is_same = |before: &Link| before.key.posting_id == link.key.posting_id;
        if !self.before.as_ref().is_some_and(is_same) {
            self.end_posting(findings);
        }
        let before = self.before.take();
        let wanted = before.map_or(0, |before| before.key.n.saturating_add(1));
        if link.key.n != wanted {
            findings.in_posting(link.key, Flaw::PostingGap(link.key.n));
        }
        if !link.by_time {
            let first = self.asked_for.get_or_insert_with(|| link.clone());
            if first.request_hash != link.request_hash {
                findings.in_posting(link.key, Flaw::PostingRequest(link.key.n));
            }
        }
        for (underway, moved) in self.underway.iter_mut().zip(link.moves) {
            *underway = underway.saturating_add(moved);
        }
        self.before = Some(link);
    }

    /// Ends the posting that was walked over, if there is one: what left lots has arrived.
    fn end_posting(&mut self, findings: &mut Findings) {
        let over = std::mem::take(self);
        if let Some(last) = over.before
            && over.underway != [0, 0]
        {
            findings.in_posting(last.key, Flaw::Transfers);
        }
    }
}
