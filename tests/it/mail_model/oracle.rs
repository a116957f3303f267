//! Which e-mails may go out at a moment, and which notices a run must leave behind: from the rules alone.

use std::collections::{HashMap, HashSet};

use carnet::proto::v1;
use carnet::proto::v1::{AttemptOutcome, EmailKind, PackageStatus};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use crate::support::tenant::ZONE;

/// The leads of the business in the model.
pub(super) const LEADS: [i64; 3] = [5, 2, 0];
/// How long after a sale it is still confirmed.
const CONFIRMED_FOR: TimeDelta = TimeDelta::days(7);

/// A moment: all packages and customers as gRPC tells them.
pub(super) struct Moment {
    pub(super) now: DateTime<Utc>,
    pub(super) packages: HashMap<String, v1::Package>,
    pub(super) customers: HashMap<String, v1::Customer>,
}

/// What was told already.
#[derive(Default)]
pub(super) struct Told {
    /// Kind, package, lead and the number of its end.
    facts: HashSet<(EmailKind, String, i32, i32)>,
    /// Kind, customer and local day of e-mails that belong to a day.
    days: HashSet<(EmailKind, String, String)>,
}

impl Moment {
    fn today(&self) -> NaiveDate {
        self.now.with_timezone(&ZONE).date_naive()
    }

    /// Checks an e-mail that went out at this moment.
    pub(super) fn check(&self, email: &v1::Email, told: &mut Told) {
        let customer = &self.customers[&email.customer_id];
        assert_eq!(customer.erased_at, None, "to an erased one: {email:?}");
        assert!(customer.active, "to an inactive customer: {email:?}");
        assert!(!customer.unsubscribed, "to one who unsubscribed: {email:?}");
        if !email.local_date.is_empty() {
            let day = (
                email.kind(),
                email.customer_id.clone(),
                email.local_date.clone(),
            );
            assert!(told.days.insert(day), "a second one that day: {email:?}");
        }
        let in_it: Vec<_> = email
            .notices
            .iter()
            .filter(|notice| notice.dropped_reason.is_empty())
            .collect();
        let faults: Vec<String> = in_it
            .iter()
            .filter_map(|notice| self.fault(email, notice))
            .collect();
        // What it says was fixed if an earlier attempt may have delivered it; then one true thing in it suffices.
        let before = email.attempts.iter().rev().skip(1);
        let mut before = before.map(v1::EmailAttempt::outcome);
        let is_fixed = before.any(|outcome| outcome == AttemptOutcome::Unknown);
        let most = if is_fixed { in_it.len() - 1 } else { 0 };
        assert!(faults.len() <= most, "{faults:?}: {email:?}");
        if is_fixed && in_it.len() > 1 {
            return;
        }
        for notice in &in_it {
            self.check_days_left(email, notice);
        }
        for notice in in_it {
            let is_of_sale = email.kind() == EmailKind::Confirmation;
            let epoch = self.packages[&notice.package_id].expiry_epoch;
            let epoch = if is_of_sale { 0 } else { epoch };
            let fact = (
                email.kind(),
                notice.package_id.clone(),
                notice.lead_days,
                epoch,
            );
            assert!(told.facts.insert(fact), "told again: {email:?}");
        }
    }

    /// A reminder says how many days are left on the day on which it goes out.
    fn check_days_left(&self, email: &v1::Email, notice: &v1::Notice) {
        let last = last_day(&self.packages[&notice.package_id]);
        let left = last.map(|last| (last - self.today()).num_days());
        if let (EmailKind::ExpiryReminder, Some(left @ 2..)) = (email.kind(), left) {
            let told = format!("({left} days left)");
            assert!(email.text_body.contains(&told), "not {told}: {email:?}");
        }
    }

    /// Why a notice should not have been told at this moment.
    fn fault(&self, email: &v1::Email, notice: &v1::Notice) -> Option<String> {
        let package = &self.packages[&notice.package_id];
        let (status, today) = (package.status(), self.today());
        let must = |holds: bool, what: &str| (!holds).then(|| format!("{what}: {package:?}"));
        if email.kind() == EmailKind::Confirmation {
            let age = self.now.timestamp() - package.created_at.as_ref().unwrap().seconds;
            return must(age <= CONFIRMED_FOR.num_seconds(), "sold long ago");
        }
        if email.kind() == EmailKind::ExpiryReminder {
            let lead = TimeDelta::days(notice.lead_days.into());
            let is_due = last_day(package).is_some_and(|last| last - lead <= today);
            let is_usable = status == PackageStatus::Active;
            return must(is_usable, "not usable").or_else(|| must(is_due, "too early"));
        }
        assert_eq!(
            email.kind(),
            EmailKind::Expired,
            "nobody asked for {email:?}"
        );
        must(status == PackageStatus::Expired, "not expired")
            .or_else(|| must(has_lost(package), "nothing was lost"))
    }

    /// Checks what the run of today, which found things like this, has left behind: `changed_on` is the day on
    /// which each package's end came to be, unless it was ever frozen.
    pub(super) fn check_run(
        &self,
        notices: &HashSet<(EmailKind, String, i32)>,
        changed_on: &HashMap<String, Option<NaiveDate>>,
    ) {
        let today = self.today();
        for package in self.packages.values() {
            let (Some(since), Some(last)) = (changed_on[&package.id], last_day(package)) else {
                continue;
            };
            let lead = (last - today).num_days();
            let is_lead = LEADS.contains(&lead) && since < today;
            if is_lead && package.status() == PackageStatus::Active {
                let lead = i32::try_from(lead).unwrap();
                let wanted = (EmailKind::ExpiryReminder, package.id.clone(), lead);
                assert!(notices.contains(&wanted), "no reminder of {package:?}");
            }
            let is_first_day_after = last + TimeDelta::days(1) == today && since <= last;
            if is_first_day_after && package.status() == PackageStatus::Expired && has_lost(package)
            {
                let wanted = (EmailKind::Expired, package.id.clone(), 0);
                assert!(notices.contains(&wanted), "no notice of {package:?}");
            }
        }
    }
}

fn last_day(package: &v1::Package) -> Option<NaiveDate> {
    package.last_usable_date.parse().ok()
}

fn has_lost(package: &v1::Package) -> bool {
    let lost = |line: &v1::PackageLine| line.balances.as_ref().unwrap().expired != "0";
    package.lines.iter().any(lost)
}
