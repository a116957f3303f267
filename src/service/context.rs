//! What every use case works with.

use crate::clock::Clock;
use crate::config::LedgerSettings;
use crate::ledger::Ledger;
use crate::service::readiness::Readiness;
use crate::store::db::Database;

/// The parts that use cases share.
#[derive(Clone, Debug)]
pub struct Context {
    /// The database.
    pub db: Database,
    /// The time.
    pub clock: Clock,
    /// The write path of credits.
    pub ledger: Ledger,
    /// Whether this process may be given work.
    pub readiness: Readiness,
}

impl Context {
    /// A context on `db` with a ledger of its own, for a command that a person runs.
    pub fn new(db: Database, clock: Clock) -> Self {
        let ledger = Ledger::new(db.clone(), clock.clone());
        Self::with_ledger(db, clock, ledger)
    }

    /// A context on `db` for a server, where uses of credits share commits as `settings` say.
    pub fn serving(db: Database, clock: Clock, settings: LedgerSettings) -> Self {
        let ledger = Ledger::batching(db.clone(), clock.clone(), settings);
        Self::with_ledger(db, clock, ledger)
    }

    fn with_ledger(db: Database, clock: Clock, ledger: Ledger) -> Self {
        Self {
            db,
            clock,
            ledger,
            readiness: Readiness::default(),
        }
    }
}
