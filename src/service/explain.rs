//! Explaining a choice, a refusal or a balance (H5).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::credits::Credits;
use crate::domain::decide::{Consume, Facts, LeftOut, Look, explain as explain_use, refusal};
use crate::domain::line::LineKind;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::refusal::Refusal;
use crate::domain::selection::{Wanted, WhyNot, judge, pay_order, rank};
use crate::ids::{BusinessId, LotId, PackageId};
use crate::ledger::reach::{self, settled};
use crate::ledger::uses;
use crate::service::balances::{self, BalanceQuery};
use crate::service::call::Call;
use crate::service::consume::{Use, refuse_unknown, taking};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::{holds, lots, package_members, packages};

/// The most lots that are explained: those that come first.
const LOTS_MAX: usize = 200;

/// What is to be explained.
#[derive(Clone, Debug)]
pub enum Question {
    /// Which lots would pay, or why the use would be refused.
    Use(Use),
    /// What a balance consists of.
    Balance(BalanceQuery),
}

/// Why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The lots in the order in which they are looked at, each with the name of its package.
    pub lots: Vec<(Look, String)>,
    /// Why the use would be refused.
    pub refusal: Option<Refusal>,
    /// The moment.
    pub as_of: DateTime<Utc>,
}

/// Explains.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn explain(
    ctx: &Context,
    call: &Call,
    question: &Question,
) -> Result<Explanation, ServiceError> {
    let business_id = call.business_id();
    let use_ = match question {
        Question::Use(use_) => {
            let asked = taking(ctx, call, use_).await?;
            refuse_unknown(ctx, call, use_, &asked).await?;
            Some(asked)
        }
        Question::Balance(_) => None,
    };
    let txn = ctx.db.snapshot().await?;
    let as_of = ctx.clock.now();
    let (mut looks, refusal) = match (question, use_) {
        (Question::Balance(query), _) => {
            let found = balances::lots_of(&txn, business_id, query).await?;
            (
                of_balance(settled(&txn, business_id, found, as_of).await?, as_of),
                None,
            )
        }
        (Question::Use(_), Some(consume)) => {
            let facts = facts(&txn, business_id, &consume, as_of).await?;
            let (mut looks, refusal) = explain_use(&facts, &consume, &stamp(call, as_of));
            looks.retain(|look| is_asked_of(&look.lot, &facts, &consume));
            (looks, refusal)
        }
        (Question::Use(_), None) => (Vec::new(), None),
    };
    looks.truncate(LOTS_MAX);
    let names = names(&txn, business_id, &looks).await?;
    txn.commit().await?;
    let lots = looks.into_iter().map(|look| {
        let name = names.get(&look.lot.package_id).cloned();
        (look, name.unwrap_or_default())
    });
    Ok(Explanation {
        lots: lots.collect(),
        refusal,
        as_of,
    })
}

/// What a use is decided on, without locks.
pub(super) async fn facts(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    consume: &Consume,
    now: DateTime<Utc>,
) -> Result<Facts, ServiceError> {
    let mut found = lots::shared::usable_by(txn, business_id, consume.customer_id).await?;
    let is_missing = |id: &PackageId| found.iter().all(|lot| lot.package_id != *id);
    let others: Vec<PackageId> = consume
        .package_ids
        .iter()
        .copied()
        .filter(is_missing)
        .collect();
    found.extend(lots::of_packages(txn, business_id, &others).await?);
    let ids: Vec<PackageId> = found.iter().map(|lot| lot.package_id).collect();
    let limited: Vec<LotId> = found
        .iter()
        .filter(|lot| lot.terms.is_limited)
        .map(|lot| lot.id)
        .collect();
    found.extend(reach::beside(txn, business_id, &found, now).await?);
    let mut open = holds::due_in(txn, business_id, &found, now).await?;
    if !limited.is_empty() {
        open.extend(holds::open_in(txn, business_id, &limited).await?);
    }
    let at = consume.delivered_at.unwrap_or(now);
    Ok(Facts {
        holds: open,
        uses: uses::around(txn, business_id, consume.customer_id, &found, at).await?,
        packages: packages::by_ids(txn, business_id, &ids).await?,
        shared_with: package_members::usable_by(txn, business_id, consume.customer_id).await?,
        lots: found,
        ..Facts::default()
    })
}

/// Whether the lot is of a package that the use could be asked of, and not only of one from which credits come.
fn is_asked_of(lot: &Lot, facts: &Facts, consume: &Consume) -> bool {
    lot.customer_id == consume.customer_id
        || facts.shared_with.contains(&lot.package_id)
        || consume.package_ids.contains(&lot.package_id)
}

fn stamp(call: &Call, now: DateTime<Utc>) -> Stamp {
    Stamp {
        posting_id: uuid::Uuid::nil(),
        request_hash: None,
        ..call.stamp(now)
    }
}

/// What of each lot counts as usable, in the order in which they would pay.
fn of_balance(mut lots: Vec<Lot>, now: DateTime<Utc>) -> Vec<Look> {
    lots.retain(|lot| lot.line.kind == LineKind::Prepaid);
    lots.sort_unstable_by(pay_order);
    let mut looks: Vec<Look> = Vec::with_capacity(lots.len());
    for lot in lots {
        let wanted = Wanted::Credits {
            credit_type_id: lot.line.credit_type_id,
            amount: Credits::UNIT,
        };
        let why_not = match judge(&lot, &wanted, now, now) {
            Ok(_) => None,
            Err(WhyNot::UsedUp) => Some(LeftOut::UsedUp),
            Err(reason) => Some(LeftOut::Refused(refusal(lot.package_id, reason, &wanted))),
        };
        looks.push(Look {
            taken: match why_not {
                None => lot.available(),
                Some(_) => Credits::ZERO,
            },
            rank: looks.last().map(|before| rank(&before.lot, &lot, &[])),
            why_not,
            lot,
        });
    }
    looks
}

async fn names(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    looks: &[Look],
) -> Result<HashMap<PackageId, String>, ServiceError> {
    let ids: Vec<PackageId> = looks.iter().map(|look| look.lot.package_id).collect();
    let found = packages::by_ids(txn, business_id, &ids).await?;
    Ok(found
        .into_iter()
        .map(|package| (package.id, package.name))
        .collect())
}
