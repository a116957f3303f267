//! Which timed notices fall due on a local day of a business (G2, G3): the one place that finds it out, for
//! the run of that day and for whoever looks ahead (G9).
//!
//! What is found says why it is not told, where it is not. Nothing here writes.

mod find;
pub mod others;

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sea_orm::ConnectionTrait;

use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::hold::Hold;
use crate::domain::lot::Lot;
use crate::domain::notice::{self, DropReason, Notice, Window};
use crate::domain::package::Package;
use crate::domain::settle;
use crate::domain::template_emails::ReminderPolicies;
use crate::ids::PackageId;
use crate::ledger::reach;
use crate::service::error::ServiceError;
use crate::store::{changes, holds, lots, notices};

use self::find::Facts;

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A run of the day: what is switched off need not be looked at.
    Run,
    /// Somebody who also asks why something does not go out.
    LookAhead,
}

/// A local day of a business, and what is looked for on it.
#[derive(Clone, Debug)]
pub struct MailPlan {
    /// The business.
    pub business: Business,
    /// Who wants to know.
    pub purpose: Purpose,
    /// The day.
    pub today: NaiveDate,
    /// The days whose notices are decided on with it.
    pub window: Window,
    /// The policies in force for its packages.
    pub policies: ReminderPolicies,
}

/// What is stored about some packages.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// All their lots and those of `others`, and those of packages between which and them time moves something.
    pub lots: Vec<Lot>,
    /// The open holds in them that time ends.
    pub holds: Vec<Hold>,
    /// Their notices.
    pub notices: Vec<Notice>,
    /// Packages that may go on where one of them ends.
    pub others: Vec<Package>,
    /// When their ends were moved last.
    pub changed_at: HashMap<PackageId, DateTime<Utc>>,
}

/// What falls due of some packages.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The notices that are not there yet, each with the reason why it is not told if it is not.
    pub notices: Vec<Notice>,
    /// The packages, as time has made them by then.
    pub packages: HashMap<PackageId, Package>,
    /// The lots that are known, settled.
    pub lots: Vec<Lot>,
    /// Packages that may go on where one of them ends, each with its settled lots.
    pub others: Vec<(Package, Vec<Lot>)>,
}

impl MailPlan {
    /// The ranges of `expires_at` to look at, for every lead that any package may have.
    pub fn ranges(&self) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
        let leads = self.policies.all().flat_map(|policy| &policy.lead_days);
        let tells = self.policies.all().any(|policy| policy.expired_notice);
        let includes_expired = tells || self.purpose == Purpose::LookAhead;
        notice::days_to_look_at(leads.copied(), includes_expired, &self.window)
            .into_iter()
            .filter_map(|(from, through)| {
                // The last usable day is that of `expires_at` less a microsecond.
                let just_after =
                    |at: DateTime<Utc>| at.checked_add_signed(TimeDelta::microseconds(1));
                let from = just_after(calendar::first_instant_of(from, self.business.zone)?)?;
                let before = just_after(calendar::end_of(through, self.business.zone)?)?;
                Some((from, before))
            })
            .collect()
    }

    /// What falls due of these packages, of which `known` was read, as things are at `at`.
    pub fn find(&self, page: &[Package], known: &Known, at: DateTime<Utc>) -> Found {
        let lots = settle::as_of(&known.lots, &known.holds, at);
        let others = others::with_lots(&known.others, &lots);
        let facts = Facts {
            lots: &lots,
            others: &others,
            known,
            now: at,
        };
        let notices = page
            .iter()
            .flat_map(|package| find::notices_of(self, package, &facts))
            .collect();
        let packages = page
            .iter()
            .map(|package| (package.id, package.as_of(&lots)))
            .collect();
        Found {
            notices,
            packages,
            lots,
            others,
        }
    }
}

impl Known {
    /// Reads what is known at `now`, with all that time ends by `until`.
    pub async fn read(
        db: &impl ConnectionTrait,
        business: &Business,
        page: &[Package],
        (now, until): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<Self, ServiceError> {
        if page.is_empty() {
            return Ok(Self::default());
        }
        let business_id = business.id;
        let others = others::beside(db, business, page, now).await?;
        let page_ids: Vec<PackageId> = page.iter().map(|package| package.id).collect();
        let with_others: BTreeSet<PackageId> = page.iter().chain(&others).map(|it| it.id).collect();
        let with_others: Vec<PackageId> = with_others.into_iter().collect();
        let mut lots = lots::of_packages(db, business_id, &with_others).await?;
        lots.extend(reach::beside(db, business_id, &lots, until).await?);
        Ok(Self {
            holds: holds::due_in(db, business_id, &lots, until).await?,
            lots,
            others,
            notices: notices::of_packages(db, business_id, &page_ids).await?,
            changed_at: changes::last_recorded_at(db, business_id, &page_ids).await?,
        })
    }
}

impl Found {
    /// The lots of a package.
    pub fn lots_of(&self, package_id: PackageId) -> Vec<Lot> {
        let of_package = |lot: &&Lot| lot.package_id == package_id;
        self.lots.iter().filter(of_package).cloned().collect()
    }
}

/// When the run of a business's local day is due.
pub fn due_at(business: &Business, day: NaiveDate) -> Option<DateTime<Utc>> {
    calendar::at_local_hour(day, business.reminder_policy.local_hour, business.zone)
}

/// Whether a run records a notice that it does not tell for this reason: what it let pass, but not what
/// there never was to tell.
pub fn is_recorded(reason: DropReason) -> bool {
    matches!(
        reason,
        DropReason::Missed | DropReason::RemindedRecently | DropReason::NewerPackage
    )
}
