//! Many e-mails that fall due after days without a run (G7, semantics 43): one each with the true days left, and
//! no faster than allowed.
//!
//! `CARNET_BACKLOG=10000` is the long form; without the variable there are fewer.

use std::collections::{BTreeMap, HashMap};

use carnet::proto::v1;
use chrono::{DateTime, TimeDelta, Utc};
use rstest::rstest;

use super::rates::limited;
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::mailroom::{Mailroom, local, set_leads, set_policy};
use crate::support::shop::{Shop, until};
use crate::support::smtp::{Mode, SmtpServer};
use crate::support::tenant::Tenant;

/// How many customers there are if nobody says otherwise.
const CUSTOMERS: usize = 240;
/// How many packages one call sells.
const SOLD_AT_ONCE: usize = 60;

fn customers() -> usize {
    let said = std::env::var_os("CARNET_BACKLOG").and_then(|text| text.into_string().ok());
    said.map_or(CUSTOMERS, |text| text.parse().unwrap())
}

/// Sells a package to each of so many new customers, of which no e-mail tells.
async fn sell(tenant: &Tenant, name: &str, count: usize) {
    let mut shop = Shop::open(tenant).await;
    set_policy(tenant, &["confirmation"], v1::ReminderPolicy::default()).await;
    let template_id = shop.offer(shop.lessons("8", until("2026-02-10"))).await;
    let mut entries = Vec::new();
    for number in 0..count {
        shop.customer = shop.customer(&format!("{name} {number}")).await;
        entries.push(shop.entry(&template_id));
    }
    for entries in entries.chunks(SOLD_AT_ONCE) {
        shop.try_to_sell(entries.to_vec()).await.unwrap();
    }
}

/// How many e-mails went out when.
type Sent = BTreeMap<DateTime<Utc>, usize>;

/// The most in any minute, and how long all took.
fn pace(sent: &Sent) -> (usize, TimeDelta) {
    let minutes = sent.keys().map(|first| {
        let minute = *first..*first + TimeDelta::minutes(1);
        sent.range(minute).map(|(_, count)| count).sum()
    });
    let (first, last) = (sent.keys().next(), sent.keys().next_back());
    (minutes.max().unwrap(), *last.unwrap() - *first.unwrap())
}

/// Two businesses, of which one has three quarters of the customers: the limit of each business holds that one up, and
/// the limit of all keeps both together below twice that.
#[rstest]
#[tokio::test]
async fn after_three_days_of_downtime_each_customer_gets_one_and_the_limits_are_kept(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let count = customers();
        let (all_max, business_max) = (count / 4, count / 6);
        let other = app.second_business().await;
        let tenants: [&Tenant; 2] = [app, &other];
        let names = ["mari", "jaan"];
        for ((tenant, name), count) in tenants.iter().zip(names).zip([count * 3 / 4, count / 4]) {
            sell(tenant, name, count).await;
            set_leads(tenant, &[4, 3, 2]).await;
        }
        let count = count * 3 / 4 + count / 4;
        let server = SmtpServer::start(Mode::Clear).await;
        let per_minute = |max: usize| Some(u32::try_from(max).unwrap());
        let settings = limited(app, per_minute(all_max), per_minute(business_max));
        let mut rooms = [
            Mailroom::posting_with(app, &server, &settings),
            Mailroom::posting_with(app, &server, &settings),
        ];
        assert_eq!(rooms[0].run_at("2026-02-05 09:00").await.sent, 0);
        // The runs of the 6th, the 7th and the 8th did not take place.
        app.clock.set(local("2026-02-09 09:00"));
        let begun = std::time::Instant::now();
        let mut of_all = Sent::new();
        let mut of_each: [Sent; 2] = Default::default();
        let mut total = 0;
        for round in 0.. {
            let delivered = rooms[0].run().await.sent + rooms[1].deliver().await.sent;
            let received = server.received_after(total);
            assert_eq!(received.len(), delivered);
            total += delivered;
            let now = app.clock.now();
            *of_all.entry(now).or_default() += delivered;
            for (sent, name) in of_each.iter_mut().zip(names) {
                let theirs = received.iter().filter(|it| it.recipient.starts_with(name));
                *sent.entry(now).or_default() += theirs.count();
            }
            if total == count {
                break;
            }
            app.clock.advance(TimeDelta::seconds(5));
            assert!(round < 150, "{total} of {count}");
        }
        println!("{count} e-mails went out in {:?}", begun.elapsed());
        assert!(pace(&of_all).0 <= all_max, "{of_all:?}");
        for sent in &of_each {
            assert!(pace(sent).0 <= business_max, "{sent:?}");
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
