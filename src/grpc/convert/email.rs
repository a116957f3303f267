//! The messages of e-mails, sent and to come.

use crate::domain::email::{Attempt, AttemptOutcome, EmailState};
use crate::domain::notice::{Notice, NoticeKind};
use crate::grpc::convert::common::to_timestamp;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::ids::EmailId;
use crate::proto::v1;
use crate::service::emails::{EmailDetails, EmailList};
use crate::service::upcoming::{Place, Upcoming, UpcomingList};

/// How far a look ahead goes if the client does not say, in days.
const AHEAD_DAYS_DEFAULT: i32 = 30;
/// The furthest that a look ahead goes, in days.
const AHEAD_DAYS_MAX: i32 = 90;
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
    let kinds = kinds("kinds", &request.kinds, faults);
    Some(EmailList {
        customer_id: customer_id?,
        package_id: package_id?,
        states: states?.into_iter().filter_map(state).collect(),
        kinds: kinds?,
        before: page.after,
        limit: page.limit(),
    })
}

/// How far to look ahead, and which page of it.
pub fn upcoming_list(
    request: &v1::ListUpcomingRequest,
    faults: &mut Faults,
) -> Option<(UpcomingList, Page<Place>)> {
    let days = match request.days {
        0 => Some(AHEAD_DAYS_DEFAULT),
        asked => faults.number("days", asked, 1..=AHEAD_DAYS_MAX),
    };
    let page = Page::read(request, faults)?;
    let input = UpcomingList {
        days: u32::try_from(days?).ok()?,
        from: page.after.clone(),
        limit: usize::from(page.size),
    };
    Some((input, page))
}

/// What would be told as a message.
pub fn to_upcoming(upcoming: Upcoming) -> v1::UpcomingNotice {
    v1::UpcomingNotice {
        kind: to_kind(upcoming.kind).into(),
        package_id: upcoming.package_id.to_string(),
        package_name: upcoming.package_name,
        customer_id: upcoming.customer_id.to_string(),
        customer_name: upcoming.customer_name,
        to_email: upcoming.to_email.unwrap_or_default(),
        lead_days: upcoming.lead_days.unwrap_or_default(),
        send_at: Some(timestamp(upcoming.send_at)),
        withheld_reason: upcoming
            .withheld
            .map(|reason| reason.as_str().to_owned())
            .unwrap_or_default(),
        email_id: upcoming
            .email_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
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

/// Kinds of e-mails, each of them known; may be empty.
pub(super) fn kinds(field: &str, numbers: &[i32], faults: &mut Faults) -> Option<Vec<NoticeKind>> {
    faults.count(field, numbers.len(), 0..=CHOICES_MAX)?;
    let kinds = faults.choices::<v1::EmailKind>(field, numbers)?;
    Some(kinds.into_iter().filter_map(kind).collect())
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

/// A kind of e-mail as a message.
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
