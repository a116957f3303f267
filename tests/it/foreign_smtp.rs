//! A mail server and a MIME parser that are not ours: aiosmtpd, and Python's `email`.
//!
//! The e-mail goes over STARTTLS with a private authority, lands in that server's maildir, and is
//! read back by its own parser: what the customer sees is what was rendered. The server is looked for
//! and otherwise installed; the test never passes without it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use carnet::mail::content::{
    BusinessLook, EmailContent, EmailKind, LineFacts, PackageFacts, Start,
};
use carnet::mail::message::{MessageParts, Outgoing, Party, build_message};
use carnet::mail::session::SmtpSession;
use carnet::mail::session::settings::SmtpSettings;
use carnet::mail::templates::{Rendered, TemplateSet};
use carnet::mail::transport::{Leave, Outcome, Stage};
use chrono::{DateTime, NaiveDate};
use serde_json::Value;

use crate::support::tls::PrivateCa;

/// Longer than any of these dialogues.
const ANSWERED_BY: Duration = Duration::from_mins(5);

/// Reads every message of a maildir and prints what it says.
const READ_MAILDIR: &str = r#"
import email, email.policy, json, pathlib, sys
found = []
for path in sorted(pathlib.Path(sys.argv[1], "new").iterdir()):
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    part = lambda kind: message.get_body((kind,)).get_content().replace("\r\n", "\n").rstrip("\n")
    found.append({"subject": message["Subject"], "id": message["Message-ID"],
                  "to": message["To"].addresses[0].display_name, "from": message["X-MailFrom"],
                  "rcpt": message["X-RcptTo"], "auto": message["Auto-Submitted"],
                  "defects": [str(defect) for part in message.walk() for defect in part.defects],
                  "text": part("plain"), "html": part("html")})
print(json.dumps(found))
"#;

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn has_server(python: &Path) -> bool {
    succeeds(Command::new(python).args(["-c", "import aiosmtpd.main"]))
}

/// A Python that has aiosmtpd: the system's, or one that is set up in the target folder, from the
/// package index or else from the system's packages.
fn python_with_server() -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("aiosmtpd");
    let known = [
        own.join("bin/python"),
        "python3".into(),
        "/usr/bin/python3".into(),
    ];
    let find = || known.iter().find(|python| has_server(python)).cloned();
    if let Some(python) = find() {
        return python;
    }
    if succeeds(Command::new("python3").args(["-m", "venv"]).arg(&own)) {
        succeeds(Command::new(&known[0]).args(["-m", "pip", "install", "-q", "aiosmtpd==1.4.6"]));
    }
    if find().is_none() {
        let install = [
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "python3-aiosmtpd",
        ];
        let direct = succeeds(Command::new(install[0]).args(&install[1..]));
        if !direct {
            succeeds(Command::new("sudo").arg("-n").args(install));
        }
    }
    find().expect(
        "install aiosmtpd (pip install aiosmtpd, or Debian's python3-aiosmtpd) for this test",
    )
}

fn rendered() -> Rendered {
    let day = |day| NaiveDate::from_ymd_opt(2026, 12, day).unwrap();
    let content = EmailContent {
        kind: EmailKind::Expiring,
        locale: "et".to_owned(),
        business: BusinessLook {
            name: "Põhja Sõidukool".to_owned(),
            ..BusinessLook::default()
        },
        customer_name: "Õie O'Neil".to_owned(),
        packages: vec![PackageFacts {
            name: "Standard & <eriti> hea".to_owned(),
            last_usable_day: Some(day(31)),
            start: Start::Begun,
            term: None,
            days_left: Some(7),
            restorable_through: None,
            lines: vec![LineFacts {
                credit_name: "sõidutund".to_owned(),
                credit_name_plural: "sõidutundi".to_owned(),
                quantity: 8_000_000,
                available: 7_000_000,
                used: 1_000_000,
                lost: 0,
            }],
            price: None,
        }],
        today: day(24),
        unsubscribe_url: None,
    };
    TemplateSet::embedded().unwrap().render(&content).unwrap()
}

fn message(rendered: &Rendered, n: usize) -> Outgoing {
    build_message(&MessageParts {
        rendered,
        from: &Party {
            name: "Põhja Sõidukool".to_owned(),
            address: "kool@kool.example".to_owned(),
        },
        to: &Party {
            name: "Õie O'Neil".to_owned(),
            address: "oie@example.com".to_owned(),
        },
        reply_to: None,
        message_id: &format!("<{n}@carnet.example>"),
        date: DateTime::UNIX_EPOCH,
        unsubscribe_url: None,
    })
    .unwrap()
}

/// Sends once the server listens.
async fn send(session: &mut SmtpSession, message: &Outgoing) -> Outcome {
    for _ in 0..400 {
        let outcome = session
            .send(message, Leave::until(Instant::now() + ANSWERED_BY))
            .await;
        if !matches!(
            outcome,
            Outcome::NotTried {
                stage: Stage::Connect,
                ..
            }
        ) {
            return outcome;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server does not come up");
}

#[tokio::test]
async fn a_server_and_a_parser_that_are_not_ours_see_what_was_rendered() {
    let python = tokio::task::spawn_blocking(python_with_server)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let ca = PrivateCa::new();
    for (name, pem) in [
        ("ca.pem", &ca.pem),
        ("server.pem", &ca.server_pem),
        ("key.pem", &ca.server_key_pem),
    ] {
        fs::write(path(name), pem).unwrap();
    }
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let _server = tokio::process::Command::new(&python)
        .args([
            "-m",
            "aiosmtpd",
            "-n",
            "-l",
            &address.to_string(),
            "--tlscert",
        ])
        .arg(path("server.pem"))
        .arg("--tlskey")
        .arg(path("key.pem"))
        .args(["-c", "aiosmtpd.handlers.Mailbox"])
        .arg(path("maildir"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();

    let url = format!("smtp://{address}");
    let settings = SmtpSettings::parse(&url, Some(&path("ca.pem"))).unwrap();
    let mut session = SmtpSession::new(settings);
    let rendered = rendered();
    for n in 0..3 {
        let outcome = send(&mut session, &message(&rendered, n)).await;
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
    }
    session.close().await;

    let read = Command::new(&python)
        .args(["-c", READ_MAILDIR])
        .arg(path("maildir"))
        .env("PYTHONIOENCODING", "utf-8")
        .output()
        .unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    let found: Value = serde_json::from_slice(&read.stdout).unwrap();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), 3);
    for (n, one) in found.iter().enumerate() {
        assert_eq!(one["defects"], Value::Array(Vec::new()));
        assert_eq!(one["id"], format!("<{n}@carnet.example>"));
        assert_eq!(one["subject"], rendered.subject);
        assert_eq!(one["to"], "Õie O'Neil");
        assert_eq!(one["from"], "kool@kool.example");
        assert_eq!(one["rcpt"], "oie@example.com");
        assert_eq!(one["auto"], "auto-generated");
        assert_eq!(one["text"], rendered.text);
        assert_eq!(one["html"], rendered.html.trim_end());
    }
}
