//! Changes: what changed on a package and is not an entry. Immutable, like entries.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::entry::{Actor, coded};
use crate::ids::PackageId;

coded! {
    /// What kind of change of a package that is not an entry.
    ChangeKind {
        /// Its expiry was moved later while it was valid.
        Extended = 1, "extended";
        /// It had expired and was brought back.
        Restored = 2, "restored";
        /// Its first use set the clock of its validity.
        ClockStarted = 3, "clock_started";
        /// All that used or held a unit was undone, so that its validity waits for its first use again.
        ClockStopped = 4, "clock_stopped";
    }
}

/// The expiry of a package at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// From when on it cannot be used; none: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// How often it had been changed.
    pub expiry_epoch: i32,
}

/// One change of a package's expiry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The package.
    pub package_id: PackageId,
    /// Its number within the package, from 1.
    pub seq: i32,
    /// What kind.
    pub kind: ChangeKind,
    /// The expiry before.
    pub old: Expiry,
    /// The expiry after.
    pub new: Expiry,
    /// The request, which is also the posting's id.
    pub request_id: Uuid,
    /// Who caused it.
    pub actor: Actor,
    /// When it was written.
    pub recorded_at: DateTime<Utc>,
}
