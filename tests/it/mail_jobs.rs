//! The jobs on both databases: what is due is told once, and what is not true any more is not told.

mod fixture;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use carnet::config::{RetentionSettings, TimeOfDay};
use carnet::domain::email::{AttemptOutcome, EmailState};
use carnet::domain::notice::NoticeKind;
use carnet::jobs::schedule::Scheduler;
use carnet::jobs::{mail_day, settle};
use carnet::store::{email_attempts, emails, mail_days, notices};
use carnet::web::{self, EmailPages, WebOptions};
use chrono::TimeDelta;
use http_body_util::BodyExt;
use rstest::rstest;
use tower::ServiceExt;

use fixture::{Backend, Fixture, instant};

/// For so long that nothing of a test is over.
const KEEP: RetentionSettings = RetentionSettings {
    keep_answers_days: 3_650,
    keep_email_texts_days: 3_650,
    keep_audit_days: 3_650,
};
/// The morning on which seven days are left of what can be used through 10 January.
const SEVEN_DAYS_BEFORE: &str = "2026-01-03T07:00:00Z";

#[rstest]
#[tokio::test]
async fn packages_of_one_customer_are_one_email_and_are_told_once(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let fixture = Fixture::new(backend, "2025-10-01T09:00:00Z").await;
    let customer = fixture.customer("Mari", Some("mari@example.com")).await;
    let first = fixture.package(customer, "2026-01-10").await;
    let second = fixture.package(customer, "2026-01-10").await;
    fixture.clock().set(instant("2026-01-02T07:00:00Z"));
    assert_eq!(mail_day::step(&fixture.ctx).await.unwrap().runs, 1);
    fixture.clock().set(instant("2026-01-03T06:59:59Z"));
    assert_eq!(mail_day::step(&fixture.ctx).await.unwrap().runs, 0);
    fixture.clock().set(instant(SEVEN_DAYS_BEFORE));
    let report = mail_day::step(&fixture.ctx).await.unwrap();
    assert_eq!((report.runs, report.told, report.emails), (1, 2, 1));
    assert_eq!(mail_day::step(&fixture.ctx).await.unwrap().runs, 0);

    let mut deliverer = fixture.capture();
    assert_eq!(deliverer.step().await.unwrap().sent, 1);
    assert_eq!(deliverer.step().await.unwrap().sent, 0);
    let sent = fixture.emails().await;
    let [email] = sent.as_slice() else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (email.kind, email.state),
        (NoticeKind::Expiring, EmailState::Sent)
    );
    let text = email.text.as_ref().unwrap();
    assert_eq!(text.to_address, "mari@example.com");
    assert!(text.plain.contains("10 January"), "{}", text.plain);
    assert_eq!(fixture.captured().len(), 1);
    for package in [first, second] {
        let filter = emails::Filter {
            package_id: Some(package),
            states: vec![EmailState::Sent],
            kinds: vec![NoticeKind::Expiring],
            ..emails::Filter::default()
        };
        let reader = fixture.ctx.db.reader();
        let found = emails::list(reader, fixture.business_id, &filter, None, 9).await;
        assert_eq!(found.unwrap().len(), 1);
    }
    fixture.end().await;
}

#[rstest]
#[tokio::test]
async fn what_is_not_true_any_more_is_left_out_with_the_reason(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let fixture = Fixture::new(backend, "2025-10-01T09:00:00Z").await;
    let customer = fixture.customer("Mari", Some("mari@example.com")).await;
    let alone = fixture.customer("Juhan", Some("juhan@example.com")).await;
    let nowhere = fixture.customer("Liis", None).await;
    let extended = fixture.package(customer, "2026-01-10").await;
    fixture.package(customer, "2026-01-10").await;
    let only = fixture.package(alone, "2026-01-10").await;
    fixture.package(nowhere, "2026-01-10").await;
    fixture.clock().set(instant(SEVEN_DAYS_BEFORE));
    assert_eq!(mail_day::step(&fixture.ctx).await.unwrap().emails, 3);
    fixture.extend(extended, "2026-03-10").await;
    fixture.extend(only, "2026-03-10").await;
    let delivered = fixture.capture().step().await.unwrap();
    assert_eq!((delivered.sent, delivered.cancelled), (1, 2));
    let ended = fixture.emails().await;
    let mut reasons: Vec<_> = ended
        .iter()
        .filter_map(|email| email.reason.as_deref())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["extended", "no_address"]);
    let reader = fixture.ctx.db.reader();
    let told = notices::of_packages(reader, fixture.business_id, &[extended]).await;
    assert_eq!(told.unwrap()[0].dropped.unwrap().as_str(), "extended");
    // Reminded of nothing, so the new leads are armed.
    fixture.clock().set(instant("2026-03-03T08:00:00Z"));
    let report = mail_day::step(&fixture.ctx).await.unwrap();
    assert_eq!(report.told, 2);
    fixture.end().await;
}

#[rstest]
#[tokio::test]
async fn an_expired_package_is_told_of_once_whether_or_not_the_ledger_says_so(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let fixture = Fixture::new(backend, "2025-10-01T09:00:00Z").await;
    let customer = fixture.customer("Mari", Some("mari@example.com")).await;
    fixture.package(customer, "2026-01-10").await;
    fixture.clock().set(instant("2026-01-10T08:00:00Z"));
    mail_day::step(&fixture.ctx).await.unwrap();
    fixture.clock().set(instant("2026-01-11T07:00:00Z"));
    let report = mail_day::step(&fixture.ctx).await.unwrap();
    assert_eq!((report.told, report.emails), (1, 1));
    assert_eq!(fixture.capture().step().await.unwrap().sent, 1);
    assert_eq!(settle::step(&fixture.ctx).await.unwrap().lots, 1);
    assert_eq!(settle::step(&fixture.ctx).await.unwrap().lots, 0);
    fixture.clock().set(instant("2026-01-12T07:00:00Z"));
    assert_eq!(mail_day::step(&fixture.ctx).await.unwrap().told, 0);
    fixture.end().await;
}

#[rstest]
#[tokio::test]
async fn a_run_that_broke_off_is_taken_over_by_the_next_day_with_its_emails(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let fixture = Fixture::new(backend, "2025-10-01T09:00:00Z").await;
    let customer = fixture.customer("Mari", Some("mari@example.com")).await;
    fixture.package(customer, "2026-01-10").await;
    fixture.clock().set(instant("2026-01-02T07:00:00Z"));
    mail_day::step(&fixture.ctx).await.unwrap();
    fixture.clock().set(instant(SEVEN_DAYS_BEFORE));
    mail_day::step(&fixture.ctx).await.unwrap();
    fixture.unfinish("2026-01-03").await;
    assert_eq!(fixture.capture().step().await.unwrap().sent, 0);
    // Another package falls due on the next day, so that both are one e-mail.
    fixture
        .package_sold_at(customer, "2026-01-11", "2025-10-01T09:00:00Z")
        .await;
    fixture.clock().set(instant("2026-01-04T07:00:00Z"));
    let report = mail_day::step(&fixture.ctx).await.unwrap();
    assert_eq!((report.runs, report.told, report.emails), (1, 1, 0));
    assert_eq!(fixture.capture().step().await.unwrap().sent, 1);
    let sent = fixture.emails().await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].occasion, "2026-01-04");
    let reader = fixture.ctx.db.reader();
    let last = mail_days::last_done(reader, fixture.business_id).await;
    assert_eq!(last.unwrap(), Some("2026-01-04".parse().unwrap()));
    fixture.end().await;
}

#[rstest]
#[tokio::test]
async fn an_attempt_whose_process_ended_is_repeated_under_the_same_message_id(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let fixture = Fixture::new(backend, "2025-10-01T09:00:00Z").await;
    let customer = fixture.customer("Mari", Some("mari@example.com")).await;
    fixture.package(customer, "2026-01-10").await;
    fixture.clock().set(instant(SEVEN_DAYS_BEFORE));
    mail_day::step(&fixture.ctx).await.unwrap();
    let mut deliverer = fixture.capture();
    deliverer.step().await.unwrap();
    let before = fixture.emails().await.remove(0);
    // As if the process had ended right after the final dot.
    fixture.forget_outcome(&before).await;
    assert_eq!(
        deliverer.step().await.unwrap().sent,
        0,
        "the lease still runs"
    );
    fixture.clock().advance(TimeDelta::hours(1));
    assert_eq!(deliverer.step().await.unwrap().sent, 1);
    let after = fixture.emails().await.remove(0);
    assert_eq!(after.text, before.text);
    assert_eq!(fixture.captured().len(), 1);
    let reader = fixture.ctx.db.reader();
    let attempts = email_attempts::of_email(reader, fixture.business_id, after.id).await;
    let outcomes: Vec<_> = attempts
        .unwrap()
        .iter()
        .map(|attempt| (attempt.number, attempt.outcome.unwrap()))
        .collect();
    assert_eq!(
        outcomes,
        [(1, AttemptOutcome::Unknown), (2, AttemptOutcome::Accepted)]
    );
    fixture.end().await;
}

#[rstest]
#[tokio::test]
async fn an_unreachable_mail_server_costs_no_attempt_and_loses_nothing(
    #[values(Backend::Sqlite, Backend::Postgres)] backend: Backend,
) {
    let fixture = Fixture::new(backend, "2025-10-01T09:00:00Z").await;
    for name in ["a", "b"] {
        let address = format!("{name}@example.com");
        let customer = fixture.customer(name, Some(&address)).await;
        fixture.package(customer, "2026-01-10").await;
    }
    fixture.clock().set(instant(SEVEN_DAYS_BEFORE));
    mail_day::step(&fixture.ctx).await.unwrap();
    let mut unreachable = fixture.unreachable();
    assert_eq!(unreachable.step().await.unwrap().postponed, 1);
    assert_eq!(unreachable.step().await.unwrap().postponed, 0, "it pauses");
    fixture.clock().advance(TimeDelta::seconds(10));
    assert_eq!(unreachable.step().await.unwrap().postponed, 1);
    for email in fixture.emails().await {
        assert_eq!((email.state, email.attempts), (EmailState::Queued, 0));
    }
    fixture.clock().advance(TimeDelta::minutes(5));
    assert_eq!(fixture.capture().step().await.unwrap().sent, 2);
    fixture.end().await;
}

#[tokio::test]
async fn the_scheduler_runs_every_job_at_its_start_and_stops_cleanly() {
    let fixture = Fixture::new(Backend::Sqlite, "2025-10-01T09:00:00Z").await;
    let customer = fixture.customer("Mari", Some("mari@example.com")).await;
    fixture.package(customer, "2026-01-10").await;
    fixture.clock().set(instant(SEVEN_DAYS_BEFORE));
    let mail = fixture.capture_mail();
    let scheduler = Scheduler::start(fixture.ctx.clone(), vec![mail], KEEP, TimeOfDay::Never)
        .await
        .unwrap();
    // Stopping waits for the first round, which began with the start.
    let sent = async {
        while fixture
            .emails()
            .await
            .iter()
            .all(|email| email.state != EmailState::Sent)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(3), sent)
        .await
        .unwrap();
    scheduler.stop().await;
    fixture.end().await;
}

/// What the HTTP side answers to a path: status, security policy and body.
async fn fetch(fixture: &Fixture, pages: EmailPages, path: &str) -> (u16, String, String) {
    let options = WebOptions { email_pages: pages };
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = web::router(fixture.ctx.clone(), options)
        .oneshot(request)
        .await
        .unwrap();
    let policy = answer.headers().get("content-security-policy");
    let policy = policy.map(|policy| policy.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (status, policy.unwrap_or_default(), body)
}

#[tokio::test]
async fn captured_emails_are_shown_where_they_are_to_be_and_can_do_nothing() {
    let fixture = Fixture::new(Backend::Sqlite, "2025-10-01T09:00:00Z").await;
    let customer = fixture
        .customer("<b>Mari</b>", Some("mari@example.com"))
        .await;
    fixture.package(customer, "2026-01-10").await;
    fixture.clock().set(instant(SEVEN_DAYS_BEFORE));
    mail_day::step(&fixture.ctx).await.unwrap();
    fixture.capture().step().await.unwrap();
    let id = fixture.emails().await.remove(0).id;
    for path in ["/emails".to_owned(), format!("/emails/{id}")] {
        let (status, _, _) = fetch(&fixture, EmailPages::Hidden, &path).await;
        assert_eq!(status, 404);
        let (status, policy, body) = fetch(&fixture, EmailPages::Shown, &path).await;
        assert_eq!(status, 200);
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(!body.contains("<b>Mari"), "{body}");
        assert!(body.contains("&lt;b&gt;Mari"), "{body}");
    }
    let path = format!("/emails/{id}/html");
    let (status, policy, body) = fetch(&fixture, EmailPages::Shown, &path).await;
    assert_eq!((status, body.contains("Ten lessons")), (200, true));
    assert!(
        policy.starts_with("sandbox; default-src 'none'"),
        "{policy}"
    );
    for path in ["/emails/eml_01", "/emails/pkg_01jd0c5hqbf9bvxk2mqnz8s6wt"] {
        let (status, _, _) = fetch(&fixture, EmailPages::Shown, path).await;
        assert_eq!(status, 404, "{path}");
    }
    fixture.end().await;
}

#[tokio::test]
async fn readiness_says_why_not() {
    let fixture = Fixture::new(Backend::Sqlite, "2025-10-01T09:00:00Z").await;
    let (status, _, body) = fetch(&fixture, EmailPages::Hidden, "/readyz").await;
    assert_eq!(
        (status, body.as_str()),
        (200, r#"{"ready":true,"reasons":[]}"#)
    );
    fixture.ctx.readiness.stop();
    let (status, _, body) = fetch(&fixture, EmailPages::Hidden, "/readyz").await;
    assert_eq!(
        (status, body.as_str()),
        (503, r#"{"ready":false,"reasons":["stopping"]}"#)
    );
    let (status, _, _) = fetch(&fixture, EmailPages::Hidden, "/livez").await;
    assert_eq!(status, 200);
    fixture.end().await;
}
