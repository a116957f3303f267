//! What requests did earlier, looked up for many at once.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Work;
use crate::domain::entry::Entry;
use crate::domain::lot::Lot;
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, LotId};
use crate::ledger::submit::{Receipt, Submission};
use crate::store::error::StoreError;
use crate::store::{entries, lots, requests};

/// A request id of some business.
pub(super) type RequestKey = (BusinessId, Uuid);

/// What is known of request ids.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    postings: HashMap<RequestKey, Vec<Entry>>,
    /// Ids of commands that keep their answer elsewhere.
    commands: HashSet<RequestKey>,
    lots: HashMap<(BusinessId, LotId), Lot>,
}

/// Reads what is known of the ids of these requests.
pub(super) async fn earlier<'a>(
    work: &Work,
    asked: impl IntoIterator<Item = &'a Submission>,
) -> Result<Earlier, StoreError> {
    let asked = asked.into_iter();
    let keys: Vec<RequestKey> = asked.map(|it| (it.business_id, it.request_id)).collect();
    if keys.is_empty() {
        return Ok(Earlier::default());
    }
    let db = work.db.batch_reader();
    let once: HashSet<RequestKey> = keys.into_iter().collect();
    let postings = entries::of_postings(db, once.iter().copied()).await?;
    let commands = requests::of_commands(db, once).await?;
    let in_lots: HashSet<(BusinessId, LotId)> = postings
        .iter()
        .flat_map(|(key, entries)| entries.iter().map(|entry| (key.0, entry.lot_id)))
        .collect();
    let found = if in_lots.is_empty() {
        Vec::new()
    } else {
        lots::batch::by_keys(db, in_lots, &work.lines).await?
    };
    Ok(Earlier {
        postings,
        commands,
        lots: found
            .into_iter()
            .map(|lot| ((lot.business_id, lot.id), lot))
            .collect(),
    })
}

impl Earlier {
    /// What this very request did earlier, or that its id was used for another one; none: neither.
    pub(super) fn of(&self, submission: &Submission) -> Option<Result<Receipt, Refusal>> {
        let (business_id, request_id) = (submission.business_id, submission.request_id);
        let key = (business_id, request_id);
        let Some(entries) = self.postings.get(&key) else {
            let reused = Refusal::RequestIdReused { request_id };
            return self.commands.contains(&key).then_some(Err(reused));
        };
        let hash = entries.first().and_then(|entry| entry.request_hash);
        if hash != Some(submission.request_hash) {
            return Some(Err(Refusal::RequestIdReused { request_id }));
        }
        let entries = entries.iter().filter(|entry| !entry.by_time);
        let entries: Vec<Entry> = entries.cloned().collect();
        let lots = entries.iter().filter_map(|entry| {
            let lot = self.lots.get(&(business_id, entry.lot_id))?;
            Some((lot.id, lot.clone()))
        });
        Some(Ok(Receipt {
            lots: lots.collect(),
            entries,
            hold: None,
            replayed: true,
        }))
    }
}
