//! Invoices as they are read: with the packages that the credits on their lines come from.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::charge::ChargeRequest;
use crate::domain::credits::Credits;
use crate::domain::hold::Hold;
use crate::domain::invoice::Invoice;
use crate::domain::payment::Payable;
use crate::ids::{BusinessId, HoldId, InvoiceId, LotId, PackageId};
use crate::service::error::ServiceError;
use crate::store::{charge_requests, holds, lots};

/// An invoice as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceView {
    /// The invoice.
    pub invoice: Invoice,
    /// What its lines' credits come from, by the holds.
    pub credits: Vec<LineHold>,
    /// What of it the payment system is or was to charge, oldest first.
    pub charges: Vec<ChargeRequest>,
}

/// What the credits of one line come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineHold {
    /// What set them aside.
    pub hold_id: HoldId,
    /// Whether they are still set aside.
    pub is_open: bool,
    /// From which packages.
    pub parts: Vec<CreditPart>,
}

/// Credits of one package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreditPart {
    /// The package.
    pub package_id: PackageId,
    /// How many credits.
    pub amount: Credits,
}

/// An invoice as it is at `now`.
pub(super) async fn view(
    db: &impl ConnectionTrait,
    invoice: Invoice,
    now: DateTime<Utc>,
) -> Result<InvoiceView, ServiceError> {
    let business_id = invoice.business_id;
    Ok(InvoiceView {
        credits: of_holds(db, business_id, holds_of(&invoice), now).await?,
        charges: charges_of(db, business_id, [invoice.id], now).await?,
        invoice,
    })
}

/// Invoices as they are at `now`.
pub(super) async fn views(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    found: Vec<Invoice>,
    now: DateTime<Utc>,
) -> Result<Vec<InvoiceView>, ServiceError> {
    let ids = found.iter().flat_map(holds_of);
    let credits = of_holds(db, business_id, ids, now).await?;
    let ids = found.iter().map(|invoice| invoice.id);
    let charges = charges_of(db, business_id, ids, now).await?;
    let views = found.into_iter().map(|invoice| {
        let own: Vec<Uuid> = holds_of(&invoice).collect();
        let of = Payable::Invoice(invoice.id);
        let credits = credits.iter().filter(|it| own.contains(&it.hold_id.uuid()));
        let charges = charges.iter().filter(|it| it.of == of);
        InvoiceView {
            credits: credits.cloned().collect(),
            charges: charges.cloned().collect(),
            invoice,
        }
    });
    Ok(views.collect())
}

async fn charges_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = InvoiceId>,
    now: DateTime<Utc>,
) -> Result<Vec<ChargeRequest>, ServiceError> {
    let found = charge_requests::of_invoices(db, business_id, ids).await?;
    Ok(found.into_iter().map(|it| it.as_of(now)).collect())
}

/// The packages whose credits these holds set aside, one for each hold and package.
pub(super) async fn packages_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    hold_ids: &[HoldId],
) -> Result<Vec<PackageId>, ServiceError> {
    let ids = hold_ids.iter().map(|id| id.uuid());
    let found = holds::by_ids(db, business_id, &ids.collect::<Vec<_>>()).await?;
    let packages = packages_by_lot(db, business_id, &found).await?;
    let mut named = Vec::new();
    for hold in &found {
        let of_hold = hold.parts.iter();
        let of_hold = of_hold.filter_map(|part| packages.get(&part.lot_id).copied());
        named.extend(of_hold.collect::<BTreeSet<_>>());
    }
    Ok(named)
}

async fn packages_by_lot(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    found: &[Hold],
) -> Result<HashMap<LotId, PackageId>, ServiceError> {
    let parts = found.iter().flat_map(|hold| &hold.parts);
    let lot_ids: Vec<LotId> = parts.map(|part| part.lot_id).collect();
    let lots = lots::by_ids(db, business_id, &lot_ids).await?;
    Ok(lots
        .into_iter()
        .map(|lot| (lot.id, lot.package_id))
        .collect())
}

fn holds_of(invoice: &Invoice) -> impl Iterator<Item = Uuid> {
    let credits = invoice.lines.iter().filter_map(|it| it.credits.as_ref());
    credits.map(|credits| credits.hold_id.uuid())
}

async fn of_holds(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = Uuid>,
    now: DateTime<Utc>,
) -> Result<Vec<LineHold>, ServiceError> {
    let ids: Vec<Uuid> = ids.into_iter().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = holds::by_ids(db, business_id, &ids).await?;
    let packages = packages_by_lot(db, business_id, &found).await?;
    Ok(found
        .iter()
        .map(|hold| line_hold(hold, &packages, now))
        .collect())
}

fn line_hold(hold: &Hold, packages: &HashMap<LotId, PackageId>, now: DateTime<Utc>) -> LineHold {
    let mut parts: Vec<CreditPart> = Vec::new();
    for part in &hold.parts {
        let Some(package_id) = packages.get(&part.lot_id).copied() else {
            continue;
        };
        match parts.iter_mut().find(|it| it.package_id == package_id) {
            Some(known) => known.amount = known.amount.checked_add(part.amount).unwrap_or_default(),
            None => parts.push(CreditPart {
                package_id,
                amount: part.amount,
            }),
        }
    }
    LineHold {
        hold_id: hold.id,
        is_open: hold.check_open(now).is_ok(),
        parts,
    }
}
