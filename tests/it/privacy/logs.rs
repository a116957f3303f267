//! What the server logs at its most talkative: nothing of a person, and no secret.

use std::fs;
use std::time::Duration;

use carnet::clock::Clock;
use carnet::proto::v1;
use carnet::service::Context;
use mail_parser::MessageParser;
use rstest::rstest;

use super::canaries::{CATALOGUE, ERASE, LIFE, PEOPLE, SETTLED, WORD, dates};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::day::Day;
use crate::support::fresh::Fresh;
use crate::support::process::{Serving, until};
use crate::support::program::{carnet, err};
use crate::support::smtp::{Mode, SmtpServer};
use crate::support::tenant::Tenant;
use crate::support::tls::PrivateCa;
use crate::support::web::get;

/// Longer than a beat of the scheduler and a dialogue.
const SENT_BY: Duration = Duration::from_mins(2);

/// The same database with a password, which a server that asks for none does not look at.
fn with_password(url: &str) -> String {
    if url.starts_with("sqlite") {
        return url.to_owned();
    }
    let (user, rest) = url.split_once('@').unwrap();
    format!("{user}:canary-of-the-database@{rest}")
}

/// The path of the link to the customer's page in an e-mail.
fn link_to_packages(message: &str) -> String {
    let message = MessageParser::default().parse(message.as_bytes()).unwrap();
    let text = message.body_text(0).unwrap();
    let (_, rest) = text.split_once("https://carnet.example/packages/").unwrap();
    format!("/packages/{}", rest.split_whitespace().next().unwrap())
}

#[rstest]
#[tokio::test]
async fn nothing_of_a_person_and_no_secret_is_in_the_log(
    #[values(Sqlite, Postgres)] database: Database,
) {
    let fresh = Fresh::migrated(database).await;
    let connection = fresh.connect().await;
    let authority = PrivateCa::new();
    let authority_file = fresh.folder.path().join("authority.pem");
    fs::write(&authority_file, &authority.pem).unwrap();
    let mail_server = SmtpServer::start(Mode::Implicit(authority.acceptor)).await;
    let port = mail_server.address().port();
    let smtp_url = format!("smtps://canary-user:canary-of-the-mail-server@localhost:{port}");
    let arguments = [
        "--log-filter=trace",
        "--public-url=https://carnet.example",
        "--smtp-url",
        &smtp_url,
        "--smtp-ca-file",
        authority_file.to_str().unwrap(),
    ];
    let serving = Serving::start(&with_password(&fresh.url), &arguments).await;
    let ctx = Context::new(connection.clone(), Clock::System);
    let tenant = Tenant::create(&ctx, "Swim school", serving.channel()).await;
    let mut day = Day::new(&serving.channel(), &tenant);
    day.known.extend(dates(ctx.clock.now()));
    day.take_all(CATALOGUE).await;
    day.take_all(PEOPLE).await;
    let is_sent = async || !mail_server.received().is_empty();
    until(SENT_BY, "an e-mail", is_sent).await;
    let link = link_to_packages(&mail_server.received().remove(0).text);
    let page = get(serving.http_address, &link).await;
    assert_eq!(page.status, 200, "{link}");
    assert!(page.body.contains("<h3>"), "{}", page.body);
    day.take_all(LIFE).await;
    day.take_all(SETTLED).await;
    // Refused in every way: a token that is none, a field that is wrong, an id that is taken, something in the way.
    let stranger = tenant.bearing_token("canary-token".to_owned());
    let customer = |name: &str, email: &str| v1::CreateCustomerRequest {
        customer: Some(v1::Customer {
            external_id: "canary-customer".to_owned(),
            name: name.to_owned(),
            email: email.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let calls = [
        (&stranger, customer("canary-stranger", "")),
        (&tenant, customer("canary-wrong", "canary is no address")),
        (
            &tenant,
            customer("canary-again", "canary-again@example.com"),
        ),
    ];
    for (caller, request) in calls {
        caller
            .customers()
            .create_customer(request)
            .await
            .unwrap_err();
    }
    // Or refused, if a trigger has given her something meanwhile.
    let erase = day.request(&ERASE, |name| day.known[name].clone());
    let _ = day.call(&ERASE, &erase).await;
    let log = serving.kill().await;
    connection.close().await.unwrap();
    fresh.remove().await;

    let of_token = &tenant.token[tenant.token.len() - 20..];
    let of_link = link.rsplit('.').next().unwrap();
    let is_secret = |line: &str| line.contains(of_token) || line.contains(of_link);
    let leaks: Vec<_> = log
        .iter()
        .filter(|line| line.to_lowercase().contains(WORD) || is_secret(line))
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    let attempts = log.iter().filter(|line| line.contains("attempt 1 of eml_"));
    assert!(attempts.count() >= 1, "{log:#?}");
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let url = "postgres://carnet:canary-of-the-database@127.0.0.1:1/carnet";
    let output = carnet(&["--log-filter=trace", "business", "list"], url).await;
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    assert!(
        said.starts_with("carnet: ") || said.contains("\ncarnet: "),
        "{said}"
    );
    assert!(!said.contains(WORD), "{said}");
}
