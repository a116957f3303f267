//! What an e-mail goes through, and what is said of it.

use super::*;

fn email() -> Email {
    Email {
        lease_until: Some(at(9)),
        state: EmailState::Sending,
        ..Email::new(
            BusinessId::generate(at(0)),
            CustomerId::generate(at(0)),
            NoticeKind::Confirmation,
            "sale".to_owned(),
            at(0),
        )
    }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

#[test]
fn a_finished_email_says_when_and_why_and_is_nobodys() {
    let mut email = email();
    email.finish(EmailState::Failed, Some("no_such_mailbox"), at(5));
    assert_eq!(email.state, EmailState::Failed);
    assert_eq!(email.reason.as_deref(), Some("no_such_mailbox"));
    assert_eq!((email.finished_at, email.lease_until), (Some(at(5)), None));
}

#[test]
fn a_postponed_email_waits_for_its_moment_and_is_nobodys() {
    let mut email = email();
    email.postpone(at(60));
    assert_eq!(email.state, EmailState::Queued);
    assert_eq!((email.due_at, email.lease_until), (at(60), None));
    assert_eq!(email.finished_at, None);
}

#[test]
fn a_failed_email_that_is_sent_once_more_is_like_a_new_one_and_nobody_has_a_claim_to_it() {
    let mut email = Email {
        attempts: 7,
        fence: 7,
        ..email()
    };
    email.finish(EmailState::Failed, Some("gave_up"), at(5));
    email.retry(at(6)).unwrap();
    assert_eq!((email.state, email.due_at), (EmailState::Queued, at(6)));
    assert_eq!((email.reason, email.finished_at), (None, None));
    assert_eq!((email.attempts, email.lease_until), (0, None));
    assert_eq!(email.fence, 8);
}

#[test]
fn only_a_failed_email_is_sent_once_more_and_only_a_queued_one_is_cancelled() {
    for state in EmailState::ALL.iter().copied() {
        let before = Email { state, ..email() };
        let (mut retried, mut cancelled) = (before.clone(), before.clone());
        let may_retry = retried.retry(at(5)).is_ok();
        assert_eq!(may_retry, state == EmailState::Failed, "{state:?}");
        assert!(may_retry || retried == before, "{state:?}");
        let may_cancel = cancelled.cancel(at(5)).is_ok();
        assert_eq!(may_cancel, state == EmailState::Queued, "{state:?}");
        assert!(may_cancel || cancelled == before, "{state:?}");
    }
    let mut waiting = Email {
        state: EmailState::Queued,
        ..email()
    };
    waiting.cancel(at(5)).unwrap();
    assert_eq!(waiting.state, EmailState::Cancelled);
    assert_eq!(waiting.reason.as_deref(), Some("by_hand"));
    assert_eq!(waiting.finished_at, Some(at(5)));
}

#[test]
fn an_address_is_suppressed_in_any_case_and_with_blanks_around() {
    assert_eq!(folded(" Õnne@Example.COM\n"), "õnne@example.com");
}

#[test]
fn only_a_lasting_fault_of_the_address_condemns_it() {
    let condemns = |text| StatusCode::parse(text).map(StatusCode::condemns_address);
    for (text, expected) in [
        ("5.1.1", Some(true)),
        ("5.1.10", Some(true)),
        ("5.1.0", Some(false)),
        ("5.1.7", Some(false)),
        ("5.1.8", Some(false)),
        ("4.1.1", Some(false)),
        ("5.2.2", Some(false)),
        ("5.7.1", Some(false)),
        ("2.1.5", Some(false)),
        ("3.1.1", None),
        ("5.1", None),
        ("5.1.1.1", None),
        ("5.1.", None),
        ("5.1.+1", None),
        ("550", None),
        ("", None),
    ] {
        assert_eq!(condemns(text), expected, "{text}");
    }
}

#[test]
fn it_is_erased_only_if_that_is_why_it_was_ended() {
    let mut email = email();
    assert!(!email.is_erased());
    email.finish(
        EmailState::Cancelled,
        Some(DropReason::Erased.as_str()),
        at(1),
    );
    assert!(email.is_erased());
    email.finish(EmailState::Cancelled, Some("no_address"), at(1));
    assert!(!email.is_erased());
}

#[test]
fn it_may_have_arrived_unless_the_mail_server_said_no_or_was_not_reached() {
    let arrived = |outcome| {
        let attempt = Attempt {
            number: 1,
            started_at: at(1),
            finished_at: None,
            outcome,
            smtp_code: None,
            detail: String::new(),
        };
        attempt.may_have_delivered()
    };
    for outcome in [
        None,
        Some(AttemptOutcome::Accepted),
        Some(AttemptOutcome::Unknown),
    ] {
        assert!(arrived(outcome), "{outcome:?}");
    }
    for outcome in [
        AttemptOutcome::Rejected,
        AttemptOutcome::Deferred,
        AttemptOutcome::Unreachable,
    ] {
        assert!(!arrived(Some(outcome)), "{outcome:?}");
    }
}
