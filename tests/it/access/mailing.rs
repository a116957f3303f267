//! The day's calls that are about e-mails.

use crate::support::day::Step;

pub(super) const MAILING: &[Step] = &[
    (
        "UpdateReminderPolicy",
        r#"{"policy": {"local_hour": 8}}"#,
        &[],
    ),
    ("AddSuppression", r#"{"email": "no@example.com"}"#, &[]),
    (
        "ReportBounce",
        r#"{"email": "gone@example.com", "status_code": "5.1.1"}"#,
        &[],
    ),
    ("RemoveSuppression", r#"{"email": "no@example.com"}"#, &[]),
    (
        "SaveEmailTemplate",
        r#"{"kind": "EMAIL_KIND_USED_UP", "locale": "en", "text": {"subject": "All used",
            "text_body": "More?", "html_body": "<p>More?</p>"}}"#,
        &[],
    ),
    (
        "GetEmailTemplate",
        r#"{"kind": "EMAIL_KIND_USED_UP", "locale": "en"}"#,
        &[],
    ),
    (
        "SendTest",
        r#"{"trial": {"kind": "EMAIL_KIND_USED_UP"}, "to_email": "me@example.com"}"#,
        &[],
    ),
    (
        "SendTest",
        r#"{"trial": {"kind": "EMAIL_KIND_USED_UP"}, "to_email": "you@example.com"}"#,
        &[("email", "/email/id")],
    ),
    ("CancelEmail", r#"{"email_id": "$email"}"#, &[]),
    ("GetEmail", r#"{"email_id": "$email"}"#, &[]),
    (
        "ResetEmailTemplate",
        r#"{"kind": "EMAIL_KIND_USED_UP", "locale": "en"}"#,
        &[],
    ),
];
