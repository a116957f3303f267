//! Businesses: the tenants, with their settings.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::domain::credits::Credits;
use crate::domain::invoice::IssueWhen;
use crate::domain::money::Currency;
use crate::domain::notice::NoticeKind;
use crate::domain::policies::Policies;
use crate::domain::quiet::QuietHours;
use crate::ids::BusinessId;

/// The lead days of a business that has not chosen its own.
const DEFAULT_LEAD_DAYS: [u32; 3] = [30, 7, 1];
/// The local hour of a business that has not chosen its own.
const DEFAULT_LOCAL_HOUR: u32 = 9;

/// A tenant: everything belongs to exactly one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Business {
    /// The business.
    pub id: BusinessId,
    /// What customers read.
    pub name: String,
    /// Where its days begin and end.
    pub zone: Tz,
    /// The language of its e-mails, as a BCP 47 tag.
    pub locale: String,
    /// What its prices are in; never changes.
    pub currency: Currency,
    /// Whether packages are switched on (C10).
    pub feature_enabled: bool,
    /// Whether it sells on account (B3).
    pub account_payments_active: bool,
    /// Whether prices are written with tax.
    pub prices_include_tax: bool,
    /// Days after expiry in which a package can be restored (E3).
    pub quarantine_days: i32,
    /// What holds where a template leaves it unset.
    pub policies: Policies,
    /// The priority of packages whose template has none.
    pub default_priority: i32,
    /// When which reminders go out.
    pub reminder_policy: ReminderPolicy,
    /// How its invoices work.
    pub invoicing: Invoicing,
    /// Who its e-mails come from, and their look.
    pub sender: Sender,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// How invoices and what they sell work, where nothing else says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoicing {
    /// When packages are issued that an invoice or a charge is to pay (C2).
    pub issue_when: IssueWhen,
    /// How many days a draft holds credits (semantics 40).
    pub draft_hold_days: u32,
    /// How many hours a charge request can be answered (J6).
    pub charge_timeout_hours: u32,
}

impl Default for Invoicing {
    fn default() -> Self {
        Self {
            issue_when: IssueWhen::FullyPaid,
            draft_hold_days: 7,
            charge_timeout_hours: 24,
        }
    }
}

/// Who e-mails come from and what they look like; what is missing is the operator's (G11).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// The display name.
    pub from_name: Option<String>,
    /// The address.
    pub from_email: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// What links in e-mails begin with.
    pub link_base_url: Option<String>,
    /// The `https` address of a picture shown above the text.
    pub logo_url: Option<String>,
    /// The colour of the button, as `#rrggbb`.
    pub accent_colour: Option<String>,
}

/// When which reminders go out (G2, G3, G4).
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, as in the API"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReminderPolicy {
    /// Days before the last usable day, largest first, without repeats.
    pub lead_days: Vec<u32>,
    /// The hour of the business's day at which timed e-mails become due, 0 to 23.
    pub local_hour: u32,
    /// Whether a notice goes out after expiry.
    pub expired_notice: bool,
    /// Whether a package is confirmed.
    pub confirmation: bool,
    /// Whether the package of a subscription's next period is told.
    pub renewed: bool,
    /// At how little left of a credit type in a package that is told; none: never.
    pub low_balance: Option<LowBalance>,
    /// Whether it is told that a package is used up.
    pub used_up: bool,
    /// Whether it is told that a package was extended or restored.
    pub extended: bool,
    /// Whether it is told that credits that were held are free again because their time was over.
    pub hold_timed_out: bool,
    /// The kinds that go to customers who have unsubscribed too, each once.
    pub mandatory: Vec<NoticeKind>,
    /// The hours in which nothing goes out; none: there are no such.
    pub quiet_hours: Option<QuietHours>,
    /// Whether it is not told that a package ends or is used up where a newer one of its template goes on (semantics 42).
    pub skip_if_newer_package: bool,
}

impl ReminderPolicy {
    /// Whether e-mails of this kind go to customers who have unsubscribed too.
    pub fn is_mandatory(&self, kind: NoticeKind) -> bool {
        self.mandatory.contains(&kind)
    }

    /// When an e-mail that could go out at `at` does: at the end of quiet hours, unless what it says cannot wait
    /// for that (semantics 44).
    pub fn goes_out_at(
        &self,
        at: DateTime<Utc>,
        zone: Tz,
        can_wait: impl FnOnce(DateTime<Utc>) -> bool,
    ) -> DateTime<Utc> {
        let end = self.quiet_hours.and_then(|quiet| quiet.end_of(at, zone));
        end.filter(|end| can_wait(*end)).unwrap_or(at)
    }
}

/// The line at or below which little is left of a credit type in a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LowBalance {
    /// So many credits.
    Credits(Credits),
    /// So many percent of what was issued.
    Percent(u32),
}

impl LowBalance {
    /// The line where so much was issued.
    pub fn of(self, issued: Credits) -> Credits {
        match self {
            Self::Credits(line) => line,
            Self::Percent(percent) => {
                let part = issued.checked_times(i64::from(percent));
                let part = part.map_or(0, Credits::millionths);
                Credits::from_millionths(part.checked_div(100).unwrap_or(0))
            }
        }
    }
}

impl Default for ReminderPolicy {
    fn default() -> Self {
        Self {
            lead_days: DEFAULT_LEAD_DAYS.to_vec(),
            local_hour: DEFAULT_LOCAL_HOUR,
            expired_notice: true,
            confirmation: true,
            renewed: true,
            low_balance: None,
            used_up: false,
            extended: false,
            hold_timed_out: false,
            mandatory: Vec::new(),
            quiet_hours: None,
            skip_if_newer_package: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_kinds_that_are_named_go_to_those_who_have_unsubscribed() {
        let policy = ReminderPolicy {
            mandatory: vec![NoticeKind::Expired],
            ..ReminderPolicy::default()
        };
        assert!(policy.is_mandatory(NoticeKind::Expired));
        assert!(!policy.is_mandatory(NoticeKind::UsedUp));
    }

    #[test]
    fn little_is_so_many_credits_or_so_many_percent_of_what_was_issued() {
        let credits = |text| Credits::parse(text).unwrap();
        for (line, issued, expected) in [
            (LowBalance::Credits(credits("2")), "8", "2"),
            (LowBalance::Percent(25), "8", "2"),
            (LowBalance::Percent(10), "0.5", "0.05"),
        ] {
            assert_eq!(line.of(credits(issued)), credits(expected), "{line:?}");
        }
    }
}
