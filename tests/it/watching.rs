//! The change feed (H6): none missed and none doubled, whoever writes, through gRPC on both databases.

mod leaving;

use std::collections::BTreeSet;
use std::time::Duration;

use carnet::app::App;
use carnet::jobs::settle;
use carnet::proto::v1;
use carnet::proto::v1::FeedStart;
use carnet::proto::v1::watch_changes_request::Begin;
use carnet::proto::v1::watch_changes_response::Event;
use chrono::TimeDelta;
use rstest::rstest;
use sea_orm::ConnectionTrait;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use crate::support::app::Database::{self, Partitioned, Postgres, Sqlite};
use crate::support::app::{channel, on, settings};
use crate::support::refused::{field_faults, refused};
use crate::support::shop::{Shop, days};
use crate::support::tenant::Tenant;

/// How long a test waits for news that must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// In what time news would come that must not.
const MOMENT: Duration = Duration::from_millis(1_500);

/// A reader of the feed.
struct Reader {
    stream: Streaming<v1::WatchChangesResponse>,
    token: String,
}

impl Reader {
    async fn try_open(app: &Tenant, begin: Begin) -> Result<Self, Status> {
        let request = v1::WatchChangesRequest {
            begin: Some(begin),
            heartbeat_seconds: 1,
        };
        let stream = app.credits().watch_changes(request).await?.into_inner();
        let mut reader = Self {
            stream,
            token: String::new(),
        };
        let first = reader.next().await?;
        assert!(matches!(first, Event::Heartbeat(_)), "{first:?}");
        Ok(reader)
    }

    async fn open(app: &Tenant, start: FeedStart) -> Self {
        Self::try_open(app, Begin::Start(start.into()))
            .await
            .unwrap()
    }

    async fn resume(app: &Tenant, token: &str) -> Self {
        let begin = Begin::ResumeToken(token.to_owned());
        Self::try_open(app, begin).await.unwrap()
    }

    async fn next(&mut self) -> Result<Event, Status> {
        let message = timeout(PATIENCE, self.stream.message()).await.unwrap()?;
        let message = message.unwrap();
        self.token = message.resume_token;
        Ok(message.event.unwrap())
    }

    /// The next so many pieces of news.
    async fn news(&mut self, count: usize) -> Vec<Event> {
        let mut news = Vec::new();
        while news.len() < count {
            let event = self.next().await.unwrap();
            if !matches!(event, Event::Heartbeat(_)) {
                news.push(event);
            }
        }
        news
    }

    /// The next so many entries; there must be nothing else.
    async fn entries(&mut self, count: usize) -> Vec<v1::Entry> {
        let news = self.news(count).await.into_iter();
        news.map(|event| {
            let Event::Entry(entry) = event else {
                panic!("{event:?}");
            };
            entry
        })
        .collect()
    }

    async fn assert_quiet(&mut self) {
        let told = timeout(MOMENT, self.news(1)).await;
        assert!(told.is_err(), "{told:?}");
    }
}

fn keys(entries: &[v1::Entry]) -> BTreeSet<(String, i32)> {
    let keys = entries.iter();
    keys.map(|entry| (entry.posting_id.clone(), entry.number))
        .collect()
}

#[rstest]
#[tokio::test]
async fn the_feed_tells_entries_and_changes_and_goes_on_behind_any_of_them(
    #[values(Sqlite, Postgres, Partitioned)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let mut now = Reader::open(app, FeedStart::Now).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let sold = now.entries(1).await;
        let behind_the_sale = now.token.clone();
        shop.consume(shop.use_lessons("2")).await.unwrap();
        let request = v1::ExtendPackageRequest {
            request_id: app.request_id(),
            package_id: package.id.clone(),
            new_expiry: Some(v1::extend_package_request::NewExpiry::By(v1::Period {
                count: 10,
                unit: v1::PeriodUnit::Day.into(),
            })),
            reason: "Was ill".to_owned(),
            ..Default::default()
        };
        app.packages().extend_package(request).await.unwrap();
        let told = now.news(2).await;
        let listed = app.entries_of_package(&package.id).await;
        assert_eq!(sold, listed[1..]);
        assert!(told.contains(&Event::Entry(listed[0].clone())));
        let changes = app.changes_of(&package.id).await;
        assert_eq!(changes[0].reason, "Was ill");
        assert!(told.contains(&Event::Change(changes[0].clone())));
        assert_eq!(
            Reader::resume(app, &behind_the_sale).await.news(2).await,
            told
        );
        now.assert_quiet().await;
        let mut oldest = Reader::open(app, FeedStart::Oldest).await;
        assert_eq!(oldest.news(3).await.len(), 3);
        oldest.assert_quiet().await;
        // What time causes is told once it is written.
        app.clock.advance(TimeDelta::days(60));
        settle::step(app.context()).await.unwrap();
        let lost = now.entries(1).await;
        assert_eq!(
            (lost[0].kind(), lost[0].by_time),
            (v1::EntryKind::Expire, true)
        );
        let stranger = app.second_business().await;
        Reader::open(&stranger, FeedStart::Oldest)
            .await
            .assert_quiet()
            .await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn while_many_write_through_two_servers_a_reader_that_breaks_off_misses_and_doubles_nothing(
    #[values(Postgres)] database: Database,
) {
    on(database, async |app| {
        let other = App::build(settings(app.database_url()), app.clock.clone())
            .await
            .unwrap();
        let other = other.bind().await.unwrap();
        let second = app.through(channel(&other));
        let mut shops = Vec::new();
        for tenant in [app, &second] {
            let shop = Shop::open(tenant).await;
            shop.sell_lessons("1000", days(30)).await;
            shops.push(shop);
        }
        let mut reader = Reader::open(&second, FeedStart::Oldest).await;
        reader.entries(2).await;
        let writers = shops.iter().flat_map(|shop| (0..6).map(move |_| shop));
        let writing = writers.map(async |shop| {
            for _ in 0..25 {
                shop.consume(shop.use_lessons("1")).await.unwrap();
            }
        });
        let reading = async {
            let mut seen = Vec::new();
            for part in [7, 50, 1, 92, 150] {
                seen.extend(reader.entries(part).await);
                let through: &Tenant = if part % 2 == 0 { app } else { &second };
                reader = Reader::resume(through, &reader.token.clone()).await;
            }
            reader.assert_quiet().await;
            seen
        };
        let (_, seen) = tokio::join!(futures_util::future::join_all(writing), reading);
        assert_eq!((seen.len(), keys(&seen).len()), (300, 300));
        for shop in &shops {
            let of_shop = seen
                .iter()
                .filter(|entry| entry.customer_id == shop.customer);
            let sequences: Vec<i64> = of_shop.map(|entry| entry.sequence).collect();
            assert!(sequences.is_sorted(), "{sequences:?}");
            assert_eq!(sequences.len(), 150);
        }
        drop(reader);
        other.stop().await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn many_writers_on_one_file_are_told_in_their_order(#[values(Sqlite)] database: Database) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        shop.sell_lessons("1000", days(30)).await;
        let mut reader = Reader::open(app, FeedStart::Now).await;
        let writing = (0..6).map(async |_| {
            for _ in 0..20 {
                shop.consume(shop.use_lessons("1")).await.unwrap();
            }
        });
        let reading = async {
            let mut seen = reader.entries(33).await;
            reader = Reader::resume(app, &reader.token.clone()).await;
            seen.extend(reader.entries(87).await);
            seen
        };
        let (_, seen) = tokio::join!(futures_util::future::join_all(writing), reading);
        let sequences: Vec<i64> = seen.iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, (2..122).collect::<Vec<i64>>());
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn what_a_long_transaction_wrote_is_told_when_it_commits_though_others_came_later(
    #[values(Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let package = shop.sell_lessons("8", days(30)).await;
        let mut reader = Reader::open(app, FeedStart::Oldest).await;
        reader.entries(1).await;
        let long = app.context().db.begin().await.unwrap();
        // A change of a package, as old as its transaction.
        long.execute_unprepared(&format!(
            "INSERT INTO changes (business_id, package_id, seq, kind, old_value, new_value, request_id,
                actor_kind, effective_at, recorded_at)
             SELECT business_id, id, 900, 5, '\"nothing\"', '\"nothing\"', '{}', 0, 0, 0 FROM packages",
            app.request_id()
        ))
        .await
        .unwrap();
        shop.consume(shop.use_lessons("1")).await.unwrap();
        reader.assert_quiet().await;
        let token = reader.token.clone();
        long.commit().await.unwrap();
        let told = reader.news(2).await;
        assert_eq!(Reader::resume(app, &token).await.news(2).await, told);
        let of_change = |event: &Event| matches!(event, Event::Change(change) if change.package_id == package.id);
        assert!(told.iter().any(of_change), "{told:?}");
        assert!(told.iter().any(|event| matches!(event, Event::Entry(_))));
        let undo = app.context().db.begin().await.unwrap();
        undo.execute_unprepared(
            "ALTER TABLE changes DISABLE TRIGGER USER; DELETE FROM changes WHERE seq = 900;
             ALTER TABLE changes ENABLE TRIGGER USER",
        )
        .await
        .unwrap();
        undo.commit().await.unwrap();
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn a_token_of_another_database_or_business_is_told_that_the_feed_restarted(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let before = Reader::open(app, FeedStart::Now).await.token;
        shop.sell_lessons("8", days(30)).await;
        let mut reader = Reader::open(app, FeedStart::Oldest).await;
        reader.entries(1).await;
        let token = reader.token.clone();
        let stranger = app.second_business().await;
        let foreign = Reader::try_open(&stranger, Begin::ResumeToken(token.clone())).await;
        refused(
            foreign.map(drop),
            Code::FailedPrecondition,
            "FEED_RESTARTED",
        );
        on(database, async |copy| {
            let shop = Shop::open(copy).await;
            shop.sell_lessons("8", days(30)).await;
            // The same business in another database, as after a restore.
            let elsewhere = copy.bearing_token(copy.token.clone());
            let begin = Begin::ResumeToken(rename(&token, app, copy));
            let foreign = Reader::try_open(&elsewhere, begin).await;
            refused(
                foreign.map(drop),
                Code::FailedPrecondition,
                "FEED_RESTARTED",
            );
        })
        .await;
        Reader::resume(app, &before).await.entries(1).await;
        for token in ["", "x", "bm90IGpzb24", &"e30".repeat(1_000)] {
            let faulty = Begin::ResumeToken(token.to_owned());
            let faults = field_faults(Reader::try_open(app, faulty).await.map(drop));
            assert_eq!(faults[0].0, "resume_token", "{token}");
        }
        let request = v1::WatchChangesRequest {
            heartbeat_seconds: 301,
            begin: Some(Begin::Start(77)),
        };
        let answer = app.credits().watch_changes(request).await.map(drop);
        let fields: Vec<_> = field_faults(answer).into_iter().map(|it| it.0).collect();
        assert_eq!(fields, ["start", "heartbeat_seconds"]);
    })
    .await;
}

/// A token with the business of one database replaced by that of another.
fn rename(token: &str, from: &Tenant, to: &Tenant) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let json = String::from_utf8(URL_SAFE_NO_PAD.decode(token).unwrap()).unwrap();
    let [from, to] = [from, to].map(|tenant| tenant.business_id.to_string());
    assert!(json.contains(&from));
    URL_SAFE_NO_PAD.encode(json.replace(&from, &to))
}

#[rstest]
#[tokio::test]
async fn what_is_to_be_charged_is_told_to_the_payment_system_once(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("4", days(30))).await;
        let mut reader = Reader::open(app, FeedStart::Now).await;
        let entry = v1::SaleEntry {
            payment: Some(v1::sale_entry::Payment::Charged(v1::Charge::default())),
            ..shop.entry(&template_id)
        };
        let sold = shop.try_to_sell(vec![entry]).await.unwrap().into_inner();
        let sale_id = &sold.sales[0].id;
        let mut charges = Vec::new();
        while charges.is_empty() {
            if let Event::ChargeRequest(charge) = reader.next().await.unwrap() {
                charges.push(charge);
            }
        }
        assert_eq!(charges[0].sale_id, *sale_id);
        let listed = v1::ListChargeRequestsRequest::default();
        let listed = app.invoices().list_charge_requests(listed).await.unwrap();
        assert_eq!(listed.into_inner().charge_requests, charges);
        Reader::resume(app, &reader.token.clone())
            .await
            .assert_quiet()
            .await;
    })
    .await;
}

#[rstest]
#[tokio::test]
async fn heartbeats_come_without_news_and_end_with_the_token_that_was_revoked(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let desk = app
            .allowed_only(&[carnet::domain::permission::Permission::LedgerRead])
            .await;
        let mut reader = Reader::open(&desk, FeedStart::Now).await;
        for _ in 0..2 {
            let event = reader.next().await.unwrap();
            assert!(matches!(event, Event::Heartbeat(_)));
        }
        let tokens = v1::ListTokensRequest::default();
        let tokens = app.business().list_tokens(tokens).await.unwrap();
        let tokens = tokens.into_inner().tokens;
        let token = tokens
            .iter()
            .find(|token| token.permissions.len() == 1)
            .unwrap();
        let request = v1::RevokeTokenRequest {
            token_id: token.id.clone(),
            ..Default::default()
        };
        app.business().revoke_token(request).await.unwrap();
        let end = loop {
            if let Err(end) = reader.next().await {
                break end;
            }
        };
        refused(
            Err::<(), _>(end),
            Code::PermissionDenied,
            "PERMISSION_DENIED",
        );
    })
    .await;
}
