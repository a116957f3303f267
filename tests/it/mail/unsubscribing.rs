//! Unsubscribing by one click (RFC 8058), by the page behind the link, and by the business (G10).

use carnet::config::Settings;
use carnet::domain::permission::Permission;
use carnet::proto::v1;
use carnet::proto::v1::{EmailKind, EmailState};
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on, on_tuned};
use crate::support::mailroom::{Mailroom, emails, only_email, set_customer, set_policy};
use crate::support::shop::{Shop, never};
use crate::support::smtp::{Mode, SmtpServer};
use crate::support::web::{ask, get, post};

const PUBLIC_URL: &str = "https://carnet.example/mail";

fn public(settings: &mut Settings) {
    settings.mail.public_url = Some(PUBLIC_URL.parse().unwrap());
}

/// A header of a message, of which no line is folded here.
fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// Sells a package and delivers its confirmation: the path of the link in it.
async fn link(app: &TestApp, shop: &Shop) -> String {
    let server = SmtpServer::start(Mode::Clear).await;
    shop.sell_lessons("8", never()).await;
    let mut room = Mailroom::posting_to(app, &server);
    assert_eq!(room.deliver().await.sent, 1);
    let message = server.received().remove(0).text;
    let url = header(&message, "List-Unsubscribe").unwrap();
    let url = url.strip_prefix('<').unwrap().strip_suffix('>').unwrap();
    assert_eq!(
        header(&message, "List-Unsubscribe-Post"),
        Some("List-Unsubscribe=One-Click")
    );
    url.strip_prefix(PUBLIC_URL).unwrap().to_owned()
}

async fn customer(shop: &Shop) -> v1::Customer {
    let request = v1::GetCustomerRequest {
        customer_id: shop.customer.clone(),
    };
    let answer = shop.tenant.customers().get_customer(request).await;
    answer.unwrap().into_inner().customer.unwrap()
}

/// What becomes of the confirmation of a package that is sold now.
async fn confirmed(app: &TestApp, shop: &Shop) -> (EmailState, String) {
    app.clock.advance(chrono::TimeDelta::seconds(1));
    shop.sell_lessons("1", never()).await;
    Mailroom::capturing(app).deliver().await;
    let all = emails(app, EmailKind::Confirmation).await;
    let newest = all.last().unwrap();
    (newest.state(), newest.reason.clone())
}

#[rstest]
#[tokio::test]
async fn semantics_46_one_click_unsubscribes_and_looking_does_not(
    #[values(Sqlite, Postgres)] database: Database,
    #[values("List-Unsubscribe=One-Click", "")] form: &str,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        let link = link(app, &shop).await;
        let web = app.http_address();
        for method in ["GET", "HEAD"] {
            assert_eq!(ask(web, method, &link, "").await.status, 200);
        }
        assert!(!customer(&shop).await.unsubscribed, "scanners look");
        assert_eq!(confirmed(app, &shop).await.0, EmailState::Sent);

        let clicked = post(web, &link, form).await;
        assert_eq!(clicked.status, 200, "not led elsewhere");
        let unsubscribed = customer(&shop).await;
        assert!(unsubscribed.unsubscribed);
        let since = unsubscribed.unsubscribed_at;
        assert_eq!(since.unwrap().seconds, app.clock.now().timestamp());
        let (state, reason) = confirmed(app, &shop).await;
        assert_eq!((state, &*reason), (EmailState::Cancelled, "unsubscribed"));

        post(web, &link, form).await;
        let again = customer(&shop).await;
        assert_eq!(again, unsubscribed, "a second click changes nothing");
    })
    .await;
}

#[rstest]
#[case(
    "en",
    "You get e-mails from Swim school",
    "Unsubscribe",
    "Subscribe again"
)]
#[case(
    "et-EE",
    "Swim school saadab sulle",
    "Loobu kirjadest",
    "Telli kirjad uuesti"
)]
#[case(
    "de",
    "Sie erhalten E-Mails von Swim school",
    "Abmelden",
    "Wieder anmelden"
)]
#[case(
    "fr",
    "Vous recevez des e-mails de Swim school",
    "Se désabonner",
    "Se réabonner"
)]
#[case(
    "es",
    "Recibe correos de Swim school",
    "Darse de baja",
    "Volver a suscribirse"
)]
#[tokio::test]
async fn the_page_speaks_the_customers_language_and_leads_there_and_back(
    #[case] locale: &str,
    #[case] says: &str,
    #[case] unsubscribe: &str,
    #[case] subscribe: &str,
) {
    on_tuned(Sqlite, public, async |app| {
        let shop = Shop::open(app).await;
        let spoken = v1::Customer {
            id: shop.customer.clone(),
            locale: locale.to_owned(),
            ..Default::default()
        };
        set_customer(app, &["locale"], spoken).await;
        let link = link(app, &shop).await;
        let web = app.http_address();
        let button = |name: &str| format!("<button>{name}</button>");
        let page = get(web, &link).await;
        assert!(page.body.contains(says), "{}", page.body);
        assert!(page.body.contains(&button(unsubscribe)), "{}", page.body);
        assert_eq!(page.body.matches("<button").count(), 1);

        let text = link.strip_prefix("/unsubscribe/").unwrap();
        let done = post(web, &link, "").await;
        assert!(done.body.contains(&button(subscribe)), "{}", done.body);
        let back = format!("action=\"../subscribe/{text}\"");
        assert!(done.body.contains(&back), "{}", done.body);
        let returned = post(web, &format!("/subscribe/{text}"), "").await;
        assert!(returned.body.contains(says), "{}", returned.body);
        let customer = customer(&shop).await;
        assert_eq!(
            (customer.unsubscribed, customer.unsubscribed_at),
            (false, None)
        );
    })
    .await;
}

#[tokio::test]
async fn the_page_runs_nothing_and_loads_only_its_style() {
    on_tuned(Sqlite, public, async |app| {
        let shop = Shop::open(app).await;
        let link = link(app, &shop).await;
        let page = get(app.http_address(), &link).await;
        for wanted in [
            "content-security-policy: default-src 'none'; style-src 'self'; form-action 'self'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(
                page.headers.contains(wanted),
                "{wanted} in {}",
                page.headers
            );
        }
        assert!(!page.headers.contains("set-cookie"), "{}", page.headers);
        for banned in ["<script", "<img", "http://", "https://"] {
            assert!(!page.body.contains(banned), "{banned} in {}", page.body);
        }
        assert_eq!(get(app.http_address(), "/style.css").await.status, 200);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_link_that_nobody_signed_leads_nowhere(#[values(Sqlite, Postgres)] database: Database) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        let link = link(app, &shop).await;
        let foreign = app.second_business().await;
        let other = Shop::open(&foreign).await;
        let web = app.http_address();
        let signature = link.rsplit('.').next().unwrap();
        for forged in [
            format!(
                "/unsubscribe/{}.{}.{signature}",
                app.business_id, other.customer
            ),
            format!(
                "/unsubscribe/{}.{}.{signature}",
                foreign.business_id, other.customer
            ),
            format!("{}A", link.strip_suffix(signature).unwrap()),
            format!("/unsubscribe/{}", "x".repeat(4_000)),
            "/unsubscribe/%00%ff".to_owned(),
            "/unsubscribe/..".to_owned(),
        ] {
            for answer in [get(web, &forged).await, post(web, &forged, "").await] {
                assert!((400..=404).contains(&answer.status), "{forged}: {answer:?}");
            }
        }
        for shop in [&shop, &other] {
            assert!(!customer(shop).await.unsubscribed);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn mandatory_kinds_come_all_the_same_and_bear_no_link(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        let link = link(app, &shop).await;
        post(app.http_address(), &link, "").await;
        let policy = v1::ReminderPolicy {
            mandatory_kinds: vec![EmailKind::Confirmation.into()],
            ..Default::default()
        };
        set_policy(app, &["mandatory_kinds"], policy).await;
        let page = get(app.http_address(), &link).await;
        assert!(page.body.contains("obliged"), "{}", page.body);

        let server = SmtpServer::start(Mode::Clear).await;
        shop.sell_lessons("1", never()).await;
        assert_eq!(Mailroom::posting_to(app, &server).deliver().await.sent, 1);
        let message = server.received().remove(0).text;
        assert_eq!(header(&message, "List-Unsubscribe"), None);
        assert!(!message.contains("/unsubscribe/"), "{message}");
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn without_a_public_address_no_email_bears_a_link(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let server = SmtpServer::start(Mode::Clear).await;
        shop.sell_lessons("1", never()).await;
        assert_eq!(Mailroom::posting_to(app, &server).deliver().await.sent, 1);
        let message = server.received().remove(0).text;
        assert_eq!(header(&message, "List-Unsubscribe"), None);
        assert_eq!(header(&message, "List-Unsubscribe-Post"), None);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_link_stands_in_both_parts_and_is_the_same_in_every_attempt(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        let link = link(app, &shop).await;
        let sent = only_email(app, EmailKind::Confirmation).await;
        for part in [&sent.text_body, &sent.html_body] {
            assert!(part.contains(&format!("{PUBLIC_URL}{link}")), "{part}");
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn who_was_merged_unsubscribes_who_took_the_place(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let mut shop = Shop::open(app).await;
        let link = link(app, &shop).await;
        let merged = shop.customer.clone();
        shop.customer = shop.customer("Mari Kask").await;
        let request = v1::MergeCustomersRequest {
            customer_id: merged,
            into_id: shop.customer.clone(),
            ..Default::default()
        };
        app.customers().merge_customers(request).await.unwrap();
        assert!(!customer(&shop).await.unsubscribed);
        assert_eq!(post(app.http_address(), &link, "").await.status, 200);
        assert!(customer(&shop).await.unsubscribed);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn of_two_who_are_merged_one_who_unsubscribed_suffices(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let mut shop = Shop::open(app).await;
        let unsubscribed = v1::Customer {
            id: shop.customer.clone(),
            unsubscribed: true,
            ..Default::default()
        };
        set_customer(app, &["unsubscribed"], unsubscribed).await;
        let merged = customer(&shop).await;
        shop.customer = shop.customer("Mari Kask").await;
        let request = v1::MergeCustomersRequest {
            customer_id: merged.id,
            into_id: shop.customer.clone(),
            ..Default::default()
        };
        let kept = app.customers().merge_customers(request).await.unwrap();
        let kept = kept.into_inner().customer.unwrap();
        assert!(kept.unsubscribed);
        assert_eq!(kept.unsubscribed_at, merged.unsubscribed_at);
        assert_eq!(kept, customer(&shop).await);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_business_notes_what_a_customer_said_elsewhere(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let request = v1::CreateCustomerRequest {
            customer: Some(v1::Customer {
                name: "Jaan Kask".to_owned(),
                unsubscribed: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = app.customers().create_customer(request).await.unwrap();
        let made = made.into_inner().customer.unwrap();
        assert!(made.unsubscribed && made.unsubscribed_at.is_some());
        let back = v1::UpdateCustomerRequest {
            customer: Some(v1::Customer {
                id: made.id,
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["unsubscribed".to_owned()],
            }),
            ..Default::default()
        };
        let reader = app.allowed_only(&[Permission::CustomersRead]).await;
        let refused = reader.customers().update_customer(back.clone()).await;
        assert_eq!(refused.unwrap_err().code(), tonic::Code::PermissionDenied);
        let changed = app.customers().update_customer(back).await.unwrap();
        let changed = changed.into_inner().customer.unwrap();
        assert_eq!(
            (changed.unsubscribed, changed.unsubscribed_at),
            (false, None)
        );
    })
    .await;
}
