//! Writes down what came of attempts: for an e-mail only if its claim still stands.
//!
//! Several are marked together where nothing stands in the way. One whose row somebody else holds, whose claim has
//! run out, whose address is to be suppressed or whose text is to be made anew is marked alone, which waits and tries
//! again.
//!
//! A text is fixed from its first attempt on that may have delivered it. Until then the next attempt says what is true
//! by then.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngExt;
use sea_orm::{DatabaseTransaction, DbBackend};
use tracing::Span;

use super::claim::Claim;
use crate::domain::email::{Attempt, AttemptOutcome, Email, EmailState};
use crate::ids::{BusinessId, EmailId};
use crate::mail::transport::Outcome;
use crate::service::{Context, ServiceError};
use crate::store::{email_attempts, emails, notices, suppressions};

/// The longest waits before the next attempts, in seconds; each is drawn from 1 to this (full jitter).
const RETRY_SECONDS: [i64; 6] = [60, 300, 1_800, 7_200, 21_600, 43_200];
/// How often an outcome is written that could not be: not writing it may mean sending twice. With the
/// pauses between, and the wait for a connection in each, this outlasts a failover of several minutes.
const WRITES_MAX: u32 = 60;
/// The longest pause between two of them.
const WRITE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// The longest detail of an attempt, in characters.
const DETAIL_CHARS_MAX: usize = 500;

/// The mail server refused for good.
const REJECTED: &str = "rejected";
/// Every attempt was refused or broke off.
const GAVE_UP: &str = "gave_up";
/// The last attempt may have delivered it.
const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// Why an address is suppressed that a mail server does not know.
const BAD_ADDRESS: &str = "bad_address";

/// What became of an e-mail that was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marked {
    /// The mail server has it.
    Sent,
    /// It is tried again.
    Postponed,
    /// Given up.
    Failed,
    /// Nothing in it was true or wanted any more.
    Cancelled,
    /// The claim had run out and somebody else has it.
    Lost,
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) claim: Claim,
    pub(super) outcome: Outcome,
    /// Until when the transport rests, if it failed.
    pub(super) rests_until: Option<DateTime<Utc>>,
    /// The delivery that it is the end of.
    pub(super) span: Span,
}

impl Done {
    /// Whether nobody can have got what the e-mail says, in this attempt or an earlier one.
    fn is_unheard(&self) -> bool {
        self.claim.is_composed && !self.outcome.may_have_arrived()
    }

    /// Says what was written, once it is committed.
    pub(super) fn tell(&self, marked: Marked) {
        let (email_id, number) = (self.claim.email.id, self.claim.number);
        tracing::info!(%email_id, ?marked, "attempt {number} of {email_id}: {marked:?}");
    }
}

/// Writes the outcomes of attempts in one transaction, and says what became of which claims; leaves out those that
/// are to be marked alone.
pub(super) async fn together(
    ctx: &Context,
    done: &[&Done],
) -> Result<HashMap<(EmailId, i64), Marked>, ServiceError> {
    let now = ctx.clock.now();
    let (mut ended, mut all) = (Vec::new(), HashMap::new());
    let is_alone = |it: &&&Done| it.outcome.suppresses_address() || it.is_unheard();
    for done in done.iter().filter(|it| !is_alone(it)) {
        let mut email = done.claim.email.clone();
        let marked = decide(&mut email, &done.outcome, done.rests_until, now);
        all.insert(done.claim.key(), marked);
        ended.push((email, attempt(done.claim.number, &done.outcome, now)));
    }
    let standing = if ended.is_empty() {
        HashSet::new()
    } else if ctx.db.backend() == DbBackend::Postgres {
        emails::end_claims(ctx.db.batch_writer(), &ended).await?
    } else {
        let txn = ctx.db.begin().await?;
        let standing = emails::end_claims(&txn, &ended).await?;
        txn.commit().await?;
        standing
    };
    all.retain(|key, _| standing.contains(key));
    Ok(all)
}

/// Puts e-mails back that were claimed and not tried, where their claims still stand and nobody holds them: as if they
/// had never been claimed.
pub(super) async fn put_back(
    txn: &DatabaseTransaction,
    claims: &[Claim],
) -> Result<(), ServiceError> {
    let claimed: Vec<&Email> = claims.iter().map(|claim| &claim.email).collect();
    let standing = emails::lock_claims(txn, &claimed).await?;
    let standing = claims.iter().filter(|it| standing.contains(&it.key()));
    let (composed, fixed): (Vec<&Claim>, Vec<&Claim>) = standing.partition(|it| it.is_composed);
    let [unsaid, said] = [&composed, &fixed].map(|claims| {
        let emails = claims.iter().map(|claim| claim.given_back());
        emails.collect::<Vec<Email>>()
    });
    emails::update_with_text(txn, &unsaid.iter().collect::<Vec<_>>()).await?;
    emails::update(txn, &said.iter().collect::<Vec<_>>()).await?;
    for claim in composed.into_iter().chain(fixed) {
        let Email {
            business_id, id, ..
        } = claim.email;
        email_attempts::withdraw(txn, business_id, id, claim.number).await?;
        notices::take_up(txn, business_id, &claim.dropped).await?;
    }
    Ok(())
}

/// Writes the outcome of an attempt by itself; tries again if the database is away or contended.
pub(super) async fn alone(ctx: &Context, done: &Done) -> Result<Marked, ServiceError> {
    let mut writes = 1_u32;
    loop {
        match write(ctx, done).await {
            Ok(marked) => return Ok(marked),
            Err(error) if writes >= WRITES_MAX => return Err(error),
            Err(ServiceError::Unavailable(_) | ServiceError::Contention(_)) => {
                let pause = Duration::from_millis(200).saturating_mul(1 << writes.min(8));
                tokio::time::sleep(pause.min(WRITE_PAUSE_MAX)).await;
                writes = writes.saturating_add(1);
            }
            Err(error) => return Err(error),
        }
    }
}

async fn write(ctx: &Context, done: &Done) -> Result<Marked, ServiceError> {
    let Email {
        business_id,
        id,
        fence,
        ..
    } = done.claim.email;
    let txn = ctx.db.begin_keyed().await?;
    let locked = emails::lock_claimed(&txn, business_id, id, fence).await?;
    let now = ctx.clock.now();
    let is_erased = locked.is_none() && is_erased(&txn, business_id, id).await?;
    let mut attempt = attempt(done.claim.number, &done.outcome, now);
    if is_erased {
        // What the mail server says may name the address.
        attempt.detail.clear();
    }
    let marked = match locked {
        None => {
            // Whoever has it now may have written that nobody knows how this attempt ended, and acted on it.
            email_attempts::finish_open(&txn, business_id, id, &attempt).await?;
            Marked::Lost
        }
        Some(mut email) => {
            email_attempts::finish(&txn, [(business_id, id, &attempt)]).await?;
            let marked = decide(&mut email, &done.outcome, done.rests_until, now);
            if marked == Marked::Postponed && done.is_unheard() {
                email.text = None;
                emails::update_with_text(&txn, &[&email]).await?;
            } else {
                emails::update(&txn, &[&email]).await?;
            }
            marked
        }
    };
    if done.outcome.suppresses_address() && !is_erased {
        let address = &done.claim.to_address;
        suppressions::insert(&txn, business_id, address, BAD_ADDRESS, now).await?;
    }
    txn.commit().await?;
    done.tell(marked);
    Ok(marked)
}

/// Whether the customer of an e-mail was erased while it was on its way.
async fn is_erased(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: EmailId,
) -> Result<bool, ServiceError> {
    let found = emails::get(txn, business_id, id).await?;
    Ok(found.is_some_and(|email| email.is_erased()))
}

/// What the outcome makes of the e-mail.
fn decide(
    email: &mut Email,
    outcome: &Outcome,
    rests_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Marked {
    match outcome {
        Outcome::Accepted { .. } => {
            email.attempts = email.attempts.saturating_add(1);
            email.finish(EmailState::Sent, None, now);
            Marked::Sent
        }
        Outcome::Refused {
            permanent: true, ..
        } => {
            email.attempts = email.attempts.saturating_add(1);
            email.finish(EmailState::Failed, Some(REJECTED), now);
            Marked::Failed
        }
        Outcome::Refused { .. } | Outcome::Interrupted { .. } => retry(email, GAVE_UP, now),
        Outcome::Unknown { .. } => retry(email, OUTCOME_UNKNOWN, now),
        Outcome::NotTried { .. } => {
            email.postpone(rests_until.unwrap_or(now).max(now));
            Marked::Postponed
        }
    }
}

/// Counts an attempt of unknown outcome whose process ended.
pub(super) fn retry_broken_off(email: &mut Email, now: DateTime<Utc>) -> Marked {
    retry(email, OUTCOME_UNKNOWN, now)
}

/// Counts the attempt, and puts the e-mail back or gives it up.
fn retry(email: &mut Email, reason: &str, now: DateTime<Utc>) -> Marked {
    let wait = usize::try_from(email.attempts)
        .ok()
        .and_then(|attempts| RETRY_SECONDS.get(attempts));
    email.attempts = email.attempts.saturating_add(1);
    let Some(seconds_max) = wait else {
        email.finish(EmailState::Failed, Some(reason), now);
        return Marked::Failed;
    };
    // Never at once: the step that was just refused would try it again.
    let seconds = rand::rng().random_range(1..=*seconds_max);
    let due_at = now.checked_add_signed(TimeDelta::seconds(seconds));
    email.postpone(due_at.unwrap_or(now));
    Marked::Postponed
}

/// The attempt as its row tells it.
fn attempt(number: i32, outcome: &Outcome, now: DateTime<Utc>) -> Attempt {
    let (kind, smtp_code, detail) = match outcome {
        Outcome::Accepted { reply } => {
            (AttemptOutcome::Accepted, leading_code(reply), reply.clone())
        }
        Outcome::Refused {
            permanent,
            code,
            reply,
            stage,
            ..
        } => {
            let kind = if *permanent {
                AttemptOutcome::Rejected
            } else {
                AttemptOutcome::Deferred
            };
            (kind, code.map(i32::from), format!("{stage}: {reply}"))
        }
        Outcome::Interrupted { stage, reason } => {
            (AttemptOutcome::Deferred, None, format!("{stage}: {reason}"))
        }
        Outcome::NotTried { stage, reason } => (
            AttemptOutcome::Unreachable,
            leading_code(reason),
            format!("{stage}: {reason}"),
        ),
        Outcome::Unknown { reason } => (AttemptOutcome::Unknown, None, reason.clone()),
    };
    Attempt {
        number,
        started_at: now,
        finished_at: Some(now),
        outcome: Some(kind),
        smtp_code,
        detail: detail.chars().take(DETAIL_CHARS_MAX).collect(),
    }
}

/// The reply code that a text begins with.
fn leading_code(reply: &str) -> Option<i32> {
    let code: i32 = reply.split(' ').next()?.parse().ok()?;
    (200..=599).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notice::NoticeKind;
    use crate::ids::{BusinessId, CustomerId};
    use crate::mail::transport::Stage;

    fn email() -> Email {
        let now = DateTime::UNIX_EPOCH;
        let business_id = BusinessId::generate(now);
        let customer_id = CustomerId::generate(now);
        Email::new(
            business_id,
            customer_id,
            NoticeKind::Expired,
            String::new(),
            now,
        )
    }

    fn refused(permanent: bool) -> Outcome {
        Outcome::Refused {
            permanent,
            stage: Stage::Recipient,
            code: Some(450),
            enhanced: None,
            reply: "450 later".to_owned(),
        }
    }

    #[test]
    fn a_refusal_for_now_is_tried_again_six_times_within_a_day() {
        let mut email = email();
        let mut now = DateTime::UNIX_EPOCH;
        for seconds_max in RETRY_SECONDS {
            assert_eq!(
                decide(&mut email, &refused(false), None, now),
                Marked::Postponed
            );
            assert!(email.due_at > now);
            assert!(email.due_at <= now + TimeDelta::seconds(seconds_max));
            now += TimeDelta::seconds(seconds_max);
        }
        assert!(now - DateTime::UNIX_EPOCH < TimeDelta::days(1));
        assert_eq!(
            decide(&mut email, &refused(false), None, now),
            Marked::Failed
        );
        assert_eq!(email.reason.as_deref(), Some("gave_up"));
        assert_eq!(email.attempts, 7);
    }

    #[test]
    fn a_refusal_for_good_ends_the_email() {
        let mut email = email();
        let marked = decide(&mut email, &refused(true), None, DateTime::UNIX_EPOCH);
        assert_eq!(marked, Marked::Failed);
        assert_eq!(email.reason.as_deref(), Some("rejected"));
        assert_eq!(email.state, EmailState::Failed);
    }

    #[test]
    fn a_failure_before_the_recipient_costs_no_attempt() {
        let mut email = email();
        let now = DateTime::UNIX_EPOCH;
        let outcome = Outcome::NotTried {
            stage: Stage::Connect,
            reason: "refused".to_owned(),
        };
        let until = now + TimeDelta::seconds(10);
        let marked = decide(&mut email, &outcome, Some(until), now);
        assert_eq!(marked, Marked::Postponed);
        assert_eq!((email.attempts, email.due_at), (0, until));
        assert_eq!(email.state, EmailState::Queued);
    }

    #[test]
    fn the_row_of_an_attempt_says_code_and_stage() {
        let row = attempt(2, &refused(false), DateTime::UNIX_EPOCH);
        assert_eq!(row.outcome, Some(AttemptOutcome::Deferred));
        assert_eq!((row.number, row.smtp_code), (2, Some(450)));
        assert_eq!(row.detail, "recipient: 450 later");
        assert_eq!(leading_code("250 2.0.0 queued"), Some(250));
        assert_eq!(leading_code("captured as x.eml"), None);
    }
}
