//! A server that stands still in the middle of an e-mail, longer than its claim lasts, and then goes on.
//!
//! Here the clock is the system's: the claim has to run out. How long it lasts follows from `--smtp-timeout-seconds`.

use std::time::Duration;

use carnet::clock::Clock;
use carnet::proto::v1::{self, AttemptOutcome, EmailKind, EmailState};
use carnet::service::Context;
use rstest::rstest;

use crate::support::app::Database::Postgres;
use crate::support::fresh::Fresh;
use crate::support::mailroom::{emails, message_id, only_email, outcomes};
use crate::support::process::{Serving, until};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tenant::Tenant;

/// Longer than a claim, the longest wait before a second attempt and a beat of the scheduler.
const SENT_BY: Duration = Duration::from_mins(5);
/// Longer than a beat of the scheduler and what comes before the stage.
const REACHED_BY: Duration = Duration::from_mins(5);

/// Much more than is on its way to a narrow mail server that does not read, and fewer than a template may have.
const BODY_BYTES: usize = 60_000;

/// Lets confirmations have a long text.
async fn lengthen(tenant: &Tenant) {
    let lines = "and so on, and so on, and so on\n".repeat(BODY_BYTES / 32);
    let text = v1::EmailTemplateText {
        subject: "Your package".to_owned(),
        html_body: format!("<p>{lines}</p>"),
        text_body: lines,
    };
    let request = v1::SaveEmailTemplateRequest {
        kind: EmailKind::Confirmation.into(),
        locale: "en".to_owned(),
        text: Some(text),
        ..Default::default()
    };
    tenant.emails().save_email_template(request).await.unwrap();
}

/// The answer that it waits for is there when it goes on, or there is room for the rest of its text, so nothing but
/// its claim keeps it from handing over what another replica has sent meanwhile. A database in a file has one
/// server only.
#[rstest]
#[case::before_the_text(At::Data)]
#[case::before_the_final_dot(At::Body)]
#[tokio::test]
async fn a_server_that_stood_still_past_its_claim_hands_over_no_text(#[case] at: At) {
    let fresh = Fresh::migrated(Postgres).await;
    let connection = fresh.connect().await;
    let mail_server = SmtpServer::narrow(Mode::Clear);
    mail_server.plan(at, Act::TakeAndWait);
    let smtp_url = mail_server.clear_url();
    let arguments = ["--smtp-timeout-seconds=3", "--smtp-url", &smtp_url];

    let still = Serving::start(&fresh.url, &arguments).await;
    let ctx = Context::new(connection.clone(), Clock::System);
    let tenant = Tenant::create(&ctx, "Swim school", still.channel()).await;
    lengthen(&tenant).await;
    Shop::open(&tenant).await.sell_lessons("8", never()).await;
    let is_there = async || mail_server.stalls() == 1;
    until(REACHED_BY, "the stage", is_there).await;
    still.signal("STOP").await;
    mail_server.release();

    let other = Serving::start(&fresh.url, &arguments).await;
    let tenant = tenant.through(other.channel());
    let is_sent = async || {
        let found = emails(&tenant, EmailKind::Confirmation).await;
        found.iter().all(|email| email.state() == EmailState::Sent)
    };
    until(SENT_BY, "sent by the other", is_sent).await;
    let sent = only_email(&tenant, EmailKind::Confirmation).await;
    assert_eq!(mail_server.received().len(), 1, "{sent:?}");

    let before = mail_server.open();
    still.signal("CONT").await;
    let hung_up = async || mail_server.open() < before;
    until(REACHED_BY, "the end of the first dialogue", hung_up).await;
    let received = mail_server.received();
    assert_eq!(received.len(), 1, "sent twice");
    let log = still.stop().await;
    let tells_it = |line: &String| line.contains("Lost");
    assert!(log.iter().any(tells_it), "{log:#?}");
    let sent = only_email(&tenant, EmailKind::Confirmation).await;
    assert_eq!(sent.state(), EmailState::Sent);
    assert_eq!(message_id(&received[0].text), sent.message_id);
    // What the other one knew when it sent it.
    let outcomes = outcomes(&sent);
    assert_eq!(outcomes.first(), Some(&AttemptOutcome::Unknown));
    assert_eq!(outcomes.last(), Some(&AttemptOutcome::Accepted));

    other.kill().await;
    connection.close().await.unwrap();
    fresh.remove().await;
}
