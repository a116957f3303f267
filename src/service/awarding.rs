//! What a trigger makes of an event: it issues its credits, once (C7, semantics 35).
//!
//! It raises no event of what it issues, so no trigger fires another one.

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::entry::Actor;
use crate::domain::lot::Stamp;
use crate::domain::notice::NoticeKind;
use crate::domain::refusal::Refusal;
use crate::domain::trigger::{Award, Event, Outcome, Trigger};
use crate::ids::{CustomerId, PackageId, Reference, new_uuid};
use crate::ledger::post;
use crate::ledger::tell::{self, Occasion};
use crate::service::buyers;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::issue::{self, Gift, GiftOf};
use crate::service::resolve;
use crate::store::{customers, events};

/// What the ledger calls it.
const METHOD: &str = "Trigger";

/// Lets a trigger act on an event, and says whether it issued something. What the rules do not allow is
/// written down with its reason and not tried again.
///
/// # Errors
/// A failure of the database; nothing was kept then.
pub async fn act(
    ctx: &Context,
    business: &Business,
    trigger: &Trigger,
    event: &Event,
) -> Result<bool, ServiceError> {
    let txn = ctx.db.begin().await?;
    let now = ctx.clock.now();
    let refusal = match award(&txn, business, trigger, event, now).await {
        Ok(issued) => {
            if issued {
                txn.commit().await?;
            } else {
                txn.rollback().await?;
            }
            return Ok(issued);
        }
        Err(ServiceError::Refused(refusal)) => refusal,
        Err(error) => return Err(error),
    };
    txn.rollback().await?;
    let txn = ctx.db.begin().await?;
    let outcome = outcome(event, Err(&refusal), now);
    events::insert_run(&txn, business.id, trigger.id, &outcome).await?;
    txn.commit().await?;
    Ok(false)
}

fn outcome(event: &Event, issued: Result<PackageId, &Refusal>, now: DateTime<Utc>) -> Outcome {
    Outcome {
        event: event.clone(),
        package_id: issued.ok(),
        refusal: issued
            .err()
            .map_or_else(String::new, |it| it.reason().to_owned()),
        acted_at: now,
    }
}

/// Issues what the trigger does, unless it did already.
async fn award(
    txn: &DatabaseTransaction,
    business: &Business,
    trigger: &Trigger,
    event: &Event,
    now: DateTime<Utc>,
) -> Result<bool, ServiceError> {
    if !events::lock_pending(txn, business.id, event.id).await? {
        return Ok(false);
    }
    let customer_id = receiver(txn, business, event.customer_id).await?;
    let gift = gift(trigger, customer_id);
    let (package, lots) = issue::make(txn, business, &gift, customer_id, now).await?;
    let outcome = outcome(event, Ok(package.id), now);
    if !events::insert_run(txn, business.id, trigger.id, &outcome).await? {
        return Ok(false);
    }
    let stamp = Stamp {
        posting_id: new_uuid(now),
        now,
        request_hash: None,
        method: METHOD.to_owned(),
        actor: Actor::System,
        purpose: None,
    };
    let posting = post::issue(&stamp, [(package.clone(), lots)])?;
    post::post_in(txn, business.id, &posting, &gift.reason).await?;
    let occasion = Occasion {
        name: package.id.to_string(),
        customer_id,
        packages: vec![&package],
    };
    tell::queue(txn, business, NoticeKind::Confirmation, &[occasion], now).await?;
    Ok(true)
}

/// Who gets it: the customer of the event, or who took its place since.
async fn receiver(
    txn: &DatabaseTransaction,
    business: &Business,
    id: CustomerId,
) -> Result<CustomerId, ServiceError> {
    let found = customers::share(txn, business.id, id).await?;
    let mut customer = found.ok_or_else(|| resolve::not_found("customer", &id))?;
    if let Some(survivor) = customer.merged_into {
        let found = customers::share(txn, business.id, survivor).await?;
        customer = found.ok_or_else(|| resolve::not_found("customer", &survivor))?;
    }
    buyers::check(&customer)?;
    Ok(customer.id)
}

fn gift(trigger: &Trigger, customer_id: CustomerId) -> Gift {
    let what = match trigger.award {
        Award::Template {
            template_id,
            quantity,
        } => GiftOf::Template {
            template: Reference::Id(template_id),
            quantity,
        },
        Award::Credits {
            credit_type_id,
            amount,
        } => GiftOf::Credits {
            credit_type: Reference::Id(credit_type_id),
            amount,
            covers: Vec::new(),
        },
    };
    Gift {
        customer: Reference::Id(customer_id),
        what,
        name: None,
        external_id: None,
        start_date: None,
        validity: None,
        reason: trigger.name.clone(),
    }
}
