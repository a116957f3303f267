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

    /// Holds what clients were told against what is stored; answers with how many were done and open.
    async fn compare(&self, database_url: &str, logs: &[Vec<Logged>]) -> (usize, usize) {
        let connection = Connection::connect(database_url, 2).await.unwrap();
        let (mut done, mut open) = (0, 0);
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
            match told {
                Told::Done => {
                    done += 1;
                    assert_eq!(used, whole, "acknowledged: {request:?}");
                }
                Told::Refused => assert_eq!(used, 0, "refused: {request:?}"),
                Told::Nothing => {
                    open += 1;
                    assert!(used == 0 || used == whole, "in part: {request:?}");
                }
            }
        }
        connection.close().await.unwrap();
        (done, open)
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
    let (done, open) = stage.compare(database_url, &logs).await;
    println!("{done} uses were acknowledged, {open} are open");
    assert!(
        done > 0 && open > 0,
        "{done} were acknowledged, {open} are open"
    );
    let output = carnet(&["verify"], database_url).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
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
