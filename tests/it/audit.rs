//! The audit of acknowledged writes: clients log what they were told while server and database are killed
//! under them; at the end the ledger says the same.
//!
//! Every use that was acknowledged exists once, none that was refused exists, and one whose answer never
//! came exists once or not at all, and whole. `CARNET_AUDIT_ROUNDS` makes it as long as wanted.

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
use tonic::Code;

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

/// A call as its client logs it.
#[derive(Clone, Debug)]
struct Logged {
    request: v1::ConsumeRequest,
    told: Told,
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

impl Stage {
    /// A use of one to three lessons: of the best package, of a named one, or over two.
    fn request(&self) -> v1::ConsumeRequest {
        let mut random = rand::rng();
        let units = random.random_range(1..=3).to_string();
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
        v1::ConsumeRequest {
            package_ids,
            ..self.shop.use_lessons(&units)
        }
    }

    /// Calls until told to stop, and now and then repeats an earlier call.
    async fn client(
        &self,
        tenant: &Tenant,
        mut log: Vec<Logged>,
        stop: &AtomicBool,
    ) -> Vec<Logged> {
        while !stop.load(Ordering::Relaxed) {
            let repeated = (!log.is_empty() && rand::rng().random_ratio(1, 4))
                .then(|| rand::rng().random_range(0..log.len()));
            let request = match repeated {
                Some(at) => log[at].request.clone(),
                None => self.request(),
            };
            let answer = tenant.credits().consume(request.clone()).await;
            let told = match &answer {
                Ok(_) => Told::Done,
                Err(status) if status.code() == Code::FailedPrecondition => Told::Refused,
                Err(_) => Told::Nothing,
            };
            match repeated {
                None => log.push(Logged { request, told }),
                Some(_) if told == Told::Nothing => {}
                Some(at) => {
                    let before = std::mem::replace(&mut log[at].told, told);
                    // Nothing comes back in this audit: what was refused stays so, what was done too.
                    let holds = before == Told::Nothing || before == told;
                    assert!(holds, "{request:?} was {before:?} and is {answer:?}");
                    let replayed = answer.is_ok_and(|answer| answer.into_inner().replayed);
                    assert!(
                        before != Told::Done || replayed,
                        "{request:?} took effect twice"
                    );
                }
            }
            if told == Told::Nothing {
                sleep(random(1..30)).await;
            }
        }
        log
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
        for Logged { request, told } in logs.iter().flatten() {
            let id = request.request_id.parse().unwrap();
            let stored = entries::of_posting(connection.reader(), self.tenant.business_id, id)
                .await
                .unwrap();
            let used: i64 = stored.iter().map(|entry| entry.amount.millionths()).sum();
            let Some(v1::consume_request::What::Item(item)) = &request.what else {
                panic!("{request:?}");
            };
            let whole = item.units.parse::<i64>().unwrap() * 1_000_000;
            let holds = match told {
                Told::Done => {
                    compared.done += 1;
                    used == whole
                }
                Told::Refused => used == 0,
                Told::Nothing => {
                    compared.open += 1;
                    used == 0 || used == whole
                }
            };
            if !holds {
                let fault = format!("{told:?}, but {used} millionths were used: {request:?}");
                compared.faults.push(fault);
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
    // A last server finds everything as the killed ones left it.
    let serving = Serving::start(database_url, &["--no-scheduler"]).await;
    serving.kill().await;
    let Compared { done, open, faults } = stage.compare(database_url, &logs).await;
    assert!(faults.is_empty(), "{faults:?}");
    println!("{done} uses were acknowledged, {open} are open");
    assert!(
        done > 0 && open > 0,
        "{done} were acknowledged, {open} are open"
    );
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
    let of_units = |units: &str| v1::ConsumeRequest {
        request_id: sent.request_id.clone(),
        ..stage.shop.use_lessons(units)
    };
    let faults = async |request: v1::ConsumeRequest, told: Told| {
        let logs = [vec![Logged { request, told }]];
        stage.compare(&url, &logs).await.faults.len()
    };
    for told in [Told::Done, Told::Nothing] {
        assert_eq!(faults(sent.clone(), told).await, 0);
    }
    let never_sent = stage.shop.use_lessons("2");
    assert_eq!(faults(never_sent.clone(), Told::Nothing).await, 0);
    assert_eq!(faults(never_sent, Told::Done).await, 1, "lost");
    assert_eq!(
        faults(sent.clone(), Told::Refused).await,
        1,
        "done though refused"
    );
    assert_eq!(faults(of_units("1"), Told::Done).await, 1, "doubled");
    assert_eq!(faults(of_units("3"), Told::Nothing).await, 1, "torn");
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
