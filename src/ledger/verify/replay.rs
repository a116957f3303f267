//! One lot, replayed entry by entry from its issue: what each entry must be after the one before it, and
//! what the lot must say after its last.
//!
//! A proof is a function; a new kind of proof is one more line in [`OF_ENTRIES`] or [`OF_LOTS`].

use uuid::Uuid;

use super::flaw::Flaw;
use crate::domain::credits::Credits;
use crate::domain::entry::meaning::Undoing;
use crate::domain::entry::{Account, Entry, EntryKey, EntryKind, Hash};
use crate::domain::lot::{Fold, Lot, Origin};

/// A lot and what its entries so far add up to.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    lot: &'a Lot,
    fold: Fold,
    seq: i64,
    last: Option<EntryKey>,
    hash: Hash,
    recorded_at: Option<chrono::DateTime<chrono::Utc>>,
    /// The first entry, its amount and its value.
    begun: Option<(EntryKey, Credits, i64)>,
    /// The last posting in which credits came back into the lot.
    returned_in: Option<Uuid>,
}

/// One entry, with the lot before it and after it.
struct Step<'a> {
    before: &'a Replay<'a>,
    entry: &'a Entry,
    after: Option<Fold>,
}

type OfEntries = fn(&Step<'_>) -> Option<Flaw>;
type OfLots = fn(&Replay<'_>) -> Option<Flaw>;

/// What every entry must be.
const OF_ENTRIES: [OfEntries; 16] = [
    own_lot,
    own_line,
    no_gap,
    names_previous,
    own_hash,
    time_goes_on,
    not_in_future,
    not_overdrawn,
    true_balances,
    fitting_accounts,
    fitting_amount,
    one_beginning,
    caused_by_time,
    caused_expiry,
    fitting_value,
    fitting_undo,
];

/// What every lot must be after its last entry.
const OF_LOTS: [OfLots; 3] = [true_cache, true_tail, true_issue];

impl<'a> Replay<'a> {
    pub(super) fn new(lot: &'a Lot) -> Self {
        Self {
            lot,
            fold: Fold::default(),
            seq: 0,
            last: None,
            hash: [0; 32],
            recorded_at: None,
            begun: None,
            returned_in: None,
        }
    }

    /// Goes one entry on, and says what is wrong with it.
    pub(super) fn entry(&mut self, entry: &Entry) -> Vec<Flaw> {
        let after = self.fold.moved(
            entry.kind,
            (entry.from, entry.to),
            entry.amount,
            entry.value,
        );
        let step = Step {
            before: self,
            entry,
            after,
        };
        let flaws = OF_ENTRIES.iter().filter_map(|proof| proof(&step)).collect();
        self.fold = after.unwrap_or(self.fold);
        self.seq = entry.seq;
        self.last = Some(entry.key);
        self.hash = entry.hash;
        self.recorded_at = Some(entry.recorded_at);
        let begun = (entry.key, entry.amount, entry.value);
        self.begun = self.begun.or(Some(begun));
        let returns = entry.to == Account::Available && entry.from != Account::Issued;
        if returns {
            self.returned_in = Some(entry.key.posting_id);
        }
        flaws
    }

    /// The first entry, and its amount.
    pub(super) fn begun(&self) -> Option<(EntryKey, Credits)> {
        let (key, amount, _) = self.begun?;
        Some((key, amount))
    }

    /// Says what is wrong with the lot, now that all its entries were seen.
    pub(super) fn end(&self) -> Vec<Flaw> {
        OF_LOTS.iter().filter_map(|proof| proof(self)).collect()
    }
}

fn flaw_unless(holds: bool, flaw: Flaw) -> Option<Flaw> {
    (!holds).then_some(flaw)
}

fn own_lot(step: &Step<'_>) -> Option<Flaw> {
    let own = step.entry.lot_id == step.before.lot.id;
    flaw_unless(own, Flaw::OtherLot(step.entry.seq))
}

fn own_line(step: &Step<'_>) -> Option<Flaw> {
    let own = step.entry.line_id == step.before.lot.line.id;
    flaw_unless(own, Flaw::OtherLine(step.entry.seq))
}

fn no_gap(step: &Step<'_>) -> Option<Flaw> {
    let follows = step.before.seq.checked_add(1) == Some(step.entry.seq);
    flaw_unless(follows, Flaw::Gap(step.entry.seq))
}

fn names_previous(step: &Step<'_>) -> Option<Flaw> {
    let named = step.entry.previous == step.before.last;
    flaw_unless(named, Flaw::Previous(step.entry.seq))
}

fn own_hash(step: &Step<'_>) -> Option<Flaw> {
    let own = step.entry.hash == step.entry.digest(&step.before.hash);
    flaw_unless(own, Flaw::Hash(step.entry.seq))
}

fn time_goes_on(step: &Step<'_>) -> Option<Flaw> {
    let goes_on = step.before.recorded_at <= Some(step.entry.recorded_at);
    flaw_unless(goes_on, Flaw::Backwards(step.entry.seq))
}

fn not_in_future(step: &Step<'_>) -> Option<Flaw> {
    let was_true = step.entry.effective_at <= step.entry.recorded_at;
    flaw_unless(was_true, Flaw::Future(step.entry.seq))
}

fn not_overdrawn(step: &Step<'_>) -> Option<Flaw> {
    flaw_unless(step.after.is_some(), Flaw::Overdrawn(step.entry.seq))
}

fn true_balances(step: &Step<'_>) -> Option<Flaw> {
    let after = step.after?;
    let told = step.entry.balances == after.balances;
    flaw_unless(told, Flaw::Balances(step.entry.seq))
}

fn fitting_accounts(step: &Step<'_>) -> Option<Flaw> {
    let Entry {
        seq,
        kind,
        from,
        to,
        ..
    } = *step.entry;
    let fits = kind.movements().contains(&(from, to));
    flaw_unless(fits, Flaw::Accounts { seq, kind })
}

/// Only a lot of which nothing was left to move opens the one over there with nothing.
fn fitting_amount(step: &Step<'_>) -> Option<Flaw> {
    let amount = step.entry.amount;
    let opens = step.before.last.is_none() && step.entry.from == Account::Transferred;
    let fits = if step.entry.kind.is_value_only() {
        amount == Credits::ZERO
    } else if opens {
        amount >= Credits::ZERO
    } else {
        amount > Credits::ZERO
    };
    flaw_unless(fits, Flaw::Amount(step.entry.seq))
}

/// A lot begins with its issue, or with what was transferred into it; it is never topped up.
fn one_beginning(step: &Step<'_>) -> Option<Flaw> {
    let is_first = step.before.last.is_none();
    let issues = step.entry.kind == EntryKind::Issue;
    let arrives = step.entry.from == Account::Transferred;
    let fits = if is_first { issues || arrives } else { !issues };
    flaw_unless(fits, Flaw::Beginning(step.entry.seq))
}

fn caused_by_time(step: &Step<'_>) -> Option<Flaw> {
    let fits = !step.entry.by_time || step.entry.kind.may_be_by_time();
    flaw_unless(fits, Flaw::ByTime(step.entry.seq))
}

/// What comes back into a lot that has expired goes on to that account in the same posting, and so does the
/// rest when a first use that is recorded late has ended its package.
fn caused_expiry(step: &Step<'_>) -> Option<Flaw> {
    let entry = step.entry;
    let returned = step.before.returned_in == Some(entry.key.posting_id);
    let ended_late = step.before.lot.terms.counts_from_first_use;
    let caused = entry.kind != EntryKind::Expire || entry.by_time || returned || ended_late;
    flaw_unless(caused, Flaw::Expiry(entry.seq))
}

/// What leaves the unused carries what the formula says, after undoings and revaluations too: they only
/// change what it is over. What comes back carries what its original did ([`super::undo`]).
fn fitting_value(step: &Step<'_>) -> Option<Flaw> {
    let Step { before, entry, .. } = step;
    let is_unused = |account| matches!(account, Account::Available | Account::Held);
    let wanted = if is_unused(entry.from) && is_unused(entry.to) {
        0
    } else if !is_unused(entry.from) || entry.kind.is_value_only() {
        return None;
    } else {
        before.fold.value_leaving(entry.amount)?
    };
    let flaw = Flaw::Value {
        seq: entry.seq,
        told: entry.value,
        wanted,
    };
    flaw_unless(entry.value == wanted, flaw)
}

fn fitting_undo(step: &Step<'_>) -> Option<Flaw> {
    let fits = match step.entry.kind.undoing() {
        Undoing::Nothing => step.entry.undoes.is_none(),
        Undoing::Maybe(_) => true,
        Undoing::Always(_) => step.entry.undoes.is_some(),
    };
    flaw_unless(fits, Flaw::Undoing(step.entry.seq))
}

fn true_cache(end: &Replay<'_>) -> Option<Flaw> {
    flaw_unless(end.fold == end.lot.fold, Flaw::Cache)
}

fn true_tail(end: &Replay<'_>) -> Option<Flaw> {
    let tail = &end.lot.tail;
    let named = tail.seq == end.seq
        && tail.last == end.last
        && tail.hash == end.hash
        && tail.recorded_at == end.recorded_at;
    flaw_unless(named, Flaw::Tail)
}

/// What was issued is kept apart for the order in which lots pay; what came by a transfer copies it from
/// the lot that it left ([`super::moved`]). What is given for nothing is worth nothing.
fn true_issue(end: &Replay<'_>) -> Option<Flaw> {
    let issued = end.lot.issued;
    let came_by_transfer = end.lot.origin == Origin::Transferred;
    let begun = end.begun.map(|(_, amount, value)| (amount, value));
    let told = came_by_transfer || begun == Some((issued.quantity, issued.value));
    let worthless = end.lot.origin != Origin::Bonus || issued.value == 0;
    flaw_unless(told && worthless, Flaw::Issued)
}
