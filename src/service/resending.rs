//! Sending an e-mail once more that failed, and cancelling one that waits (G10).
//!
//! Neither decides whether what it says still holds: that is asked right before it goes out, as ever (G6).

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::{Deserialize, Serialize};

use crate::domain::customer::Customer;
use crate::domain::email::{Attempt, Email, EmailState};
use crate::domain::notice::DropReason;
use crate::domain::refusal::{EmailingRefusal, Refusal};
use crate::ids::{BusinessId, EmailId, NoticeId};
use crate::service::buyers::check_there;
use crate::service::call::{Answer, Call};
use crate::service::context::Context;
use crate::service::emails::EmailDetails;
use crate::service::error::ServiceError;
use crate::service::{resolve, suppressions};
use crate::store::error::StoreError;
use crate::store::{customers, email_attempts, emails, notices};

/// What is kept of an answer: how far the e-mail was, and nothing of what it says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    id: EmailId,
    state: EmailState,
    reason: Option<String>,
    due_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
    has_text: bool,
}

impl From<&Email> for Kept {
    fn from(email: &Email) -> Self {
        Self {
            id: email.id,
            state: email.state,
            reason: email.reason.clone(),
            due_at: email.due_at,
            finished_at: email.finished_at,
            has_text: email.text.is_some(),
        }
    }
}

impl Kept {
    /// The e-mail as it was when it was answered with.
    fn of(self, email: Email) -> Email {
        Email {
            state: self.state,
            reason: self.reason,
            due_at: self.due_at,
            finished_at: self.finished_at,
            text: email.text.filter(|_| self.has_text),
            ..email
        }
    }
}

/// Queues an e-mail that failed once more.
///
/// # Errors
/// [`Refusal::NotFound`], [`EmailingRefusal::NotFailed`], [`EmailingRefusal::TextCleared`],
/// [`EmailingRefusal::AddressSuppressed`], `CUSTOMER_ERASED`, `CUSTOMER_MERGED`.
pub async fn retry(
    ctx: &Context,
    call: &Call,
    id: &EmailId,
) -> Result<Answer<EmailDetails>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(answer) = earlier(ctx, call, &txn).await? {
        return Ok(answer);
    }
    let business_id = call.business_id();
    let customer = customer_of(&txn, business_id, *id).await?;
    let mut email = lock(&txn, business_id, *id).await?;
    email.retry(ctx.clock.now()).map_err(Refusal::from)?;
    if let Some(customer) = &customer {
        check_there(customer)?;
    }
    check_text(&email)?;
    let attempts = email_attempts::of_email(&txn, business_id, *id).await?;
    if !email.is_test && !attempts.iter().any(Attempt::may_have_delivered) {
        // Nobody can have got what it says, so it says what is true when it goes out.
        email.text = None;
    }
    check_address(&txn, &email, customer.as_ref()).await?;
    emails::update_with_text(&txn, &[&email]).await?;
    finish(call, txn, email).await
}

/// Cancels an e-mail that waits.
///
/// # Errors
/// [`Refusal::NotFound`], [`EmailingRefusal::NotQueued`].
pub async fn cancel(
    ctx: &Context,
    call: &Call,
    id: &EmailId,
) -> Result<Answer<EmailDetails>, ServiceError> {
    let txn = ctx.db.begin().await?;
    if let Some(answer) = earlier(ctx, call, &txn).await? {
        return Ok(answer);
    }
    let business_id = call.business_id();
    let mut email = lock(&txn, business_id, *id).await?;
    email.cancel(ctx.clock.now()).map_err(Refusal::from)?;
    emails::update(&txn, &[&email]).await?;
    let told = notices::of_emails(&txn, business_id, &[*id]).await?;
    let told = told.values().flatten().filter(|it| it.dropped.is_none());
    let dropped: Vec<(NoticeId, DropReason)> = told.map(|it| (it.id, DropReason::ByHand)).collect();
    notices::drop_with_reason(&txn, business_id, &dropped).await?;
    finish(call, txn, email).await
}

/// What was answered to this request before.
async fn earlier(
    ctx: &Context,
    call: &Call,
    txn: &DatabaseTransaction,
) -> Result<Option<Answer<EmailDetails>>, ServiceError> {
    let Some(earlier) = call.claim::<Kept>(txn, ctx.clock.now()).await? else {
        return Ok(None);
    };
    let kept = earlier.value;
    let email = emails::get(txn, call.business_id(), kept.id).await?;
    let email = email.ok_or_else(|| StoreError::corrupt("emails", kept.id))?;
    Ok(Some(Answer {
        value: details(txn, kept.of(email)).await?,
        replayed: true,
    }))
}

/// Holds the customer of an e-mail, so that nobody erases it meanwhile: whoever does locks it before its e-mails.
async fn customer_of(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: EmailId,
) -> Result<Option<Customer>, ServiceError> {
    let found = emails::get(txn, business_id, id).await?;
    let email = found.ok_or_else(|| resolve::not_found("e-mail", &id))?;
    match email.customer_id {
        Some(customer_id) => Ok(customers::share(txn, business_id, customer_id).await?),
        None => Ok(None),
    }
}

async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: EmailId,
) -> Result<Email, ServiceError> {
    let locked = emails::lock(txn, business_id, id).await?;
    Ok(locked.ok_or_else(|| resolve::not_found("e-mail", &id))?)
}

/// Refuses an e-mail whose text was cleared.
fn check_text(email: &Email) -> Result<(), Refusal> {
    let text = email.text.as_ref();
    if text.is_some_and(|text| text.to_address.is_empty()) {
        let email_id = email.id;
        return Err(EmailingRefusal::TextCleared { email_id }.into());
    }
    Ok(())
}

/// Refuses an e-mail to an address that nothing is sent to.
async fn check_address(
    txn: &DatabaseTransaction,
    email: &Email,
    customer: Option<&Customer>,
) -> Result<(), ServiceError> {
    let fixed = email.text.as_ref().map(|text| text.to_address.as_str());
    match fixed.or_else(|| customer?.email.as_deref()) {
        Some(address) => suppressions::check(txn, email.business_id, address).await,
        None => Ok(()),
    }
}

async fn finish(
    call: &Call,
    txn: DatabaseTransaction,
    email: Email,
) -> Result<Answer<EmailDetails>, ServiceError> {
    call.remember(&txn, &Kept::from(&email)).await?;
    let details = details(&txn, email).await?;
    call.commit(txn).await?;
    Ok(Answer::fresh(details))
}

async fn details(txn: &DatabaseTransaction, email: Email) -> Result<EmailDetails, StoreError> {
    let mut told = notices::of_emails(txn, email.business_id, &[email.id]).await?;
    Ok(EmailDetails {
        notices: told.remove(&email.id).unwrap_or_default(),
        email,
        attempts: Vec::new(),
    })
}
