//! A service that is driven through gRPC, with the names that it gave to what the reference counts.

use carnet::app::{App, Running};
use carnet::clock::Clock;
use carnet::jobs::settle;
use carnet::ledger::verify::{Asked, verify};
use carnet::store::db::Database as Connection;
use carnet::store::{businesses, lots};
use futures_util::future::join_all;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::model::commands::{State, Step};
use crate::model::reference::Instant;
use crate::support::app::{STARTS_AT, channel, settings};
use crate::support::fresh::{Database, Fresh};
use crate::support::tenant::Tenant;

mod calls;
mod look;
mod names;

use look::Mark;
use names::Names;

/// Within which time what is due is written; much more than is needed.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// When a service writes down what time has caused, besides when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweeps {
    Never,
    WhenTold,
    AfterEveryStep,
}

/// One database and the servers on it.
pub(super) struct Service {
    /// Which one it is, for the reader of a failure.
    label: String,
    fresh: Fresh,
    clock: Clock,
    servers: Vec<Running>,
    /// The business as each server is called.
    tenants: Vec<Tenant>,
    turn: Cell<usize>,
    sweeps: Sweeps,
    names: Names,
    /// The packages as they were when they were compared.
    looked_at: Vec<Mark>,
}

/// When every case begins.
pub(super) fn starts_at() -> Instant {
    STARTS_AT.parse().unwrap()
}

async fn serve(fresh: &Fresh, clock: &Clock) -> Running {
    let mut settings = settings(&fresh.url);
    settings.mail.mail_capture_folder = fresh.folder.path().join("mail");
    let app = App::build(settings, clock.clone()).await.unwrap();
    app.bind().await.unwrap()
}

impl Service {
    /// A fresh database with a catalogue; PostgreSQL is served by two replicas.
    pub(super) async fn start(database: Database, sweeps: Sweeps) -> Self {
        let fresh = Fresh::migrated(database).await;
        let clock = Clock::manual(starts_at());
        let replicas = if database == Database::Sqlite { 1 } else { 2 };
        let mut servers = Vec::new();
        for _ in 0..replicas {
            servers.push(serve(&fresh, &clock).await);
        }
        let first = &servers[0];
        let tenant = Tenant::create(first.context(), "Swim school", channel(first)).await;
        let through = servers.iter().map(|server| tenant.through(channel(server)));
        let tenants: Vec<Tenant> = through.collect();
        let names = Names::make(&tenants[0]).await;
        Self {
            label: format!("{database:?}, settled {sweeps:?}"),
            fresh,
            clock,
            servers,
            tenants,
            turn: Cell::new(0),
            sweeps,
            names,
            looked_at: Vec::new(),
        }
    }

    /// The servers are called in turn.
    fn tenant(&self) -> &Tenant {
        &self.tenants[self.next_turn() % self.tenants.len()]
    }

    fn next_turn(&self) -> usize {
        self.turn.set(self.turn.get() + 1);
        self.turn.get()
    }

    /// Does what the reference did, and compares the answer.
    pub(super) async fn follow(&mut self, state: &State) {
        match &state.step {
            Step::Clock => self.clock.set(state.ledger.now),
            Step::Job => {
                if self.sweeps == Sweeps::WhenTold {
                    self.settle().await;
                }
            }
            Step::Restart => self.restart().await,
            Step::Call { .. } => self.call(state).await,
            Step::ReuseId { number, call } => self.reuse(*number, call).await,
        }
        self.clock.set(state.ledger.now);
        if self.sweeps == Sweeps::AfterEveryStep {
            self.settle().await;
        }
    }

    async fn settle(&self) {
        let server = &self.servers[self.next_turn() % self.servers.len()];
        settle::step(server.context()).await.unwrap();
    }

    /// Settles until nothing is due: the job leaves out lots that somebody holds, and what a refused call
    /// held is given back a moment after its answer.
    async fn settle_all(&self) {
        let reader = self.servers[0].context().db.reader();
        let now = self.clock.now();
        let all = async {
            loop {
                self.settle().await;
                let lots = lots::due(reader, now, 1).await.unwrap();
                let packages = lots::timing_out(reader, now, 1).await.unwrap();
                if lots.is_empty() && packages.is_empty() {
                    break;
                }
                yield_now().await;
            }
        };
        timeout(SETTLED_WITHIN, all).await.unwrap();
    }

    async fn stop_servers(&mut self) {
        for tenant in &mut self.tenants {
            *tenant = tenant.through(unreachable());
        }
        join_all(self.servers.drain(..).map(Running::stop)).await;
    }

    /// Stops every server and starts new ones on the same database.
    async fn restart(&mut self) {
        let count = self.servers.len();
        self.stop_servers().await;
        for index in 0..count {
            let server = serve(&self.fresh, &self.clock).await;
            self.tenants[index] = self.tenants[index].through(channel(&server));
            self.servers.push(server);
        }
    }

    /// Replays the whole ledger as it lies there, settled or not, while the servers are up.
    pub(super) async fn prove(&self) {
        let db = &self.servers[self.next_turn() % self.servers.len()]
            .context()
            .db;
        self.prove_in(db).await;
    }

    async fn prove_in(&self, connection: &Connection) {
        for business in businesses::all(connection.reader()).await.unwrap() {
            let go_on = |_| ControlFlow::Continue(());
            let report = verify(connection, business.id, &Asked::everything(), go_on)
                .await
                .unwrap();
            assert_eq!(report.faults, [], "{}", self.label);
        }
    }

    /// Settles what is due, compares every entry with the reference's, and replays the whole ledger.
    pub(super) async fn finish(&mut self, state: &State) {
        self.settle_all().await;
        self.look_at_all(&state.ledger).await;
        self.compare_entries(&state.ledger).await;
        self.stop_servers().await;
        let connection = self.fresh.connect().await;
        self.prove_in(&connection).await;
        connection.close().await.unwrap();
    }

    /// Removes what is left, after a failure too.
    pub(super) async fn remove(mut self) {
        self.stop_servers().await;
        self.fresh.remove().await;
    }
}

/// A channel that is never used: so the one that it replaces is closed.
fn unreachable() -> tonic::transport::Channel {
    tonic::transport::Endpoint::from_static("http://127.0.0.1:1").connect_lazy()
}
