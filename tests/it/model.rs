//! The model: random commands on two services and on a plain reference ledger, which must agree.
//!
//! One service is on PostgreSQL with two replicas, called in turn, and settles when it is told to; the other is
//! on SQLite and settles after every step, or never. Time jumps to just before, at and after the instants at
//! which something ends; requests are repeated and their ids reused; servers are restarted. After every step
//! each package that changed, each balance and choice of the services is what the reference says, and `carnet verify`
//! would find no fault; at the end each entry of each lot is compared. `CARNET_MODEL_CASES` makes it as long as wanted, `CARNET_MODEL_SEED` draws other ones. A failure
//! prints the shortest sequence found, and is tried first by the next run here.

#![expect(
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    clippy::similar_names,
    reason = "a rule of the reference, or a table of commands, reads best in one piece"
)]
#![expect(
    clippy::option_option,
    clippy::unnecessary_wraps,
    reason = "a command may name no instant, and one that cannot is none; all commands answer alike"
)]

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::LazyLock;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use crate::model::commands::drawing::commands;
use crate::model::commands::{Command, State};
use crate::model::run::{Service, Sweeps, starts_at};
use crate::support::fresh::Database;

mod catalogue;
mod commands;
mod reference;
mod run;

/// How many sequences are tried if nobody says otherwise.
const CASES: u32 = 10;
/// What they are drawn from: the same every time, so that no run fails that another would not.
const SEED: u64 = 1;
/// For how long a sequence that fails is made shorter.
const SHORTENED_FOR_MILLIS: u32 = 120_000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What the environment says, or what is said here.
pub(crate) fn setting<T: FromStr<Err: Debug>>(name: &str, otherwise: T) -> T {
    let said = std::env::var_os(name).and_then(|text| text.into_string().ok());
    said.map_or(otherwise, |text| text.parse().unwrap())
}

fn config() -> Config {
    Config {
        cases: setting("CARNET_MODEL_CASES", CASES),
        rng_seed: RngSeed::Fixed(setting("CARNET_MODEL_SEED", SEED)),
        max_shrink_time: SHORTENED_FOR_MILLIS,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/model.txt",
        ))),
        ..Config::default()
    }
}

struct Model;

impl ReferenceStateMachine for Model {
    type State = State;
    type Transition = Command;

    fn init_state() -> BoxedStrategy<State> {
        let sweeps = any::<bool>();
        sweeps
            .prop_map(|sweeps| State::new(starts_at(), sweeps))
            .boxed()
    }

    fn transitions(state: &State) -> BoxedStrategy<Command> {
        commands(state)
    }

    fn preconditions(state: &State, command: &Command) -> bool {
        state.takes(command)
    }

    fn apply(state: State, command: &Command) -> State {
        state.after(command).unwrap()
    }
}

/// Both services; what they have is removed even if a comparison fails.
struct Services(Vec<Service>);

impl Drop for Services {
    fn drop(&mut self) {
        for service in self.0.drain(..) {
            RUNTIME.block_on(service.remove());
        }
    }
}

impl StateMachineTest for Model {
    type SystemUnderTest = Services;
    type Reference = Self;

    fn init_test(state: &State) -> Services {
        let twin = if state.sweeps {
            Sweeps::AfterEveryStep
        } else {
            Sweeps::Never
        };
        RUNTIME.block_on(async {
            let (main, twin) = tokio::join!(
                Service::start(Database::Postgres, Sweeps::WhenTold),
                Service::start(Database::Sqlite, twin),
            );
            Services(vec![main, twin])
        })
    }

    fn apply(mut services: Services, state: &State, _: Command) -> Services {
        RUNTIME.block_on(async {
            let both = services.0.iter_mut().map(async |service| {
                service.follow(state).await;
                service.look(&state.ledger).await;
                service.prove().await;
            });
            join_all(both).await;
        });
        services
    }

    fn teardown(mut services: Services, state: State) {
        RUNTIME.block_on(async {
            join_all(services.0.iter_mut().map(|service| service.finish(&state))).await;
        });
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn both_services_keep_the_ledger_that_the_rules_say(sequential 20..45 => Model);
}
