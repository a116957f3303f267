//! The SMTP session against a server that does everything a server may do wrong.

mod addresses;
mod leave;
mod opening;
mod pipelining;
mod reuse;

use std::future::Ready;
use std::time::{Duration, Instant};

use carnet::mail::message::{MessageError, MessageParts, Outgoing, Party, build_message};
use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::{SmtpSettings, Timeouts};
use carnet::mail::templates::Rendered;
use carnet::mail::transport::{Leave, Outcome, Stage};
use chrono::DateTime;
use rstest::rstest;

use crate::support::smtp::{Act, At, Mode, SmtpServer};

fn message_from(name: &str, to: &str) -> Result<Outgoing, MessageError> {
    let rendered = Rendered {
        subject: "7 lessons left".to_owned(),
        html: "<p>7 lessons left</p>".to_owned(),
        text: "7 lessons left\n.\n..\nGoodbye".to_owned(),
    };
    let local = to.split('@').next().unwrap_or_default().replace('õ', "o");
    build_message(&MessageParts {
        rendered: &rendered,
        from: &Party {
            name: name.to_owned(),
            address: "studio@studio.example".to_owned(),
        },
        to: &Party {
            name: String::new(),
            address: to.to_owned(),
        },
        reply_to: None,
        message_id: &format!("<{local}@carnet.example>"),
        date: DateTime::UNIX_EPOCH,
        unsubscribe_url: None,
    })
}

fn message(to: &str) -> Outgoing {
    message_from("Studio", to).unwrap()
}

fn mari() -> Outgoing {
    message("mari@example.com")
}

/// Leave that lasts longer than any of these dialogues.
fn leave() -> Leave<Ready<()>> {
    Leave::until(Instant::now() + Duration::from_mins(10))
}

/// Long for what should succeed, short for what is made to hang.
fn quick() -> Timeouts {
    let long = Duration::from_secs(20);
    Timeouts {
        connect: long,
        tls: long,
        greeting: long,
        auth: long,
        command: long,
        data: long,
        body: long,
        final_dot: long,
    }
}

/// Only the stages that a test lets hang get a short time-out.
fn hanging(at: At) -> Timeouts {
    let mut limits = quick();
    let short = Duration::from_millis(150);
    match at {
        At::Greeting | At::Ehlo => limits.greeting = short,
        At::StartTls | At::Handshake => limits.tls = short,
        At::Auth => limits.auth = short,
        At::Mail | At::Rcpt | At::Rset => limits.command = short,
        At::Data => limits.data = short,
        At::Body => limits.body = short,
        At::Dot => limits.final_dot = short,
    }
    limits
}

fn session(server: &SmtpServer, limits: Timeouts) -> SmtpSession {
    SmtpSession::new(
        SmtpSettings::parse(&server.clear_url(), None)
            .unwrap()
            .with_timeouts(limits),
    )
}

async fn clear() -> SmtpServer {
    SmtpServer::start(Mode::Clear).await
}

fn is_accepted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Accepted { .. })
}

#[rstest]
#[case(At::Mail, "451 4.3.0 later", Stage::Sender)]
#[case(At::Mail, "354 confused", Stage::Sender)]
#[case(At::Greeting, "554 5.3.2 no service", Stage::Greeting)]
#[case(At::Ehlo, "421 4.3.2 closing", Stage::Greeting)]
#[tokio::test]
async fn a_no_before_the_recipient_says_nothing_about_the_message(
    #[case] at: At,
    #[case] reply: &'static str,
    #[case] expected: Stage,
) {
    let server = clear().await;
    server.plan(at, Act::Say(reply));
    let mut session = session(&server, quick());
    let outcome = session.send(&mari(), leave()).await;
    assert!(
        matches!(&outcome, Outcome::NotTried { stage, reason } if *stage == expected && reason.contains(&reply[..3])),
        "{outcome:?}"
    );
    assert!(
        is_accepted(&session.send(&mari(), leave()).await),
        "the next attempt is a new session"
    );
    assert_eq!(server.received().len(), 1);
}

#[rstest]
#[case(
    At::Rcpt,
    "550 5.1.1 no such user",
    Stage::Recipient,
    true,
    Some("5.1.1")
)]
#[case(
    At::Rcpt,
    "452 4.2.2 mailbox full",
    Stage::Recipient,
    false,
    Some("4.2.2")
)]
#[case(At::Data, "554 no valid recipients", Stage::Data, true, None)]
#[case(At::Data, "451 4.3.0 later", Stage::Data, false, Some("4.3.0"))]
#[case(
    At::Dot,
    "554 5.7.1 looks like spam",
    Stage::FinalDot,
    true,
    Some("5.7.1")
)]
#[case(At::Dot, "451 4.7.1 greylisted", Stage::FinalDot, false, Some("4.7.1"))]
#[tokio::test]
async fn a_no_to_one_message_leaves_the_connection_to_the_next(
    #[case] at: At,
    #[case] reply: &'static str,
    #[case] expected_stage: Stage,
    #[case] expected_permanent: bool,
    #[case] expected_enhanced: Option<&str>,
) {
    let server = clear().await;
    server.plan(at, Act::Say(reply));
    let mut session = session(&server, quick());
    let outcome = session.send(&message("nobody@example.com"), leave()).await;
    let Outcome::Refused {
        permanent,
        stage,
        code,
        enhanced,
        reply: said,
    } = &outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!((*permanent, *stage), (expected_permanent, expected_stage));
    assert_eq!(*code, reply[..3].parse().ok());
    assert_eq!(enhanced.as_deref(), expected_enhanced);
    assert_eq!(said, reply);
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!(server.connections(), 1);
    assert_eq!(server.resets(), usize::from(at != At::Dot));
    assert_eq!(server.received().len(), 1);
    assert_eq!(server.received()[0].recipient, "mari@example.com");
}

/// Another sender may be let in.
#[tokio::test]
async fn a_no_to_the_sender_for_good_is_about_this_sender_and_tried_again() {
    let server = clear().await;
    server.plan(At::Mail, Act::Say("550 5.1.8 not from you"));
    let mut session = session(&server, quick());
    let outcome = session.send(&mari(), leave()).await;
    let expected = Outcome::Refused {
        permanent: false,
        stage: Stage::Sender,
        code: Some(550),
        enhanced: None,
        reply: "550 5.1.8 not from you".to_owned(),
    };
    assert_eq!(outcome, expected);
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!(server.received().len(), 1);
}

#[rstest]
#[case(At::Rcpt, Act::SayAndDrop("421 4.3.2 closing"))]
#[case(At::Dot, Act::SayAndDrop("421 4.3.2 closing"))]
#[tokio::test]
async fn a_server_that_takes_leave_is_asked_again_over_a_new_connection(
    #[case] at: At,
    #[case] act: Act,
) {
    let server = clear().await;
    server.plan(at, act);
    let mut session = session(&server, quick());
    let outcome = session.send(&mari(), leave()).await;
    assert!(matches!(
        outcome,
        Outcome::Refused {
            permanent: false,
            code: Some(421),
            ..
        }
    ));
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!(server.connections(), 2);
}

#[rstest]
#[case(At::Greeting, Stage::Greeting)]
#[case(At::Ehlo, Stage::Greeting)]
#[case(At::Mail, Stage::Sender)]
#[tokio::test]
async fn silence_hangup_or_noise_before_the_recipient_costs_no_attempt(
    #[case] at: At,
    #[case] expected: Stage,
) {
    for act in [
        Act::Hang,
        Act::Drop,
        Act::Say("what a lovely day"),
        Act::Say("\u{1f4a9}"),
    ] {
        let server = clear().await;
        server.plan(at, act);
        let limits = if matches!(act, Act::Hang) {
            hanging(at)
        } else {
            quick()
        };
        let mut session = session(&server, limits);
        let outcome = session.send(&mari(), leave()).await;
        assert!(
            matches!(outcome, Outcome::NotTried { stage, .. } if stage == expected),
            "{act:?}: {outcome:?}"
        );
        assert!(
            is_accepted(&session.send(&mari(), leave()).await),
            "{act:?}"
        );
        assert_eq!(server.received().len(), 1, "{act:?}");
    }
}

#[rstest]
#[case(At::Rcpt, Stage::Recipient, &[Act::Hang, Act::Drop, Act::Say("noise"), Act::Say("354 confused")])]
#[case(At::Data, Stage::Data, &[Act::Hang, Act::Drop, Act::Say("noise"), Act::Say("250 confused")])]
#[case(At::Body, Stage::Body, &[Act::Hang, Act::Drop])]
#[tokio::test]
async fn what_breaks_between_recipient_and_dot_is_certainly_not_delivered(
    #[case] at: At,
    #[case] expected: Stage,
    #[case] acts: &[Act],
) {
    // More than the sockets between us can hold, so that writing it takes the server's reading.
    let mut large = mari();
    let line = [b'x'; 998];
    while at == At::Body && large.bytes.len() < 32_000_000 {
        large.bytes.extend_from_slice(&line);
        large.bytes.extend_from_slice(b"\r\n");
    }
    for act in acts {
        let server = clear().await;
        server.plan(at, *act);
        let mut session = session(
            &server,
            if matches!(act, Act::Hang) {
                hanging(at)
            } else {
                quick()
            },
        );
        let outcome = session.send(&large, leave()).await;
        assert!(
            matches!(outcome, Outcome::Interrupted { stage, .. } if stage == expected),
            "{act:?}: {outcome:?}"
        );
        assert_eq!(server.received().len(), 0);
        assert!(
            is_accepted(&session.send(&mari(), leave()).await),
            "{act:?}"
        );
        assert_eq!(
            server.connections(),
            2,
            "a broken dialogue is never gone on with"
        );
    }
}

#[rstest]
#[case(Act::TakeAndDrop, 1)]
#[case(Act::TakeAndHang, 1)]
#[case(Act::Drop, 0)]
#[case(Act::Hang, 0)]
#[case(Act::Say("noise"), 0)]
#[case(Act::Say("354 confused"), 0)]
#[tokio::test]
async fn without_a_clear_answer_to_the_dot_nobody_knows(#[case] act: Act, #[case] taken: usize) {
    let server = clear().await;
    server.plan(At::Dot, act);
    let hangs = matches!(act, Act::Hang | Act::TakeAndHang);
    let mut session = session(&server, if hangs { hanging(At::Dot) } else { quick() });
    let outcome = session.send(&mari(), leave()).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(server.received().len(), taken);
    assert!(
        is_accepted(&session.send(&mari(), leave()).await),
        "the retry"
    );
    assert_eq!(server.connections(), 2);
    let ids: Vec<bool> = server
        .received()
        .iter()
        .map(|received| received.text.contains("Message-ID: <mari@carnet.example>"))
        .collect();
    assert_eq!(ids, vec![true; taken.saturating_add(1)]);
}

#[test]
fn a_line_break_in_a_display_name_is_refused() {
    let refusal = message_from("Studio\r\nBcc: all@example.com", "mari@example.com");
    assert_eq!(
        refusal.unwrap_err(),
        MessageError::ControlCharacter { field: "sender" }
    );
}
