//! Claims e-mails that are due and makes them ready: everything is checked again (G6), the text fixed if it
//! was not, and the attempt on record before its first byte.
//!
//! What is decided of each needs no database: all that it depends on is read before ([`Facts`]), and all that comes
//! of it is written after, for as many e-mails of a business as are claimed together.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DatabaseTransaction;

use super::compose;
use super::facts::{Facts, Told};
use super::mark::{self, Marked};
use crate::domain::email::{Attempt, AttemptOutcome, Email, EmailState};
use crate::domain::notice::{DropReason, NOTHING_LEFT_TO_TELL, NoticeKind};
use crate::ids::{BusinessId, EmailId, NoticeId};
use crate::mail::message::Outgoing;
use crate::mail::reload::Templates;
use crate::service::mailing::MailSettings;
use crate::service::{Context, ServiceError};
use crate::store::error::StoreError;
use crate::store::{email_attempts, emails, mail_rates, notices};

/// The detail of an attempt whose process ended.
const BROKEN_OFF: &str = "the process ended before the outcome was known";
/// A row that the e-mail needs makes no sense.
const DAMAGED: &str = "damaged";

/// What e-mails are made ready with.
#[derive(Clone)]
pub(super) struct Office {
    pub(super) ctx: Context,
    pub(super) settings: MailSettings,
    pub(super) templates: Templates,
    /// How long a claim has its e-mail.
    pub(super) lease: TimeDelta,
}

/// An e-mail that was claimed.
#[derive(Debug)]
pub(super) struct Claim {
    /// As it was claimed, without what it says.
    pub(super) email: Email,
    /// The number of the attempt.
    pub(super) number: i32,
    pub(super) to_address: String,
    /// Whether what it says was fixed with this claim.
    pub(super) is_composed: bool,
    /// The notices that were left out of it then.
    pub(super) dropped: Vec<NoticeId>,
}

impl Claim {
    /// The e-mail, and which claim of it this is.
    pub(super) fn key(&self) -> (EmailId, i64) {
        (self.email.id, self.email.fence)
    }

    /// The e-mail as it is if nobody tries to send it: due as before.
    pub(super) fn given_back(&self) -> Email {
        let mut email = self.email.clone();
        email.postpone(email.due_at);
        email
    }
}

/// What became of an e-mail that was due.
#[derive(Debug)]
pub(super) enum Claimed {
    /// An e-mail of this kind that is not to be sent now.
    Ended(NoticeKind, Marked),
    /// An e-mail to send.
    ToSend(Box<(Claim, Outgoing)>),
}

/// What is to be written of an e-mail.
struct Draft {
    /// As it is from now on.
    email: Email,
    /// Whether what it says was fixed just now.
    is_composed: bool,
    /// The end of an attempt whose process ended.
    broken_off: Option<Attempt>,
    /// The notices that are left out of it, and why.
    dropped: Vec<(NoticeId, DropReason)>,
}

/// What was decided of an e-mail.
struct Decided {
    draft: Draft,
    claimed: Claimed,
}

/// Claims up to `limit` e-mails of a business, those that have been due for longest, and makes them ready. Those
/// that would go out beyond the limit of their business are left as they are.
pub(super) async fn together(
    office: &Office,
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    limit: usize,
) -> Result<Vec<Claimed>, ServiceError> {
    let now = office.ctx.clock.now();
    let locked = emails::lock_due(txn, business_id, now, limit).await?;
    prepare(office, txn, business_id, locked).await
}

/// Claims one e-mail of a business in a transaction of its own. If it cannot be made ready it is given up, so that
/// it holds up no other.
pub(super) async fn alone(
    office: &Office,
    business_id: BusinessId,
) -> Result<Option<Claimed>, ServiceError> {
    let ctx = &office.ctx;
    let txn = ctx.db.begin_keyed().await?;
    let locked = emails::lock_due(&txn, business_id, ctx.clock.now(), 1).await?;
    let Some(first) = locked.first() else {
        txn.rollback().await?;
        return Ok(None);
    };
    let (email_id, fence, kind) = (first.id, first.fence, first.kind);
    match prepare(office, &txn, business_id, locked).await {
        Ok(claimed) if claimed.is_empty() => {
            txn.rollback().await?;
            Ok(None)
        }
        Ok(claimed) => {
            txn.commit().await?;
            Ok(claimed.into_iter().next())
        }
        Err(error @ ServiceError::Broken(StoreError::Corrupt { .. })) => {
            txn.rollback().await?;
            tracing::error!(%email_id, %error, "{email_id} cannot be made ready: {error}");
            let marked = give_up(ctx, (business_id, email_id, fence)).await?;
            Ok(Some(Claimed::Ended(kind, marked)))
        }
        Err(error) => {
            txn.rollback().await?;
            Err(error)
        }
    }
}

/// Ends an e-mail that cannot be made ready, unless another worker that met it was faster.
async fn give_up(
    ctx: &Context,
    (business_id, email_id, fence): (BusinessId, EmailId, i64),
) -> Result<Marked, ServiceError> {
    let txn = ctx.db.begin().await?;
    let locked = emails::lock_claimed(&txn, business_id, email_id, fence).await?;
    let Some(mut email) = locked else {
        txn.rollback().await?;
        return Ok(Marked::Lost);
    };
    email.finish(EmailState::Failed, Some(DAMAGED), ctx.clock.now());
    emails::update(&txn, &[&email]).await?;
    txn.commit().await?;
    Ok(Marked::Failed)
}

async fn prepare(
    office: &Office,
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    locked: Vec<Email>,
) -> Result<Vec<Claimed>, ServiceError> {
    if locked.is_empty() {
        return Ok(Vec::new());
    }
    let now = office.ctx.clock.now();
    let facts = Facts::read(txn, &office.settings, business_id, &locked, now).await?;
    let mut decided = Vec::with_capacity(locked.len());
    for email in locked {
        decided.push(decide(office, &facts, email)?);
        // Those that talk with the mail server meanwhile have their turn.
        tokio::task::yield_now().await;
    }
    keep_limit(office, txn, business_id, &mut decided).await?;
    write(txn, business_id, &decided, now).await?;
    Ok(decided.into_iter().map(|it| it.claimed).collect())
}

/// Counts the e-mails that go out, and leaves out those that the limit of their business does not let go out now.
async fn keep_limit(
    office: &Office,
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    decided: &mut Vec<Decided>,
) -> Result<(), ServiceError> {
    let Some(per_minute_max) = office.settings.rates.business_max else {
        return Ok(());
    };
    if !decided.iter().any(Decided::goes_out) {
        return Ok(());
    }
    let mut sent = mail_rates::lock(txn, business_id).await?;
    let now = office.ctx.clock.now();
    decided.retain(|it| !it.goes_out() || sent.take(now, per_minute_max));
    Ok(mail_rates::update(txn, business_id, &sent).await?)
}

/// Writes what was decided.
async fn write(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    decided: &[Decided],
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let drafts = || decided.iter().map(|it| &it.draft);
    let broken_off =
        drafts().filter_map(|it| Some((business_id, it.email.id, it.broken_off.as_ref()?)));
    email_attempts::finish(txn, broken_off).await?;
    let dropped: Vec<_> = drafts().flat_map(|it| &it.dropped).copied().collect();
    notices::drop_with_reason(txn, business_id, &dropped).await?;
    let (composed, others): (Vec<&Draft>, Vec<&Draft>) = drafts().partition(|it| it.is_composed);
    let [composed, others] = [composed, others].map(|drafts| {
        let emails = drafts.into_iter().map(|it| &it.email);
        emails.collect::<Vec<&Email>>()
    });
    emails::update_with_text(txn, &composed).await?;
    emails::update(txn, &others).await?;
    let begun: Vec<_> = decided.iter().filter_map(Decided::attempt).collect();
    Ok(email_attempts::begin(txn, business_id, &begun, now).await?)
}

/// What becomes of a locked e-mail.
fn decide(office: &Office, facts: &Facts, email: Email) -> Result<Decided, ServiceError> {
    let mut draft = Draft {
        email,
        is_composed: false,
        broken_off: None,
        dropped: Vec::new(),
    };
    if draft.end_broken_off(facts) == Some(Marked::Failed) {
        return Ok(draft.ended(Marked::Failed));
    }
    if draft.email.is_test {
        return Ok(match facts.check_test(&draft.email) {
            Ok(()) => draft.hand_over(office, facts),
            Err(reason) => draft.cancel(reason.as_str(), facts.now),
        });
    }
    let told = facts.of(&draft.email)?;
    let dropped = told.dropped();
    if dropped.len() == told.notices.len() {
        let reason = reason(&dropped);
        draft.dropped = dropped;
        return Ok(draft.cancel(reason, facts.now));
    }
    let goes_out_at = told.goes_out_at(&draft.email, &dropped);
    if goes_out_at > facts.now {
        draft.email.postpone(goes_out_at);
        return Ok(draft.ended(Marked::Postponed));
    }
    if draft.email.text.is_none()
        && let Err(reason) = draft.compose(office, &told, dropped)?
    {
        return Ok(draft.fail(reason, facts.now));
    }
    Ok(draft.hand_over(office, facts))
}

impl Draft {
    /// Counts an attempt whose process ended; says what becomes of the e-mail, which is given up with it or tried
    /// again at once.
    fn end_broken_off(&mut self, facts: &Facts) -> Option<Marked> {
        let last = facts.last_attempt(&self.email);
        let last = last.filter(|last| last.outcome.is_none())?;
        self.broken_off = Some(Attempt {
            finished_at: Some(facts.now),
            outcome: Some(AttemptOutcome::Unknown),
            detail: BROKEN_OFF.to_owned(),
            ..last.clone()
        });
        Some(mark::retry_broken_off(&mut self.email, facts.now))
    }

    /// Fixes what the e-mail says. Once that is done it says what it says; only until then does leaving a notice
    /// out mean something.
    fn compose(
        &mut self,
        office: &Office,
        told: &Told<'_>,
        dropped: Vec<(NoticeId, DropReason)>,
    ) -> Result<Result<(), &'static str>, ServiceError> {
        let left_out: HashSet<NoticeId> = dropped.iter().map(|(id, _)| *id).collect();
        self.dropped = dropped;
        let text = compose::text(office, &self.email, told, &left_out)?;
        Ok(text.map(|text| {
            self.email.text = Some(text);
            self.is_composed = true;
        }))
    }

    /// Claims an e-mail whose text is fixed.
    fn hand_over(mut self, office: &Office, facts: &Facts) -> Decided {
        let message = match compose::message(&self.email) {
            Ok(message) => message,
            Err(reason) => return self.fail(reason, facts.now),
        };
        let last = facts.last_attempt(&self.email);
        let number = last.map_or(1, |attempt| attempt.number.saturating_add(1));
        let email = &mut self.email;
        email.state = EmailState::Sending;
        email.fence = email.fence.saturating_add(1);
        email.lease_until = facts.now.checked_add_signed(office.lease);
        let text = email.text.as_ref();
        let claim = Claim {
            number,
            to_address: text.map(|text| text.to_address.clone()).unwrap_or_default(),
            email: email.without_text(),
            is_composed: self.is_composed,
            dropped: self.dropped.iter().map(|(id, _)| *id).collect(),
        };
        Decided {
            draft: self,
            claimed: Claimed::ToSend(Box::new((claim, message))),
        }
    }

    fn cancel(mut self, reason: &str, now: DateTime<Utc>) -> Decided {
        self.email.finish(EmailState::Cancelled, Some(reason), now);
        self.ended(Marked::Cancelled)
    }

    fn fail(mut self, reason: &str, now: DateTime<Utc>) -> Decided {
        self.email.finish(EmailState::Failed, Some(reason), now);
        self.ended(Marked::Failed)
    }

    fn ended(self, marked: Marked) -> Decided {
        Decided {
            claimed: Claimed::Ended(self.email.kind, marked),
            draft: self,
        }
    }
}

impl Decided {
    fn goes_out(&self) -> bool {
        self.attempt().is_some()
    }

    /// The attempt that begins, if it is to be sent.
    fn attempt(&self) -> Option<(EmailId, i32)> {
        match &self.claimed {
            Claimed::ToSend(to_send) => Some((self.draft.email.id, to_send.0.number)),
            Claimed::Ended(..) => None,
        }
    }
}

/// The one reason for which all notices were dropped, if it is one.
fn reason(dropped: &[(NoticeId, DropReason)]) -> &'static str {
    match dropped.first() {
        Some((_, first)) if dropped.iter().all(|(_, reason)| reason == first) => first.as_str(),
        _ => NOTHING_LEFT_TO_TELL,
    }
}
