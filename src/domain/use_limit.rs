//! How much of a package a customer may use on one day or in one week (A13).
//!
//! What counts is what the customer used or holds for services on that local day, or in that week from its
//! Monday on, in the package's zone; what was undone, released or has timed out does not. It is counted from
//! the ledger, so there is no number beside it that could be wrong.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::calendar;
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, Entry, EntryKey, IMPORT, coded};
use crate::domain::package::Package;
use crate::domain::refusal::{HolderRefusal, Refusal};
use crate::ids::{CustomerId, PackageId};

coded! {
    /// What a limit is for.
    LimitPeriod {
        /// One local day.
        Day = 1, "day";
        /// One week, from Monday on.
        Week = 2, "week";
    }
}

/// The most that each customer may use of a package; at least one of both is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseLimit {
    /// Credits on one local day.
    pub per_day: Option<Credits>,
    /// Credits in one week, from Monday on.
    pub per_week: Option<Credits>,
}

/// What a customer used of a package, or holds of it, for a service at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The package.
    pub package_id: PackageId,
    /// When the service takes place.
    pub at: DateTime<Utc>,
    /// How many credits.
    pub amount: Credits,
}

/// What a limit leaves of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowance {
    /// What may still be used.
    pub left: Credits,
    /// What was used or is held.
    pub used: Credits,
    /// The most.
    pub limit: Credits,
    /// What the limit is for.
    pub period: LimitPeriod,
    /// The first local day of the period.
    pub from: NaiveDate,
}

/// What limits leave of packages, by package; those without a limit are not in it.
pub type Allowances = BTreeMap<PackageId, Allowance>;

impl UseLimit {
    /// Whether it limits anything.
    pub fn limits_anything(&self) -> bool {
        self.per_day.is_some() || self.per_week.is_some()
    }

    /// What is left of a package for a service at `at`, after `earlier` uses of the same customer: what the
    /// tighter of both limits leaves.
    pub fn allowance(
        self,
        package: &Package,
        earlier: &[Use],
        at: DateTime<Utc>,
    ) -> Option<Allowance> {
        let limits = [
            (self.per_day, LimitPeriod::Day),
            (self.per_week, LimitPeriod::Week),
        ];
        let left = limits.into_iter().filter_map(|(limit, period)| {
            let (limit, from) = (limit?, period.first_day(package, at));
            let mut used = Credits::ZERO;
            for it in earlier.iter().filter(|it| it.package_id == package.id) {
                if period.first_day(package, it.at) == from {
                    used = used.checked_add(it.amount).unwrap_or(used);
                }
            }
            let left = limit.checked_sub(used).unwrap_or(Credits::ZERO);
            Some(Allowance {
                left: left.max(Credits::ZERO),
                used,
                limit,
                period,
                from,
            })
        });
        left.min_by_key(|allowance| allowance.left)
    }
}

impl LimitPeriod {
    /// The first local day of the period in which a service takes place.
    fn first_day(self, package: &Package, at: DateTime<Utc>) -> NaiveDate {
        let day = calendar::local_day(at, package.zone);
        let into_week = Days::new(day.weekday().num_days_from_monday().into());
        match self {
            Self::Day => day,
            Self::Week => day.checked_sub_days(into_week).unwrap_or(day),
        }
    }
}

impl Allowance {
    /// The refusal of a use that goes beyond it.
    pub fn refusal(&self, package_id: PackageId) -> Refusal {
        HolderRefusal::UseLimit {
            package_id,
            allowance: *self,
        }
        .into()
    }
}

/// What a customer used, by entries of a lot of the package: what was undone of it does not count, nor what was
/// used in the system that the package came from, since nobody knows when.
pub fn uses(entries: &[Entry], package_id: PackageId, customer_id: CustomerId) -> Vec<Use> {
    let undone = |key: EntryKey| {
        let undos = entries
            .iter()
            .filter(|it| it.undoes == Some(key) && it.from == Account::Consumed);
        undos.fold(Credits::ZERO, |sum, it| {
            sum.checked_add(it.amount).unwrap_or(sum)
        })
    };
    entries
        .iter()
        .filter(|it| it.to == Account::Consumed && it.about.customer_id == Some(customer_id))
        .filter(|it| it.method != IMPORT)
        .map(|it| Use {
            package_id,
            at: it.effective_at,
            amount: it.amount.checked_sub(undone(it.key)).unwrap_or(it.amount),
        })
        .collect()
}

/// From when on uses count beside a service at `at`: a week, and a day to spare for the zone.
pub fn walk_from(at: DateTime<Utc>) -> DateTime<Utc> {
    at.checked_sub_signed(TimeDelta::days(8)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::book::package;
    use crate::domain::testing::credits;

    fn limit(per_day: Option<&str>, per_week: Option<&str>) -> UseLimit {
        UseLimit {
            per_day: per_day.map(credits),
            per_week: per_week.map(credits),
        }
    }

    fn moment(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn used(package: &Package, at: &str, amount: &str) -> Use {
        Use {
            package_id: package.id,
            at: moment(at),
            amount: credits(amount),
        }
    }

    #[test]
    fn a_limit_is_of_a_day_or_of_a_week_or_of_both() {
        for (per_day, per_week, limits) in [
            (None, None, false),
            (Some("1"), None, true),
            (None, Some("1"), true),
            (Some("1"), Some("2"), true),
        ] {
            assert_eq!(limit(per_day, per_week).limits_anything(), limits);
        }
    }

    #[test]
    fn a_day_is_the_local_one() {
        let package = package();
        // In Tallinn the 2nd of March begins at 22:00 UTC on the 1st.
        let uses = [
            used(&package, "2026-03-01T21:59:59Z", "1"),
            used(&package, "2026-03-01T22:00:00Z", "1.5"),
            used(&package, "2026-03-02T21:59:59Z", "0.25"),
            used(&package, "2026-03-02T22:00:00Z", "1"),
        ];
        let at = moment("2026-03-02T10:00:00Z");
        let left = limit(Some("2"), None)
            .allowance(&package, &uses, at)
            .unwrap();
        assert_eq!((left.used, left.left), (credits("1.75"), credits("0.25")));
        assert_eq!(left.from.to_string(), "2026-03-02");
    }

    #[test]
    fn a_week_begins_on_monday_and_the_tighter_limit_counts() {
        let package = package();
        let uses = [
            used(&package, "2026-03-01T10:00:00Z", "5"),
            used(&package, "2026-03-02T10:00:00Z", "1"),
            used(&package, "2026-03-08T10:00:00Z", "1"),
        ];
        let at = moment("2026-03-05T10:00:00Z");
        let allowance = |limit: UseLimit| limit.allowance(&package, &uses, at).unwrap();
        let week = allowance(limit(Some("2"), Some("3")));
        assert_eq!((week.period, week.left), (LimitPeriod::Week, credits("1")));
        assert_eq!(week.from.to_string(), "2026-03-02");
        let day = allowance(limit(Some("1"), Some("9")));
        assert_eq!((day.period, day.left), (LimitPeriod::Day, credits("1")));
        // Less than nothing is left if the limit is lower than what was used before.
        assert_eq!(allowance(limit(None, Some("1"))).left, Credits::ZERO);
    }

    #[test]
    fn other_packages_do_not_count_and_no_limit_allows_all() {
        let (mine, other) = (package(), package());
        let uses = [used(&other, "2026-03-02T10:00:00Z", "1")];
        let now = moment("2026-03-02T12:00:00Z");
        let left = limit(Some("1"), None).allowance(&mine, &uses, now).unwrap();
        assert_eq!(left.left, credits("1"));
        assert_eq!(limit(None, None).allowance(&mine, &uses, now), None);
    }
}
