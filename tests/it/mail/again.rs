//! Somebody of the business sends an e-mail once more that failed, or cancels one that waits (G10).

use carnet::config::RetentionSettings;
use carnet::jobs::retention;
use carnet::proto::v1;
use carnet::proto::v1::list_audit_events_request::About;
use carnet::proto::v1::{AttemptOutcome, EmailKind, EmailState};
use chrono::TimeDelta;
use rstest::rstest;
use tonic::{Code, Status};

use crate::mail::desk::run_sql;
use crate::mail::workers::{run, stalled, workers};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, email, message_id, only_email, outcomes};
use crate::support::refused::refused;
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tenant::Tenant;

const REJECTION: Act = Act::Say("554 5.7.1 we do not like it");

fn retrying(tenant: &Tenant, email_id: &str) -> v1::RetryEmailRequest {
    v1::RetryEmailRequest {
        email_id: email_id.to_owned(),
        request_id: tenant.request_id(),
        validate_only: false,
    }
}

async fn retry(
    tenant: &Tenant,
    request: v1::RetryEmailRequest,
) -> Result<v1::RetryEmailResponse, Status> {
    let answer = tenant.emails().retry_email(request).await?;
    Ok(answer.into_inner())
}

fn cancelling(tenant: &Tenant, email_id: &str) -> v1::CancelEmailRequest {
    v1::CancelEmailRequest {
        email_id: email_id.to_owned(),
        request_id: tenant.request_id(),
        validate_only: false,
    }
}

async fn cancel(
    tenant: &Tenant,
    request: v1::CancelEmailRequest,
) -> Result<v1::CancelEmailResponse, Status> {
    let answer = tenant.emails().cancel_email(request).await?;
    Ok(answer.into_inner())
}

async fn confirmation(app: &TestApp) -> v1::Email {
    only_email(app, EmailKind::Confirmation).await
}

/// Sells a package whose confirmation the mail server answers so.
async fn sell_answered(
    app: &TestApp,
    server: &SmtpServer,
    room: &mut Mailroom<'_>,
    (at, act): (At, Act),
) -> (Shop, v1::Package, v1::Email) {
    server.plan(at, act);
    let shop = Shop::open(app).await;
    let package = shop.sell_lessons("8", never()).await;
    assert_eq!(room.deliver().await.failed, 1);
    let failed = confirmation(app).await;
    assert_eq!(failed.state(), EmailState::Failed);
    (shop, package, failed)
}

#[track_caller]
fn refused_in_state<T: std::fmt::Debug>(
    result: Result<T, Status>,
    reason: &str,
    (email_id, state): (&str, &str),
) {
    let numbers = refused(result, Code::FailedPrecondition, reason);
    assert_eq!(numbers["email_id"], email_id);
    assert_eq!(numbers["state"], state);
}

#[rstest]
#[tokio::test]
async fn a_rejected_email_goes_out_once_more_under_its_message_id(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        let (_, package, failed) =
            sell_answered(app, &server, &mut room, (At::Dot, REJECTION)).await;
        app.clock.advance(TimeDelta::hours(2));
        assert_eq!(room.deliver().await.sent, 0, "nobody wants it yet");

        let tried = v1::RetryEmailRequest {
            validate_only: true,
            ..retrying(app, &failed.id)
        };
        retry(app, tried).await.unwrap();
        assert_eq!(confirmation(app).await, failed, "nothing was kept");

        let request = retrying(app, &failed.id);
        let answer = retry(app, request.clone()).await.unwrap();
        let queued = answer.email.clone().unwrap();
        assert_eq!((queued.state(), &*queued.reason), (EmailState::Queued, ""));
        assert_eq!(queued.due_at.unwrap().seconds, app.clock.now().timestamp());
        assert_eq!(queued.package_ids, [package.id]);
        assert_eq!(queued.message_id, "", "nobody got it, so it is made anew");
        assert_eq!((&*queued.text_body, queued.attempts.len()), ("", 0));

        assert_eq!(room.deliver().await.sent, 1);
        let sent = confirmation(app).await;
        let expected = [AttemptOutcome::Rejected, AttemptOutcome::Accepted];
        assert_eq!(outcomes(&sent), expected);
        assert_eq!(sent.attempts[1].number, 2, "the log goes on");
        assert_eq!(sent.text_body, failed.text_body);
        let [received] = &*server.received() else {
            panic!("one delivery");
        };
        assert_eq!(message_id(&received.text), failed.message_id);

        let again = retry(app, request.clone()).await.unwrap();
        let expected = v1::RetryEmailResponse {
            replayed: true,
            ..answer
        };
        assert_eq!(again, expected, "as it was answered then");
        let events = app.audited(About::SubjectId(failed.id)).await;
        let [event] = &*events else {
            panic!("one event: {events:?}");
        };
        assert_eq!(event.method, "RetryEmail");
        assert_eq!(event.request_id, request.request_id);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_email_that_is_sent_once_more_is_tried_as_often_as_a_new_one(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        let put_off = Act::Say("450 4.2.1 not now");
        Shop::open(app).await.sell_lessons("8", never()).await;
        for rounds in 1..=2 {
            for _ in 0..6 {
                server.plan(At::Rcpt, put_off);
                assert_eq!(room.deliver().await.postponed, 1);
                app.clock.advance(TimeDelta::hours(12));
            }
            server.plan(At::Rcpt, put_off);
            assert_eq!(room.deliver().await.failed, 1);
            let failed = confirmation(app).await;
            assert_eq!(failed.reason, "gave_up");
            let numbers: Vec<_> = failed.attempts.iter().map(|it| it.number).collect();
            assert_eq!(numbers, (1..=7 * rounds).collect::<Vec<_>>());
            retry(app, retrying(app, &failed.id)).await.unwrap();
        }
        assert_eq!(room.deliver().await.sent, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_not_true_any_more_is_not_sent_once_more(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        let (_, package, failed) =
            sell_answered(app, &server, &mut room, (At::Rcpt, REJECTION)).await;
        let revoke = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: package.id,
            ..Default::default()
        };
        app.packages().revoke_package(revoke).await.unwrap();
        retry(app, retrying(app, &failed.id)).await.unwrap();
        assert_eq!(room.deliver().await.cancelled, 1);
        assert_eq!(confirmation(app).await.reason, "revoked");
        assert_eq!(server.received().len(), 0);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_email_that_was_never_tried_is_made_of_what_holds_when_it_is_sent_once_more(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        Shop::open(app).await.sell_lessons("8", never()).await;
        run_sql(app, "UPDATE notices SET dropped_reason = 'nonsense'").await;
        let mut room = Mailroom::capturing(app);
        assert_eq!(room.deliver().await.failed, 1);
        run_sql(app, "UPDATE notices SET dropped_reason = NULL").await;
        let failed = confirmation(app).await;
        assert_eq!((&*failed.reason, &*failed.subject), ("damaged", ""));
        let queued = retry(app, retrying(app, &failed.id)).await.unwrap();
        assert_eq!(queued.email.unwrap().message_id, "");
        assert_eq!(room.deliver().await.sent, 1);
        assert!(!confirmation(app).await.subject.is_empty());
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn nothing_goes_once_more_to_a_suppressed_address(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        let unknown = Act::Say("550 5.1.1 no such user");
        let (_, _, failed) = sell_answered(app, &server, &mut room, (At::Rcpt, unknown)).await;
        let again = retry(app, retrying(app, &failed.id)).await;
        let numbers = refused(again, Code::FailedPrecondition, "ADDRESS_SUPPRESSED");
        assert_eq!(numbers["reason"], "bad_address");
        let remove = v1::RemoveSuppressionRequest {
            email: failed.to_email.clone(),
            ..Default::default()
        };
        app.emails().remove_suppression(remove).await.unwrap();
        retry(app, retrying(app, &failed.id)).await.unwrap();
        assert_eq!(room.deliver().await.sent, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn nothing_goes_once_more_to_who_was_erased(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        let (shop, package, failed) =
            sell_answered(app, &server, &mut room, (At::Rcpt, REJECTION)).await;
        let revoke = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: package.id,
            ..Default::default()
        };
        app.packages().revoke_package(revoke).await.unwrap();
        let erase = v1::EraseCustomerRequest {
            customer_id: shop.customer.clone(),
            ..Default::default()
        };
        app.customers().erase_customer(erase).await.unwrap();
        let again = retry(app, retrying(app, &failed.id)).await;
        let numbers = refused(again, Code::FailedPrecondition, "CUSTOMER_ERASED");
        assert_eq!(numbers["customer_id"], shop.customer);
        assert_eq!(email(app, &failed.id).await.state(), EmailState::Failed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_email_whose_text_was_cleared_is_not_sent_once_more(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        let (_, _, failed) = sell_answered(app, &server, &mut room, (At::Rcpt, REJECTION)).await;
        let keep = RetentionSettings {
            keep_answers_days: 90,
            keep_email_texts_days: 90,
            keep_audit_days: 90,
        };
        app.clock.advance(TimeDelta::days(91));
        let removed = retention::step(app.context(), &keep).await.unwrap();
        assert_eq!(removed.email_texts, 1);
        let again = retry(app, retrying(app, &failed.id)).await;
        let numbers = refused(again, Code::FailedPrecondition, "EMAIL_TEXT_CLEARED");
        assert_eq!(numbers["email_id"], failed.id);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_cancelled_email_does_not_go_out_and_tells_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", never()).await;
        let queued = confirmation(app).await;
        let request = cancelling(app, &queued.id);
        let tried = v1::CancelEmailRequest {
            validate_only: true,
            ..request.clone()
        };
        cancel(app, tried).await.unwrap();
        assert_eq!(confirmation(app).await, queued, "nothing was kept");

        let answer = cancel(app, request.clone()).await.unwrap();
        let cancelled = answer.email.clone().unwrap();
        assert_eq!(cancelled.state(), EmailState::Cancelled);
        assert_eq!((&*cancelled.reason, cancelled.due_at), ("by_hand", None));
        let again = cancel(app, request.clone()).await.unwrap();
        let expected = v1::CancelEmailResponse {
            replayed: true,
            ..answer
        };
        assert_eq!(again, expected);
        let other = cancelling(app, &queued.id);
        let state = (&*queued.id, "cancelled");
        refused_in_state(cancel(app, other).await, "EMAIL_NOT_QUEUED", state);

        let mut room = Mailroom::capturing(app);
        let delivered = room.run().await;
        assert_eq!((delivered.sent, delivered.cancelled), (0, 0));
        let kept = confirmation(app).await;
        assert_eq!(kept.notices[0].dropped_reason, "by_hand");
        assert_eq!(kept.attempts, []);
        let upcoming = v1::ListUpcomingRequest::default();
        let upcoming = app.emails().list_upcoming(upcoming).await.unwrap();
        assert_eq!(upcoming.into_inner().notices, []);
        app.clock.advance(TimeDelta::seconds(1));
        shop.sell_lessons("8", never()).await;
        assert_eq!(room.run().await.sent, 1, "another one goes out");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn only_what_failed_is_sent_once_more_and_only_what_waits_is_cancelled(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let shop = Shop::open(app).await;
        shop.sell_lessons("8", never()).await;
        let id = confirmation(app).await.id;
        let try_both = async |id: &str, state: &str| {
            let retried = retry(app, retrying(app, id)).await;
            refused_in_state(retried, "EMAIL_NOT_FAILED", (id, state));
            let cancelled = cancel(app, cancelling(app, id)).await;
            refused_in_state(cancelled, "EMAIL_NOT_QUEUED", (id, state));
        };
        let retried = retry(app, retrying(app, &id)).await;
        refused_in_state(retried, "EMAIL_NOT_FAILED", (&id, "queued"));
        server.plan(At::Dot, Act::TakeAndWait);
        let one = workers(app, &server, 1);
        let meanwhile = async {
            stalled(&server, 1).await;
            try_both(&id, "sending").await;
            server.release();
        };
        let (delivered, ()) = tokio::join!(Box::pin(run(&one)), Box::pin(meanwhile));
        assert_eq!(delivered.sent, 1);
        try_both(&id, "sent").await;
        one.close().await;

        app.clock.advance(TimeDelta::seconds(1));
        server.plan(At::Rcpt, REJECTION);
        let second = shop.sell_lessons("8", never()).await;
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.deliver().await.failed, 1);
        let listed = v1::ListEmailsRequest {
            package_id: second.id,
            ..Default::default()
        };
        let listed = app.emails().list_emails(listed).await.unwrap().into_inner();
        let failed = &listed.emails[0].id;
        let cancelled = cancel(app, cancelling(app, failed)).await;
        refused_in_state(cancelled, "EMAIL_NOT_QUEUED", (failed, "failed"));
        retry(app, retrying(app, failed)).await.unwrap();
        cancel(app, cancelling(app, failed)).await.unwrap();
        try_both(failed, "cancelled").await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn an_email_of_another_business_is_not_there(#[values(Sqlite, Postgres)] database: Database) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        let (shop, _, failed) = sell_answered(app, &server, &mut room, (At::Rcpt, REJECTION)).await;
        app.clock.advance(TimeDelta::seconds(1));
        shop.sell_lessons("8", never()).await;
        let foreign = app.second_business().await;
        let again = retry(&foreign, retrying(&foreign, &failed.id)).await;
        let numbers = refused(again, Code::NotFound, "NOT_FOUND");
        assert_eq!(numbers["id"], failed.id);
        let waiting = v1::ListEmailsRequest {
            states: vec![EmailState::Queued.into()],
            ..Default::default()
        };
        let waiting = app.emails().list_emails(waiting).await.unwrap();
        let waiting = &waiting.into_inner().emails[0].id;
        let cancelled = cancel(&foreign, cancelling(&foreign, waiting)).await;
        refused(cancelled, Code::NotFound, "NOT_FOUND");
        assert_eq!(room.deliver().await.sent, 1);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_two_who_want_it_at_once_one_is_told_that_it_is_done(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let server = SmtpServer::start(Mode::Clear).await;
        let mut room = Mailroom::posting_to(app, &server);
        let (_, _, failed) = sell_answered(app, &server, &mut room, (At::Rcpt, REJECTION)).await;
        let (first, second) = tokio::join!(
            retry(app, retrying(app, &failed.id)),
            retry(app, retrying(app, &failed.id)),
        );
        let (done, late) = if first.is_ok() {
            (first, second)
        } else {
            (second, first)
        };
        done.unwrap();
        refused_in_state(late, "EMAIL_NOT_FAILED", (&failed.id, "queued"));
        // Who sends and who cancels meet: it is sent, or it is cancelled.
        let (delivered, cancelled) =
            tokio::join!(room.deliver(), cancel(app, cancelling(app, &failed.id)));
        let is_cancelled = cancelled.is_ok();
        assert_eq!(delivered.sent, usize::from(!is_cancelled));
        assert_eq!(server.received().len(), delivered.sent);
        let state = if is_cancelled {
            EmailState::Cancelled
        } else {
            refused(cancelled, Code::FailedPrecondition, "EMAIL_NOT_QUEUED");
            EmailState::Sent
        };
        assert_eq!(confirmation(app).await.state(), state);
    })
    .await;
}
