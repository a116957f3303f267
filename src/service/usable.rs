//! Which packages of a customer could pay, in which order, and why the others could not (D5).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::ConnectionTrait;

use crate::domain::credits::Credits;
use crate::domain::decide::{Facts, allowances_of, refusal};
use crate::domain::line::{ItemFacts, Line};
use crate::domain::lot::Lot;
use crate::domain::package::{Package, Status};
use crate::domain::refusal::Refusal;
use crate::domain::selection::{Wanted, WhyNot, judge, pay_order};
use crate::domain::use_limit::{Allowance, Allowances};
use crate::ids::{CustomerId, ItemId, LotId, PackageId, Reference};
use crate::ledger::reach::{self, settled};
use crate::ledger::uses;
use crate::service::buyers::check_there;
use crate::service::call::Call;
use crate::service::consume::item_facts;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::{customers, holds, lots, packages};

/// For whom, for what and when.
#[derive(Clone, Debug)]
pub struct UsableQuery {
    /// Whose packages.
    pub customer: Reference<CustomerId>,
    /// What is to be paid; nothing: anything.
    pub items: Vec<(Reference<ItemId>, Credits)>,
    /// When the service is delivered; none: now.
    pub at: Option<DateTime<Utc>>,
    /// Leave out the packages that cannot pay.
    pub hide_unusable: bool,
}

/// Which packages of the list are wanted.
#[derive(Clone, Copy, Debug)]
pub struct UsablePage {
    /// Only those behind this one; none, or one that is not listed any more: from the first on.
    pub after: Option<PackageId>,
    /// How many at most.
    pub limit: u64,
}

/// A package, and whether it could pay.
#[derive(Clone, Debug)]
pub struct UsablePackage {
    /// The package.
    pub package_id: PackageId,
    /// Its name.
    pub name: String,
    /// What it is at that moment.
    pub status: Status,
    /// From when on it cannot be used.
    pub expires_at: Option<DateTime<Utc>>,
    /// The last local day on which it can be used.
    pub last_usable_day: Option<NaiveDate>,
    /// Its lines that cover one of the items, or all of them.
    pub lines: Vec<UsableLine>,
    /// Why it could not pay; none: it could.
    pub why_not: Option<NotUsable>,
    /// Whether it would be used first.
    pub recommended: bool,
}

/// Why a package could not pay.
#[derive(Clone, Debug)]
pub enum NotUsable {
    /// Nothing is available in it.
    UsedUp,
    /// A call that named it would be refused so.
    Refused(Refusal),
}

/// A line of a package that could pay.
#[derive(Clone, Debug)]
pub struct UsableLine {
    /// The line.
    pub line: Arc<Line>,
    /// The credits that are available.
    pub available: Credits,
    /// For each item that it covers, how many whole units it could pay for alone, or price at its rate.
    pub affordable: Vec<(ItemId, Credits)>,
}

/// The packages of a customer: the usable ones in the order in which they would pay, then the others,
/// the newest first.
///
/// All open lots of the customer are judged, since any of them may come first; packages are read only for what
/// is shown.
///
/// # Errors
/// [`Refusal::NotFound`].
pub async fn list(
    ctx: &Context,
    call: &Call,
    (input, page): &(UsableQuery, UsablePage),
) -> Result<Vec<UsablePackage>, ServiceError> {
    let mut wanted = Vec::with_capacity(input.items.len());
    for (reference, units) in &input.items {
        let item = item_facts(ctx, call, reference).await?;
        wanted.push((item, *units));
    }
    let txn = ctx.db.snapshot().await?;
    let business_id = call.business_id();
    let customer_id = resolve::customer(&txn, business_id, &input.customer).await?;
    let customer = customers::get(&txn, business_id, customer_id)
        .await?
        .ok_or_else(|| resolve::not_found("customer", &input.customer))?;
    check_there(&customer)?;
    let now = ctx.clock.now();
    let at = input.at.unwrap_or(now);
    let found = lots::shared::usable_by(&txn, business_id, customer_id).await?;
    let allowances = allowances(&txn, call, customer_id, &found, (at, now)).await?;
    let mut by_package: BTreeMap<PackageId, Vec<Lot>> = BTreeMap::new();
    for lot in settled(&txn, business_id, found, now.max(at)).await? {
        by_package.entry(lot.package_id).or_default().push(lot);
    }
    let mut judged: Vec<Judged> = by_package
        .into_iter()
        .map(|(id, lots)| Judged::of(id, lots, &wanted, (at, now.max(at)), allowances.get(&id)))
        .filter(|judged| !(input.hide_unusable && judged.why_not.is_some()))
        .collect();
    judged.sort_by(Judged::order);
    let best = judged.first().filter(|judged| judged.first.is_some());
    let recommended = best.map(|judged| judged.package_id);
    let shown = page.cut(judged);
    let ids: Vec<PackageId> = shown.iter().map(|judged| judged.package_id).collect();
    let packages = packages::by_ids(&txn, business_id, &ids).await?;
    txn.commit().await?;
    let usable = shown.into_iter().filter_map(|judged| {
        let package = packages
            .iter()
            .find(|package| package.id == judged.package_id)?;
        let is_recommended = recommended == Some(package.id);
        Some(judged.show(package, &wanted, now.max(at), is_recommended))
    });
    Ok(usable.collect())
}

impl UsablePage {
    fn cut(self, judged: Vec<Judged>) -> Vec<Judged> {
        let is_seen = |judged: &Judged| Some(judged.package_id) == self.after;
        let seen = judged.iter().position(is_seen);
        let seen = seen.map_or(0, |place| place.saturating_add(1));
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        judged.into_iter().skip(seen).take(limit).collect()
    }
}

/// What limits leave the customer of the packages of these lots, for a service at `at`.
async fn allowances(
    db: &impl ConnectionTrait,
    call: &Call,
    customer_id: CustomerId,
    lots: &[Lot],
    (at, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Allowances, ServiceError> {
    let business_id = call.business_id();
    let limited = lots.iter().filter(|lot| lot.terms.is_limited);
    let mut limited: Vec<Lot> = limited.cloned().collect();
    if limited.is_empty() {
        return Ok(Allowances::new());
    }
    limited.extend(reach::beside(db, business_id, &limited, now.max(at)).await?);
    let ids: Vec<LotId> = limited.iter().map(|lot| lot.id).collect();
    let mut package_ids: Vec<PackageId> = limited.iter().map(|lot| lot.package_id).collect();
    package_ids.sort_unstable();
    package_ids.dedup();
    let facts = Facts {
        holds: holds::open_in(db, business_id, &ids).await?,
        uses: uses::around(db, business_id, customer_id, &limited, at).await?,
        packages: packages::by_ids(db, business_id, &package_ids).await?,
        lots: limited,
        ..Facts::default()
    };
    let stamp = call.stamp(now.max(at));
    Ok(allowances_of(&facts, customer_id, at, &stamp))
}

/// The lots of a package, and which of them would pay first.
struct Judged {
    package_id: PackageId,
    lots: Vec<Lot>,
    /// Its place among the lots.
    first: Option<usize>,
    why_not: Option<NotUsable>,
}

impl Judged {
    fn of(
        package_id: PackageId,
        lots: Vec<Lot>,
        wanted: &[(ItemFacts, Credits)],
        (at, now): (DateTime<Utc>, DateTime<Utc>),
        allowance: Option<&Allowance>,
    ) -> Self {
        let used_up = allowance.filter(|allowance| allowance.left == Credits::ZERO);
        let mut payers: Vec<(usize, &Lot)> = Vec::new();
        let mut reasons: Vec<(WhyNot, Wanted)> = Vec::new();
        for (place, lot) in lots.iter().enumerate() {
            for wanted in wants(lot, wanted) {
                match judge(lot, &wanted, at, now) {
                    Ok(per_unit) if !pays_a_unit(lot, &lots, &wanted, per_unit) => {
                        reasons.push((WhyNot::UsedUp, wanted));
                    }
                    Ok(_) if let Some(allowance) = used_up => {
                        reasons.push((WhyNot::Limited(*allowance), wanted));
                    }
                    Ok(_) => payers.push((place, lot)),
                    Err(reason) => reasons.push((reason, wanted)),
                }
            }
        }
        let first = payers.into_iter().min_by(|(_, a), (_, b)| pay_order(a, b));
        let first = first.map(|(place, _)| place);
        let why_not = match (first, reasons.into_iter().min_by_key(|(reason, _)| *reason)) {
            (Some(_), _) | (None, None) => None,
            (None, Some((WhyNot::UsedUp, _))) => Some(NotUsable::UsedUp),
            (None, Some((reason, wanted))) => {
                Some(NotUsable::Refused(refusal(package_id, reason, &wanted)))
            }
        };
        Self {
            package_id,
            lots,
            first,
            why_not,
        }
    }

    fn first(&self) -> Option<&Lot> {
        self.lots.get(self.first?)
    }

    fn order(a: &Self, b: &Self) -> Ordering {
        match (a.first(), b.first()) {
            (Some(first), Some(other)) => pay_order(first, other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => b.package_id.cmp(&a.package_id),
        }
    }

    fn show(
        self,
        package: &Package,
        wanted: &[(ItemFacts, Credits)],
        at: DateTime<Utc>,
        recommended: bool,
    ) -> UsablePackage {
        UsablePackage {
            package_id: package.id,
            name: package.name.clone(),
            status: package.status(&self.lots, at),
            expires_at: package.expires_at,
            last_usable_day: package.last_usable_day(),
            lines: usable_lines(&self.lots, wanted),
            why_not: self.why_not,
            recommended,
        }
    }
}

/// Whether the lot, with the others of its line, has enough for one unit, or for the part of one that is
/// wanted: a unit is paid by one line.
fn pays_a_unit(lot: &Lot, lots: &[Lot], wanted: &Wanted, per_unit: Credits) -> bool {
    let Wanted::Item { units, .. } = wanted else {
        return true;
    };
    let line = lots.iter().filter(|other| other.line.id == lot.line.id);
    let available = line.fold(Credits::ZERO, |sum, other| {
        sum.checked_add(other.available()).unwrap_or(sum)
    });
    let needed = per_unit.checked_mul((*units).min(Credits::UNIT));
    needed.is_some_and(|needed| needed <= available)
}

/// What this lot is asked to pay: each item, or any amount of its own credits.
fn wants(lot: &Lot, wanted: &[(ItemFacts, Credits)]) -> Vec<Wanted> {
    if wanted.is_empty() {
        return vec![Wanted::Credits {
            credit_type_id: lot.line.credit_type_id,
            amount: Credits::UNIT,
        }];
    }
    wanted
        .iter()
        .map(|(item, units)| Wanted::Item {
            item: item.clone(),
            units: *units,
        })
        .collect()
}

fn usable_lines(lots: &[Lot], wanted: &[(ItemFacts, Credits)]) -> Vec<UsableLine> {
    let mut lines: Vec<UsableLine> = Vec::new();
    for lot in lots {
        let is_covered = wanted.is_empty()
            || wanted
                .iter()
                .any(|(item, _)| lot.line.credits_per_unit(item).is_some());
        if !is_covered {
            continue;
        }
        match lines.iter_mut().find(|line| line.line.id == lot.line.id) {
            Some(line) => {
                let sum = line.available.checked_add(lot.available());
                line.available = sum.unwrap_or(line.available);
            }
            None => lines.push(UsableLine {
                line: Arc::clone(&lot.line),
                available: lot.available(),
                affordable: Vec::new(),
            }),
        }
    }
    for line in &mut lines {
        line.affordable = wanted
            .iter()
            .filter_map(|(item, _)| {
                let per_unit = line.line.credits_per_unit(item)?;
                let units = line.available.whole_multiples_of(per_unit);
                Some((item.id, Credits::UNIT.checked_times(units)?))
            })
            .collect();
    }
    lines
}
