//! What arrives, read by a MIME parser that is not ours (RFC 5322, 2045, 2047, 8058).

use carnet::config::Settings;
use carnet::proto::v1;
use carnet::proto::v1::{AttemptOutcome, EmailKind};
use chrono::TimeDelta;
use mail_parser::{Address, Message, MessageParser};
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on_tuned};
use crate::support::mailroom::{Mailroom, only_email, outcomes, set_customer, set_settings};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Act, At, Mode, SmtpServer};

/// The longest line that RFC 5322 allows, in bytes and without its end.
const LINE_BYTES_MAX: usize = 998;
/// Written from both sides, with a comma, quotes and letters beyond the basic plane.
const CUSTOMER: &str = "Õie \"Müü\" Tamm, מרים 🏊";
const SENDER: &str = "Põhja Ujumiskool; ślizg 游泳";

/// Customers reach the second port.
pub(super) fn public(settings: &mut Settings) {
    settings.mail.public_url = Some("https://carnet.example/mail".parse().unwrap());
}

/// A business and a customer whose names need encoding.
async fn open(app: &TestApp) -> Shop {
    let shop = Shop::open(app).await;
    let sender = v1::Sender {
        from_name: SENDER.to_owned(),
        from_email: "tere@põhja.example".to_owned(),
        reply_to: "vastus@studio.example".to_owned(),
        ..Default::default()
    };
    let settings = v1::Settings {
        sender: Some(sender),
        ..Default::default()
    };
    set_settings(app, &["sender"], settings).await;
    let customer = v1::Customer {
        id: shop.customer.clone(),
        name: CUSTOMER.to_owned(),
        locale: "et".to_owned(),
        ..Default::default()
    };
    set_customer(app, &["name", "locale"], customer).await;
    shop
}

async fn save(app: &TestApp, text: v1::EmailTemplateText) {
    let request = v1::SaveEmailTemplateRequest {
        kind: EmailKind::Confirmation.into(),
        locale: "et".to_owned(),
        text: Some(text),
        ..Default::default()
    };
    app.emails().save_email_template(request).await.unwrap();
}

/// The bytes may pass any relay: ASCII, complete line ends, and no line too long.
fn check_lines(text: &str) {
    assert!(text.is_ascii(), "{text}");
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text}");
    let longest = text.split("\r\n").map(str::len).max();
    assert!(longest.unwrap() <= LINE_BYTES_MAX, "{longest:?}");
}

/// The name and the address of the only party.
pub(super) fn only(address: Option<&Address<'_>>) -> (String, String) {
    let all: Vec<_> = address.unwrap().iter().collect();
    let [one] = all.as_slice() else {
        panic!("{all:?}")
    };
    let text = |part: Option<&str>| part.unwrap_or_default().to_owned();
    (text(one.name()), text(one.address()))
}

fn pair(name: &str, address: &str) -> (String, String) {
    (name.to_owned(), address.to_owned())
}

/// How often a header stands in the message.
fn count(message: &Message<'_>, name: &str) -> usize {
    let headers = message.headers().iter();
    headers.filter(|header| header.name() == name).count()
}

fn check(message: &Message<'_>, email: &v1::Email) {
    let sender = pair(SENDER, "tere@xn--phja-0qa.example");
    assert_eq!(only(message.from()), sender);
    assert_eq!(only(message.to()), pair(CUSTOMER, &email.to_email));
    assert_eq!(
        only(message.reply_to()),
        pair(SENDER, "vastus@studio.example")
    );
    assert_eq!(message.subject(), Some(&*email.subject));
    let id = message.message_id().map(|id| format!("<{id}>"));
    assert_eq!(id.as_ref(), Some(&email.message_id));
    let date = message.date().unwrap().to_timestamp();
    assert_eq!(date, email.created_at.unwrap().seconds);
    let once = [
        "Message-ID",
        "Date",
        "From",
        "To",
        "Reply-To",
        "Subject",
        "MIME-Version",
        "Auto-Submitted",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
    ];
    for name in once {
        assert_eq!(count(message, name), 1, "{name} of {message:?}");
    }
    assert_eq!(count(message, "Bcc") + count(message, "Cc"), 0);
    let raw = |name: &'static str| message.header_raw(name).map(str::trim);
    assert_eq!(
        raw("List-Unsubscribe-Post"),
        Some("List-Unsubscribe=One-Click")
    );
    let link = raw("List-Unsubscribe").unwrap();
    let link = link.strip_prefix('<').unwrap().strip_suffix('>').unwrap();
    assert!(link.starts_with("https://carnet.example/mail/unsubscribe/biz_"));
    assert!(email.text_body.contains(link) && email.html_body.contains(link));

    let counts = (
        message.text_body_count(),
        message.html_body_count(),
        message.attachment_count(),
    );
    assert_eq!(counts, (1, 1, 0));
    let plain = |text: &str| text.replace("\r\n", "\n").trim_end().to_owned();
    let read = message.body_text(0).unwrap();
    assert_eq!(plain(&read), plain(&email.text_body));
    let read = message.body_html(0).unwrap();
    assert_eq!(plain(&read), plain(&email.html_body));
}

#[rstest]
#[tokio::test]
async fn a_foreign_parser_reads_what_was_meant_and_one_message_id_over_attempts(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = open(app).await;
        let server = SmtpServer::start(Mode::Clear).await;
        server.plan(At::Dot, Act::TakeAndDrop);
        shop.sell_lessons("8", never()).await;
        let mut room = Mailroom::posting_to(app, &server);
        assert_eq!(room.deliver().await.postponed, 1);
        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(room.deliver().await.sent, 1);
        let email = only_email(app, EmailKind::Confirmation).await;
        let expected = [AttemptOutcome::Unknown, AttemptOutcome::Accepted];
        assert_eq!(outcomes(&email), expected);
        let received = server.received();
        assert_eq!(received.len(), 2);
        assert_eq!(received[0].text, received[1].text);
        check_lines(&received[0].text);
        let message = MessageParser::default().parse(&received[0].text).unwrap();
        check(&message, &email);
        let in_html = CUSTOMER.replace('"', "&quot;");
        assert!(email.html_body.contains(&in_html), "{}", email.html_body);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn long_lines_and_dots_of_an_own_template_arrive_as_they_were_written(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = open(app).await;
        let line = ["pikk rida õ=20"; 300].join(" ");
        let text = v1::EmailTemplateText {
            subject: format!("{}{{{{first.name}}}} 🏊", "Ülipikk teema ".repeat(20)),
            text_body: format!(".\n..\nFrom siit\n{line}\n{}\n.", "x".repeat(3_000)),
            html_body: format!("<p>{line}</p>\n.\n<p>{}</p>", "õ".repeat(3_000)),
        };
        save(app, text).await;
        let server = SmtpServer::start(Mode::Clear).await;
        shop.sell_lessons("8", never()).await;
        let sent = Mailroom::posting_to(app, &server).deliver().await.sent;
        assert_eq!(sent, 1);
        let email = only_email(app, EmailKind::Confirmation).await;
        assert!(email.subject.ends_with("Ülipikk teema Standard 🏊"));
        assert!(email.text_body.contains(&line), "{}", email.text_body);
        let received = server.received();
        check_lines(&received[0].text);
        let message = MessageParser::default().parse(&received[0].text).unwrap();
        check(&message, &email);
    })
    .await;
}
