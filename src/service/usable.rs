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
use crate::ledger::uses;
use crate::service::buyers::check_merged;
use crate::service::call::Call;
use crate::service::consume::item_facts;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::service::settled::settled;
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
/// # Errors
/// [`Refusal::NotFound`].
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &UsableQuery,
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
    check_merged(&customer)?;
    let now = ctx.clock.now();
    let at = input.at.unwrap_or(now);
    let found = lots::shared::usable_by(&txn, business_id, customer_id).await?;
    let limited: Vec<Lot> = found
        .iter()
        .filter(|lot| lot.terms.is_limited)
        .cloned()
        .collect();
    let mut by_package: BTreeMap<PackageId, Vec<Lot>> = BTreeMap::new();
    for lot in settled(&txn, business_id, found, now.max(at)).await? {
        by_package.entry(lot.package_id).or_default().push(lot);
    }
    let ids: Vec<PackageId> = by_package.keys().copied().collect();
    let found = packages::by_ids(&txn, business_id, &ids).await?;
    let allowances = allowances(&txn, call, customer_id, (&found, limited), (at, now)).await?;
    txn.commit().await?;
    let judged = found
        .iter()
        .filter_map(|package| {
            Some(Judged::of(
                package,
                by_package.get(&package.id)?,
                &wanted,
                allowances.get(&package.id),
                (at, now.max(at)),
            ))
        })
        .filter(|judged| !(input.hide_unusable && judged.why_not.is_some()))
        .collect();
    Ok(in_order(judged))
}

/// What limits leave the customer of packages, whose limited lots were read, for a service at `at`.
async fn allowances(
    db: &impl ConnectionTrait,
    call: &Call,
    customer_id: CustomerId,
    (packages, limited): (&[Package], Vec<Lot>),
    (at, now): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Allowances, ServiceError> {
    let business_id = call.business_id();
    if limited.is_empty() {
        return Ok(Allowances::new());
    }
    let ids: Vec<LotId> = limited.iter().map(|lot| lot.id).collect();
    let facts = Facts {
        holds: holds::open_in(db, business_id, &ids).await?,
        uses: uses::around(db, business_id, customer_id, &limited, at).await?,
        packages: packages.to_vec(),
        lots: limited,
        ..Facts::default()
    };
    let stamp = call.stamp(now.max(at));
    Ok(allowances_of(&facts, customer_id, at, &stamp))
}

/// A package with the lot that would pay first.
struct Judged<'a> {
    package: &'a Package,
    lots: Vec<Lot>,
    lines: Vec<UsableLine>,
    first: Option<Lot>,
    why_not: Option<NotUsable>,
    at: DateTime<Utc>,
}

impl<'a> Judged<'a> {
    fn of(
        package: &'a Package,
        lots: &[Lot],
        wanted: &[(ItemFacts, Credits)],
        allowance: Option<&Allowance>,
        (at, now): (DateTime<Utc>, DateTime<Utc>),
    ) -> Self {
        let used_up = allowance.filter(|allowance| allowance.left == Credits::ZERO);
        let lots = lots.to_vec();
        let mut payers: Vec<&Lot> = Vec::new();
        let mut reasons: Vec<(WhyNot, Wanted)> = Vec::new();
        for lot in &lots {
            for wanted in wants(lot, wanted) {
                match judge(lot, &wanted, at, now) {
                    Ok(per_unit) if !pays_a_unit(lot, &lots, &wanted, per_unit) => {
                        reasons.push((WhyNot::UsedUp, wanted));
                    }
                    Ok(_) if let Some(allowance) = used_up => {
                        reasons.push((WhyNot::Limited(*allowance), wanted));
                    }
                    Ok(_) => payers.push(lot),
                    Err(reason) => reasons.push((reason, wanted)),
                }
            }
        }
        payers.sort_unstable_by(|a, b| pay_order(a, b));
        let first = payers.first().map(|lot| (*lot).clone());
        let why_not = match (
            &first,
            reasons.into_iter().min_by_key(|(reason, _)| *reason),
        ) {
            (Some(_), _) | (None, None) => None,
            (None, Some((WhyNot::UsedUp, _))) => Some(NotUsable::UsedUp),
            (None, Some((reason, wanted))) => {
                Some(NotUsable::Refused(refusal(package.id, reason, &wanted)))
            }
        };
        Self {
            lines: usable_lines(&lots, wanted),
            package,
            lots,
            first,
            why_not,
            at: now,
        }
    }

    fn show(self, recommended: bool) -> UsablePackage {
        UsablePackage {
            package_id: self.package.id,
            name: self.package.name.clone(),
            status: self.package.status(&self.lots, self.at),
            expires_at: self.package.expires_at,
            last_usable_day: self.package.last_usable_day(),
            lines: self.lines,
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

fn in_order(mut judged: Vec<Judged<'_>>) -> Vec<UsablePackage> {
    judged.sort_by(|a, b| match (&a.first, &b.first) {
        (Some(a), Some(b)) => pay_order(a, b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => b.package.id.cmp(&a.package.id),
    });
    judged
        .into_iter()
        .enumerate()
        .map(|(index, judged)| {
            let recommended = index == 0 && judged.first.is_some();
            judged.show(recommended)
        })
        .collect()
}
