//! Clients that give up at random moments while the database is slow: what was acknowledged is there
//! once, what was not is there once or not at all, and no transaction stays open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carnet::proto::v1;
use carnet::proto::v1::list_entries_request::Scope;
use futures_util::StreamExt;
use futures_util::stream;
use rand::RngExt;
use rstest::rstest;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::{Code, Request};

use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::{TestApp, on};
use crate::support::postgres;
use crate::support::shop::{Shop, never};

/// How many calls are made.
const CALLS: usize = 1_000;
/// How many of them are under way at once.
const AT_ONCE: usize = 24;
/// Packages that are sold first, each with this many credits.
const PACKAGES: usize = 4;

/// Longer than anything that still runs needs to end.
const CLOSED_BY: Duration = Duration::from_secs(20);

/// Somebody else who holds what calls need, for moments, until told to stop.
struct Slow {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Slow {
    async fn start(app: &TestApp) -> Self {
        let url = app.database_url();
        let connection = carnet::store::db::Database::connect(url, 1).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            while !told.load(Ordering::Relaxed) {
                // On SQLite the transaction itself is the lock.
                let txn = connection.begin().await.unwrap();
                if connection.backend() == DbBackend::Postgres {
                    let lots = "SELECT id FROM lots ORDER BY id FOR UPDATE";
                    txn.execute_unprepared(lots).await.unwrap();
                }
                sleep(random(5..40)).await;
                txn.rollback().await.unwrap();
                sleep(random(1..15)).await;
            }
            connection.close().await.unwrap();
        });
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

fn random(milliseconds: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rand::rng().random_range(milliseconds))
}

/// What a client knows of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// It was told that the call took effect.
    Done,
    /// It gave up, or was told that the answer is not known.
    Unknown,
}

/// One use of a credit, with a client that may lose patience.
async fn call(app: &TestApp, request: v1::ConsumeRequest, number: usize) -> Known {
    let mut credits = app.credits();
    let mut message = Request::new(request);
    let answer = match number % 4 {
        // It hangs up.
        0 | 1 => match timeout(random(0..60), credits.consume(message)).await {
            Ok(answer) => answer,
            Err(_) => return Known::Unknown,
        },
        // It says how long it waits, and the server says that this was not enough.
        2 => {
            message.set_timeout(random(1..30));
            credits.consume(message).await
        }
        _ => credits.consume(message).await,
    };
    match answer {
        Ok(_) => Known::Done,
        Err(status) => {
            let codes = [Code::DeadlineExceeded, Code::Cancelled, Code::Aborted];
            assert!(codes.contains(&status.code()), "{status:?}");
            Known::Unknown
        }
    }
}

/// Waits until no connection of the server is in a transaction; it serves nobody now, so one that was left
/// open stays.
async fn nothing_is_left_open(app: &TestApp) {
    if app.database_url().starts_with("sqlite") {
        // The one writer took the repeats.
        return;
    }
    let connection = postgres::connect(app.database_url()).await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid() AND xact_start IS NOT NULL";
    let closed = timeout(CLOSED_BY, async {
        loop {
            let statement = Statement::from_string(DbBackend::Postgres, open);
            let row = connection.query_one_raw(statement).await.unwrap().unwrap();
            if row.try_get_by_index::<i64>(0).unwrap() == 0 {
                break;
            }
        }
    });
    closed.await.expect("a transaction was left open");
    connection.close().await.unwrap();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_cut_short_on_a_slow_database_take_effect_once_or_not_at_all(
    #[values(Sqlite, Postgres)] database: Database,
) {
    on(database, async |app| {
        let shop = Shop::open(app).await;
        let template_id = shop.offer(shop.lessons("1000", never())).await;
        let mut packages = Vec::new();
        for _ in 0..PACKAGES {
            packages.push(shop.sell(&template_id).await.id);
        }
        let slow = Slow::start(app).await;
        let requests: Vec<_> = (0..CALLS)
            .map(|number| match number % 3 {
                0 => shop.use_lessons("1"),
                _ => shop.use_lessons_of(&packages[number % PACKAGES], "1"),
            })
            .collect();
        let calls = requests.iter().enumerate();
        let known: Vec<Known> = stream::iter(calls)
            .map(|(number, request)| call(app, request.clone(), number))
            .buffered(AT_ONCE)
            .collect()
            .await;
        // A repeat of each ends every doubt: it waits for whatever is still under way.
        slow.end().await;
        let mut done_before = 0;
        let repeats: Vec<_> = stream::iter(requests.iter())
            .map(|request| shop.consume(request.clone()))
            .buffered(AT_ONCE)
            .collect()
            .await;
        for ((repeat, known), request) in repeats.into_iter().zip(&known).zip(&requests) {
            let repeat = repeat.unwrap();
            done_before += usize::from(repeat.replayed);
            if *known == Known::Done {
                assert!(repeat.replayed, "{} was lost", request.request_id);
            }
        }
        nothing_is_left_open(app).await;
        let told = known.iter().filter(|known| **known == Known::Done).count();
        assert!(
            told > CALLS / 10,
            "{told} calls were told that they are done"
        );
        assert!(
            told < CALLS * 9 / 10,
            "{told} calls were told that they are done"
        );
        assert!(done_before >= told);
        // Each is there once.
        let scope = Scope::CustomerId(shop.customer.clone());
        let entries = app.all_entries(scope, 200).await;
        let mut used: Vec<_> = entries
            .iter()
            .filter(|entry| entry.kind() == v1::EntryKind::Consume)
            .map(|entry| entry.posting_id.as_str())
            .collect();
        used.sort_unstable();
        let mut wanted: Vec<_> = requests.iter().map(|it| it.request_id.as_str()).collect();
        wanted.sort_unstable();
        assert_eq!(used, wanted);
        let mut left = 0;
        for package_id in &packages {
            left += shop.left(package_id).await.parse::<usize>().unwrap();
        }
        assert_eq!(left, PACKAGES * 1_000 - CALLS);
    })
    .await;
}
