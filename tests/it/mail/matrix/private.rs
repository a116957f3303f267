//! The same with TLS, from the start or after `STARTTLS`, and a password.

use carnet::mail::session::settings::SmtpSettings;
use rstest::rstest;

use super::{AFTER_THE_DOT, FAULTS, STAGES, Scene, count_ended};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::smtp::{Act, At, Mode, SmtpServer};
use crate::support::tls::PrivateCa;

/// Where a worker dies, if it does, and what the mail server does then.
const CRASHES: [Option<(At, Act)>; 4] = [
    None,
    Some((At::Handshake, Act::Hang)),
    Some((At::Auth, Act::Hang)),
    Some((At::Dot, Act::TakeAndHang)),
];

/// What goes wrong before the handshake.
const START_TLS_FAULTS: [Act; 8] = [
    Act::Say("454 4.7.0 no TLS now"),
    Act::Say("554 5.7.1 no TLS ever"),
    Act::Say("\u{1}\u{2} what is this"),
    Act::Say("220 go ahead\r\nthis is no handshake"),
    Act::SayAndDrop("220 go ahead"),
    Act::Drop,
    Act::Hang,
    Act::Slow,
];

/// What goes wrong in the handshake.
const HANDSHAKE_FAULTS: [Act; 5] = [
    Act::Say("this is no handshake"),
    Act::Pose,
    Act::Drop,
    Act::Hang,
    Act::Slow,
];

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    AtOnce,
    WhenAsked,
}

/// A server that wants a password, and the settings that know it.
async fn server(app: &TestApp, begins: Begins) -> (SmtpServer, SmtpSettings) {
    let ca = PrivateCa::new();
    let (mode, scheme) = match begins {
        Begins::AtOnce => (Mode::Implicit(ca.acceptor.clone()), "smtps"),
        Begins::WhenAsked => (Mode::StartTls(ca.acceptor.clone()), "smtp"),
    };
    let server = SmtpServer::start(mode).await;
    let file = app
        .mail_settings()
        .mail_capture_folder
        .with_extension("pem");
    std::fs::write(&file, &ca.pem).unwrap();
    let port = server.address().port();
    let url = format!("{scheme}://carnet:secret@localhost:{port}");
    let settings = SmtpSettings::parse(&url, Some(&file)).unwrap();
    (server, settings)
}

#[rstest]
#[tokio::test]
async fn whatever_fails_of_tls_and_of_signing_in_each_email_comes_to_its_end(
    #[values(Sqlite, Postgres)] database: Database,
    #[values(Begins::AtOnce, Begins::WhenAsked)] begins: Begins,
) {
    on(database, async |app| {
        let (server, settings) = server(app, begins).await;
        let scene = Scene::set(app, &server, settings).await;
        let mut faults: Vec<(At, Act)> = Vec::new();
        faults.extend(HANDSHAKE_FAULTS.map(|act| (At::Handshake, act)));
        faults.extend(FAULTS.map(|act| (At::Auth, act)));
        if begins == Begins::WhenAsked {
            faults.extend(START_TLS_FAULTS.map(|act| (At::StartTls, act)));
        }
        for crash in CRASHES {
            for fault in &faults {
                scene.play(crash, *fault).await;
            }
        }
        let ended = count_ended(app).await;
        assert_eq!(ended, CRASHES.len() * faults.len());
        let mut received = server.received().into_iter();
        assert!(received.all(|it| it.encrypted && it.signed_in.is_some()));
    })
    .await;
}

/// The stages of a dialogue in the clear, in one that is not.
#[rstest]
#[tokio::test]
async fn whatever_fails_within_tls_each_email_comes_to_its_end(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let (server, settings) = server(app, Begins::AtOnce).await;
        let scene = Scene::set(app, &server, settings).await;
        for at in STAGES {
            for act in FAULTS {
                scene.play(None, (at, act)).await;
            }
        }
        for act in AFTER_THE_DOT {
            scene.play(None, (At::Dot, act)).await;
        }
        let played = STAGES.len() * FAULTS.len() + AFTER_THE_DOT.len();
        assert_eq!(count_ended(app).await, played);
        assert!(server.received().iter().all(|it| it.encrypted));
    })
    .await;
}
