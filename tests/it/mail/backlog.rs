//! Many e-mails that fall due after days without a run (G7, semantics 43): one each with the true days left, and
//! no faster than allowed.
//!
//! `CARNET_BACKLOG=10000` is the long form; without the variable there are fewer.

use std::collections::{BTreeMap, HashMap};

use carnet::config::MailSettings;
use carnet::proto::v1;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, local, set_leads, set_policy};
use crate::support::shop::{Shop, until};
use crate::support::smtp::{Mode, SmtpServer};

/// How many customers there are if nobody says otherwise.
const CUSTOMERS: usize = 240;
/// How many packages one call sells.
const SOLD_AT_ONCE: usize = 60;

fn customers() -> usize {
    let said = std::env::var_os("CARNET_BACKLOG").and_then(|text| text.into_string().ok());
    said.map_or(CUSTOMERS, |text| text.parse().unwrap())
}

/// Sells a package to each of so many new customers, of which no e-mail tells.
async fn sell(app: &TestApp, count: usize) {
    let mut shop = Shop::open(app).await;
    set_policy(app, &["confirmation"], v1::ReminderPolicy::default()).await;
    let template_id = shop.offer(shop.lessons("8", until("2026-02-10"))).await;
    let mut entries = Vec::new();
    for number in 0..count {
        shop.customer = shop.customer(&format!("Customer {number}")).await;
        entries.push(shop.entry(&template_id));
    }
    for entries in entries.chunks(SOLD_AT_ONCE) {
        shop.try_to_sell(entries.to_vec()).await.unwrap();
    }
}

#[rstest]
#[tokio::test]
async fn after_three_days_of_downtime_each_customer_gets_one_and_the_limit_is_kept(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let count = customers();
        let per_minute_max = count / 4;
        sell(app, count).await;
        set_leads(app, &[4, 3, 2]).await;
        let server = SmtpServer::start(Mode::Clear).await;
        let settings = MailSettings {
            mail_rate_per_minute: Some(u32::try_from(per_minute_max).unwrap()),
            ..app.mail_settings().clone()
        };
        let mut rooms = [
            Mailroom::posting_with(app, &server, &settings),
            Mailroom::posting_with(app, &server, &settings),
        ];
        assert_eq!(rooms[0].run_at("2026-02-05 09:00").await.sent, 0);
        // The runs of the 6th, the 7th and the 8th did not take place.
        app.clock.set(local("2026-02-09 09:00"));
        let mut sent: BTreeMap<DateTime<Utc>, usize> = BTreeMap::new();
        let mut total = 0;
        while total < count {
            let delivered = rooms[0].run().await.sent + rooms[1].deliver().await.sent;
            total += delivered;
            *sent.entry(app.clock.now()).or_default() += delivered;
            app.clock.advance(TimeDelta::seconds(5));
            assert!(sent.len() < 100, "{total} of {count}");
        }
        for first in sent.keys() {
            let minute = *first..*first + TimeDelta::minutes(1);
            let within: usize = sent.range(minute).map(|(_, count)| count).sum();
            assert!(within <= per_minute_max, "{within} from {first} on");
        }
        let mut of_each: HashMap<String, usize> = HashMap::new();
        for message in server.received() {
            let text = message.text.replace("=\r\n", "");
            assert!(text.contains("last day tomorrow"), "{text}");
            *of_each.entry(message.recipient).or_default() += 1;
        }
        assert_eq!(of_each.len(), count);
        assert!(of_each.values().all(|emails| *emails == 1));
        let notices = missed(app).await;
        assert_eq!(notices, count * 2, "of the three the others are on record");
    })
    .await;
}

/// How many reminders are on record as missed.
async fn missed(app: &TestApp) -> usize {
    use sea_orm::{ConnectionTrait, Statement};
    let db = &app.context().db;
    let sql = "SELECT CAST(count(*) AS BIGINT) FROM notices WHERE dropped_reason = 'missed'";
    let statement = Statement::from_string(db.backend(), sql);
    let row = db.reader().query_one_raw(statement).await.unwrap();
    let count: i64 = row.unwrap().try_get_by_index(0).unwrap();
    usize::try_from(count).unwrap()
}
