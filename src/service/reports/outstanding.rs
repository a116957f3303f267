//! What customers can still use or have set aside, by credit type, and who holds it (H2).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::credits::Credits;
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::refusal::Refusal;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, PackageId, Reference};
use crate::ledger::reach::settled;
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::reports::{only_type, unwritten};
use crate::store::customers::Filter;
use crate::store::{customers, lots};

/// How many customers are looked at for one page of those who hold something, times the page's size; a page
/// that finds few of them ends early.
const LOOKS_MAX: usize = 10;

/// Which page of a report.
#[derive(Clone, Debug)]
pub struct OutstandingQuery {
    /// Only of this credit type.
    pub credit_type: Option<Reference<CreditTypeId>>,
    /// Holders below this customer; none: the first page, which has the totals.
    pub before: Option<CustomerId>,
    /// How many customers at most.
    pub size: u64,
}

/// A page of what is outstanding.
#[derive(Clone, Debug)]
pub struct OutstandingPage {
    /// The moment.
    pub as_of: DateTime<Utc>,
    /// All of it by credit type, in the order of their ids; only on the first page.
    pub totals: Vec<(CreditTypeId, Outstanding)>,
    /// Who holds it, the newest customers first.
    pub holders: Vec<Holder>,
    /// Below which customer the next page begins; none on the last.
    pub next_before: Option<CustomerId>,
}

/// What is unused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// In how many packages.
    pub packages: i64,
    /// What is available.
    pub available: Credits,
    /// What is held.
    pub held: Credits,
    /// What both are worth, in minor units.
    pub value: i64,
}

/// What a customer holds of one credit type, in packages that it owns or is the contact for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub customer_id: CustomerId,
    /// The name.
    pub name: String,
    /// Of which type.
    pub credit_type_id: CreditTypeId,
    /// How much.
    pub outstanding: Outstanding,
}

/// A page of what is outstanding now.
///
/// # Errors
/// [`NotFound`](Refusal::NotFound); [`AmountTooLarge`](Refusal::AmountTooLarge) where a sum is more than can
/// be kept.
pub async fn get(
    ctx: &Context,
    call: &Call,
    input: &OutstandingQuery,
) -> Result<OutstandingPage, ServiceError> {
    let is_first = input.before.is_none();
    let _place = if is_first {
        Some(ctx.report_place().await?)
    } else {
        None
    };
    let business_id = call.business_id();
    let txn = ctx.db.long_snapshot().await?;
    let only = only_type(&txn, business_id, input.credit_type.as_ref()).await?;
    let mut page = OutstandingPage {
        as_of: ctx.clock.now(),
        totals: Vec::new(),
        holders: Vec::new(),
        next_before: input.before,
    };
    if is_first {
        let mut totals = totals(&txn, business_id, page.as_of).await?;
        totals.retain(|id, _| only.is_none_or(|only| only == *id));
        page.totals = totals.into_iter().collect();
    }
    fill(&txn, business_id, only, input.size, &mut page).await?;
    txn.commit().await?;
    Ok(page)
}

/// All that is unused in a business.
async fn totals(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    now: DateTime<Utc>,
) -> Result<BTreeMap<CreditTypeId, Outstanding>, ServiceError> {
    let mut totals: BTreeMap<CreditTypeId, Outstanding> = BTreeMap::new();
    for (id, packages) in lots::sums::holding(txn, business_id).await? {
        totals.entry(id).or_default().packages = packages;
    }
    let stored = lots::sums::stored(txn, business_id, now).await?;
    for (id, stored) in &stored {
        let stored = Outstanding {
            packages: 0,
            available: stored.available,
            held: stored.held,
            value: stored.value,
        };
        let total = totals.entry(*id).or_default();
        *total = total.combined(stored, Credits::checked_add, i64::checked_add)?;
    }
    if !lots::sums::has_unwritten(&stored) {
        return Ok(totals);
    }
    unwritten::each_part(txn, business_id, now, |lots, caused| {
        let moved = |lot: &Lot| caused.lots.iter().find(|moved| moved.id == lot.id).cloned();
        let after: Vec<Lot> = lots
            .iter()
            .map(|lot| moved(lot).unwrap_or_else(|| lot.clone()))
            .collect();
        for (id, before) in by_type(lots)? {
            let total = totals.entry(id).or_default();
            *total = total.combined(before, Credits::checked_sub, i64::checked_sub)?;
        }
        for (id, after) in by_type(&after)? {
            let total = totals.entry(id).or_default();
            *total = total.combined(after, Credits::checked_add, i64::checked_add)?;
        }
        Ok(())
    })
    .await?;
    Ok(totals)
}

/// Fills a page with holders.
async fn fill(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    only: Option<CreditTypeId>,
    size: u64,
    page: &mut OutstandingPage,
) -> Result<(), ServiceError> {
    let all = Filter {
        include_inactive: true,
        ..Filter::default()
    };
    let wanted = usize::try_from(size).unwrap_or(usize::MAX);
    for _ in 0..LOOKS_MAX {
        let found = customers::list(txn, business_id, &all, page.next_before, size).await?;
        let is_last = found.len() < wanted;
        let ids = found.iter().map(|customer| customer.id);
        let stored = lots::sums::of_customers(txn, business_id, ids).await?;
        let mut by_customer: BTreeMap<CustomerId, Vec<Lot>> = BTreeMap::new();
        for lot in settled(txn, business_id, stored, page.as_of).await? {
            by_customer.entry(lot.customer_id).or_default().push(lot);
        }
        page.next_before = found.last().map(|customer| customer.id);
        for customer in found {
            let lots = by_customer.remove(&customer.id).unwrap_or_default();
            for (credit_type_id, outstanding) in by_type(&lots)? {
                let is_wanted = only.is_none_or(|only| only == credit_type_id);
                if is_wanted && outstanding.packages > 0 {
                    page.holders.push(Holder {
                        customer_id: customer.id,
                        name: customer.name.clone(),
                        credit_type_id,
                        outstanding,
                    });
                }
            }
        }
        if is_last {
            page.next_before = None;
            return Ok(());
        }
        if !page.holders.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}

/// What is unused in lots, by credit type.
fn by_type(lots: &[Lot]) -> Result<BTreeMap<CreditTypeId, Outstanding>, Refusal> {
    let mut sums: BTreeMap<CreditTypeId, Outstanding> = BTreeMap::new();
    let mut packages: BTreeSet<(CreditTypeId, PackageId)> = BTreeSet::new();
    for lot in lots.iter().filter(|lot| lot.line.kind == LineKind::Prepaid) {
        let balances = &lot.fold.balances;
        let id = lot.line.credit_type_id;
        let is_unused = lot.fold.unused().is_some_and(Credits::is_positive);
        let is_new = is_unused && packages.insert((id, lot.package_id));
        let part = Outstanding {
            packages: i64::from(is_new),
            available: balances.available,
            held: balances.held,
            value: lot.fold.pools.unused,
        };
        let sum = sums.entry(id).or_default();
        *sum = sum.combined(part, Credits::checked_add, i64::checked_add)?;
    }
    Ok(sums)
}

impl Outstanding {
    /// The sum or the difference with another one.
    fn combined(
        self,
        other: Self,
        credits: impl Fn(Credits, Credits) -> Option<Credits>,
        number: impl Fn(i64, i64) -> Option<i64>,
    ) -> Result<Self, Refusal> {
        let combined = || {
            Some(Self {
                packages: number(self.packages, other.packages)?,
                available: credits(self.available, other.available)?,
                held: credits(self.held, other.held)?,
                value: number(self.value, other.value)?,
            })
        };
        combined().ok_or(Refusal::AmountTooLarge)
    }
}
