//! Claims the next e-mail that is due and makes it ready: everything is checked again (G6), the text
//! fixed if it was not, and the attempt on record before its first byte.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;

use super::Mail;
use super::compose;
use super::mark::{self, Marked};
use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::customer::Customer;
use crate::domain::email::{Attempt, AttemptOutcome, Email, EmailState};
use crate::domain::lot::Lot;
use crate::domain::notice::{
    DropReason, NOTHING_LEFT_TO_TELL, Notice, NoticeKind, Recipient, may_be_told, still_true,
};
use crate::domain::package::Package;
use crate::domain::settle;
use crate::ids::{BusinessId, EmailId, NoticeId, PackageId, TemplateId};
use crate::mail::message::Outgoing;
use crate::service::mail_plan::leads_of;
use crate::service::{Context, ServiceError};
use crate::store::error::StoreError;
use crate::store::{
    businesses, customers, email_attempts, emails, holds, lots, mail_rates, notices, packages,
    suppressions, template_versions,
};

/// What a lease lasts beyond the longest attempt, as a part of it: time to write the outcome down, and
/// for clocks that are apart.
const LEASE_SLACK_PART: u32 = 20;
/// The least that it lasts beyond the longest attempt.
const LEASE_SLACK_MIN: Duration = Duration::from_secs(10);
/// The detail of an attempt whose process ended.
const BROKEN_OFF: &str = "the process ended before the outcome was known";
/// A row that the e-mail needs makes no sense.
const DAMAGED: &str = "damaged";

/// An e-mail that is ready to be sent.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) business_id: BusinessId,
    pub(super) email_id: EmailId,
    pub(super) kind: NoticeKind,
    pub(super) fence: i64,
    /// The number of the attempt.
    pub(super) number: i32,
    pub(super) to_address: String,
    pub(super) message: Outgoing,
}

/// What there was to claim.
#[derive(Debug)]
pub(super) enum Claimed {
    /// Nothing is due.
    Nothing,
    /// An e-mail of this kind that is not to be sent now.
    Ended(NoticeKind, Marked),
    /// An e-mail to send.
    ToSend(Box<Claim>),
}

/// What an e-mail is about, as it is at this moment.
pub(super) struct Facts {
    pub(super) business: Business,
    pub(super) contact: Customer,
    pub(super) notices: Vec<Notice>,
    pub(super) packages: HashMap<PackageId, Package>,
    /// Settled.
    pub(super) lots: Vec<Lot>,
    pub(super) now: DateTime<Utc>,
    leads: HashMap<(TemplateId, i32), Vec<u32>>,
    is_suppressed: bool,
}

/// Claims the e-mail of a business that has been due for longest, and makes it ready. One that would go out
/// beyond the limit of its business is left as it is.
pub(super) async fn next(
    ctx: &Context,
    mail: &Mail,
    business_id: BusinessId,
) -> Result<Claimed, ServiceError> {
    // Before the transaction: the first time, this takes longer than others should wait for the database.
    mail.templates.current()?;
    let txn = ctx.db.begin().await?;
    let Some(email) = emails::lock_due(&txn, business_id, ctx.clock.now()).await? else {
        txn.rollback().await?;
        return Ok(Claimed::Nothing);
    };
    let (key, kind) = ((email.business_id, email.id, email.fence), email.kind);
    match prepare(ctx, &txn, mail, email).await {
        Ok(claimed) => {
            let is_sent = matches!(claimed, Claimed::ToSend(_));
            if is_sent && !has_room(ctx, &txn, mail, business_id).await? {
                txn.rollback().await?;
                return Ok(Claimed::Nothing);
            }
            txn.commit().await?;
            Ok(claimed)
        }
        Err(error @ ServiceError::Broken(StoreError::Corrupt { .. })) => {
            txn.rollback().await?;
            let email_id = key.1;
            tracing::error!(%email_id, %error, "{email_id} cannot be made ready: {error}");
            give_up(ctx, key).await?;
            Ok(Claimed::Ended(kind, Marked::Failed))
        }
        Err(error) => {
            txn.rollback().await?;
            Err(error)
        }
    }
}

/// Counts one more e-mail of the business, if its limit lets it go out now.
async fn has_room(
    ctx: &Context,
    txn: &DatabaseTransaction,
    mail: &Mail,
    business_id: BusinessId,
) -> Result<bool, ServiceError> {
    let Some(per_minute_max) = mail.settings.rates.business_max else {
        return Ok(true);
    };
    let mut sent = mail_rates::lock(txn, business_id).await?;
    let has_room = sent.take(ctx.clock.now(), per_minute_max);
    if has_room {
        mail_rates::update(txn, business_id, &sent).await?;
    }
    Ok(has_room)
}

/// Ends an e-mail that cannot be made ready, so that it holds up no other.
async fn give_up(
    ctx: &Context,
    (business_id, email_id, fence): (BusinessId, EmailId, i64),
) -> Result<(), ServiceError> {
    let txn = ctx.db.begin().await?;
    let locked = emails::lock_claimed(&txn, business_id, email_id, fence).await?;
    if let Some(mut email) = locked {
        email.finish(EmailState::Failed, Some(DAMAGED), ctx.clock.now());
        emails::update(&txn, &email).await?;
    }
    Ok(txn.commit().await?)
}

async fn prepare(
    ctx: &Context,
    txn: &DatabaseTransaction,
    mail: &Mail,
    mut email: Email,
) -> Result<Claimed, ServiceError> {
    let now = ctx.clock.now();
    let last = match email.fence {
        // It was never claimed.
        0 => None,
        _ => email_attempts::last(txn, email.business_id, email.id).await?,
    };
    if let Some(marked) = end_broken_off(txn, &mut email, last.as_ref(), now).await? {
        return Ok(Claimed::Ended(email.kind, marked));
    }
    if email.is_test {
        return prepare_test(txn, mail, email, last.as_ref(), now).await;
    }
    let facts = facts(txn, &email, now).await?;
    let dropped = facts.dropped();
    if dropped.len() == facts.notices.len() {
        notices::drop_with_reason(txn, email.business_id, &dropped).await?;
        email.finish(EmailState::Cancelled, Some(reason(&dropped)), now);
        emails::update(txn, &email).await?;
        return Ok(Claimed::Ended(email.kind, Marked::Cancelled));
    }
    let goes_out_at = facts.goes_out_at(&email, &dropped);
    if goes_out_at > now {
        email.postpone(goes_out_at);
        emails::update(txn, &email).await?;
        return Ok(Claimed::Ended(email.kind, Marked::Postponed));
    }
    if email.text.is_none() {
        // Once fixed, a text says what it says; only then does leaving a notice out still mean something.
        notices::drop_with_reason(txn, email.business_id, &dropped).await?;
        let left_out: HashSet<NoticeId> = dropped.iter().map(|(id, _)| *id).collect();
        match compose::text(txn, mail, &email, &facts, &left_out).await? {
            Ok(text) => email.text = Some(text),
            Err(reason) => return fail(txn, email, reason, now).await,
        }
        emails::update_text(txn, &email).await?;
    }
    hand_over(txn, mail, email, last.as_ref(), now).await
}

/// Makes a trial ready, whose text is fixed and which tells nobody's facts.
async fn prepare_test(
    txn: &DatabaseTransaction,
    mail: &Mail,
    mut email: Email,
    last: Option<&Attempt>,
    now: DateTime<Utc>,
) -> Result<Claimed, ServiceError> {
    let business_id = email.business_id;
    let business = businesses::get(txn, business_id).await?;
    let address = email.text.as_ref().map(|text| text.to_address.as_str());
    let is_suppressed = match address {
        Some(address) => suppressions::contains(txn, business_id, address).await?,
        None => false,
    };
    let dropped = if !business.is_some_and(|business| business.feature_enabled) {
        Some(DropReason::FeatureOff)
    } else if is_suppressed {
        Some(DropReason::Suppressed)
    } else {
        None
    };
    if let Some(reason) = dropped {
        email.finish(EmailState::Cancelled, Some(reason.as_str()), now);
        emails::update(txn, &email).await?;
        return Ok(Claimed::Ended(email.kind, Marked::Cancelled));
    }
    hand_over(txn, mail, email, last, now).await
}

/// Claims an e-mail whose text is fixed, and writes the attempt down.
async fn hand_over(
    txn: &DatabaseTransaction,
    mail: &Mail,
    mut email: Email,
    last: Option<&Attempt>,
    now: DateTime<Utc>,
) -> Result<Claimed, ServiceError> {
    let message = match compose::message(&email) {
        Ok(message) => message,
        Err(reason) => return fail(txn, email, reason, now).await,
    };
    let number = last.map_or(1, |attempt| attempt.number.saturating_add(1));
    email.state = EmailState::Sending;
    email.fence = email.fence.saturating_add(1);
    email.lease_until = now.checked_add_signed(mail.lease());
    emails::update(txn, &email).await?;
    email_attempts::begin(txn, email.business_id, email.id, number, now).await?;
    Ok(Claimed::ToSend(Box::new(Claim {
        business_id: email.business_id,
        email_id: email.id,
        kind: email.kind,
        fence: email.fence,
        number,
        to_address: email.text.map(|text| text.to_address).unwrap_or_default(),
        message,
    })))
}

/// Counts an attempt whose process ended; says so if the e-mail is given up with it, and otherwise it
/// is tried again at once.
async fn end_broken_off(
    txn: &DatabaseTransaction,
    email: &mut Email,
    last: Option<&Attempt>,
    now: DateTime<Utc>,
) -> Result<Option<Marked>, ServiceError> {
    let Some(last) = last.filter(|last| last.outcome.is_none()) else {
        return Ok(None);
    };
    let attempt = Attempt {
        finished_at: Some(now),
        outcome: Some(AttemptOutcome::Unknown),
        detail: BROKEN_OFF.to_owned(),
        ..last.clone()
    };
    email_attempts::finish(txn, email.business_id, email.id, &attempt).await?;
    let marked = mark::retry_broken_off(email, now);
    emails::update(txn, email).await?;
    Ok((marked == Marked::Failed).then_some(marked))
}

async fn fail(
    txn: &DatabaseTransaction,
    mut email: Email,
    reason: &'static str,
    now: DateTime<Utc>,
) -> Result<Claimed, ServiceError> {
    email.finish(EmailState::Failed, Some(reason), now);
    emails::update(txn, &email).await?;
    Ok(Claimed::Ended(email.kind, Marked::Failed))
}

async fn facts(
    txn: &DatabaseTransaction,
    email: &Email,
    now: DateTime<Utc>,
) -> Result<Facts, ServiceError> {
    let business_id = email.business_id;
    let damaged = || StoreError::corrupt("emails", email.id);
    let business = businesses::get(txn, business_id)
        .await?
        .ok_or_else(damaged)?;
    let customer_id = email.customer_id.ok_or_else(damaged)?;
    let contact = customers::get(txn, business_id, customer_id).await?;
    let contact = contact.ok_or_else(damaged)?;
    let fixed = email.text.as_ref().map(|text| text.to_address.as_str());
    let is_suppressed = match fixed.or(contact.email.as_deref()) {
        Some(address) => suppressions::contains(txn, business_id, address).await?,
        None => false,
    };
    let mut of_email = notices::of_emails(txn, business_id, &[email.id]).await?;
    let mut notices = of_email.remove(&email.id).unwrap_or_default();
    notices.retain(|notice| notice.dropped.is_none());
    let mut ids: Vec<PackageId> = notices.iter().map(|notice| notice.package_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let found = packages::by_ids(txn, business_id, &ids).await?;
    let lots = lots::of_packages(txn, business_id, &ids).await?;
    let due = holds::due_in(txn, business_id, &lots, now).await?;
    let lots = settle::as_of(&lots, &due, now);
    Ok(Facts {
        leads: template_versions::reminder_leads(txn, business_id).await?,
        packages: found
            .into_iter()
            .map(|package| (package.id, package.as_of(&lots)))
            .collect(),
        lots,
        business,
        contact,
        notices,
        now,
        is_suppressed,
    })
}

impl Facts {
    /// The lots of a package.
    fn lots_of(&self, package_id: PackageId) -> Vec<Lot> {
        let of_package = |lot: &&Lot| lot.package_id == package_id;
        self.lots.iter().filter(of_package).cloned().collect()
    }

    /// The notices that do not hold any more, and why.
    fn dropped(&self) -> Vec<(NoticeId, DropReason)> {
        self.notices
            .iter()
            .filter_map(|notice| Some((notice.id, self.check(notice).err()?)))
            .collect()
    }

    /// When the e-mail goes out, as far as quiet hours have a say in it: now, if something that holds would
    /// not hold any more at their end, or the days that a fixed text counts would be wrong by then.
    fn goes_out_at(&self, email: &Email, dropped: &[(NoticeId, DropReason)]) -> DateTime<Utc> {
        let (policy, zone) = (&self.business.reminder_policy, self.business.zone);
        policy.goes_out_at(self.now, zone, |end| {
            let counts_days = email.kind == NoticeKind::Expiring && email.text.is_some();
            let is_other_day =
                calendar::local_day(end, zone) != calendar::local_day(self.now, zone);
            let mut holding = self.notices.iter();
            !(counts_days && is_other_day)
                && holding.all(|notice| {
                    let is_dropped = dropped.iter().any(|(id, _)| *id == notice.id);
                    is_dropped || self.is_true_at(notice, end).is_ok()
                })
        })
    }

    fn check(&self, notice: &Notice) -> Result<(), DropReason> {
        let recipient = Recipient {
            is_erased: self.contact.erased_at.is_some(),
            is_active: self.contact.active,
            has_address: self.contact.email.is_some(),
            is_suppressed: self.is_suppressed,
            is_unsubscribed: self.contact.unsubscribed_at.is_some(),
        };
        let package = self.packages.get(&notice.package_id);
        let leads = package.map_or(&*self.business.reminder_policy.lead_days, |package| {
            leads_of(package, &self.business, &self.leads)
        });
        may_be_told(notice.kind, &self.business, leads, &recipient)?;
        self.is_true_at(notice, self.now)
    }

    fn is_true_at(&self, notice: &Notice, at: DateTime<Utc>) -> Result<(), DropReason> {
        // A package is never deleted; one that is not there has nothing to be told of.
        let package = self.packages.get(&notice.package_id);
        let package = package.ok_or(DropReason::Revoked)?;
        let policy = &self.business.reminder_policy;
        still_true(notice, package, &self.lots_of(package.id), policy, at)
    }
}

impl Mail {
    /// How long a claim has its e-mail.
    pub(super) fn lease(&self) -> TimeDelta {
        let longest = self.transport.attempt_max();
        let slack = longest.checked_div(LEASE_SLACK_PART).unwrap_or_default();
        let lease = longest.saturating_add(slack.max(LEASE_SLACK_MIN));
        TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX)
    }
}

/// The one reason for which all notices were dropped, if it is one.
fn reason(dropped: &[(NoticeId, DropReason)]) -> &'static str {
    match dropped.first() {
        Some((_, first)) if dropped.iter().all(|(_, reason)| reason == first) => first.as_str(),
        _ => NOTHING_LEFT_TO_TELL,
    }
}
