//! The money model: random verbs on invoices and bookings of one customer, on a service and on a plain
//! reference, which must agree.
//!
//! Requests are sent several times at once and again later; time jumps past the ends of packages and of what
//! drafts hold. After every step each invoice, booking and package is what the reference says, what a package
//! holds and has used is what live documents say, and money is what was paid. At the end the harness replays the
//! ledger. `CARNET_MODEL_CASES` and `CARNET_MODEL_SEED` are those of the [model of the ledger](crate::model).

#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::unnecessary_wraps,
    reason = "a verb that a part of the model does not know is a fault of the model; what is sent is optional"
)]

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use tokio::runtime::Runtime;

use crate::model::setting;
use crate::money_model::run::{Service, world};
use crate::money_model::verbs::{State, Step, steps};
use crate::support::app::Database::{self, Postgres, Sqlite};
use crate::support::app::on;

mod reference;
mod run;
mod verbs;

/// How many sequences are tried if nobody says otherwise.
const CASES: u32 = 8;
/// What they are drawn from: the same every time, so that no run fails that another would not.
const SEED: u64 = 1;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

struct Model;

impl ReferenceStateMachine for Model {
    type State = State;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<State> {
        Just(State::new(world())).boxed()
    }

    fn transitions(_: &State) -> BoxedStrategy<Step> {
        steps()
    }

    fn preconditions(state: &State, step: &Step) -> bool {
        state.takes(step)
    }

    fn apply(state: State, step: &Step) -> State {
        state.after(step).unwrap()
    }
}

/// Runs the sequences, each on a service of its own.
fn follow(database: Database) {
    let mut runner = TestRunner::new(Config {
        cases: setting("CARNET_MODEL_CASES", CASES),
        rng_seed: RngSeed::Fixed(setting("CARNET_MODEL_SEED", SEED)),
        max_shrink_time: 120_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/money_model.txt",
        ))),
        ..Config::default()
    });
    let sequences = Model::sequential_strategy(20..45);
    let followed = runner.run(&sequences, |(mut state, steps, seen)| {
        RUNTIME.block_on(on(database, async |app| {
            let mut service = Service::open(app).await;
            for step in steps {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                }
                let verb = state.resolve(&step.verb).unwrap();
                state = state.after(&step).unwrap();
                service.follow(&verb, step.copies, &state).await;
                service.look(&state.world).await;
            }
        }));
        Ok(())
    });
    followed.unwrap();
}

#[test]
fn invoices_and_bookings_conserve_money_and_credits_on_sqlite() {
    follow(Sqlite);
}

#[test]
fn invoices_and_bookings_conserve_money_and_credits_on_postgres() {
    follow(Postgres);
}
