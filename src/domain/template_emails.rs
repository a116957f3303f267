//! What a template says itself of the e-mails about its packages, and the policies that come of it (G2 to G4).
//!
//! What a template leaves unset is as its business says. A package goes by the version of the template that was
//! sold, since versions never change.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::domain::business::{LowBalance, ReminderPolicy};
use crate::domain::package::Package;
use crate::ids::TemplateId;

/// Which e-mails a template wants sent or not; what is none is as the business says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateEmails {
    /// Whether a package is confirmed.
    pub confirmation: Option<bool>,
    /// Whether a notice goes out after expiry.
    pub expired_notice: Option<bool>,
    /// What of uses is told.
    pub uses: UseEmails,
    /// Whether it is told that a package was extended or restored.
    pub extended: Option<bool>,
    /// Whether it is told that credits that were held are free again because their time was over.
    pub hold_timed_out: Option<bool>,
}

/// What of uses a template wants told or not; what is none is as the business says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseEmails {
    /// At how little left that is told.
    pub low_balance: Option<OwnLowBalance>,
    /// Whether it is told that a package is used up.
    pub used_up: Option<bool>,
}

/// When a template itself says at how little left that is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnLowBalance {
    /// Never.
    Never,
    /// At or below this line.
    At(LowBalance),
}

/// All that a version of a template says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnReminders {
    /// Days before the last usable day; none: as the business says.
    pub lead_days: Option<Vec<u32>>,
    /// The other e-mails.
    pub emails: TemplateEmails,
}

/// The policies in force for the packages of a business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReminderPolicies {
    of_business: ReminderPolicy,
    of_versions: HashMap<(TemplateId, i32), ReminderPolicy>,
}

impl UseEmails {
    /// At how little left that is told, where the business says this.
    pub fn low_balance(&self, of_business: Option<LowBalance>) -> Option<LowBalance> {
        match self.low_balance {
            None => of_business,
            Some(OwnLowBalance::Never) => None,
            Some(OwnLowBalance::At(line)) => Some(line),
        }
    }

    /// Whether it is told that a package is used up, where the business says this.
    pub fn used_up(&self, of_business: bool) -> bool {
        self.used_up.unwrap_or(of_business)
    }
}

impl OwnReminders {
    /// The policy of the business with what this says in its place.
    fn within(self, of_business: &ReminderPolicy) -> ReminderPolicy {
        let TemplateEmails {
            confirmation,
            expired_notice,
            uses,
            extended,
            hold_timed_out,
        } = self.emails;
        let mut policy = of_business.clone();
        policy.lead_days = self.lead_days.unwrap_or(policy.lead_days);
        policy.confirmation = confirmation.unwrap_or(policy.confirmation);
        policy.expired_notice = expired_notice.unwrap_or(policy.expired_notice);
        policy.low_balance = uses.low_balance(policy.low_balance);
        policy.used_up = uses.used_up(policy.used_up);
        policy.extended = extended.unwrap_or(policy.extended);
        policy.hold_timed_out = hold_timed_out.unwrap_or(policy.hold_timed_out);
        policy
    }
}

impl ReminderPolicies {
    /// Those of a business with this policy, and with versions of templates that say something themselves.
    pub fn new(
        of_business: &ReminderPolicy,
        own: impl IntoIterator<Item = ((TemplateId, i32), OwnReminders)>,
    ) -> Self {
        let own = own.into_iter();
        Self {
            of_business: of_business.clone(),
            of_versions: own
                .map(|(version, own)| (version, own.within(of_business)))
                .collect(),
        }
    }

    /// The one in force for a package.
    pub fn of(&self, package: &Package) -> &ReminderPolicy {
        let own = package.template;
        own.and_then(|version| self.of_versions.get(&version))
            .unwrap_or(&self.of_business)
    }

    /// The one where no template says anything.
    pub fn of_business(&self) -> &ReminderPolicy {
        &self.of_business
    }

    /// Every one that any package may have.
    pub fn all(&self) -> impl Iterator<Item = &ReminderPolicy> {
        let own = self.of_versions.values();
        std::iter::once(&self.of_business).chain(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::at;
    use crate::domain::testing::book::package;

    fn package_of(template: Option<(TemplateId, i32)>) -> Package {
        Package {
            template,
            ..package()
        }
    }

    #[test]
    fn a_package_goes_by_the_version_that_was_sold_and_else_by_the_business() {
        let id = TemplateId::generate(at(0));
        let own = OwnReminders {
            lead_days: Some(Vec::new()),
            ..OwnReminders::default()
        };
        let of_business = ReminderPolicy::default();
        let policies = ReminderPolicies::new(&of_business, [((id, 2), own)]);
        for (template, leads) in [
            (None, vec![30, 7, 1]),
            (Some((id, 1)), vec![30, 7, 1]),
            (Some((id, 2)), vec![]),
            (Some((TemplateId::generate(at(1)), 2)), vec![30, 7, 1]),
        ] {
            let policy = policies.of(&package_of(template));
            assert_eq!(policy.lead_days, leads, "{template:?}");
        }
        assert_eq!(policies.all().count(), 2);
    }

    #[test]
    fn what_a_template_says_takes_the_place_of_what_the_business_says_and_nothing_else_does() {
        let two = LowBalance::Percent(2);
        let other = ReminderPolicy {
            confirmation: false,
            expired_notice: false,
            low_balance: Some(two),
            used_up: true,
            extended: true,
            hold_timed_out: true,
            ..ReminderPolicy::default()
        };
        let all = TemplateEmails {
            confirmation: Some(false),
            expired_notice: Some(false),
            uses: UseEmails {
                low_balance: Some(OwnLowBalance::At(two)),
                used_up: Some(true),
            },
            extended: Some(true),
            hold_timed_out: Some(true),
        };
        let within = |emails: TemplateEmails, of_business: &ReminderPolicy| {
            let own = OwnReminders {
                lead_days: None,
                emails,
            };
            own.within(of_business)
        };
        let default = ReminderPolicy::default();
        assert_eq!(within(all, &default), other);
        assert_eq!(within(TemplateEmails::default(), &default), default);
        assert_eq!(within(TemplateEmails::default(), &other), other);
        let back = TemplateEmails {
            confirmation: Some(true),
            expired_notice: Some(true),
            uses: UseEmails {
                low_balance: Some(OwnLowBalance::Never),
                used_up: Some(false),
            },
            extended: Some(false),
            hold_timed_out: Some(false),
        };
        assert_eq!(within(back, &other), default);
    }
}
