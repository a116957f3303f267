//! The lines of templates, from what a caller names to what is kept.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::catalog::{CreditType, Item};
use crate::domain::credits::Credits;
use crate::domain::line::{Coverage, Line, LineKind, Subject};
use crate::domain::refusal::Refusal;
use crate::domain::template_emails::UseEmails;
use crate::ids::{BusinessId, CreditTypeId, ItemId, LineId, Reference};
use crate::service::error::ServiceError;
use crate::service::resolve;
use crate::store::{credit_types, items};

/// What a new line is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewLine {
    /// Whether it pays.
    pub kind: LineKind,
    /// The unit that it counts in.
    pub credit_type_id: Reference<CreditTypeId>,
    /// The credits of one package.
    pub quantity: Credits,
    /// What it covers.
    pub covers: Vec<NewCoverage>,
}

/// One item or category that a new line covers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewCoverage {
    /// What is covered.
    pub subject: NewSubject,
    /// How many credits one unit takes.
    pub credits_per_unit: Credits,
}

/// What a new coverage names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum NewSubject {
    /// One item.
    Item(Reference<ItemId>),
    /// Every item of a category.
    Category(String),
}

/// Builds the lines of a new version that wants this told of uses. Their credit types are locked against being archived meanwhile.
///
/// # Errors
/// `NOT_FOUND` for a credit type or an item, [`Refusal::CreditTypeArchived`], [`Refusal::ItemInactive`], and
/// those of [`Line::check`].
pub async fn build(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    (lines, emails): (&[NewLine], UseEmails),
    now: DateTime<Utc>,
) -> Result<Vec<Arc<Line>>, ServiceError> {
    let mut ids = Vec::with_capacity(lines.len());
    for line in lines {
        ids.push(resolve::credit_type(txn, business_id, &line.credit_type_id).await?);
    }
    let credit_types = usable(txn, business_id, &ids).await?;
    let items = NamedItems::find(txn, business_id, lines).await?;
    let mut built = Vec::with_capacity(lines.len());
    for ((position, line), id) in (1..).zip(lines).zip(&ids) {
        let credit_type = credit_types
            .get(id)
            .ok_or_else(|| resolve::not_found("credit type", &line.credit_type_id))?;
        let line = Line {
            id: LineId::generate(now),
            position,
            kind: line.kind,
            credit_type_id: credit_type.id,
            decimal_places: credit_type.decimal_places,
            quantity: line.quantity,
            covers: items.covered(&line.covers)?,
            emails,
        };
        line.check()?;
        built.push(Arc::new(line));
    }
    Ok(built)
}

/// Locks the credit types of lines against being archived, and refuses archived ones.
///
/// # Errors
/// [`Refusal::CreditTypeArchived`].
pub async fn check_credit_types(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    lines: &[Arc<Line>],
) -> Result<(), ServiceError> {
    let ids: Vec<_> = lines.iter().map(|line| line.credit_type_id).collect();
    usable(txn, business_id, &ids).await?;
    Ok(())
}

/// The same lines for another version, that wants this told of uses.
pub fn copies(lines: &[Arc<Line>], emails: UseEmails, now: DateTime<Utc>) -> Vec<Arc<Line>> {
    let copy = |line: &Arc<Line>| Line {
        id: LineId::generate(now),
        emails,
        ..Line::clone(line)
    };
    lines.iter().map(copy).map(Arc::new).collect()
}

/// Whether two lists of lines differ in nothing but the ids of the lines, and in what is told of their uses.
pub fn are_alike(left: &[Arc<Line>], right: &[Arc<Line>]) -> bool {
    let alike = |(left, right): (&Arc<Line>, &Arc<Line>)| {
        let renamed = Line {
            id: right.id,
            emails: right.emails,
            ..Line::clone(left)
        };
        renamed == **right
    };
    left.len() == right.len() && left.iter().zip(right).all(alike)
}

/// Those of these credit types that exist, of which none may be archived.
async fn usable(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[CreditTypeId],
) -> Result<HashMap<CreditTypeId, CreditType>, ServiceError> {
    let found = credit_types::share_all(txn, business_id, ids.iter().copied()).await?;
    if let Some(archived) = found.iter().find(|found| found.archived_at.is_some()) {
        return Err(Refusal::CreditTypeArchived {
            credit_type_id: archived.id,
        }
        .into());
    }
    Ok(found.into_iter().map(|found| (found.id, found)).collect())
}

/// The items that the lines of one template name.
struct NamedItems {
    by_id: HashMap<ItemId, Item>,
    by_external_id: HashMap<String, ItemId>,
}

impl NamedItems {
    async fn find(
        txn: &DatabaseTransaction,
        business_id: BusinessId,
        lines: &[NewLine],
    ) -> Result<Self, ServiceError> {
        let coverages = lines.iter().flat_map(|line| &line.covers);
        let mut references: Vec<_> = coverages
            .filter_map(|coverage| match &coverage.subject {
                NewSubject::Item(reference) => Some(reference.clone()),
                NewSubject::Category(_) => None,
            })
            .collect();
        references.sort_unstable_by_key(ToString::to_string);
        references.dedup();
        let items = items::named(txn, business_id, &references).await?;
        let external = |item: &Item| Some((item.external_id.clone()?, item.id));
        Ok(Self {
            by_external_id: items.iter().filter_map(external).collect(),
            by_id: items.into_iter().map(|item| (item.id, item)).collect(),
        })
    }

    fn get(&self, reference: &Reference<ItemId>) -> Option<&Item> {
        match reference {
            Reference::Id(id) => self.by_id.get(id),
            Reference::External(external_id) => {
                self.by_id.get(self.by_external_id.get(external_id)?)
            }
        }
    }

    /// The coverages, with the items that they name.
    fn covered(&self, covers: &[NewCoverage]) -> Result<Vec<Coverage>, Refusal> {
        let subject = |subject: &NewSubject| match subject {
            NewSubject::Category(category) => Ok(Subject::Category(category.clone())),
            NewSubject::Item(reference) => match self.get(reference) {
                None => Err(resolve::not_found("item", reference)),
                Some(item) if !item.active => Err(Refusal::ItemInactive { item_id: item.id }),
                Some(item) => Ok(Subject::Item(item.id)),
            },
        };
        let read = |coverage: &NewCoverage| {
            Ok(Coverage {
                subject: subject(&coverage.subject)?,
                credits_per_unit: coverage.credits_per_unit,
            })
        };
        covers.iter().map(read).collect()
    }
}
