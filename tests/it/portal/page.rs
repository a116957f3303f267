//! The customer's page, as a browser meets it that has nothing but the link of an e-mail.

use carnet::config::Settings;
use carnet::proto::v1;
use carnet::proto::v1::EmailKind;
use chrono::TimeDelta;
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on_tuned};
use crate::support::mailroom::{emails, set_customer};
use crate::support::shop::{Shop, days, never};
use crate::support::web::{Answer, get, post};

const PUBLIC_URL: &str = "https://carnet.example/mail";

fn public(settings: &mut Settings) {
    settings.mail.public_url = Some(PUBLIC_URL.parse().unwrap());
}

/// The path that the button of a confirmation leads to.
async fn link(app: &TestApp) -> String {
    app.deliver().await;
    let address = format!("{PUBLIC_URL}/packages/");
    let mut sent = emails(app, EmailKind::Confirmation).await;
    sent.retain(|email| email.text_body.contains(&address));
    let newest = sent.pop().unwrap();
    let (_, rest) = newest.text_body.split_once(&address).unwrap();
    let text = rest.split_whitespace().next().unwrap();
    let button = newest
        .html_body
        .split("<a class=\"button\"")
        .nth(1)
        .unwrap();
    let button = button.split('>').next().unwrap();
    let leads = format!("href=\"{address}{text}\"");
    assert!(button.contains(&leads), "{button}");
    format!("/packages/{text}")
}

async fn speaks(app: &TestApp, shop: &Shop, locale: &str) {
    let spoken = v1::Customer {
        id: shop.customer.clone(),
        locale: locale.to_owned(),
        ..Default::default()
    };
    set_customer(app, &["locale"], spoken).await;
}

/// Nothing of anybody is on it.
#[track_caller]
fn tells_nothing(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    for known in ["Standard", "lesson", "Mari", "Swim school"] {
        assert!(!answer.body.contains(known), "{known} in {}", answer.body);
    }
}

#[rstest]
#[tokio::test]
async fn the_button_of_an_email_leads_to_used_and_unused_units_and_what_happened(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("3", days(30)).await;
        let link = link(app).await;
        let used = v1::ConsumeRequest {
            note: "came late, again".to_owned(),
            ..shop.use_lessons("1")
        };
        shop.consume(used).await.unwrap();
        let page = get(app.http_address(), &link).await;
        assert_eq!(page.status, 200);
        for told in [
            "<html lang=\"en\" dir=\"ltr\">",
            "<h1>Your packages</h1>",
            "<h3>Standard</h3>",
            "<strong>2</strong> of 3 lessons left",
            "\u{2713} 1\u{a0}used · 2\u{a0}left",
            "30 days left",
            "<dt>Usable through</dt><dd>14 February 2026</dd>",
            "<td>15 January</td><td>Used<br><span class=\"small\">Swimming lesson</span></td>\
             <td>1\u{a0}lesson</td><td>Standard</td>",
            "<td>Added</td><td>3\u{a0}lessons</td>",
        ] {
            assert!(page.body.contains(told), "{told} is not in {}", page.body);
        }
        assert_eq!(page.body.matches("class=\"mark used\"").count(), 1);
        assert_eq!(page.body.matches("class=\"mark left\"").count(), 2);
        for banned in ["late", "<script", "<img", "http://", "https://", "style="] {
            assert!(!page.body.contains(banned), "{banned} in {}", page.body);
        }
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'; form-action 'none'; \
             base-uri 'none'; frame-ancestors 'none'",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-robots-tag: noindex",
            "x-content-type-options: nosniff",
        ] {
            assert!(
                page.headers.contains(header),
                "{header} in {}",
                page.headers
            );
        }
        assert!(!page.headers.contains("set-cookie"), "{}", page.headers);
        assert_eq!(post(app.http_address(), &link, "").await.status, 405);
    })
    .await;
}

#[rstest]
#[case("en", "Your packages", "Usable through", "14 February 2026")]
#[case("et-EE", "Sinu paketid", "Viimane kasutuspäev", "14. veebruar 2026")]
#[case("de", "Ihre Pakete", "Nutzbar bis", "14. Februar 2026")]
#[case("fr", "Vos forfaits", "Utilisable jusqu’au", "14 février 2026")]
#[case("es", "Sus bonos", "Se puede usar hasta el", "14 de febrero de 2026")]
#[tokio::test]
async fn the_page_speaks_the_customers_language(
    #[case] locale: &str,
    #[case] title: &str,
    #[case] label: &str,
    #[case] date: &str,
) {
    on_tuned(Sqlite, public, async |app| {
        let shop = Shop::open(app).await;
        speaks(app, &shop, locale).await;
        shop.sell_lessons("3", days(30)).await;
        let page = get(app.http_address(), &link(app).await).await;
        let fact = format!("<dt>{label}</dt><dd>{date}</dd>");
        for told in [format!("<h1>{title}</h1>"), fact] {
            assert!(page.body.contains(&told), "{told} is not in {}", page.body);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_is_over_stands_apart_and_says_how_it_ended(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        let named = |name: &str, validity| v1::Template {
            name: name.to_owned(),
            ..shop.lessons("2", validity)
        };
        let short = shop.offer(named("<b>Short</b>", days(10))).await;
        let long = shop.offer(named("Long", never())).await;
        let gone = shop.offer(named("Gone", never())).await;
        shop.sell(&short).await;
        shop.sell(&long).await;
        let gone = shop.sell(&gone).await;
        let revoke = v1::RevokePackageRequest {
            request_id: app.request_id(),
            package_id: gone.id,
            ..Default::default()
        };
        app.packages().revoke_package(revoke).await.unwrap();
        let link = link(app).await;
        app.clock.advance(TimeDelta::days(12));
        let body = get(app.http_address(), &link).await.body;
        let (current, past) = body.split_once("<h2>Used up or over</h2>").unwrap();
        assert!(current.contains("<h3>Long</h3>"), "{current}");
        assert!(current.contains("<dd>Never expires</dd>"), "{current}");
        for told in [
            "<h3>&lt;b&gt;Short&lt;/b&gt;</h3><span class=\"badge\">expired</span>",
            "<dt>Was usable through</dt><dd>25 January 2026</dd>",
            "we can restore this package through 24 February 2026",
            "<h3>Gone</h3><span class=\"badge\">taken back</span>",
        ] {
            assert!(past.contains(told), "{told} is not in {past}");
        }
        assert_eq!(past.matches("class=\"mark lost\"").count(), 2);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn all_that_happened_is_there_once_page_by_page(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("60", never()).await;
        let link = link(app).await;
        for _ in 0..45 {
            app.clock.advance(TimeDelta::seconds(1));
            shop.consume(shop.use_lessons("1")).await.unwrap();
        }
        let mut path = link.clone();
        let mut seen = Vec::new();
        loop {
            let page = get(app.http_address(), &path).await;
            assert_eq!(page.status, 200, "{path}");
            seen.push(page.body.matches("<tbody>").count() * page.body.matches("<tr><td>").count());
            assert_eq!(page.body.contains("<h3>Standard</h3>"), path == link);
            let Some((_, rest)) = page.body.split_once("<a href=\"?from=") else {
                break;
            };
            let place = rest.split_once("#history\"").unwrap().0;
            path = format!("{link}?from={place}");
        }
        assert_eq!(seen, [20, 20, 6]);
        for forged in ["?from=", "?from=x", "?from=e30"] {
            let answer = get(app.http_address(), &format!("{link}{forged}")).await;
            tells_nothing(&answer, 404);
        }
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_link_that_nobody_signed_for_this_shows_nothing(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("3", never()).await;
        let link = link(app).await;
        let foreign = app.second_business().await;
        let other = Shop::open(&foreign).await;
        let sent = emails(app, EmailKind::Confirmation).await.pop().unwrap();
        let unsubscribe = sent.text_body.split_once("/unsubscribe/").unwrap().1;
        let unsubscribe = unsubscribe.split_whitespace().next().unwrap();
        let (said, signature) = link.rsplit_once('.').unwrap();
        let end = said.rsplit_once('.').unwrap().1;
        let later = (end.parse::<i64>().unwrap() + 1).to_string();
        let twin = shop.customer("Jaan Kask").await;
        for forged in [
            format!("/packages/{unsubscribe}"),
            link.replace(end, &later),
            link.replace(&format!(".{end}"), ""),
            link.replace(&shop.customer, &twin),
            format!(
                "/packages/{}.{}.{end}.{signature}",
                foreign.business_id, other.customer
            ),
            format!("{link}A"),
            said.to_owned(),
            format!("/packages/{}", "x".repeat(4_000)),
            "/packages/example".to_owned(),
            "/packages/..%2f".to_owned(),
        ] {
            tells_nothing(&get(app.http_address(), &forged).await, 404);
        }
        let other_purpose = link.replace("/packages/", "/unsubscribe/");
        tells_nothing(&post(app.http_address(), &other_purpose, "").await, 404);
        assert_eq!(get(app.http_address(), &link).await.status, 200);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_link_ends_after_ninety_days_and_says_so_in_the_customers_language(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let shop = Shop::open(app).await;
        speaks(app, &shop, "de").await;
        shop.sell_lessons("3", never()).await;
        let link = link(app).await;
        app.clock
            .advance(TimeDelta::days(90) - TimeDelta::seconds(1));
        assert_eq!(get(app.http_address(), &link).await.status, 200);
        app.clock.advance(TimeDelta::seconds(1));
        let answer = get(app.http_address(), &link).await;
        tells_nothing(&answer, 410);
        assert!(
            answer.body.contains("Dieser Link ist abgelaufen"),
            "{}",
            answer.body
        );
        assert!(answer.body.contains("<html lang=\"de\""), "{}", answer.body);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn it_shows_nothing_while_packages_are_switched_off_or_once_the_customer_is_erased(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let mut shop = Shop::open(app).await;
        shop.sell_lessons("1", never()).await;
        let link = link(app).await;
        let kept = shop.customer("Mari Kask").await;
        let merged = std::mem::replace(&mut shop.customer, kept);
        let merge = v1::MergeCustomersRequest {
            customer_id: merged,
            into_id: shop.customer.clone(),
            ..Default::default()
        };
        app.customers().merge_customers(merge).await.unwrap();
        let page = get(app.http_address(), &link).await;
        assert!(page.body.contains("<h3>Standard</h3>"), "{}", page.body);

        for (on, status) in [(false, 503), (true, 200)] {
            let settings = v1::Settings {
                feature_enabled: on,
                ..Default::default()
            };
            app.change_settings(settings, &["feature_enabled"]).await;
            let answer = get(app.http_address(), &link).await;
            assert_eq!(answer.status, status);
            if !on {
                tells_nothing(&answer, 503);
                assert!(
                    answer.body.contains("This page is closed"),
                    "{}",
                    answer.body
                );
            }
        }
        shop.consume(shop.use_lessons("1")).await.unwrap();
        let erase = v1::EraseCustomerRequest {
            customer_id: shop.customer.clone(),
            ..Default::default()
        };
        app.customers().erase_customer(erase).await.unwrap();
        tells_nothing(&get(app.http_address(), &link).await, 404);
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn the_button_leads_where_the_business_says_if_it_says_so(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on_tuned(database, public, async |app| {
        let settings = v1::Settings {
            sender: Some(v1::Sender {
                link_base_url: "https://swim.example/mine".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        app.change_settings(settings, &["sender"]).await;
        let shop = Shop::open(app).await;
        shop.sell_lessons("1", never()).await;
        app.deliver().await;
        let sent = emails(app, EmailKind::Confirmation).await.pop().unwrap();
        assert!(
            sent.text_body.contains("https://swim.example/mine"),
            "{}",
            sent.text_body
        );
        assert!(!sent.text_body.contains("/packages/"), "{}", sent.text_body);
    })
    .await;
}

#[tokio::test]
async fn an_email_that_is_tried_out_bears_no_link_that_shows_anything() {
    on_tuned(Sqlite, public, async |app| {
        let trial = v1::EmailTrial {
            kind: EmailKind::Confirmation.into(),
            ..Default::default()
        };
        let request = v1::PreviewEmailTemplateRequest { trial: Some(trial) };
        let shown = app.emails().preview_email_template(request).await.unwrap();
        let text = shown.into_inner().text_body;
        assert!(
            text.contains(&format!("{PUBLIC_URL}/packages/example")),
            "{text}"
        );
    })
    .await;
}
