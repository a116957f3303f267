//! What a submission is decided on: found without locks, then locked and read again.
//!
//! Nothing that is read without locks decides anything. It only says which rows to lock; rows that a lot
//! or an entry names for ever (its package, its line, the entries of a posting) cannot have changed.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::decide::{Command, Consume, Facts, Meanwhile};
use crate::domain::entry::{Account, Entry};
use crate::domain::hold::Hold;
use crate::domain::lot::Lot;
use crate::domain::settle::as_of;
use crate::ids::{BusinessId, CustomerId, HoldId, LotId, PackageId};
use crate::ledger::{reach, uses};
use crate::store::error::StoreError;
use crate::store::lots::moved::followed;
use crate::store::{customers, entries, holds, lots, package_members};

/// Which lots a submission is decided on.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    /// These.
    Lots(Vec<LotId>),
    /// All lots of these packages, which are locked as well.
    Packages(Vec<PackageId>),
}

impl Scope {
    /// Whether the packages are locked, so that what changes them may be written.
    pub(super) fn holds_packages(&self) -> bool {
        matches!(self, Self::Packages(_))
    }
}

/// The lots that a command could concern, read without locks.
pub(super) async fn scope(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    command: &Command,
    now: DateTime<Utc>,
) -> Result<Scope, StoreError> {
    match command {
        Command::Consume(consume) => of_taking(db, business_id, consume, now).await,
        Command::Hold(place) => of_taking(db, business_id, &place.taking, now).await,
        Command::Capture(capture) => {
            let with_candidates = capture.excess.is_some();
            of_hold(db, business_id, capture.hold_id, with_candidates).await
        }
        Command::Release(release) => of_hold(db, business_id, release.hold_id, false).await,
        Command::Keep(keep) => of_hold(db, business_id, keep.hold_id, false).await,
        Command::Reverse(reverse) => {
            let lots = of_use(db, business_id, reverse.posting_id).await?;
            Ok(match reverse.meanwhile {
                Meanwhile::Expire => Scope::Lots(ids_of(&lots)),
                Meanwhile::Restore { .. } => Scope::Packages(packages_of(&lots)),
            })
        }
        Command::Move(moved) => {
            let used = of_use(db, business_id, moved.posting_id).await?;
            let Some(first) = used.first() else {
                return Ok(Scope::Lots(Vec::new()));
            };
            let entries = entries::of_posting(db, business_id, moved.posting_id).await?;
            let survivor = survivor_of(db, business_id, &entries).await?;
            let taker = survivor.or_else(|| user_of(&entries));
            let taker = taker.unwrap_or(first.customer_id);
            let more = payers(db, business_id, taker, &moved.package_ids).await?;
            Ok(with_lots(more, &used))
        }
        Command::Adjust(adjust) => Ok(Scope::Packages(vec![adjust.package_id])),
    }
}

/// All packages that a command could concern, each once, in the order of their ids; read without locks.
pub(super) async fn packages(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    command: &Command,
    now: DateTime<Utc>,
) -> Result<Vec<PackageId>, StoreError> {
    match scope(db, business_id, command, now).await? {
        Scope::Packages(ids) => Ok(ids),
        Scope::Lots(ids) => Ok(packages_of(&lots::by_ids(db, business_id, &ids).await?)),
    }
}

/// Locks what is in the scope, in the order that holds everywhere, and reads it; with it where goes what comes
/// back, which may have become somewhere else since the scope was found.
pub(super) async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    (scope, command): (&Scope, &Command),
) -> Result<Facts, StoreError> {
    let comes_back = |lot: &Lot| command.undoes().is_some() || lot.is_held();
    match scope {
        Scope::Lots(ids) => reach::lock_lots(txn, business_id, ids, comes_back).await,
        Scope::Packages(ids) => reach::lock_packages(txn, business_id, ids, comes_back).await,
    }
}

/// The packages on which a use is decided once more that those in the scope could not pay: the same ones, and
/// those from which time may have moved something to them. None: there are no others.
pub(super) async fn wider(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    facts: &Facts,
    now: DateTime<Utc>,
) -> Result<Option<Vec<PackageId>>, StoreError> {
    let beside = reach::beside(txn, business_id, &facts.lots, now).await?;
    if beside.is_empty() {
        return Ok(None);
    }
    let all: Vec<Lot> = facts.lots.iter().cloned().chain(beside).collect();
    Ok(Some(packages_of(&all)))
}

/// Adds what the command wants to know besides its lots, now that those are locked: nobody else writes
/// their holds, or undoes entries in them.
pub(super) async fn complete(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    command: &Command,
    now: DateTime<Utc>,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    let named = match command {
        Command::Capture(capture) => Some(capture.hold_id),
        Command::Release(release) => Some(release.hold_id),
        Command::Keep(keep) => Some(keep.hold_id),
        Command::Hold(_)
        | Command::Consume(_)
        | Command::Reverse(_)
        | Command::Move(_)
        | Command::Adjust(_) => None,
    };
    let is_limited = facts.packages.iter().any(|it| it.use_limit.is_some());
    facts.holds = if named.is_some() || is_limited || matches!(command, Command::Hold(_)) {
        holds::open_in(txn, business_id, &ids_of(&facts.lots)).await?
    } else {
        holds::due_in(txn, business_id, &facts.lots, now).await?
    };
    if let Some(hold) = named_hold(txn, business_id, named, &facts.holds).await? {
        facts.holds.push(hold);
    }
    if let Some(posting_id) = command.undoes() {
        undoing(txn, business_id, posting_id, facts).await?;
    }
    let user = match command {
        Command::Consume(consume) => Some(consume.customer_id),
        Command::Hold(place) => Some(place.taking.customer_id),
        Command::Capture(capture) => {
            let hold = facts.holds.iter().find(|hold| hold.id == capture.hold_id);
            hold.map(|hold| hold.customer_id)
        }
        Command::Move(_) => {
            facts.survivor = survivor_of(txn, business_id, &facts.original).await?;
            facts.survivor.or_else(|| user_of(&facts.original))
        }
        Command::Release(_) | Command::Keep(_) | Command::Reverse(_) | Command::Adjust(_) => None,
    };
    if let Some(user) = user.filter(|_| is_limited) {
        let at = service_at(command, facts).unwrap_or(now);
        facts.uses = uses::around(txn, business_id, user, &facts.lots, at).await?;
    }
    // Who uses only what is its own shares nothing that matters.
    if let Some(user) = user.filter(|user| facts.lots.iter().any(|lot| lot.customer_id != *user)) {
        facts.shared_with = package_members::usable_by(txn, business_id, user).await?;
    }
    Ok(())
}

/// When the service takes place for which the command uses credits, if it says so.
fn service_at(command: &Command, facts: &Facts) -> Option<DateTime<Utc>> {
    match command {
        Command::Consume(consume) => consume.delivered_at,
        Command::Hold(place) => place.taking.delivered_at,
        Command::Capture(capture) => capture.delivered_at.or_else(|| {
            let hold = facts.holds.iter().find(|it| it.id == capture.hold_id);
            hold.map(|hold| hold.service_at)
        }),
        Command::Move(_) => facts.original.iter().map(|it| it.effective_at).min(),
        Command::Release(_) | Command::Keep(_) | Command::Reverse(_) | Command::Adjust(_) => None,
    }
}

/// Who took the place of the customer who used what these entries took, if they were merged.
async fn survivor_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    entries: &[Entry],
) -> Result<Option<CustomerId>, StoreError> {
    let Some(user) = user_of(entries) else {
        return Ok(None);
    };
    let customer = customers::get(db, business_id, user).await?;
    Ok(customer.and_then(|customer| customer.merged_into))
}

/// The customer who used what these entries took.
fn user_of(entries: &[Entry]) -> Option<CustomerId> {
    entries.iter().find_map(|entry| entry.about.customer_id)
}

/// The entries of the posting that is to be undone, with those by which a time-out captured what it had
/// set aside, and what was undone of all of them.
async fn undoing(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    posting_id: Uuid,
    facts: &mut Facts,
) -> Result<(), StoreError> {
    facts.original = entries::of_posting(txn, business_id, posting_id).await?;
    facts.undone = entries::undoing(txn, business_id, posting_id).await?;
    let hold = holds::get(txn, business_id, HoldId::from_uuid(posting_id)).await?;
    for (_, key) in hold.iter().flat_map(|hold| &hold.captured_by_time) {
        let captured = entries::get(txn, business_id, *key).await?;
        facts.original.extend(captured);
        let undone = entries::undoing(txn, business_id, key.posting_id).await?;
        facts
            .undone
            .extend(undone.into_iter().filter(|undo| undo.undoes == Some(*key)));
    }
    Ok(())
}

/// The hold that the command names, if it is not among the open ones.
async fn named_hold(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    named: Option<HoldId>,
    open: &[Hold],
) -> Result<Option<Hold>, StoreError> {
    match named {
        Some(id) if open.iter().all(|hold| hold.id != id) => holds::get(txn, business_id, id).await,
        _ => Ok(None),
    }
}

/// The lots that could be taken from.
async fn of_taking(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    taking: &Consume,
    now: DateTime<Utc>,
) -> Result<Scope, StoreError> {
    match past_expiry(db, business_id, taking, now).await? {
        Some(scope) => Ok(scope),
        None => payers(db, business_id, taking.customer_id, &taking.package_ids).await,
    }
}

/// Lots of the named packages, or all that the customer could pay with.
async fn payers(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    customer_id: CustomerId,
    package_ids: &[PackageId],
) -> Result<Scope, StoreError> {
    if package_ids.is_empty() {
        let mut ids = lots::open_of_customer(db, business_id, customer_id).await?;
        let others = lots::shared::of_others(db, business_id, customer_id).await?;
        ids.extend(others.iter().filter(|lot| lot.is_open()).map(|lot| lot.id));
        return Ok(Scope::Lots(ids));
    }
    let asked = package_ids.iter().map(|id| (business_id, *id));
    let found = lots::batch::of_packages(db, asked).await?;
    Ok(Scope::Lots(found.into_values().flatten().collect()))
}

/// All packages that could pay, if one of them ended since a service whose later expiry does not count.
async fn past_expiry(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    consume: &Consume,
    now: DateTime<Utc>,
) -> Result<Option<Scope>, StoreError> {
    let (Some(delivered_at), Some(_)) = (consume.delivered_at, consume.past_expiry) else {
        return Ok(None);
    };
    let found = if consume.package_ids.is_empty() {
        let mut found = lots::shared::usable_by(db, business_id, consume.customer_id).await?;
        found.retain(|lot| lot.is_open() || lot.fold.balances.expired > Credits::ZERO);
        found
    } else {
        // Used up or not: what is named is judged as it is.
        lots::of_packages(db, business_id, &consume.package_ids).await?
    };
    // A freeze may have reached its limit, and the package its end since, before anybody wrote that.
    let ended_since = as_of(&found, &[], now)
        .iter()
        .any(|lot| lot.has_expired(now) && !lot.has_expired(delivered_at));
    Ok(ended_since.then(|| Scope::Packages(packages_of(&found))))
}

async fn of_hold(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    hold_id: HoldId,
    with_candidates: bool,
) -> Result<Scope, StoreError> {
    let Some(hold) = holds::get(db, business_id, hold_id).await? else {
        return Ok(Scope::Lots(Vec::new()));
    };
    let ids: Vec<LotId> = hold.parts.iter().map(|part| part.lot_id).collect();
    let lots = followed(db, business_id, ids).await?;
    if !with_candidates {
        return Ok(Scope::Lots(ids_of(&lots)));
    }
    let more = payers(db, business_id, hold.customer_id, &[]).await?;
    Ok(with_lots(more, &lots))
}

/// The lots that a posting used or held, and those to which their credits were moved.
async fn of_use(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    posting_id: Uuid,
) -> Result<Vec<Lot>, StoreError> {
    let used = entries::of_posting(db, business_id, posting_id).await?;
    let ids = used
        .iter()
        .filter(|entry| entry.to == Account::Consumed || entry.to == Account::Held)
        .map(|entry| entry.lot_id)
        .collect();
    followed(db, business_id, ids).await
}

fn with_lots(scope: Scope, more: &[Lot]) -> Scope {
    match scope {
        Scope::Lots(mut ids) => {
            ids.extend(ids_of(more));
            ids.sort_unstable();
            ids.dedup();
            Scope::Lots(ids)
        }
        Scope::Packages(mut ids) => {
            ids.extend(packages_of(more));
            ids.sort_unstable();
            ids.dedup();
            Scope::Packages(ids)
        }
    }
}

fn ids_of(lots: &[Lot]) -> Vec<LotId> {
    lots.iter().map(|lot| lot.id).collect()
}

/// The packages of lots, each once, in the order of their ids.
pub(super) fn packages_of(lots: &[Lot]) -> Vec<PackageId> {
    let mut ids: Vec<PackageId> = lots.iter().map(|lot| lot.package_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
