//! Which e-mails may exist (G2, G3, G6, G7): random sales, uses, extensions, freezes and wishes of customers, some of
//! whom are erased, between runs of the mail day and deliveries of two replicas that die in the middle or are put off
//! by the mail server, with jumps in time.
//!
//! An oracle reads the packages and customers through gRPC right before each delivery and knows from the rules
//! alone which e-mails may go out then, and after each run of a day which must be there; it never asks the code
//! that decides. At the end the harness waits until every e-mail has come to its end.
//!
//! `CARNET_MAIL_CASES` makes it as long as wanted, `CARNET_MAIL_SEED` draws other ones.

mod oracle;
mod scene;

use std::fmt::Debug;
use std::str::FromStr;
use std::sync::LazyLock;

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use self::scene::{CUSTOMERS, ERASED_MAX, Scene};
use crate::support::fresh::Database;

/// How many sequences are tried if nobody says otherwise.
const CASES: u32 = 6;
/// What they are drawn from: the same every time.
const SEED: u64 = 1;
/// For how long a sequence that fails is made shorter.
const SHORTENED_FOR_MILLIS: u32 = 60_000;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// A package that ends in so many days.
    Sell {
        customer: usize,
        days: i32,
    },
    /// A later end, of a package that may have expired.
    Extend {
        package: Index,
        days: i32,
    },
    /// Some of it, or all.
    Use {
        package: Index,
        lessons: i32,
    },
    /// Through so many days from today.
    Freeze {
        package: Index,
        days: i64,
    },
    Unfreeze {
        package: Index,
    },
    /// Inactive, or active again.
    Activate {
        customer: usize,
        active: bool,
    },
    /// Unsubscribed, or subscribed again.
    Subscribe {
        customer: usize,
        subscribed: bool,
    },
    /// What is known of a customer is erased.
    Erase {
        customer: usize,
    },
    /// Both replicas look for the day's run at once.
    RunDay,
    /// A replica delivers what is due.
    Deliver {
        replica: usize,
    },
    /// Both do at once.
    DeliverBoth,
    /// A replica tries, and the mail server puts off the first one, or is away.
    PutOff {
        replica: usize,
        is_away: bool,
    },
    /// It dies when the mail server falls silent, which may have taken the message.
    Die {
        replica: usize,
        taken: bool,
    },
    /// Time passes.
    Wait {
        hours: i64,
    },
}

fn commands() -> BoxedStrategy<Command> {
    let package = || any::<Index>();
    let customer = || 0..CUSTOMERS;
    let replica = || 0_usize..2;
    prop_oneof![
        4 => (customer(), 0..12_i32).prop_map(|(customer, days)| Command::Sell { customer, days }),
        2 => (package(), 1..10_i32).prop_map(|(package, days)| Command::Extend { package, days }),
        2 => (package(), prop_oneof![Just(1), Just(8)])
            .prop_map(|(package, lessons)| Command::Use { package, lessons }),
        1 => (package(), 1..6_i64).prop_map(|(package, days)| Command::Freeze { package, days }),
        1 => package().prop_map(|package| Command::Unfreeze { package }),
        1 => (customer(), any::<bool>())
            .prop_map(|(customer, active)| Command::Activate { customer, active }),
        1 => (customer(), any::<bool>())
            .prop_map(|(customer, subscribed)| Command::Subscribe { customer, subscribed }),
        1 => (0..ERASED_MAX).prop_map(|customer| Command::Erase { customer }),
        6 => Just(Command::RunDay),
        4 => replica().prop_map(|replica| Command::Deliver { replica }),
        2 => Just(Command::DeliverBoth),
        2 => (replica(), any::<bool>())
            .prop_map(|(replica, is_away)| Command::PutOff { replica, is_away }),
        2 => (replica(), any::<bool>()).prop_map(|(replica, taken)| Command::Die { replica, taken }),
        6 => prop_oneof![Just(1), Just(13), Just(24), Just(24), Just(72)]
            .prop_map(|hours| Command::Wait { hours }),
    ]
    .boxed()
}

/// What the environment says, or what is said here.
fn setting<T: FromStr<Err: Debug>>(name: &str, otherwise: T) -> T {
    let said = std::env::var_os(name).and_then(|text| text.into_string().ok());
    said.map_or(otherwise, |text| text.parse().unwrap())
}

fn config() -> Config {
    Config {
        cases: setting("CARNET_MAIL_CASES", CASES),
        rng_seed: RngSeed::Fixed(setting("CARNET_MAIL_SEED", SEED)),
        max_shrink_time: SHORTENED_FOR_MILLIS,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/mail_model.txt",
        ))),
        ..Config::default()
    }
}

/// Any sequence is possible: what a package is too few for, or refuses, changes nothing.
struct Model;

impl ReferenceStateMachine for Model {
    type State = ();
    type Transition = Command;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Command> {
        commands()
    }

    fn apply((): (), _: &Command) {}
}

impl StateMachineTest for Model {
    type SystemUnderTest = Vec<Scene>;
    type Reference = Self;

    fn init_test((): &()) -> Vec<Scene> {
        let databases = [Database::Postgres, Database::Sqlite];
        RUNTIME.block_on(join_all(databases.map(Scene::set)))
    }

    fn apply(mut scenes: Vec<Scene>, (): &(), command: Command) -> Vec<Scene> {
        let both = scenes.iter_mut().map(|scene| scene.play(&command));
        RUNTIME.block_on(join_all(both));
        scenes
    }

    fn teardown(scenes: Vec<Scene>, (): ()) {
        RUNTIME.block_on(join_all(scenes.into_iter().map(Scene::end)));
    }
}

prop_state_machine! {
    #![proptest_config(config())]

    #[test]
    fn no_email_exists_that_should_not_and_none_is_forgotten(sequential 20..60 => Model);
}
