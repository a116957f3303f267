//! What a package of another system is here: its lines, found by what its cells name.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::Fault;
use super::catalog::Catalog;
use super::packages::{PackageLine, PartLine};
use crate::domain::catalog::{CreditType, Template};
use crate::domain::credits::Credits;
use crate::domain::line::{Line, LineKind};
use crate::domain::offer::Offer;
use crate::domain::sale::LineWeight;
use crate::domain::template_emails::UseEmails;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, LineId};
use crate::service::error::ServiceError;
use crate::service::{issue, offers};

/// What a package is made of.
pub(super) struct Offered {
    pub(super) offer: Offer,
    /// The tax of its template, in hundredths of a percent.
    pub(super) tax_basis_points: i32,
    /// Lines that are not the template's, to be written.
    pub(super) own_lines: Vec<Arc<Line>>,
}

/// Why something could not be found out.
pub(super) enum Stopped {
    /// Cells are wrong.
    Faults(Vec<Fault>),
    /// The database failed.
    Failed(ServiceError),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Faults(vec![fault])
    }
}

impl From<ServiceError> for Stopped {
    fn from(error: ServiceError) -> Self {
        Self::Failed(error)
    }
}

/// What a package names.
pub(super) struct Named {
    pub(super) template: Option<Arc<Template>>,
    /// The credit type of each part.
    pub(super) types: Vec<Arc<CreditType>>,
}

/// What a package names, or all that is wrong with it.
pub(super) fn named(catalog: &Catalog, package: &PackageLine) -> Result<Named, Vec<Fault>> {
    let found = package.template.as_deref().map(|text| {
        let fault = |expected| Fault::new(package.line, "template", text, expected);
        catalog.templates.find(text).map_err(fault)
    });
    let template = found.transpose().map_err(|fault| vec![fault])?;
    let mut types: Vec<Arc<CreditType>> = Vec::with_capacity(package.parts.len());
    let mut faults = Vec::new();
    for part in &package.parts {
        match type_of(catalog, template.as_deref(), part) {
            Err(fault) => faults.push(fault),
            Ok(found) if types.iter().any(|known| known.id == found.id) => {
                let expected = "must be another one: the package has a line for this one already";
                faults.push(part.fault("credit_type", &found.name, expected));
            }
            Ok(found) => {
                faults.extend(part.check(&found));
                types.push(found);
            }
        }
    }
    if faults.is_empty() {
        Ok(Named { template, types })
    } else {
        Err(faults)
    }
}

fn type_of(
    catalog: &Catalog,
    template: Option<&Template>,
    part: &PartLine,
) -> Result<Arc<CreditType>, Fault> {
    let Some(text) = &part.credit_type else {
        let of_template = template.map_or_else(Vec::new, credit_types);
        let only = match of_template.as_slice() {
            [only] => catalog.credit_type(*only),
            _ => None,
        };
        let expected = if template.is_some() {
            "must be given: the template has several credit types"
        } else {
            "must be given, or a template"
        };
        return only.ok_or_else(|| part.fault("credit_type", "", expected));
    };
    let found = catalog.credit_types.find(text);
    let found = found.map_err(|expected| part.fault("credit_type", text, expected))?;
    match template {
        Some(template) if !credit_types(template).contains(&found.id) => {
            let expected = "must be a credit type of the template";
            Err(part.fault("credit_type", text, expected))
        }
        _ => Ok(found),
    }
}

/// The credit types of a template, in the order of its lines.
fn credit_types(template: &Template) -> Vec<CreditTypeId> {
    let mut ids: Vec<CreditTypeId> = Vec::new();
    for line in &template.definition.lines {
        if !ids.contains(&line.credit_type_id) {
            ids.push(line.credit_type_id);
        }
    }
    ids
}

/// What a package is made of.
pub(super) async fn offered(
    txn: &DatabaseTransaction,
    (business_id, catalog): (BusinessId, &mut Catalog),
    package: &PackageLine,
    Named { template, types }: &Named,
    now: DateTime<Utc>,
) -> Result<Offered, Stopped> {
    let Some(template) = template else {
        return by_type(txn, (business_id, catalog), package, types, now).await;
    };
    refuse_unfit(catalog, package, template, types)?;
    let mut offered = Offered {
        offer: catalog.offer(txn, template).await?,
        tax_basis_points: template.definition.tax_basis_points,
        own_lines: Vec::new(),
    };
    for (part, credit_type) in package.parts.iter().zip(types) {
        offered.resize(part, credit_type.id, now)?;
    }
    Ok(offered)
}

/// Refuses what a template does not leave open.
fn refuse_unfit(
    catalog: &Catalog,
    package: &PackageLine,
    template: &Template,
    types: &[Arc<CreditType>],
) -> Result<(), Fault> {
    let named = package.template.as_deref().unwrap_or_default();
    let lines = &template.definition.lines;
    if lines.iter().any(|line| line.kind != LineKind::Prepaid) {
        let expected = "must be a template without lines that have a rate";
        return Err(Fault::new(package.line, "template", named, expected));
    }
    if let Some(part) = package.parts.iter().find(|part| !part.items.is_empty()) {
        let expected = "must be empty: the template says what it pays for";
        return Err(part.fault("items", &part.items.join("|"), expected));
    }
    let missing = credit_types(template)
        .into_iter()
        .find(|id| types.iter().all(|known| known.id != *id));
    if let Some(missing) = missing.and_then(|id| catalog.credit_type(id)) {
        let expected = format!(
            "must have a line for each credit type of the template: {} is missing",
            missing.name
        );
        return Err(Fault::new(package.line, "credit_type", "", expected));
    }
    Ok(())
}

impl Offered {
    /// Makes the template's line of this credit type one of the quantity of a part.
    fn resize(
        &mut self,
        part: &PartLine,
        credit_type_id: CreditTypeId,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let mut of_type: Vec<&mut (Arc<Line>, LineWeight)> = self
            .offer
            .lines
            .iter_mut()
            .filter(|(line, _)| line.credit_type_id == credit_type_id)
            .collect();
        let offered = of_type.iter().try_fold(Credits::ZERO, |sum, (line, _)| {
            sum.checked_add(line.quantity)
        });
        if offered == Some(part.quantity) {
            return Ok(());
        }
        let [(line, weight)] = of_type.as_mut_slice() else {
            let offered = offered.unwrap_or_default();
            let expected = format!("must be {offered}: the template has several lines of it");
            return Err(part.fault("quantity", &part.quantity.to_string(), expected));
        };
        weight.quantity = part.quantity;
        *line = Arc::new(Line {
            id: LineId::generate(now),
            quantity: part.quantity,
            ..Line::clone(line)
        });
        self.own_lines.push(Arc::clone(line));
        Ok(())
    }
}

/// A package without a template: a line for each part.
async fn by_type(
    txn: &DatabaseTransaction,
    (business_id, catalog): (BusinessId, &mut Catalog),
    package: &PackageLine,
    types: &[Arc<CreditType>],
    now: DateTime<Utc>,
) -> Result<Offered, Stopped> {
    let mut own_lines = Vec::with_capacity(types.len());
    for ((part, credit_type), position) in package.parts.iter().zip(types).zip(1..) {
        let mut items = Vec::with_capacity(part.items.len());
        for text in &part.items {
            let item = catalog.items.find(text);
            let item = item.map_err(|expected| part.fault("items", text, expected))?;
            items.push(item.id);
        }
        let covers = catalog.covered(txn, credit_type.id, &items).await;
        let line = Line {
            id: LineId::generate(now),
            position,
            kind: LineKind::Prepaid,
            credit_type_id: credit_type.id,
            decimal_places: credit_type.decimal_places,
            quantity: part.quantity,
            covers: match covers {
                Err(ServiceError::Refused(refusal)) => {
                    let expected = format!("must be given: {refusal}");
                    return Err(part.fault("items", "", expected).into());
                }
                covers => covers?,
            },
            emails: UseEmails::default(),
        };
        line.check().map_err(|refusal| {
            part.fault(
                "items",
                &part.items.join("|"),
                format!("must fit: {refusal}"),
            )
        })?;
        own_lines.push(Arc::new(line));
    }
    let weighed = offers::weighed(txn, business_id, &own_lines).await?;
    let defaults = types.iter().map(|it| it.default_validity).collect();
    let name = types.first().map(|it| it.name_plural.clone());
    let nobody = CustomerId::from_uuid(Uuid::nil());
    Ok(Offered {
        offer: issue::without_template(nobody, name.unwrap_or_default(), weighed, defaults),
        tax_basis_points: 0,
        own_lines,
    })
}

impl PartLine {
    fn fault(&self, column: &'static str, value: &str, expected: impl Into<String>) -> Fault {
        Fault::new(self.line, column, value, expected)
    }

    /// What does not add up, or is finer than the credit type is.
    fn check(&self, credit_type: &CreditType) -> Vec<Fault> {
        let places = credit_type.decimal_places;
        let amounts = [("quantity", self.quantity), ("used", self.used)];
        let too_fine = amounts
            .iter()
            .filter(|(_, amount)| amount.is_finer_than(places));
        let expected = format!("must have at most {places} decimal places");
        let fault = |(column, amount): &(&'static str, Credits)| {
            self.fault(column, &amount.to_string(), expected.clone())
        };
        let mut faults: Vec<Fault> = too_fine.map(fault).collect();
        if self.used > self.quantity {
            let expected = format!("must be at most the quantity, {}", self.quantity);
            faults.push(self.fault("used", &self.used.to_string(), expected));
        }
        faults
    }
}
