//! The messages of e-mails and the reminder policy.

use crate::domain::business::LowBalance;
use crate::domain::email::{Attempt, AttemptOutcome, EmailState};
use crate::domain::notice::{Notice, NoticeKind};
use crate::grpc::convert::common::{amount, etag, optional_etag, to_timestamp};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable};
use crate::grpc::page::Page;
use crate::ids::EmailId;
use crate::proto::v1;
use crate::proto::v1::low_balance::Line;
use crate::service::emails::{EmailDetails, EmailList};
use crate::service::reminder_policy::{PolicyUpdate, VersionedPolicy};

/// The most leads of a policy.
const LEADS_MAX: usize = 10;
/// The longest lead, in days.
const LEAD_DAYS_MAX: i32 = 365;
/// The highest line of a low balance, in percent.
const PERCENT_MAX: i32 = 99;
/// The last hour of a day.
const HOUR_MAX: i32 = 23;
/// The most states or kinds of a filter.
const CHOICES_MAX: usize = 10;

/// Which e-mails to list, and which page of them.
pub fn email_list(
    request: &v1::ListEmailsRequest,
    page: &Page<EmailId>,
    faults: &mut Faults,
) -> Option<EmailList> {
    let customer_id = faults.optional_reference("customer_id", &request.customer_id);
    let package_id = faults.optional_reference("package_id", &request.package_id);
    let states = faults
        .count("states", request.states.len(), 0..=CHOICES_MAX)
        .and_then(|()| faults.choices::<v1::EmailState>("states", &request.states));
    let kinds = faults
        .count("kinds", request.kinds.len(), 0..=CHOICES_MAX)
        .and_then(|()| faults.choices::<v1::EmailKind>("kinds", &request.kinds));
    Some(EmailList {
        customer_id: customer_id?,
        package_id: package_id?,
        states: states?.into_iter().filter_map(state).collect(),
        kinds: kinds?.into_iter().filter_map(kind).collect(),
        before: page.after,
        limit: page.limit(),
    })
}

/// What a client can write of the reminder policy.
fn policy_fields(message: &v1::ReminderPolicy) -> [Writable; 9] {
    [
        ("lead_days", !message.lead_days.is_empty()),
        ("local_hour", message.local_hour != 0),
        ("expired_notice", message.expired_notice),
        ("confirmation", message.confirmation),
        ("renewed", message.renewed),
        ("low_balance", message.low_balance.is_some()),
        ("used_up", message.used_up),
        ("extended", message.extended),
        ("hold_timed_out", message.hold_timed_out),
    ]
    .map(|(name, given)| Writable { name, given })
}

/// A reminder policy to be changed.
pub fn policy_update(
    request: &v1::UpdateReminderPolicyRequest,
    faults: &mut Faults,
) -> Option<PolicyUpdate> {
    let message = faults.required("policy", request.policy.as_ref())?;
    let mask = Mask::read(
        request.update_mask.as_ref(),
        &policy_fields(message),
        faults,
    );
    faults.within("policy", |faults| {
        let leads = lead_days(message, faults);
        let hour = faults.number("local_hour", message.local_hour, 0..=HOUR_MAX);
        let low_balance = match &message.low_balance {
            None => Some(None),
            Some(message) => low_balance(message, faults).map(Some),
        };
        let (mask, leads, hour) = (mask?, leads?, u32::try_from(hour?).ok()?);
        let low_balance = low_balance?;
        let chosen = |name, value: bool| mask.has(name).then_some(value);
        Some(PolicyUpdate {
            etag: optional_etag(&message.etag),
            lead_days: mask.has("lead_days").then_some(leads),
            local_hour: mask.has("local_hour").then_some(hour),
            expired_notice: chosen("expired_notice", message.expired_notice),
            confirmation: chosen("confirmation", message.confirmation),
            renewed: chosen("renewed", message.renewed),
            low_balance: mask.has("low_balance").then_some(low_balance),
            used_up: chosen("used_up", message.used_up),
            extended: chosen("extended", message.extended),
            hold_timed_out: chosen("hold_timed_out", message.hold_timed_out),
        })
    })
}

fn low_balance(message: &v1::LowBalance, faults: &mut Faults) -> Option<LowBalance> {
    faults.within("low_balance", |faults| match &message.line {
        Some(Line::Credits(credits)) => amount(faults, "credits", credits).map(LowBalance::Credits),
        Some(Line::Percent(percent)) => {
            let percent = faults.number("percent", *percent, 1..=PERCENT_MAX)?;
            u32::try_from(percent).ok().map(LowBalance::Percent)
        }
        None => {
            faults.add("line", "must be given");
            None
        }
    })
}

fn to_low_balance(line: LowBalance) -> v1::LowBalance {
    let line = match line {
        LowBalance::Credits(credits) => Line::Credits(credits.to_string()),
        LowBalance::Percent(percent) => {
            Line::Percent(i32::try_from(percent).unwrap_or(PERCENT_MAX))
        }
    };
    v1::LowBalance { line: Some(line) }
}

fn lead_days(message: &v1::ReminderPolicy, faults: &mut Faults) -> Option<Vec<u32>> {
    faults.count("lead_days", message.lead_days.len(), 0..=LEADS_MAX)?;
    let mut leads = Vec::new();
    let mut sound = true;
    for (index, days) in message.lead_days.iter().enumerate() {
        let field = format!("lead_days[{index}]");
        let days = faults.number(&field, *days, 0..=LEAD_DAYS_MAX);
        match days.and_then(|days| u32::try_from(days).ok()) {
            Some(days) if leads.contains(&days) => {
                faults.add(&field, "must not be a repeat");
                sound = false;
            }
            Some(days) => leads.push(days),
            None => sound = false,
        }
    }
    sound.then_some(leads)
}

/// A reminder policy as a message.
pub fn to_policy(versioned: &VersionedPolicy) -> v1::ReminderPolicy {
    let policy = &versioned.policy;
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    v1::ReminderPolicy {
        lead_days: policy.lead_days.iter().copied().map(number).collect(),
        local_hour: number(policy.local_hour),
        expired_notice: policy.expired_notice,
        confirmation: policy.confirmation,
        renewed: policy.renewed,
        low_balance: policy.low_balance.map(to_low_balance),
        used_up: policy.used_up,
        extended: policy.extended,
        hold_timed_out: policy.hold_timed_out,
        etag: etag(versioned.version),
    }
}

/// An e-mail as a message, with its text, notices and attempts.
pub fn to_email(details: EmailDetails) -> v1::Email {
    let text = details.email.text.as_ref();
    let plain = text.map(|text| text.plain.clone()).unwrap_or_default();
    let html = text.map(|text| text.html.clone()).unwrap_or_default();
    let notices = details.notices.iter().map(to_notice).collect();
    let attempts = details.attempts.iter().map(to_attempt).collect();
    v1::Email {
        text_body: plain,
        html_body: html,
        notices,
        attempts,
        ..to_listed_email(details)
    }
}

/// An e-mail as a message in a list: without text, notices and attempts.
pub fn to_listed_email(details: EmailDetails) -> v1::Email {
    let email = details.email;
    let mut package_ids: Vec<String> = Vec::new();
    for notice in &details.notices {
        let id = notice.package_id.to_string();
        if !package_ids.contains(&id) {
            package_ids.push(id);
        }
    }
    let is_sent = email.state == EmailState::Sent;
    let is_open = email.finished_at.is_none();
    let text = email.text;
    let (to_email, subject, message_id) = text
        .map(|text| (text.to_address, text.subject, text.message_id))
        .unwrap_or_default();
    v1::Email {
        id: email.id.to_string(),
        kind: to_kind(email.kind).into(),
        customer_id: email
            .customer_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        package_ids,
        local_date: email
            .mail_day
            .map(|day| day.to_string())
            .unwrap_or_default(),
        state: to_state(email.state).into(),
        reason: email.reason.unwrap_or_default(),
        to_email,
        subject,
        message_id,
        text_body: String::new(),
        html_body: String::new(),
        notices: Vec::new(),
        attempts: Vec::new(),
        due_at: to_timestamp(Some(email.due_at).filter(|_| is_open)),
        created_at: Some(timestamp(email.created_at)),
        sent_at: to_timestamp(email.finished_at.filter(|_| is_sent)),
        test: email.is_test,
    }
}

fn to_notice(notice: &Notice) -> v1::Notice {
    v1::Notice {
        id: notice.id.to_string(),
        package_id: notice.package_id.to_string(),
        lead_days: notice.lead_days.unwrap_or_default(),
        dropped_reason: notice
            .dropped
            .map(|reason| reason.as_str().to_owned())
            .unwrap_or_default(),
    }
}

fn to_attempt(attempt: &Attempt) -> v1::EmailAttempt {
    v1::EmailAttempt {
        number: attempt.number,
        started_at: Some(timestamp(attempt.started_at)),
        ended_at: to_timestamp(attempt.finished_at),
        outcome: to_outcome(attempt.outcome).into(),
        smtp_code: attempt.smtp_code.unwrap_or_default(),
        message: attempt.detail.clone(),
    }
}

fn state(message: v1::EmailState) -> Option<EmailState> {
    EmailState::ALL
        .iter()
        .copied()
        .find(|state| to_state(*state) == message)
}

pub(super) fn kind(message: v1::EmailKind) -> Option<NoticeKind> {
    NoticeKind::ALL
        .iter()
        .copied()
        .find(|kind| to_kind(*kind) == message)
}

fn to_state(state: EmailState) -> v1::EmailState {
    match state {
        EmailState::Queued => v1::EmailState::Queued,
        EmailState::Sending => v1::EmailState::Sending,
        EmailState::Sent => v1::EmailState::Sent,
        EmailState::Failed => v1::EmailState::Failed,
        EmailState::Cancelled => v1::EmailState::Cancelled,
    }
}

pub(super) fn to_kind(kind: NoticeKind) -> v1::EmailKind {
    match kind {
        NoticeKind::Confirmation => v1::EmailKind::Confirmation,
        NoticeKind::Expiring => v1::EmailKind::ExpiryReminder,
        NoticeKind::Expired => v1::EmailKind::Expired,
        NoticeKind::LowBalance => v1::EmailKind::LowBalance,
        NoticeKind::UsedUp => v1::EmailKind::UsedUp,
        NoticeKind::Extended => v1::EmailKind::Extended,
        NoticeKind::Renewed => v1::EmailKind::Renewed,
        NoticeKind::HoldTimedOut => v1::EmailKind::HoldTimedOut,
    }
}

fn to_outcome(outcome: Option<AttemptOutcome>) -> v1::AttemptOutcome {
    match outcome {
        None => v1::AttemptOutcome::Unspecified,
        Some(AttemptOutcome::Accepted) => v1::AttemptOutcome::Accepted,
        Some(AttemptOutcome::Deferred) => v1::AttemptOutcome::Deferred,
        Some(AttemptOutcome::Rejected) => v1::AttemptOutcome::Rejected,
        Some(AttemptOutcome::Unreachable) => v1::AttemptOutcome::Unreachable,
        Some(AttemptOutcome::Unknown) => v1::AttemptOutcome::Unknown,
    }
}
