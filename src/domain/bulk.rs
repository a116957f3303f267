//! Runs: one piece of work on many packages, done package by package.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::credits::Credits;
use crate::domain::entry::Actor;
use crate::domain::extend::Until;
use crate::domain::package::Status;
use crate::domain::refusal::Refusal;
use crate::ids::{
    BulkRunId, BusinessId, ClosureId, CreditTypeId, CustomerId, GroupId, PackageId, TemplateId,
};

/// Which packages; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFilter {
    /// Of this customer.
    pub customer_id: Option<CustomerId>,
    /// Of this group.
    pub group_id: Option<GroupId>,
    /// Sold from this template.
    pub template_id: Option<TemplateId>,
    /// Of one of these statuses; empty: of any.
    pub statuses: Vec<Status>,
    /// Ending at this instant or later.
    pub expires_from: Option<DateTime<Utc>>,
    /// Ending before this instant.
    pub expires_before: Option<DateTime<Utc>>,
    /// Valid at this instant.
    pub valid_at: Option<DateTime<Utc>>,
}

/// Which packages a run comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Those that it finds.
    Filter(PackageFilter),
    /// These, the newest first.
    Packages(Vec<PackageId>),
    /// Those that have a day of this closure, or got one back.
    Closure(ClosureId),
}

/// A later end for many packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extending {
    /// The new end of each.
    pub until: Until,
    /// Credits to add to each for nothing.
    pub bonuses: Vec<(CreditTypeId, Credits)>,
    /// Restore even though the quarantine is over; the caller's permission was checked.
    pub force: bool,
}

/// What is done to each package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// It is extended.
    Extend(Extending),
    /// Its end is put where the closures in force put it.
    Close,
}

/// Work on many packages, as far as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkRun {
    /// The run.
    pub id: BulkRunId,
    /// Whose.
    pub business_id: BusinessId,
    /// What is done.
    pub work: Work,
    /// To which packages.
    pub selection: Selection,
    /// Why; for staff.
    pub reason: String,
    /// Who asked for it.
    pub actor: Actor,
    /// It has looked at all packages down to this one.
    pub before: Option<PackageId>,
    /// How many were changed.
    pub changed: i64,
    /// How many were refused.
    pub refused: i64,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was done.
    pub finished_at: Option<DateTime<Utc>>,
}

/// What a run did to one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkResult {
    /// The package.
    pub package_id: PackageId,
    /// How it ended.
    pub outcome: BulkOutcome,
}

/// How a run's work on one package ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkOutcome {
    /// Its end was moved.
    Moved {
        /// The end before.
        old: Option<DateTime<Utc>>,
        /// The end after.
        new: Option<DateTime<Utc>>,
    },
    /// It was refused.
    Refused {
        /// The stable name of the refusal.
        reason: String,
        /// The same for people.
        message: String,
    },
}

impl BulkOutcome {
    /// What is kept of a refusal.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        Self::Refused {
            reason: refusal.reason().to_owned(),
            message: refusal.to_string(),
        }
    }
}

impl BulkRun {
    /// Counts what was done to packages.
    pub fn count(&mut self, results: &[BulkResult]) {
        for result in results {
            let counter = match result.outcome {
                BulkOutcome::Moved { .. } => &mut self.changed,
                BulkOutcome::Refused { .. } => &mut self.refused,
            };
            *counter = counter.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::at;

    #[test]
    fn packages_that_were_changed_and_refused_are_counted_apart() {
        let mut run = BulkRun {
            id: BulkRunId::generate(at(0)),
            business_id: BusinessId::generate(at(0)),
            work: Work::Close,
            selection: Selection::Packages(Vec::new()),
            reason: String::new(),
            actor: Actor::System,
            before: None,
            changed: 5,
            refused: 7,
            created_at: at(0),
            finished_at: None,
        };
        let package_id = PackageId::generate(at(0));
        let moved = BulkOutcome::Moved {
            old: Some(at(1)),
            new: Some(at(2)),
        };
        let refused = BulkOutcome::of_refusal(&Refusal::PackageFrozen { package_id });
        let results = [moved.clone(), refused, moved].map(|outcome| BulkResult {
            package_id,
            outcome,
        });
        run.count(&results);
        assert_eq!((run.changed, run.refused), (7, 8));
    }
}
