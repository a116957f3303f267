//! Customers of another system.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::{Fault, Import, Outcome, patiently};
use crate::domain::audit::{AuditEvent, SUBJECTS_MAX};
use crate::domain::customer::Customer;
use crate::domain::entry::IMPORT;
use crate::ids::{AuditEventId, CustomerId};
use crate::service::context::Context;
use crate::service::customers::NewCustomer;
use crate::service::error::ServiceError;
use crate::store::{audit_events, customers};

/// The most customers of a part: all that one audit event can name.
pub const PART_MAX: usize = SUBJECTS_MAX;

/// A customer as a file says it.
#[derive(Clone, Debug)]
pub struct CustomerLine {
    /// The line of the file.
    pub line: u64,
    /// The other system's id.
    pub external_id: String,
    /// The customer.
    pub customer: NewCustomer,
    /// Whether packages can be sold and given to the customer.
    pub active: bool,
}

/// Says what writing a part would do.
///
/// # Errors
/// Failures of the database.
pub async fn judge(
    ctx: &Context,
    import: &Import,
    lines: &[CustomerLine],
) -> Result<Outcome, ServiceError> {
    if lines.is_empty() {
        return Ok(Outcome::default());
    }
    let txn = ctx.db.snapshot().await?;
    let (new, outcome) = sort_out(&txn, import, lines).await?;
    txn.commit().await?;
    Ok(Outcome {
        new: new.len(),
        ..outcome
    })
}

/// Writes a part, all of it or, if something is wrong with it, nothing.
///
/// # Errors
/// Failures of the database.
pub async fn write(
    ctx: &Context,
    import: &Import,
    lines: &[CustomerLine],
) -> Result<Outcome, ServiceError> {
    patiently(async || write_once(ctx, import, lines).await).await
}

async fn write_once(
    ctx: &Context,
    import: &Import,
    lines: &[CustomerLine],
) -> Result<Outcome, ServiceError> {
    if lines.is_empty() {
        return Ok(Outcome::default());
    }
    let txn = ctx.db.begin().await?;
    let (new, outcome) = sort_out(&txn, import, lines).await?;
    if new.is_empty() || !outcome.faults.is_empty() {
        txn.rollback().await?;
        return Ok(outcome);
    }
    let now = ctx.clock.now();
    let business_id = import.business.id;
    let new: Vec<Customer> = new.into_iter().map(|it| import.customer(it, now)).collect();
    customers::insert_all(&txn, business_id, &new).await?;
    let subjects: BTreeSet<String> = new.iter().map(|it| it.id.to_string()).collect();
    let event = AuditEvent {
        id: AuditEventId::generate(now),
        method: IMPORT.to_owned(),
        token_id: None,
        user_id: None,
        request_id: Some(import.id()),
        subjects: subjects.iter().cloned().collect(),
        fields: Vec::new(),
        denied_reason: None,
        times: 1,
        recorded_at: now,
    };
    audit_events::insert(&txn, business_id, &event, &subjects).await?;
    txn.commit().await?;
    Ok(Outcome {
        new: new.len(),
        ..outcome
    })
}

/// The lines whose customers are not here yet, how many are, and what is wrong with the others.
async fn sort_out<'a>(
    txn: &DatabaseTransaction,
    import: &Import,
    lines: &'a [CustomerLine],
) -> Result<(Vec<&'a CustomerLine>, Outcome), ServiceError> {
    let business_id = import.business.id;
    let external_ids = lines.iter().map(|it| it.external_id.as_str());
    let known = customers::by_external_ids(txn, business_id, external_ids).await?;
    // By their ids: the external ones may have been changed since.
    let own_ids = lines.iter().map(|it| import.customer_id(&it.external_id));
    let here = customers::by_ids(txn, business_id, own_ids).await?;
    let here: HashSet<CustomerId> = here.into_iter().map(|it| it.id).collect();
    let verified = verified_emails(txn, import, lines).await?;
    let mut outcome = Outcome::default();
    let mut new = Vec::new();
    for line in lines {
        if here.contains(&import.customer_id(&line.external_id)) {
            outcome.here = outcome.here.saturating_add(1);
            continue;
        }
        if let Some(id) = known.get(&line.external_id) {
            outcome.faults.push(Fault::new(
                line.line,
                "external_id",
                &line.external_id,
                format!("must be new: it is that of {id}, whom packages can name as it is"),
            ));
        }
        match line.verified_email().and_then(|email| verified.get(email)) {
            Some(id) => outcome.faults.push(Fault::new(
                line.line,
                "email",
                line.customer.email.clone().unwrap_or_default(),
                format!("must be verified for one customer only: it is for {id}"),
            )),
            None => new.push(line),
        }
    }
    Ok((new, outcome))
}

/// Whom the verified addresses of lines belong to already, by the address.
async fn verified_emails(
    txn: &DatabaseTransaction,
    import: &Import,
    lines: &[CustomerLine],
) -> Result<HashMap<String, String>, ServiceError> {
    let emails = lines.iter().filter_map(CustomerLine::verified_email);
    let found = customers::by_verified_emails(txn, import.business.id, emails).await?;
    let of = |it: Customer| Some((it.email?, it.id.to_string()));
    Ok(found.into_iter().filter_map(of).collect())
}

impl CustomerLine {
    /// The address, if it is known to be the customer's.
    pub fn verified_email(&self) -> Option<&str> {
        let email = self.customer.email.as_deref();
        email.filter(|_| self.customer.email_verified)
    }
}

impl Import {
    fn customer(&self, line: &CustomerLine, now: DateTime<Utc>) -> Customer {
        let new = line.customer.clone();
        Customer {
            id: self.customer_id(&line.external_id),
            external_id: new.external_id,
            name: new.name,
            email: new.email,
            email_verified: new.email_verified,
            phone: new.phone,
            locale: new.locale,
            time_zone: new.time_zone,
            active: line.active,
            may_purchase_on_account: new.may_purchase_on_account,
            unsubscribed_at: new.unsubscribed.then_some(now),
            merged_into: None,
            erased_at: None,
            created_at: now,
            version: 1,
        }
    }
}
