//! Servers that take several commands at once (RFC 2920).

use carnet::mail::transport::{Outcome, Stage};
use rstest::rstest;

use super::{hanging, is_accepted, leave, mari, message, quick, session};
use crate::support::smtp::{Act, At, Mode, SmtpServer};

async fn pipelining() -> SmtpServer {
    SmtpServer::offering(Mode::Clear, &["8BITMIME", "pipelining"]).await
}

#[rstest]
#[case(&["PIPELINING"], 8)]
#[case(&["8BITMIME", "Pipelining", "SMTPUTF8"], 8)]
#[case(&["8BITMIME", "XPIPELINING"], 0)]
#[tokio::test]
async fn from_the_second_message_on_all_before_the_text_is_one_write(
    #[case] offers: &[&'static str],
    #[case] ahead: usize,
) {
    let server = SmtpServer::offering(Mode::Clear, offers).await;
    let mut session = session(&server, quick());
    for n in 0..5 {
        let outcome = session
            .send(&message(&format!("customer{n}@example.com")), leave())
            .await;
        assert!(is_accepted(&outcome), "{outcome:?}");
    }
    session.close().await;
    let received = server.received();
    assert_eq!((server.connections(), received.len()), (1, 5));
    for (n, received) in received.iter().enumerate() {
        assert_eq!(received.recipient, format!("customer{n}@example.com"));
        let id = format!("Message-ID: <customer{n}@carnet.example>\r\n");
        assert!(received.text.contains(&id), "{}", received.text);
        assert!(
            received.text.trim_end().ends_with("--"),
            "{}",
            received.text
        );
    }
    // Of four messages a recipient and a DATA each.
    assert_eq!(server.ahead(), ahead);
}

#[rstest]
#[case(At::Rcpt, "550 5.1.1 no such user", Stage::Recipient)]
#[case(At::Rcpt, "452 4.2.2 mailbox full", Stage::Recipient)]
#[case(At::Data, "451 4.3.0 later", Stage::Data)]
#[case(At::Dot, "554 5.7.1 looks like spam", Stage::FinalDot)]
#[tokio::test]
async fn a_no_to_one_message_leaves_the_connection_to_the_next(
    #[case] at: At,
    #[case] said: &'static str,
    #[case] expected: Stage,
) {
    let server = pipelining().await;
    let mut session = session(&server, quick());
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    server.plan(at, Act::Say(said));
    let outcome = session.send(&message("nobody@example.com"), leave()).await;
    assert!(
        matches!(&outcome, Outcome::Refused { stage, reply, .. } if *stage == expected && reply == said),
        "{outcome:?}"
    );
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!((server.connections(), server.received().len()), (1, 2));
}

#[tokio::test]
async fn a_server_that_wants_the_text_for_a_recipient_whom_it_refused_gets_none() {
    let server = pipelining().await;
    let mut session = session(&server, quick());
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    server.plan(At::Rcpt, Act::Say("550 5.1.1 no such user"));
    server.plan(At::Data, Act::Say("354 go ahead nevertheless"));
    let outcome = session.send(&message("nobody@example.com"), leave()).await;
    assert!(outcome.suppresses_address(), "{outcome:?}");
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    let received = server.received();
    let recipients: Vec<_> = received.iter().map(|it| &*it.recipient).collect();
    assert_eq!(recipients, ["mari@example.com"; 2]);
    assert_eq!(server.connections(), 2);
}

#[rstest]
#[case(At::Rcpt, Act::Hang, Stage::Recipient)]
#[case(At::Rcpt, Act::Drop, Stage::Recipient)]
#[case(At::Data, Act::Hang, Stage::Data)]
#[case(At::Data, Act::Say("noise"), Stage::Data)]
#[tokio::test]
async fn what_breaks_after_the_sender_costs_its_own_message_an_attempt(
    #[case] at: At,
    #[case] act: Act,
    #[case] expected: Stage,
) {
    let server = pipelining().await;
    let mut session = session(&server, hanging(at));
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    server.plan(at, act);
    let outcome = session.send(&message("nobody@example.com"), leave()).await;
    assert!(
        matches!(outcome, Outcome::Interrupted { stage, .. } if stage == expected),
        "{outcome:?}"
    );
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!((server.connections(), server.received().len()), (2, 2));
}

/// It may be the recipient over whom it broke down; alone, that is seen.
#[tokio::test]
async fn a_server_that_answers_for_no_sender_is_asked_again_one_by_one() {
    let server = pipelining().await;
    let mut session = session(&server, quick());
    for _ in 0..2 {
        assert!(is_accepted(&session.send(&mari(), leave()).await));
    }
    let ahead = server.ahead();
    server.plan(At::Mail, Act::Drop);
    server.plan(At::Rcpt, Act::Drop);
    let outcome = session.send(&message("nobody@example.com"), leave()).await;
    assert!(
        matches!(outcome, Outcome::Interrupted { stage, .. } if stage == Stage::Recipient),
        "{outcome:?}"
    );
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!((server.connections(), server.received().len()), (3, 3));
    // Of the sender that nobody answered for.
    assert_eq!(server.ahead(), ahead + 1);
}
