//! What of a sale the payment system is to charge (J6), and the packages that wait for that: they are planned when they
//! are sold, and sold as agreed then, in the transaction of the payment that they wait for.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use super::plan::{self, Planned};
use super::{Agreed, Buyer, SaleEntry};
use crate::domain::business::Business;
use crate::domain::invoice::IssueWhen;
use crate::domain::payment::Payable;
use crate::domain::refusal::Refusal;
use crate::domain::sale::{Price, Sale};
use crate::ids::Reference;
use crate::service::buyers::Buyers;
use crate::service::call::Call;
use crate::service::charges;
use crate::service::error::ServiceError;
use crate::store::columns::{from_json, to_json};
use crate::store::sales;

const TABLE: &str = "sales";

/// An entry that waits to be paid.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    issue_when: IssueWhen,
    entry: SaleEntry,
}

/// How much is to be charged for an entry, in minor units.
pub(super) fn amount(entry: &SaleEntry, price: Price) -> Result<i64, Refusal> {
    let Some(charge) = entry.charge else {
        return Ok(0);
    };
    let total_minor = price.total_minor;
    let amount_minor = charge.amount_minor.unwrap_or(total_minor);
    if amount_minor > total_minor {
        return Err(Refusal::PaymentExceedsPrice {
            paid_minor: amount_minor,
            total_minor,
        });
    }
    Ok(amount_minor)
}

/// Asks for one charge for each sale, and keeps the entries that wait for it.
pub(super) async fn request(
    txn: &DatabaseTransaction,
    (business, now): (&Business, DateTime<Utc>),
    entries: &[SaleEntry],
    planned: &[Planned],
    new: &mut [Sale],
) -> Result<(), ServiceError> {
    for sale in new {
        let own = || {
            let all = entries.iter().zip(planned);
            all.filter(|(_, plan)| plan.package.sale_id == Some(sale.id))
        };
        let amount_minor = own().fold(0_i64, |sum, (_, plan)| {
            sum.saturating_add(plan.charge_minor)
        });
        let waiting: Vec<Waiting> = own()
            .filter_map(|(entry, plan)| waiting(sale, entry, plan))
            .collect();
        if !waiting.is_empty() {
            let waiting = Some(to_json(&waiting, TABLE)?);
            sales::put_waiting(txn, business.id, sale.id, waiting).await?;
        }
        if amount_minor > 0 {
            let of = (Payable::Sale(sale.id), sale.customer_id);
            let charge = charges::request(txn, business, of, amount_minor, now).await?;
            sale.charges.push(charge);
        }
    }
    Ok(())
}

fn waiting(sale: &Sale, entry: &SaleEntry, plan: &Planned) -> Option<Waiting> {
    let issue_when = plan.waits?;
    let (_, version) = plan.package.template?;
    let agreed = Agreed {
        version,
        price: plan.price,
        sale_id: sale.id,
        invoice_line_id: None,
        is_paid: false,
    };
    Some(Waiting {
        issue_when,
        entry: SaleEntry {
            price_minor: Some(plan.package.price_minor),
            payment: None,
            charge: None,
            agreed: Some(agreed),
            ..entry.clone()
        },
    })
}

/// Issues what waits of a locked sale and is due by what was paid.
///
/// # Errors
/// Those of a sale of the first entry that cannot be sold any more.
pub(super) async fn issue_due(
    txn: &DatabaseTransaction,
    call: &Call,
    business: &Business,
    sale: &mut Sale,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let Some(stored) = sales::waiting(txn, business.id, sale.id).await? else {
        return Ok(());
    };
    let all: Vec<Waiting> = from_json(stored, TABLE, sale.id)?;
    let owed = sale.owed();
    let (due, rest): (Vec<Waiting>, Vec<Waiting>) = all
        .into_iter()
        .partition(|waiting| waiting.issue_when.has_come(owed));
    if due.is_empty() {
        return Ok(());
    }
    let entries: Vec<SaleEntry> = due.into_iter().map(|it| as_paid(it.entry, sale)).collect();
    let buyers = Buyers::lock(txn, business.id, &entries).await?;
    let planned = plan::plan_agreed(txn, call, business, &entries, &buyers, now).await?;
    let stamp = call.stamp(now);
    let issued = planned.iter().map(|plan| plan.package.id);
    sale.package_ids.extend(issued);
    let of = std::slice::from_ref(&*sale);
    let issuing = super::issue(txn, call, (business, &stamp), (&planned, of));
    let posting = issuing.await?;
    call.post(txn, &posting, &super::notes(&entries)).await?;
    let rest = if rest.is_empty() {
        None
    } else {
        Some(to_json(&rest, TABLE)?)
    };
    sales::put_waiting(txn, business.id, sale.id, rest).await?;
    Ok(())
}

/// An entry as it is sold now: to the customer of the sale, who may have taken another's place since.
fn as_paid(entry: SaleEntry, sale: &Sale) -> SaleEntry {
    let buyer = match entry.buyer {
        Buyer::Customer(_) => Buyer::Customer(Reference::Id(sale.customer_id)),
        group @ Buyer::Group(_) => group,
    };
    let agreed = entry.agreed.map(|agreed| Agreed {
        is_paid: sale.is_paid(),
        ..agreed
    });
    SaleEntry {
        buyer,
        agreed,
        ..entry
    }
}
