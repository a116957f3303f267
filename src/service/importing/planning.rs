//! What a package of another system comes to here: its sale, its lots, and what was used of them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use super::offering::Offered;
use super::packages::PackageLine;
use super::{Fault, Import, major};
use crate::domain::calendar;
use crate::domain::catalog::CreditType;
use crate::domain::entry::{Actor, Hash, IMPORT};
use crate::domain::line::Line;
use crate::domain::lot::Stamp;
use crate::domain::offer::ValidityOverride;
use crate::domain::opening::{Opening, Used, take_over};
use crate::domain::package::Package;
use crate::domain::payment::{MoneyKind, Payment, PaymentMethod, Takings};
use crate::domain::refusal::Refusal;
use crate::domain::sale::{Price, Sale};
use crate::ids::{CustomerId, PaymentId, SaleId};

/// A package that can be taken over.
pub(super) struct Planned {
    pub(super) opening: Opening,
    pub(super) sale: Sale,
    pub(super) own_lines: Vec<Arc<Line>>,
    pub(super) note: String,
}

/// What a line says, so that another text of the same package is told from it.
pub(super) fn hash(package: &PackageLine) -> Hash {
    let text = serde_json::to_vec(package).unwrap_or_default();
    Sha256::digest(text).into()
}

/// Plans a package of a customer.
pub(super) fn plan(
    import: &Import,
    package: &PackageLine,
    types: &[Arc<CreditType>],
    (mut offered, customer_id): (Offered, CustomerId),
    now: DateTime<Utc>,
) -> Result<Planned, Fault> {
    let sold_at = sold_at(import, package)?;
    let price = price(import, package, offered.tax_basis_points)?;
    let paid_minor = paid(import, package, price)?;
    let offer = &mut offered.offer;
    offer.customer_id = customer_id;
    offer.external_id = Some(package.external_id.clone());
    offer.sale_id = Some(SaleId::generate(sold_at));
    offer.name = package.name.clone().unwrap_or_else(|| offer.name.clone());
    offer.price_minor = package.price_minor;
    offer.price = price;
    offer.is_paid = paid_minor >= price.total_minor;
    offer.start_date = package.starts;
    offer.validity_override = package.expires.map(ValidityOverride::Rule);
    let made = offered.offer.make(&import.business, sold_at);
    let (made, lots) = made.map_err(|refusal| package.ends_wrong(&refusal.to_string()))?;
    package.refuse_ended(&made, now)?;
    let made = Package {
        created_at: now,
        ..made
    };
    let stamp = Stamp {
        posting_id: import.issue_id(&package.external_id),
        now,
        request_hash: Some(hash(package)),
        method: IMPORT.to_owned(),
        actor: Actor::System,
        purpose: None,
    };
    let used = used(import, package, types);
    let starts_at = made.starts_at;
    let opening = take_over(&stamp, import.cut_over_at, (made, lots), &used)
        .map_err(|refusal| package.used_wrong(import, starts_at, &refusal))?;
    // Its first use may have set its end.
    package.refuse_ended(&opening.package, now)?;
    Ok(Planned {
        sale: sale(&opening.package, price, paid_minor, (sold_at, now)),
        opening,
        own_lines: offered.own_lines,
        note: package.note.clone(),
    })
}

/// When it was sold: with the day that is given, else with the first day on which it could be used, at the latest at
/// the cut-over.
fn sold_at(import: &Import, package: &PackageLine) -> Result<DateTime<Utc>, Fault> {
    let cut_over = import.cut_over;
    let day = match package.sold_on {
        Some(day) if day > cut_over => {
            let expected = format!("must not be after the cut-over day, {cut_over}");
            return Err(Fault::new(
                package.line,
                "sold_on",
                day.to_string(),
                expected,
            ));
        }
        Some(day) => day,
        None => package.starts.unwrap_or(cut_over).min(cut_over),
    };
    let at = calendar::first_instant_of(day, import.business.zone);
    at.filter(|at| *at >= DateTime::UNIX_EPOCH).ok_or_else(|| {
        let expected = "must be a day since 1970";
        Fault::new(package.line, "sold_on", day.to_string(), expected)
    })
}

fn price(import: &Import, package: &PackageLine, tax: i32) -> Result<Price, Fault> {
    let written = package.price_minor;
    Price::of(written, tax, import.business.prices_include_tax).ok_or_else(|| {
        let value = major(written, import.business.currency).to_string();
        Fault::new(package.line, "price", value, "must be less")
    })
}

/// What was paid, in minor units: all of it unless the line says otherwise.
fn paid(import: &Import, package: &PackageLine, price: Price) -> Result<i64, Fault> {
    let total = price.total_minor;
    match package.paid_minor {
        Some(paid) if paid > total => {
            let currency = import.business.currency;
            let expected = format!("must be at most the price, {}", major(total, currency));
            let value = major(paid, currency).to_string();
            Err(Fault::new(package.line, "paid", value, expected))
        }
        Some(paid) => Ok(paid),
        None => Ok(total),
    }
}

fn used(import: &Import, package: &PackageLine, types: &[Arc<CreditType>]) -> Vec<Used> {
    let parts = package.parts.iter().zip(types).enumerate();
    parts
        .filter(|(_, (part, _))| part.used.is_positive())
        .map(|(index, (part, credit_type))| Used {
            posting_id: import.use_id(&package.external_id, index),
            credit_type_id: credit_type.id,
            amount: part.used,
        })
        .collect()
}

fn sale(
    package: &Package,
    price: Price,
    paid_minor: i64,
    (sold_at, now): (DateTime<Utc>, DateTime<Utc>),
) -> Sale {
    let mut money = Takings::default();
    if paid_minor > 0 {
        let payment = Payment {
            id: PaymentId::generate(now),
            method: PaymentMethod::Other,
            amount_minor: paid_minor,
            reference: String::new(),
            recorded_at: now,
        };
        money.add(MoneyKind::Payment, payment);
    }
    Sale {
        id: package.sale_id.unwrap_or_else(|| SaleId::generate(sold_at)),
        customer_id: package.customer_id,
        group_id: None,
        package_ids: vec![package.id],
        list_price_minor: package.list_price_minor,
        price,
        money,
        sold_by: Actor::System,
        sold_at,
        undone_at: None,
        charges: Vec::new(),
        invoiced: None,
    }
}

impl PackageLine {
    fn ends_wrong(&self, why: &str) -> Fault {
        let value = self.expires_text.clone();
        Fault::new(self.line, "expires", value, format!("must fit: {why}"))
    }

    fn refuse_ended(&self, made: &Package, now: DateTime<Utc>) -> Result<(), Fault> {
        if made.expires_at.is_some_and(|end| end <= now) {
            return Err(self.ends_wrong("it has ended, and what has ended is not imported"));
        }
        Ok(())
    }

    fn used_wrong(&self, import: &Import, starts_at: DateTime<Utc>, refusal: &Refusal) -> Fault {
        let part = self.parts.iter().find(|part| part.used.is_positive());
        let (line, value) = part.map_or((self.line, String::new()), |part| {
            (part.line, part.used.to_string())
        });
        let expected = if starts_at > import.cut_over_at {
            let day = calendar::local_day(starts_at, import.business.zone);
            format!("must be 0: the package starts on {day}, after the cut-over")
        } else {
            format!("must fit: {refusal}")
        };
        Fault::new(line, "used", value, expected)
    }
}
