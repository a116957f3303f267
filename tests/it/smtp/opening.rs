//! Opening a session: connecting, TLS, signing in. What fails here costs no attempt.

use std::io::Write as _;

use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::SmtpSettings;
use carnet::mail::transport::{Outcome, Stage};
use rstest::rstest;

use super::{clear, hanging, is_accepted, leave, mari, quick};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tls::PrivateCa;

#[tokio::test]
async fn nobody_listening_costs_no_attempt() {
    let server = clear().await;
    let settings = SmtpSettings::parse(&server.clear_url(), None).unwrap();
    drop(server);
    tokio::task::yield_now().await;
    let outcome = SmtpSession::new(settings).send(&mari(), leave()).await;
    assert!(
        matches!(
            outcome,
            Outcome::NotTried {
                stage: Stage::Connect,
                ..
            }
        ),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing_unless_plain_was_asked_for() {
    let server = clear().await;
    let url = format!("smtp://{}", server.address());
    let outcome = SmtpSession::new(SmtpSettings::parse(&url, None).unwrap())
        .send(&mari(), leave())
        .await;
    let Outcome::NotTried {
        stage: Stage::Tls,
        reason,
    } = &outcome
    else {
        panic!("{outcome:?}")
    };
    assert!(reason.contains("does not offer STARTTLS"), "{reason}");
    assert!(server.received().is_empty());
}

fn trusting(url: &str, ca: &PrivateCa) -> SmtpSession {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(ca.pem.as_bytes()).unwrap();
    SmtpSession::new(
        SmtpSettings::parse(url, Some(file.path()))
            .unwrap()
            .with_timeouts(quick()),
    )
}

#[rstest]
#[case(false)]
#[case(true)]
#[tokio::test]
async fn a_private_authority_is_trusted_when_it_was_named(#[case] implicit: bool) {
    let ca = PrivateCa::new();
    let acceptor = ca.acceptor.clone();
    let (mode, scheme) = if implicit {
        (Mode::Implicit(acceptor), "smtps")
    } else {
        (Mode::StartTls(acceptor), "smtp")
    };
    let server = SmtpServer::start(mode).await;
    let port = server.address().port();
    let mut session = trusting(&format!("{scheme}://us%40er:pass@localhost:{port}"), &ca);
    for _ in 0..3 {
        let outcome = session.send(&mari(), leave()).await;
        assert!(is_accepted(&outcome), "{outcome:?}");
    }
    session.close().await;
    assert_eq!(server.connections(), 1);
    let received = server.received();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|one| one.encrypted));
    // NUL us@er NUL pass
    assert_eq!(received[0].signed_in.as_deref(), Some("AHVzQGVyAHBhc3M="));

    let mut stranger = trusting(&format!("{scheme}://localhost:{port}"), &PrivateCa::new());
    let outcome = stranger.send(&mari(), leave()).await;
    assert!(
        matches!(
            outcome,
            Outcome::NotTried {
                stage: Stage::Tls,
                ..
            }
        ),
        "{outcome:?}"
    );
    let public = SmtpSettings::parse(&format!("{scheme}://localhost:{port}"), None).unwrap();
    let outcome = SmtpSession::new(public).send(&mari(), leave()).await;
    assert!(
        matches!(
            outcome,
            Outcome::NotTried {
                stage: Stage::Tls,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(server.received().len(), 3);
}

#[tokio::test]
async fn a_server_that_knows_only_login_is_signed_in_to_by_login() {
    let ca = PrivateCa::new();
    let mode = Mode::Implicit(ca.acceptor.clone());
    let server = SmtpServer::offering(mode, &["AUTH LOGIN"]).await;
    let port = server.address().port();
    let mut session = trusting(&format!("smtps://user:secret@localhost:{port}"), &ca);
    let outcome = session.send(&mari(), leave()).await;
    assert!(is_accepted(&outcome), "{outcome:?}");
    // "user" and "secret".
    let signed_in = server.received()[0].signed_in.clone();
    assert_eq!(signed_in.as_deref(), Some("dXNlcg== c2VjcmV0"));
}

#[tokio::test]
async fn a_server_that_offers_no_way_to_sign_in_gets_nothing() {
    let ca = PrivateCa::new();
    let mode = Mode::Implicit(ca.acceptor.clone());
    let server = SmtpServer::offering(mode, &["AUTH CRAM-MD5"]).await;
    let port = server.address().port();
    let mut session = trusting(&format!("smtps://user:secret@localhost:{port}"), &ca);
    let outcome = session.send(&mari(), leave()).await;
    let stage = matches!(
        outcome,
        Outcome::NotTried {
            stage: Stage::Auth,
            ..
        }
    );
    assert!(stage, "{outcome:?}");
    assert!(server.received().is_empty());
}

#[rstest]
#[case(At::Auth, Act::Say("535 5.7.8 wrong password"), Stage::Auth)]
#[case(At::Auth, Act::Hang, Stage::Auth)]
#[case(At::StartTls, Act::Say("454 4.7.0 not now"), Stage::Tls)]
#[case(At::StartTls, Act::Hang, Stage::Tls)]
#[case(At::StartTls, Act::Drop, Stage::Tls)]
#[tokio::test]
async fn a_session_that_cannot_be_opened_costs_no_attempt(
    #[case] at: At,
    #[case] act: Act,
    #[case] expected: Stage,
) {
    let ca = PrivateCa::new();
    let server = SmtpServer::start(Mode::StartTls(ca.acceptor.clone())).await;
    server.plan(at, act);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(ca.pem.as_bytes()).unwrap();
    let url = format!("smtp://user:secret@localhost:{}", server.address().port());
    let limits = if matches!(act, Act::Hang) {
        hanging(at)
    } else {
        quick()
    };
    let settings = SmtpSettings::parse(&url, Some(file.path()))
        .unwrap()
        .with_timeouts(limits);
    let outcome = SmtpSession::new(settings).send(&mari(), leave()).await;
    let Outcome::NotTried { stage, reason } = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(*stage, expected, "{reason}");
    assert!(
        !reason.contains("secret") && !reason.contains("dXNlcg"),
        "{reason}"
    );
    assert!(server.received().is_empty());
}
