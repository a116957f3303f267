//! The audit of acknowledged writes: clients log what they were told while server and database are killed
//! under them; at the end the ledger says the same.
//!
//! Every command that was acknowledged exists once, none that was refused exists, and one whose answer never
//! came exists once or not at all, and whole. `CARNET_AUDIT_ROUNDS` makes it as long as wanted.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carnet::app::App;
use carnet::clock::Clock;
use carnet::proto::v1;
use carnet::store::db::Database as Connection;
use carnet::store::entries;
use futures_util::future::join_all;
use rand::RngExt;
use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::app::{channel, settings};
use crate::support::postgres::{Durability, Server};
use crate::support::process::Serving;
use crate::support::program::{carnet, err};
use crate::support::shop::{Shop, never};
use crate::support::tenant::Tenant;

/// How many rounds there are unless the environment says otherwise.
const ROUNDS: usize = 3;
/// How many clients call at once.
const CLIENTS: usize = 8;
/// The packages that are used: large ones, and one that runs out.
const QUANTITIES: [&str; 4] = ["100000", "100000", "100000", "60"];

/// What a client was told of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Refused,
    /// No answer, or one that leaves it open.
    Nothing,
}

/// What a client asks for.
#[derive(Clone, Debug)]
enum Asked {
    Use(v1::ConsumeRequest),
    Hold(v1::HoldRequest),
    /// Of all that is held.
    Capture(v1::CaptureRequest),
    /// Of all that was used.
    Reverse(v1::ReverseRequest),
}

/// A call as its client logs it.
#[derive(Clone, Debug)]
struct Logged {
    asked: Asked,
    /// How many lessons it is about.
    lessons: i64,
    told: Told,
    /// The hold that it made, if that was told.
    hold_id: String,
    /// Whether another call is about it.
    is_followed: bool,
}

/// What an answer says.
struct Answered {
    replayed: bool,
    hold_id: String,
}

/// What the clients call.
struct Stage {
    tenant: Tenant,
    shop: Shop,
    packages: Vec<String>,
}

/// What the logs come to beside what is stored.
#[derive(Debug, Default)]
struct Compared {
    done: usize,
    open: usize,
    /// What the ledger does not bear out.
    faults: Vec<String>,
}

/// What is killed in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Server,
    Database,
    Both,
}

fn rounds() -> usize {
    let wanted = std::env::var_os("CARNET_AUDIT_ROUNDS");
    let wanted = wanted.and_then(|text| text.into_string().ok());
    wanted.map_or(ROUNDS, |text| text.parse().unwrap())
}

fn random(milliseconds: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(rand::rng().random_range(milliseconds))
}

/// Makes a business with packages that never end, through a server that is stopped again.
async fn set_up(database_url: &str) -> Stage {
    let mut told = settings(database_url);
    told.server.migrate = true;
    let app = App::build(told, Clock::System).await.unwrap();
    let running = app.bind().await.unwrap();
    let tenant = Tenant::create(running.context(), "Swim school", channel(&running)).await;
    let shop = Shop::open(&tenant).await;
    let mut packages = Vec::new();
    for quantity in QUANTITIES {
        packages.push(shop.sell_lessons(quantity, never()).await.id);
    }
    running.stop().await;
    Stage {
        tenant,
        shop,
        packages,
    }
}

impl Asked {
    fn request_id(&self) -> &str {
        match self {
            Self::Use(request) => &request.request_id,
            Self::Hold(request) => &request.request_id,
            Self::Capture(request) => &request.request_id,
            Self::Reverse(request) => &request.request_id,
        }
    }

    async fn send(&self, tenant: &Tenant) -> Result<Answered, Status> {
        let mut credits = tenant.credits();
        let mut hold_id = String::new();
        let replayed = match self.clone() {
            Self::Use(request) => credits.consume(request).await?.into_inner().replayed,
            Self::Hold(request) => {
                let held = credits.hold(request).await?.into_inner();
                hold_id = held.hold_id;
                held.replayed
            }
            Self::Capture(request) => credits.capture(request).await?.into_inner().replayed,
            Self::Reverse(request) => credits.reverse(request).await?.into_inner().replayed,
        };
        Ok(Answered { replayed, hold_id })
    }

    /// What a client was told. Only a lost connection, and a server that says so of its own, leave it open; only what
    /// takes credits may find too few.
    fn told(&self, answer: &Result<Answered, Status>) -> Told {
        let Err(status) = answer else {
            return Told::Done;
        };
        let is_lost = status.source().is_some();
        let is_open = matches!(
            status.code(),
            Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded
        );
        if is_lost || is_open {
            return Told::Nothing;
        }
        let reason = status.get_details_error_info().map(|info| info.reason);
        assert_eq!(
            reason.as_deref(),
            Some("INSUFFICIENT_CREDITS"),
            "{self:?}: {status:?}"
        );
        assert!(
            matches!(self, Self::Use(_) | Self::Hold(_)),
            "{self:?}: {status:?}"
        );
        Told::Refused
    }
}

impl Logged {
    fn new(asked: Asked, lessons: i64) -> Self {
        Self {
            asked,
            lessons,
            told: Told::Nothing,
            hold_id: String::new(),
            is_followed: false,
        }
    }

    /// Asks, once more or for the first time, and takes down what is answered.
    async fn call(&mut self, tenant: &Tenant) -> Told {
        let answer = self.asked.send(tenant).await;
        let told = self.asked.told(&answer);
        if told == Told::Nothing {
            return told;
        }
        let before = std::mem::replace(&mut self.told, told);
        let holds = before == Told::Nothing || before == told;
        assert!(holds, "{self:?} was {before:?}");
        if let Ok(answered) = answer {
            let is_once = before != Told::Done || answered.replayed;
            assert!(is_once, "{self:?} took effect twice");
            self.hold_id = answered.hold_id;
        }
        told
    }
}

impl Stage {
    /// Takes one to three lessons: of the best package, of a named one, or over two.
    fn taking(&self) -> Logged {
        let mut random = rand::rng();
        let lessons = random.random_range(1..=3);
        let units = lessons.to_string();
        let package = |random: &mut rand::rngs::ThreadRng| {
            self.packages[random.random_range(0..self.packages.len())].clone()
        };
        let package_ids = match random.random_range(0..4) {
            0 => Vec::new(),
            1 => {
                let mut two = vec![package(&mut random), package(&mut random)];
                two.dedup();
                two
            }
            _ => vec![package(&mut random)],
        };
        let asked = if random.random_ratio(1, 3) {
            Asked::Hold(v1::HoldRequest {
                package_ids,
                ..self.shop.hold_lessons(&units)
            })
        } else {
            Asked::Use(v1::ConsumeRequest {
                package_ids,
                ..self.shop.use_lessons(&units)
            })
        };
        Logged::new(asked, lessons)
    }

    /// Captures a hold or undoes a use that was acknowledged, if there is one. Nothing comes back into the package
    /// that runs out, so what was refused stays so.
    fn following(&self, log: &mut [Logged]) -> Option<Logged> {
        let followed = log.iter_mut().rev().find_map(|it| {
            if it.told != Told::Done || it.is_followed {
                return None;
            }
            let asked = match &it.asked {
                Asked::Hold(_) => Asked::Capture(v1::CaptureRequest {
                    request_id: self.tenant.request_id(),
                    hold_id: it.hold_id.clone(),
                    ..Default::default()
                }),
                Asked::Use(request) if self.is_of_large_one(request) => {
                    Asked::Reverse(self.shop.reversing(&request.request_id))
                }
                Asked::Use(_) | Asked::Capture(_) | Asked::Reverse(_) => return None,
            };
            it.is_followed = true;
            Some((asked, it.lessons))
        });
        followed.map(|(asked, lessons)| Logged::new(asked, lessons))
    }

    fn is_of_large_one(&self, request: &v1::ConsumeRequest) -> bool {
        let small = self.packages.last();
        let [only] = request.package_ids.as_slice() else {
            return false;
        };
        Some(only) != small
    }

    /// Calls until told to stop, and now and then repeats an earlier call.
    async fn client(
        &self,
        tenant: &Tenant,
        mut log: Vec<Logged>,
        stop: &AtomicBool,
    ) -> Vec<Logged> {
        while !stop.load(Ordering::Relaxed) {
            let chance: u32 = rand::rng().random_range(0..4);
            let at = if chance == 0 && !log.is_empty() {
                rand::rng().random_range(0..log.len())
            } else {
                let following = (chance == 1).then(|| self.following(&mut log)).flatten();
                log.push(following.unwrap_or_else(|| self.taking()));
                log.len() - 1
            };
            if log[at].call(tenant).await == Told::Nothing {
                sleep(random(1..30)).await;
            }
        }
        log
    }

    /// What is open is asked again until it is known, and all that can be followed is.
    async fn finish(&self, tenant: &Tenant, log: &mut Vec<Logged>) {
        let large = &self.packages[0];
        let using = Asked::Use(self.shop.use_lessons_of(large, "1"));
        let holding = Asked::Hold(self.shop.hold_lessons_of(large, "1"));
        log.extend([using, holding].map(|asked| Logged::new(asked, 1)));
        let mut at = 0;
        while at < log.len() {
            if log[at].told == Told::Nothing {
                let told = log[at].call(tenant).await;
                assert_ne!(told, Told::Nothing, "{:?}", log[at]);
            }
            at += 1;
            if at == log.len() {
                let following = self.following(log);
                log.extend(following);
            }
        }
    }

    /// One round: a server of its own, clients, and somebody who kills.
    async fn round(
        &self,
        database_url: &str,
        database: Option<&Server>,
        logs: Vec<Vec<Logged>>,
    ) -> Vec<Vec<Logged>> {
        let serving = Serving::start(database_url, &["--no-scheduler"]).await;
        let tenant = self.tenant.through(serving.channel());
        let stop = AtomicBool::new(false);
        let clients = logs.into_iter().map(|log| self.client(&tenant, log, &stop));
        let killer = async {
            sleep(random(200..800)).await;
            let victim = match rand::rng().random_range(0..3) {
                0 if database.is_some() => Victim::Database,
                1 if database.is_some() => Victim::Both,
                _ => Victim::Server,
            };
            if let (Victim::Database | Victim::Both, Some(database)) = (victim, database) {
                database.crash().await;
            }
            if victim == Victim::Database {
                // The server finds it again by itself.
                sleep(random(300..900)).await;
            }
            serving.kill().await;
            sleep(Duration::from_millis(50)).await;
            stop.store(true, Ordering::Relaxed);
        };
        let (logs, ()) = tokio::join!(join_all(clients), killer);
        logs
    }

    /// Holds what clients were told against what is stored.
    async fn compare(&self, database_url: &str, logs: &[Vec<Logged>]) -> Compared {
        let connection = Connection::connect(database_url, 2).await.unwrap();
        let mut compared = Compared::default();
        for logged in logs.iter().flatten() {
            let id = logged.asked.request_id().parse().unwrap();
            let stored = entries::of_posting(connection.reader(), self.tenant.business_id, id)
                .await
                .unwrap();
            let moved: i64 = stored.iter().map(|entry| entry.amount.millionths()).sum();
            let whole = logged.lessons * 1_000_000;
            let holds = match logged.told {
                Told::Done => {
                    compared.done += 1;
                    moved == whole
                }
                Told::Refused => moved == 0,
                Told::Nothing => {
                    compared.open += 1;
                    moved == 0 || moved == whole
                }
            };
            if !holds {
                compared
                    .faults
                    .push(format!("{moved} millionths were moved: {logged:?}"));
            }
        }
        connection.close().await.unwrap();
        compared
    }
}

async fn audit(database_url: &str, database: Option<&Server>) {
    let stage = set_up(database_url).await;
    let mut logs = vec![Vec::new(); CLIENTS];
    for _ in 0..rounds() {
        logs = stage.round(database_url, database, logs).await;
    }
    let Compared { done, open, faults } = stage.compare(database_url, &logs).await;
    assert!(faults.is_empty(), "{faults:?}");
    println!("{done} commands were acknowledged, {open} are open");
    assert!(
        done > 0 && open > 0,
        "{done} were acknowledged, {open} are open"
    );
    // A last server finds everything as the killed ones left it.
    let serving = Serving::start(database_url, &["--no-scheduler"]).await;
    let tenant = stage.tenant.through(serving.channel());
    join_all(logs.iter_mut().map(|log| stage.finish(&tenant, log))).await;
    serving.kill().await;
    let Compared { done, open, faults } = stage.compare(database_url, &logs).await;
    assert!(faults.is_empty(), "{faults:?}");
    println!("{done} commands were acknowledged in the end");
    assert_eq!(open, 0);
    let output = carnet(&["verify"], database_url).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

/// That the audit bites: logs that the ledger does not bear out.
#[tokio::test(flavor = "multi_thread")]
async fn the_audit_finds_what_was_lost_doubled_or_torn() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("carnet.db").display());
    let stage = set_up(&url).await;
    let serving = Serving::start(&url, &["--no-scheduler"]).await;
    let tenant = stage.tenant.through(serving.channel());
    let sent = stage.shop.use_lessons_of(&stage.packages[0], "2");
    tenant.credits().consume(sent.clone()).await.unwrap();
    serving.kill().await;
    let faults = async |request: &v1::ConsumeRequest, lessons: i64, told: Told| {
        let mut logged = Logged::new(Asked::Use(request.clone()), lessons);
        logged.told = told;
        stage.compare(&url, &[vec![logged]]).await.faults.len()
    };
    for told in [Told::Done, Told::Nothing] {
        assert_eq!(faults(&sent, 2, told).await, 0);
    }
    let never_sent = stage.shop.use_lessons("2");
    assert_eq!(faults(&never_sent, 2, Told::Nothing).await, 0);
    assert_eq!(faults(&never_sent, 2, Told::Done).await, 1, "lost");
    let refused = faults(&sent, 2, Told::Refused).await;
    assert_eq!(refused, 1, "done though refused");
    assert_eq!(faults(&sent, 1, Told::Done).await, 1, "doubled");
    assert_eq!(faults(&sent, 3, Told::Nothing).await, 1, "torn");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_on_sqlite_survives_kills_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("carnet.db").display());
    audit(&url, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_on_postgres_survives_kills_of_server_and_database() {
    let server = Server::start(Durability::Full);
    let url = server.create_database(None).await;
    audit(&url, Some(&server)).await;
}
