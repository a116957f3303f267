//! Settling: what time alone has caused and nobody has written yet.
//!
//! Every command settles the lots that it locks before it decides, the expiry job settles lots that
//! nobody touched, and reads settle in memory. So the ledger is the same whether or not a job ever ran
//! (design section 2). What settling appends carries the instant at which it became true (semantics 12).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::entry::{About, Account, Actor, EntryKind};
use crate::domain::lot::{Lot, Movement, Stamp};
use crate::domain::posting::Draft;
use crate::domain::refusal::Refusal;

/// Appends what time has caused up to the draft's now, in the order of its instants.
pub fn settle(draft: &mut Draft<'_>) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    let mut due: Vec<_> = draft
        .lots()
        .filter_map(|lot| Some((expiry_due(lot, now)?, lot.id, lot.available())))
        .collect();
    due.sort_unstable();
    for (expired_at, lot_id, amount) in due {
        let lot = draft.lots().find(|lot| lot.id == lot_id);
        let value = lot
            .and_then(|lot| lot.fold.value_leaving(amount))
            .ok_or(Refusal::LotCorrupt(lot_id))?;
        draft.post(lot_id, expiry(amount, value, expired_at))?;
    }
    Ok(())
}

/// The lot as it is at `at`, whether or not what time caused was written.
pub fn as_of(lot: &Lot, at: DateTime<Utc>) -> Lot {
    let stamp = Stamp {
        posting_id: Uuid::nil(),
        now: at,
        request_hash: None,
        method: String::new(),
        actor: Actor::System,
    };
    let mut draft = Draft::open(&stamp, [lot.clone()]);
    if settle(&mut draft).is_err() {
        return lot.clone();
    }
    let mut settled = draft.lots().next().cloned().unwrap_or_else(|| lot.clone());
    settled.tail = lot.tail;
    settled
}

/// When the lot's available credits were lost, if they were and no entry says so yet. Held credits
/// stay held (semantics 11).
fn expiry_due(lot: &Lot, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let expires_at = lot.terms.expires_at?;
    let due = expires_at <= now
        && lot.available() > Credits::ZERO
        && !lot.terms.frozen
        && !lot.terms.revoked;
    due.then_some(expires_at)
}

fn expiry(amount: Credits, value: i64, expired_at: DateTime<Utc>) -> Movement {
    Movement {
        kind: EntryKind::Expire,
        from: Account::Available,
        to: Account::Expired,
        amount,
        value,
        effective_at: expired_at,
        by_time: true,
        undoes: None,
        about: About::default(),
    }
}
