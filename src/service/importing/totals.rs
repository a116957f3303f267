//! What files add up to, and what the ledger has of them: the two sides of the report at the end of an import.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::Import;
use super::catalog::Catalog;
use super::customers::CustomerLine;
use super::packages::PackageLine;
use crate::domain::catalog::CreditType;
use crate::domain::credits::Credits;
use crate::domain::entry::{Entry, EntryKind};
use crate::domain::lot::Lot;
use crate::ids::{LotId, PackageId};
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::store::{customers, entries, lots};

/// Sums over customers and packages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many customers.
    pub customers: u64,
    /// How many packages.
    pub packages: u64,
    /// Their prices, in minor units; the ledger has only what they are worth.
    pub price_minor: i64,
    /// Their credits, by the name of the credit type.
    pub credits: BTreeMap<String, OfType>,
}

/// Sums over the credits of one type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfType {
    /// How many there were.
    pub quantity: Credits,
    /// How many of them are used.
    pub used: Credits,
    /// What all of them are worth without tax, in minor units; a file does not say it.
    pub value: i64,
    /// What those are worth that are left.
    pub value_left: i64,
}

impl OfType {
    /// How many are left.
    pub fn left(&self) -> Credits {
        self.quantity.checked_sub(self.used).unwrap_or_default()
    }
}

fn sum(a: Credits, b: Credits) -> Credits {
    Credits::from_millionths(a.millionths().saturating_add(b.millionths()))
}

impl Totals {
    /// Adds what the lines of a package say.
    pub(super) fn add_line(&mut self, package: &PackageLine, types: &[Arc<CreditType>]) {
        self.packages = self.packages.saturating_add(1);
        self.price_minor = self.price_minor.saturating_add(package.price_minor);
        for (part, credit_type) in package.parts.iter().zip(types) {
            let of_type = self.credits.entry(credit_type.name.clone()).or_default();
            of_type.quantity = sum(of_type.quantity, part.quantity);
            of_type.used = sum(of_type.used, part.used);
        }
    }

    fn add_entry(&mut self, entry: &Entry, credit_type: &CreditType) {
        let of_type = self.credits.entry(credit_type.name.clone()).or_default();
        if entry.kind == EntryKind::Issue {
            of_type.quantity = sum(of_type.quantity, entry.amount);
            of_type.value = of_type.value.saturating_add(entry.value);
            of_type.value_left = of_type.value_left.saturating_add(entry.value);
        } else {
            of_type.used = sum(of_type.used, entry.amount);
            of_type.value_left = of_type.value_left.saturating_sub(entry.value);
        }
    }

    /// Adds the customers of these lines that are here.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn add_customers_here(
        &mut self,
        ctx: &Context,
        import: &Import,
        lines: &[CustomerLine],
    ) -> Result<(), ServiceError> {
        let ids = lines.iter().map(|it| import.customer_id(&it.external_id));
        let found = customers::by_ids(ctx.db.reader(), import.business.id, ids).await?;
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        self.customers = self.customers.saturating_add(count);
        Ok(())
    }

    /// Adds what the ledger took over of the packages of these lines; what was done with them since does not count.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn add_ledger(
        &mut self,
        ctx: &Context,
        (import, catalog): (&Import, &Catalog),
        lines: &[PackageLine],
    ) -> Result<(), ServiceError> {
        if lines.is_empty() {
            return Ok(());
        }
        let (reader, business_id) = (ctx.db.reader(), import.business.id);
        let ids = lines.iter().flat_map(|line| import.posting_ids(line));
        let found = entries::of_postings(reader, ids.map(|id| (business_id, id))).await?;
        let found: Vec<Entry> = found.into_values().flatten().collect();
        let lot_ids: Vec<LotId> = found.iter().map(|entry| entry.lot_id).collect();
        let lots = lots::by_ids(reader, business_id, &lot_ids).await?;
        let lots: HashMap<LotId, Lot> = lots.into_iter().map(|lot| (lot.id, lot)).collect();
        let packages: HashSet<PackageId> = lots.values().map(|lot| lot.package_id).collect();
        let count = u64::try_from(packages.len()).unwrap_or(u64::MAX);
        self.packages = self.packages.saturating_add(count);
        for entry in &found {
            let lot = lots.get(&entry.lot_id);
            let credit_type = lot.and_then(|lot| catalog.credit_type(lot.line.credit_type_id));
            if let Some(credit_type) = credit_type {
                self.add_entry(entry, &credit_type);
            }
        }
        Ok(())
    }
}

impl Import {
    /// The postings by which it takes a package over.
    fn posting_ids(&self, line: &PackageLine) -> Vec<Uuid> {
        let parts = (0..line.parts.len()).map(|part| self.use_id(&line.external_id, part));
        parts.chain([self.issue_id(&line.external_id)]).collect()
    }
}
