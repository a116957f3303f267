//! Packages of another system, used in part.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use sea_orm::DatabaseTransaction;
use serde::Serialize;
use uuid::Uuid;

use super::catalog::Catalog;
use super::offering::{self, Stopped};
use super::planning::{self, Planned};
use super::totals::Totals;
use super::{Fault, Import, Outcome, patiently};
use crate::domain::credits::Credits;
use crate::domain::customer::Customer;
use crate::domain::entry::Entry;
use crate::domain::line::Line;
use crate::domain::opening::Opening;
use crate::domain::sale::Sale;
use crate::domain::validity::Validity;
use crate::ids::{BusinessId, CustomerId, Reference};
use crate::ledger::opening;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::{customers, entries, lines, packages, posting_notes, sales};

/// The most packages of a part.
pub const PART_MAX: usize = 200;

/// A package as a file says it.
#[derive(Clone, Debug, Serialize)]
pub struct PackageLine {
    /// The line of the file.
    #[serde(skip)]
    pub line: u64,
    /// The other system's id.
    pub external_id: String,
    /// Whose it is.
    pub customer: Reference<CustomerId>,
    /// The template, as the file names it.
    pub template: Option<String>,
    /// What the customer reads; none: the name of the template or credit type.
    pub name: Option<String>,
    /// What was agreed, in minor units, as the business writes prices.
    pub price_minor: i64,
    /// What was paid, in minor units; none: all of it.
    pub paid_minor: Option<i64>,
    /// The local day of the sale.
    pub sold_on: Option<NaiveDate>,
    /// The first local day on which it can be used.
    pub starts: Option<NaiveDate>,
    /// How long it is valid; none: as the template says, else the credit type.
    pub expires: Option<Validity>,
    /// How the file writes that.
    #[serde(skip)]
    pub expires_text: String,
    /// For staff.
    pub note: String,
    /// Its credits, a part for each credit type.
    pub parts: Vec<PartLine>,
}

/// The credits of one type in a package.
#[derive(Clone, Debug, Serialize)]
pub struct PartLine {
    /// The line of the file.
    #[serde(skip)]
    pub line: u64,
    /// The credit type, as the file names it; none: the only one of the template.
    pub credit_type: Option<String>,
    /// What they pay for, as the file names it; none: as the template says, else all that the credit type pays for.
    pub items: Vec<String>,
    /// How many there were.
    pub quantity: Credits,
    /// How many of them are used.
    pub used: Credits,
}

/// What is known of a part before it is judged line by line.
struct Known {
    /// The first entries of the postings that issued packages.
    issued: HashMap<Uuid, Entry>,
    /// The external ids that packages have.
    taken: HashSet<String>,
    /// The customers, by the business's own ids.
    external: HashMap<String, CustomerId>,
    customers: HashMap<CustomerId, Customer>,
}

/// What judging a part found.
#[derive(Default)]
struct Judged {
    new: Vec<Planned>,
    here: usize,
    faults: Vec<Fault>,
}

/// Says what writing a part would do, and adds what its lines say to `totals`. A customer whom `is_to_come` knows by
/// the external id is one that this import brings.
///
/// # Errors
/// Failures of the database.
pub async fn judge(
    ctx: &Context,
    (import, catalog): (&Import, &mut Catalog),
    packages: &[PackageLine],
    is_to_come: &(dyn Fn(&str) -> bool + Sync),
    totals: &mut Totals,
) -> Result<Outcome, ServiceError> {
    if packages.is_empty() {
        return Ok(Outcome::default());
    }
    let txn = ctx.db.snapshot().await?;
    let known = known(&txn, import, packages).await?;
    let now = ctx.clock.now();
    let mut part = Part {
        txn: &txn,
        import,
        catalog,
        known: &known,
        now,
    };
    let judged = part.judge(packages, is_to_come, totals).await?;
    txn.commit().await?;
    Ok(Outcome {
        new: judged.new.len(),
        here: judged.here,
        faults: judged.faults,
    })
}

/// Writes a part, all of it or, if something is wrong with it, nothing.
///
/// # Errors
/// Failures of the database.
pub async fn write(
    ctx: &Context,
    import: &Import,
    catalog: &mut Catalog,
    packages: &[PackageLine],
) -> Result<Outcome, ServiceError> {
    patiently(async || write_once(ctx, import, catalog, packages).await).await
}

async fn write_once(
    ctx: &Context,
    import: &Import,
    catalog: &mut Catalog,
    packages: &[PackageLine],
) -> Result<Outcome, ServiceError> {
    if packages.is_empty() {
        return Ok(Outcome::default());
    }
    let business_id = import.business.id;
    let txn = ctx.db.begin().await?;
    let mut known = known(&txn, import, packages).await?;
    let named = known.customers.into_keys();
    let locked = customers::lock_all(&txn, business_id, named).await?;
    known.customers = locked.into_iter().map(|it| (it.id, it)).collect();
    let now = ctx.clock.now();
    let mut part = Part {
        txn: &txn,
        import,
        catalog,
        known: &known,
        now,
    };
    let judged = part
        .judge(packages, &|_| false, &mut Totals::default())
        .await?;
    let outcome = Outcome {
        new: judged.new.len(),
        here: judged.here,
        faults: judged.faults,
    };
    if judged.new.is_empty() || !outcome.faults.is_empty() {
        txn.rollback().await?;
        return Ok(outcome);
    }
    let own_lines: Vec<Arc<Line>> = judged
        .new
        .iter()
        .flat_map(|it| it.own_lines.clone())
        .collect();
    lines::insert(&txn, business_id, None, &own_lines).await?;
    let sold: Vec<Sale> = judged.new.iter().map(|it| it.sale.clone()).collect();
    sales::insert(&txn, business_id, import.id(), &sold).await?;
    let notes = judged.new.iter().map(|it| note(business_id, it));
    posting_notes::insert(&txn, notes).await?;
    let openings: Vec<Opening> = judged.new.iter().map(|it| it.opening.clone()).collect();
    opening::write(&txn, business_id, &openings).await?;
    txn.commit().await?;
    Ok(outcome)
}

fn note(business_id: BusinessId, planned: &Planned) -> (BusinessId, Uuid, &str) {
    let issued = planned.opening.entries.first();
    let posting_id = issued.map_or_else(Uuid::nil, |entry| entry.key.posting_id);
    (business_id, posting_id, &planned.note)
}

async fn known(
    txn: &DatabaseTransaction,
    import: &Import,
    packages: &[PackageLine],
) -> Result<Known, ServiceError> {
    let business_id = import.business.id;
    let external_ids = || packages.iter().map(|it| it.external_id.as_str());
    let asked = external_ids().map(|id| (business_id, import.issue_id(id)));
    let issued = entries::of_postings(txn, asked).await?.into_iter();
    let first = |((_, id), entries): (_, Vec<Entry>)| Some((id, entries.into_iter().next()?));
    let named = packages.iter().filter_map(|it| match &it.customer {
        Reference::External(external_id) => Some(external_id.as_str()),
        Reference::Id(_) => None,
    });
    let external = customers::by_external_ids(txn, business_id, named).await?;
    let ids = packages.iter().filter_map(|it| match &it.customer {
        Reference::External(_) => None,
        Reference::Id(id) => Some(*id),
    });
    let ids: HashSet<CustomerId> = ids.chain(external.values().copied()).collect();
    let found = customers::by_ids(txn, business_id, ids).await?;
    Ok(Known {
        issued: issued.filter_map(first).collect(),
        taken: packages::taken_external_ids(txn, business_id, external_ids()).await?,
        external,
        customers: found.into_iter().map(|it| (it.id, it)).collect(),
    })
}

/// What judging the lines of a part needs.
struct Part<'a> {
    txn: &'a DatabaseTransaction,
    import: &'a Import,
    catalog: &'a mut Catalog,
    known: &'a Known,
    now: DateTime<Utc>,
}

impl Part<'_> {
    async fn judge(
        &mut self,
        packages: &[PackageLine],
        is_to_come: &(dyn Fn(&str) -> bool + Sync),
        totals: &mut Totals,
    ) -> Result<Judged, ServiceError> {
        let mut judged = Judged::default();
        for package in packages {
            match self.package(package, is_to_come, totals).await {
                Ok(Some(planned)) => judged.new.push(planned),
                Ok(None) => judged.here = judged.here.saturating_add(1),
                Err(Stopped::Faults(faults)) => judged.faults.extend(faults),
                Err(Stopped::Failed(error)) => return Err(error),
            }
        }
        Ok(judged)
    }

    /// What a package comes to; none if it is here already.
    async fn package(
        &mut self,
        package: &PackageLine,
        is_to_come: &(dyn Fn(&str) -> bool + Sync),
        totals: &mut Totals,
    ) -> Result<Option<Planned>, Stopped> {
        let named = offering::named(self.catalog, package).map_err(Stopped::Faults)?;
        totals.add_line(package, &named.types);
        if self.is_here(package)? {
            return Ok(None);
        }
        let customer_id = self.customer(package, is_to_come)?;
        let of = (self.import.business.id, &mut *self.catalog);
        let offered = offering::offered(self.txn, of, package, &named, self.now).await?;
        let offered = (offered, customer_id);
        let planned = planning::plan(self.import, package, &named.types, offered, self.now)?;
        Ok(Some(planned))
    }

    /// Whether this import has written the package before, and said the same of it.
    fn is_here(&self, package: &PackageLine) -> Result<bool, Fault> {
        let external_id = &package.external_id;
        let fault = |expected: &str| Fault::new(package.line, "external_id", external_id, expected);
        match self.known.issued.get(&self.import.issue_id(external_id)) {
            Some(entry) if entry.request_hash == Some(planning::hash(package)) => Ok(true),
            Some(_) => Err(fault(
                "must say what it said when it was imported; it is corrected by calls now",
            )),
            None if self.known.taken.contains(external_id) => {
                Err(fault("must be new: another package of the business has it"))
            }
            None => Ok(false),
        }
    }

    fn customer(
        &self,
        package: &PackageLine,
        is_to_come: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<CustomerId, Fault> {
        let reference = &package.customer;
        let fault = |expected: String| {
            Fault::new(package.line, "customer", reference.to_string(), expected)
        };
        let id = match reference {
            Reference::Id(id) => Some(*id),
            Reference::External(external_id) => self.known.external.get(external_id).copied(),
        };
        match (id.and_then(|id| self.known.customers.get(&id)), reference) {
            (Some(customer), _) => match customer.merged_into {
                Some(other) => Err(fault(format!(
                    "must be {other}, who took the place of this one"
                ))),
                None => Ok(customer.id),
            },
            (None, Reference::External(external_id)) if is_to_come(external_id) => {
                Ok(self.import.customer_id(external_id))
            }
            (None, _) => Err(fault(
                "must be a customer of the business or of the file of customers".to_owned(),
            )),
        }
    }
}
