//! Commands that only move credits: how each is submitted, and what it did.

use uuid::Uuid;

use crate::domain::decide::Command;
use crate::domain::entry::Entry;
use crate::domain::hold::Hold;
use crate::domain::lot::Lot;
use crate::domain::refusal::Refusal;
use crate::domain::watch::Watch;
use crate::ledger::{Receipt, Submission};
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::error::ServiceError;

/// What a command did to credits. All of it can be told from the ledger's entries and from what never
/// changes, so a repeat gets an equal answer however late.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The posting: the request id, or that of an earlier request that had done it before.
    pub posting_id: Uuid,
    /// Its entries in their order, without what time caused, each with its lot.
    pub parts: Vec<(Entry, Lot)>,
    /// The hold that it placed or ended.
    pub hold: Option<Hold>,
}

/// Submits a command. If what it names could not be found, this is a repeat all the same if the request
/// took effect before: what the caller names may be named otherwise by now.
pub(super) async fn submit(
    ctx: &Context,
    call: &Call,
    command: Result<Command, ServiceError>,
    note: &str,
) -> Result<Answer<Posted>, ServiceError> {
    let request_id = call.request_id.unwrap_or_default();
    let business_id = call.business_id();
    let receipt = match command {
        Ok(command) => {
            let submission = Submission {
                business_id,
                request_id,
                request_hash: call.hash,
                method: call.method,
                actor: call.caller.actor,
                purpose: None,
                command,
                note: note.to_owned(),
                watch: Watch::of(&call.caller.business),
                validate_only: call.validate_only,
            };
            ctx.ledger.submit(&submission).await?
        }
        Err(refused @ ServiceError::Refused(_)) => {
            let earlier = ctx.ledger.earlier(business_id, request_id, &call.hash);
            Box::pin(earlier).await?.ok_or(refused)?
        }
        Err(error) => return Err(error),
    };
    answer(request_id, receipt)
}

/// What a posting did that another request wrote: the answer to a command that was carried out before.
pub(super) async fn done_before(
    ctx: &Context,
    call: &Call,
    posting_id: Uuid,
    refusal: Refusal,
) -> Result<Answer<Posted>, ServiceError> {
    let posted = ctx.ledger.posted(call.business_id(), posting_id).await?;
    answer(posting_id, posted.ok_or(refusal)?)
}

fn answer(posting_id: Uuid, receipt: Receipt) -> Result<Answer<Posted>, ServiceError> {
    let mut parts = Vec::with_capacity(receipt.entries.len());
    for entry in receipt.entries {
        let lot = receipt.lots.get(&entry.lot_id).cloned();
        let lot = lot.ok_or(Refusal::LotCorrupt(entry.lot_id))?;
        parts.push((entry, lot));
    }
    Ok(Answer {
        value: Posted {
            posting_id,
            parts,
            hold: receipt.hold.map(|hold| *hold),
        },
        replayed: receipt.replayed,
    })
}
