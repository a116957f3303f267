//! Addresses beyond ASCII: domains go out in ASCII to any server, names only to one that takes them.

use carnet::mail::message::{MessageParts, Party, build_message};
use carnet::mail::templates::Rendered;
use carnet::mail::transport::{Outcome, Stage};
use chrono::DateTime;

use super::{clear, is_accepted, leave, mari, message, quick, session};
use crate::support::smtp::{Mode, SmtpServer};

#[tokio::test]
async fn a_name_in_national_letters_is_refused_here_if_the_server_does_not_take_it() {
    let server = clear().await;
    let mut session = session(&server, quick());
    let outcome = session.send(&message("õie@example.com"), leave()).await;
    assert!(
        matches!(
            outcome,
            Outcome::Refused {
                permanent: true,
                stage: Stage::Recipient,
                code: None,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_name_in_national_letters_goes_to_a_server_that_takes_it() {
    let server = SmtpServer::offering(Mode::Clear, &["8BITMIME", "SMTPUTF8"]).await;
    let mut session = session(&server, quick());
    assert!(is_accepted(
        &session.send(&message("õie@õpe.example"), leave()).await
    ));
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    let received = server.received();
    assert_eq!(received[0].recipient, "õie@xn--pe-bka.example");
    assert!(
        received[0].mail_parameters.contains("SMTPUTF8"),
        "{received:?}"
    );
    assert!(
        received[0].mail_parameters.contains("BODY=8BITMIME"),
        "{received:?}"
    );
    let to = "To: õie@xn--pe-bka.example\r\n";
    assert!(received[0].text.contains(to), "{}", received[0].text);
    assert!(
        !received[1].mail_parameters.contains("SMTPUTF8"),
        "{received:?}"
    );
}

#[tokio::test]
async fn a_sender_in_national_letters_is_refused_here_if_the_server_does_not_take_it() {
    let server = clear().await;
    let mut session = session(&server, quick());
    let party = |address: &str| Party {
        name: String::new(),
        address: address.to_owned(),
    };
    let rendered = Rendered {
        subject: "a".to_owned(),
        html: "<p>a</p>".to_owned(),
        text: "a".to_owned(),
    };
    let message = build_message(&MessageParts {
        rendered: &rendered,
        from: &party("õpetaja@studio.example"),
        to: &party("mari@example.com"),
        reply_to: None,
        message_id: "<a@b>",
        date: DateTime::UNIX_EPOCH,
        unsubscribe_url: None,
    });
    let outcome = session.send(&message.unwrap(), leave()).await;
    let expected = matches!(
        outcome,
        Outcome::Refused {
            permanent: false,
            stage: Stage::Sender,
            ..
        }
    );
    assert!(expected, "{outcome:?}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_domain_in_national_letters_goes_to_any_server() {
    let server = clear().await;
    let mut session = session(&server, quick());
    assert!(is_accepted(
        &session.send(&message("mari@õpe.example"), leave()).await
    ));
    let received = server.received();
    assert_eq!(received[0].recipient, "mari@xn--pe-bka.example");
    assert_eq!(received[0].mail_parameters, "");
    assert!(received[0].text.contains("To: mari@xn--pe-bka.example\r\n"));
}
