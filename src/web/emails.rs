//! The pages with e-mails, for trying out.

use std::fmt::Write;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::html::{document, escape, facts};
use super::{PAGE_POLICY, page};
use crate::domain::email::{Attempt, Email, Text};
use crate::domain::notice::{Notice, NoticeKind};
use crate::domain::refusal::Refusal;
use crate::ids::EmailId;
use crate::service::emails::{self, ShownEmail};
use crate::service::{Context, ServiceError};

/// The most e-mails on the list.
const EMAILS_MAX: u64 = 200;

/// What the HTML part of an e-mail may do in its frame: have styles and show pictures.
const PART_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; \
     img-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// Leads to the list.
pub(super) async fn to_list() -> Redirect {
    Redirect::to("/emails")
}

/// The newest e-mails, whatever became of them.
pub(super) async fn list(State(ctx): State<Context>) -> Response {
    match emails::newest(&ctx, EMAILS_MAX).await {
        Ok(found) => page(StatusCode::OK, PAGE_POLICY, list_page(&found)),
        Err(error) => failure(&error),
    }
}

/// One e-mail: its head, both parts, what it tells and the attempts to send it.
pub(super) async fn one(State(ctx): State<Context>, Path(id): Path<String>) -> Response {
    match find(&ctx, &id).await {
        Ok(shown) => page(StatusCode::OK, PAGE_POLICY, email_page(&shown)),
        Err(response) => response,
    }
}

/// The HTML part alone, for the frame.
pub(super) async fn html_part(State(ctx): State<Context>, Path(id): Path<String>) -> Response {
    match find(&ctx, &id).await {
        Ok(shown) => {
            let html = shown.details.email.text.map(|text| text.html);
            page(StatusCode::OK, PART_POLICY, html.unwrap_or_default())
        }
        Err(response) => response,
    }
}

async fn find(ctx: &Context, id: &str) -> Result<ShownEmail, Response> {
    let id: EmailId = id.parse().map_err(|_| not_found())?;
    emails::shown(ctx, id)
        .await
        .map_err(|error| failure(&error))
}

fn not_found() -> Response {
    let body = "<h1>There is no such e-mail</h1><p><a href=\"/emails\">All e-mails</a></p>";
    page(
        StatusCode::NOT_FOUND,
        PAGE_POLICY,
        document("Not found", body),
    )
}

fn failure(error: &ServiceError) -> Response {
    if matches!(error, ServiceError::Refused(Refusal::NotFound { .. })) {
        return not_found();
    }
    tracing::error!(%error, "an e-mail page failed: {error}");
    let body = "<h1>The e-mails cannot be read now</h1><p>The server's log says why.</p>";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    page(status, PAGE_POLICY, document("Not available", body))
}

fn list_page(found: &[ShownEmail]) -> String {
    if found.is_empty() {
        let body = "<h1>No e-mails yet</h1><p class=\"quiet\">Sell a package, or wait for the hour \
                    at which reminders go out.</p>";
        return document("E-mails", body);
    }
    let mut body = "<h1>E-mails</h1><ul class=\"list\">".to_owned();
    for shown in found {
        let email = &shown.details.email;
        // Writing into a String cannot fail.
        let _ = write!(
            body,
            "<li><a href=\"/emails/{}\"><span class=\"line\"><strong>{}</strong>{}</span>\
             <span class=\"small\">{} · {} · {}</span></a></li>",
            email.id,
            escape(&title(email)),
            state(email),
            escape(&recipient(shown)),
            escape(&shown.business.name),
            moment(email.created_at, shown.business.zone),
        );
    }
    body.push_str("</ul>");
    document("E-mails", &body)
}

fn email_page(shown: &ShownEmail) -> String {
    let email = &shown.details.email;
    let title = title(email);
    let mut body = format!(
        "<p class=\"small\"><a href=\"/emails\">All e-mails</a></p>\
         <div class=\"line\"><h1>{}</h1>{}</div><div class=\"card\">{}</div>",
        escape(&title),
        state(email),
        head(shown),
    );
    if let Some(text) = &email.text {
        let _ = write!(
            body,
            "<h2>HTML part</h2><iframe src=\"/emails/{}/html\" sandbox title=\"HTML part\">\
             </iframe><h2>Text part</h2><pre>{}</pre>",
            email.id,
            escape(&text.plain),
        );
    }
    body.push_str("<h2>What it tells</h2>");
    body.push_str(&notices(&shown.details.notices));
    body.push_str("<h2>Delivery</h2>");
    body.push_str(&attempts(&shown.details.attempts, shown.business.zone));
    document(&title, &body)
}

fn head(shown: &ShownEmail) -> String {
    let email = &shown.details.email;
    let zone = shown.business.zone;
    let is_open = email.finished_at.is_none();
    let of_text = |read: fn(&Text) -> String| email.text.as_ref().map(read).unwrap_or_default();
    let of = |at: Option<DateTime<Utc>>| at.map(|at| moment(at, zone)).unwrap_or_default();
    facts(&[
        ("From", of_text(sender)),
        ("To", recipient(shown)),
        (
            "Reply-To",
            of_text(|text| text.envelope.reply_to.clone().unwrap_or_default()),
        ),
        ("Date", of(email.text.as_ref().map(|text| text.rendered_at))),
        ("Message-ID", of_text(|text| text.message_id.clone())),
        ("Business", shown.business.name.clone()),
        (
            "For the day",
            email
                .mail_day
                .map(|day| day.to_string())
                .unwrap_or_default(),
        ),
        ("Queued", moment(email.created_at, zone)),
        ("Due", of(Some(email.due_at).filter(|_| is_open))),
        ("Finished", of(email.finished_at)),
        ("Reason", email.reason.clone().unwrap_or_default()),
        ("Id", email.id.to_string()),
    ])
}

fn notices(notices: &[Notice]) -> String {
    let mut rows = String::new();
    for notice in notices {
        let lead = notice.lead_days.map(|days| format!("{days} days before"));
        let dropped = notice
            .dropped
            .map(|reason| format!("left out: {}", reason.as_str()));
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            notice.package_id,
            escape(&lead.unwrap_or_else(|| notice.kind.as_str().to_owned())),
            escape(&dropped.unwrap_or_default()),
        );
    }
    table(&["Package", "Cause", ""], &rows)
}

fn attempts(attempts: &[Attempt], zone: Tz) -> String {
    if attempts.is_empty() {
        return "<p class=\"quiet\">No attempt yet.</p>".to_owned();
    }
    let mut rows = String::new();
    for attempt in attempts {
        let outcome = attempt
            .outcome
            .map_or("under way", |outcome| outcome.as_str());
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            attempt.number,
            moment(attempt.started_at, zone),
            escape(outcome),
            escape(&attempt.detail),
        );
    }
    table(&["No.", "Begun", "Outcome", "Answer"], &rows)
}

fn table(names: &[&str], rows: &str) -> String {
    let mut head = String::new();
    for name in names {
        let _ = write!(head, "<th>{}</th>", escape(name));
    }
    format!("<div class=\"card scroll\"><table><tr>{head}</tr>{rows}</table></div>")
}

fn state(email: &Email) -> String {
    let state = email.state.as_str();
    let reason = email
        .reason
        .as_deref()
        .map(|reason| format!(": {}", escape(reason)))
        .unwrap_or_default();
    format!("<span class=\"state {state}\">{state}{reason}</span>")
}

fn title(email: &Email) -> String {
    let subject = email.text.as_ref().map(|text| text.subject.clone());
    subject.unwrap_or_else(|| {
        match email.kind {
            NoticeKind::Confirmation => "Confirmation",
            NoticeKind::Expiring => "About to expire",
            NoticeKind::Expired => "Expired",
            NoticeKind::LowBalance => "Little left",
            NoticeKind::UsedUp => "Used up",
            NoticeKind::Extended => "Extended",
            NoticeKind::Renewed => "Renewed",
            NoticeKind::HoldTimedOut => "Free again",
        }
        .to_owned()
    })
}

fn sender(text: &Text) -> String {
    format!("{} <{}>", text.envelope.from_name, text.envelope.from_email)
}

fn recipient(shown: &ShownEmail) -> String {
    match &shown.details.email.text {
        Some(text) => format!("{} <{}>", text.envelope.to_name, text.to_address),
        None => shown.customer_name.clone(),
    }
}

fn moment(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone)
        .format("%-d %b %Y, %H:%M")
        .to_string()
}
