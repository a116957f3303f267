//! A text goes out when there is leave to, and not a moment after.

use std::time::{Duration, Instant};

use carnet::mail::transport::{Leave, Outcome, Stage};
use rstest::rstest;
use tokio::sync::oneshot;

use super::{clear, is_accepted, leave, mari, quick, session};
use crate::support::process::until;
use crate::support::smtp::{Act, At, Mode, SmtpServer};

const SOON: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_text_waits_for_leave_and_all_before_it_does_not() {
    let server = clear().await;
    let mut session = session(&server, quick());
    let (give, from) = oneshot::channel();
    let until_late = leave().until;
    let message = mari();
    let leave = Leave {
        from,
        until: until_late,
    };
    let sending = session.send(&message, leave);
    let waiting = async {
        until(SOON, "asked for the text", async || server.asked() == 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(server.received().len(), 0);
        give.send(()).unwrap();
    };
    let (outcome, ()) = tokio::join!(sending, waiting);
    assert!(is_accepted(&outcome), "{outcome:?}");
    assert_eq!(server.received().len(), 1);
}

/// The worker stands still while there comes to be room for the rest of the text. All of it is written when it goes on,
/// and that is then a little late: it must not be said that nobody can have got it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_text_that_was_written_whole_is_never_said_to_be_cut_short() {
    let server = SmtpServer::narrow(Mode::Clear);
    let mut limits = quick();
    limits.body = Duration::from_secs(1);
    let mut session = session(&server, limits);
    let mut message = mari();
    // More than is on its way to a server that does not read, and less than twice that.
    while message.bytes.len() < 75_000 {
        message.bytes.extend_from_slice(b"and so on\r\n");
    }
    server.plan(At::Body, Act::TakeAndWait);
    let sending = session.send(&message, leave());
    let standing_still = async {
        until(SOON, "the text", async || server.stalls() == 1).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.release();
        // The other thread reads meanwhile.
        std::thread::sleep(limits.body);
    };
    let (outcome, ()) = tokio::join!(sending, standing_still);
    let taken = server.received().len();
    assert_eq!(usize::from(is_accepted(&outcome)), taken, "{outcome:?}");
}

/// The server's answer comes when the claim has run out: somebody else may have sent the e-mail by then.
#[rstest]
#[case(0, Stage::FinalDot)]
#[case(100_000, Stage::Body)]
#[tokio::test]
async fn nothing_is_written_once_leave_has_ended(
    #[case] more_bytes: usize,
    #[case] expected: Stage,
) {
    let server = clear().await;
    let mut session = session(&server, quick());
    let mut message = mari();
    while message.bytes.len() < more_bytes {
        message.bytes.extend_from_slice(b"and so on\r\n");
    }
    server.plan(At::Data, Act::TakeAndWait);
    let end = Instant::now() + Duration::from_millis(300);
    let sending = session.send(&message, Leave::until(end));
    let answering = async {
        until(SOON, "DATA", async || server.stalls() == 1).await;
        tokio::time::sleep_until(end.into()).await;
        server.release();
    };
    let (outcome, ()) = tokio::join!(sending, answering);
    let Outcome::Interrupted { stage, reason } = &outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(*stage, expected);
    assert_eq!(reason, "the claim ran out before the final dot");
    until(SOON, "hung up", async || server.open() == 0).await;
    assert_eq!(server.received().len(), 0);
    assert!(is_accepted(&session.send(&mari(), leave()).await));
    assert_eq!((server.connections(), server.received().len()), (2, 1));
}
