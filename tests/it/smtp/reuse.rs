//! Many messages over one connection: no answer to one is ever taken for another's.

use std::time::Duration;

use carnet::mail::transport::{Outcome, Stage};
use rstest::rstest;

use super::{clear, hanging, is_accepted, leave, mari, message, quick, session};
use crate::support::smtp::{Act, At};

#[tokio::test]
async fn two_hundred_messages_share_connections_and_arrive_whole() {
    let server = clear().await;
    let mut session = session(&server, quick());
    for n in 0..200 {
        let outcome = session
            .send(&message(&format!("customer{n}@example.com")), leave())
            .await;
        assert_eq!(
            outcome,
            Outcome::Accepted {
                reply: "250 2.0.0 taken".to_owned()
            }
        );
    }
    session.close().await;
    let received = server.received();
    assert_eq!(received.len(), 200);
    assert_eq!(server.connections(), 2, "a hundred messages each");
    assert_eq!(received[7].sender, "studio@studio.example");
    assert_eq!(received[7].recipient, "customer7@example.com");
    assert!(
        received[7].text.contains("\r\n.\r\n..\r\nGoodbye"),
        "{}",
        received[7].text
    );
    assert!(
        received[7]
            .text
            .contains("Message-ID: <customer7@carnet.example>\r\n")
    );
}

/// The answer to one message's `DATA`, come too late, was once taken for the next message's success.
#[tokio::test]
async fn a_timeout_in_one_message_never_makes_the_next_look_sent() {
    let server = clear().await;
    server.plan(At::Data, Act::Hang);
    server.plan(At::Dot, Act::Say("554 5.7.1 refused"));
    let mut session = session(&server, hanging(At::Data));
    let first = session.send(&mari(), leave()).await;
    assert!(
        matches!(
            first,
            Outcome::Interrupted {
                stage: Stage::Data,
                ..
            }
        ),
        "{first:?}"
    );
    let second = session.send(&mari(), leave()).await;
    assert!(
        matches!(
            second,
            Outcome::Refused {
                code: Some(554),
                ..
            }
        ),
        "{second:?}"
    );
}

#[tokio::test]
async fn an_attempt_that_is_cut_off_never_makes_the_next_look_sent() {
    let server = clear().await;
    let mut session = session(&server, quick());
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    server.plan(At::Data, Act::Hang);
    let cut =
        tokio::time::timeout(Duration::from_millis(150), session.send(&mari(), leave())).await;
    assert!(cut.is_err(), "the server hangs");
    server.plan(At::Dot, Act::Say("554 5.7.1 refused"));
    let next = session.send(&mari(), leave()).await;
    assert!(
        matches!(
            next,
            Outcome::Refused {
                code: Some(554),
                ..
            }
        ),
        "{next:?}"
    );
    assert_eq!(server.connections(), 2);
}

#[rstest]
#[case(Act::Drop)]
#[case(Act::SayAndDrop("421 4.4.2 too long idle"))]
#[tokio::test]
async fn a_server_that_hung_up_between_messages_is_called_again(#[case] act: Act) {
    let server = clear().await;
    let mut session = session(&server, quick());
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    server.plan(At::Mail, act);
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    server.plan(At::Dot, Act::TakeAnswerAndDrop);
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!((server.connections(), server.received().len()), (3, 4));
}
