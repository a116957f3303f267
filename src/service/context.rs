//! What every use case works with.

use crate::clock::Clock;
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
    /// A context on `db` with its own ledger.
    pub fn new(db: Database, clock: Clock) -> Self {
        let ledger = Ledger::new(db.clone(), clock.clone());
        Self {
            db,
            clock,
            ledger,
            readiness: Readiness::default(),
        }
    }
}
