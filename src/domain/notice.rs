//! Notices: which facts a customer is told by e-mail, when, and whether they still hold.
//!
//! Timed notices come from one run for each business and local day. A run looks at a [`Window`] of days
//! that reaches back to the run before it, so days without a run lose and double nothing; of several
//! reminders that fell due the latest is told, with the true days left, and the others are recorded as
//! missed (semantics 41, 43). Right before sending, every fact is checked again ([`still_true`]).

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::domain::business::{Business, ReminderPolicy};
use crate::domain::calendar;
use crate::domain::entry::coded;
use crate::ids::{BusinessId, CustomerId, EmailId, NoticeId, PackageId};

mod newer;
mod overtaken;
mod truth;

pub use newer::{is_covered_by_newer, tells_of_an_end};
pub use overtaken::is_overtaken;
pub use truth::{
    Facts, can_wait, has_lost_something, has_something_to_lose, is_used_up, left_of_types,
    still_true,
};

/// How many days back a run still tells what fell due.
pub const CATCH_UP_DAYS_MAX: u64 = 7;
/// How many days back a run records what it does not tell any more.
pub const RECORD_DAYS_MAX: u64 = 366;
/// How many days must lie between a reminder and one of a later expiry (semantics 41).
const REMINDER_PAUSE_DAYS: i64 = 3;

coded! {
    /// The kinds of notices, and of the e-mails that carry them.
    NoticeKind {
        /// A package was sold or given.
        Confirmation = 1, "confirmation";
        /// A package is about to expire with something left in it.
        Expiring = 2, "expiring";
        /// A package expired with something left in it.
        Expired = 3, "expired";
        /// Little is left of a package.
        LowBalance = 4, "low_balance";
        /// All of a package was used.
        UsedUp = 5, "used_up";
        /// A package was extended or restored.
        Extended = 6, "extended";
        /// The package of a subscription's next period is there.
        Renewed = 7, "renewed";
        /// Credits that were held are free again, because their time was over.
        HoldTimedOut = 8, "hold_timed_out";
    }
}

coded! {
    /// Why a notice is not told; the texts are part of the API.
    DropReason {
        /// Packages are switched off for the business.
        FeatureOff = 1, "feature_off";
        /// The business has switched this kind off.
        KindOff = 2, "switched_off";
        /// The customer is not active.
        Inactive = 3, "customer_inactive";
        /// The customer has no e-mail address.
        NoAddress = 4, "no_address";
        /// Nothing is sent to this address any more.
        Suppressed = 5, "suppressed";
        /// The package was taken away.
        Revoked = 6, "revoked";
        /// The package belongs to somebody else now.
        Transferred = 7, "transferred";
        /// The package is frozen.
        Frozen = 8, "frozen";
        /// Its expiry was changed since.
        Extended = 9, "extended";
        /// It has expired before it could be told that it will.
        AlreadyExpired = 10, "already_expired";
        /// It is valid again.
        NotExpired = 11, "not_expired";
        /// All of it has been used or set aside.
        UsedUp = 12, "used_up";
        /// Nothing was lost.
        NothingLost = 13, "nothing_lost";
        /// Its day is long past.
        TooLate = 14, "too_late";
        /// It was not told in time, and something newer is.
        Missed = 15, "missed";
        /// The customer was reminded of the earlier expiry only just.
        RemindedRecently = 16, "reminded_recently";
        /// Something of it is left, since a use was undone or credits were added.
        NotUsedUp = 17, "not_used_up";
        /// More is left than the business calls little, for the same reasons.
        NotLow = 18, "not_low";
        /// The customer wants no e-mails but mandatory ones.
        Unsubscribed = 19, "unsubscribed";
        /// What was known of the customer was erased.
        Erased = 20, "erased";
        /// Somebody of the business cancelled its e-mail.
        ByHand = 21, "by_hand";
        /// A newer package of the same template covers the customer.
        NewerPackage = 22, "newer_package";
    }
}

/// The reason of an e-mail whose notices were dropped for different reasons.
pub const NOTHING_LEFT_TO_TELL: &str = "nothing_left";

/// One fact to tell a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The notice.
    pub id: NoticeId,
    /// Whose customer is told.
    pub business_id: BusinessId,
    /// What kind of fact.
    pub kind: NoticeKind,
    /// The package that it is about.
    pub package_id: PackageId,
    /// What caused it; with kind and package it is unique.
    pub cause: String,
    /// Who is told.
    pub customer_id: CustomerId,
    /// The e-mail that it is part of; none if it was never told.
    pub email_id: Option<EmailId>,
    /// The package's expiry that it speaks of.
    pub expiry_epoch: i32,
    /// For a reminder, the lead that caused it.
    pub lead_days: Option<i32>,
    /// Why it is not told.
    pub dropped: Option<DropReason>,
    /// When it was found.
    pub created_at: DateTime<Utc>,
}

/// The cause of a reminder of this lead.
pub fn lead_cause(lead_days: u32, expiry_epoch: i32) -> String {
    format!("lead:{lead_days}:{expiry_epoch}")
}

/// The cause of the notice that a package has expired.
pub fn expired_cause(expiry_epoch: i32) -> String {
    format!("expired:{expiry_epoch}")
}

/// The days whose notices one run decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// From this day on, what was missed is recorded.
    pub recorded_from: NaiveDate,
    /// From this day on, it is told.
    pub told_from: NaiveDate,
    /// Through this day: that of the run.
    pub today: NaiveDate,
}

impl Window {
    /// The window of the run of `today`, after the last run that was finished; a business that never
    /// had one begins with today.
    pub fn after(last_finished: Option<NaiveDate>, today: NaiveDate) -> Self {
        let back = |days| today.checked_sub_days(Days::new(days)).unwrap_or(today);
        let first = last_finished.map_or(today, |day| day.succ_opt().unwrap_or(day));
        Self {
            recorded_from: first.max(back(RECORD_DAYS_MAX)),
            told_from: first.max(back(CATCH_UP_DAYS_MAX)),
            today,
        }
    }

    fn tells(&self, day: NaiveDate) -> bool {
        self.told_from <= day && day <= self.today
    }

    fn records(&self, day: NaiveDate) -> bool {
        self.recorded_from <= day && day <= self.today
    }
}

/// The days of a package that matter for its notices, all local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The last day on which it can be used.
    pub last_usable_day: NaiveDate,
    /// The day on which this expiry came to be: of its sale or import, or of the last change.
    pub since: NaiveDate,
    /// The day of the last reminder of an earlier expiry.
    pub reminded_on: Option<NaiveDate>,
}

/// What a run does about the reminders of one package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reminders {
    /// The lead to tell.
    pub told: Option<u32>,
    /// The leads that fell due and are not told.
    pub untold: Vec<(u32, DropReason)>,
}

/// Which reminders of a package fell due in the window: the latest is told, if it can be.
pub fn reminders_due(leads: &[u32], timeline: &Timeline, window: &Window) -> Reminders {
    let mut due: Vec<(NaiveDate, u32)> = leads
        .iter()
        .filter_map(|lead| Some((lead_day(*lead, timeline)?, *lead)))
        .filter(|(day, _)| *day > timeline.since && window.records(*day))
        .collect();
    due.sort_unstable();
    due.dedup();
    let mut reminders = Reminders::default();
    if let Some((day, lead)) = due.pop() {
        if !window.tells(day) || timeline.last_usable_day < window.today {
            reminders.untold.push((lead, DropReason::Missed));
        } else if reminded_recently(timeline, window.today) {
            reminders.untold.push((lead, DropReason::RemindedRecently));
        } else {
            reminders.told = Some(lead);
        }
    }
    let missed = due.iter().map(|(_, lead)| (*lead, DropReason::Missed));
    reminders.untold.extend(missed);
    reminders
}

/// What a run does about the notice that a package has expired: nothing, tell, or record why not.
pub fn expired_due(timeline: &Timeline, window: &Window) -> Option<Result<(), DropReason>> {
    let day = timeline.last_usable_day.succ_opt()?;
    if timeline.since > timeline.last_usable_day || !window.records(day) {
        return None;
    }
    Some(if window.tells(day) {
        Ok(())
    } else {
        Err(DropReason::Missed)
    })
}

/// The last usable days that a run must look at, as ranges without overlap, earliest first.
pub fn days_to_look_at(
    leads: impl IntoIterator<Item = u32>,
    includes_expired: bool,
    window: &Window,
) -> Vec<(NaiveDate, NaiveDate)> {
    let shift = |days: u32| {
        let days = Days::new(u64::from(days));
        let from = window.recorded_from.checked_add_days(days)?;
        Some((from, window.today.checked_add_days(days)?))
    };
    let mut ranges: Vec<_> = leads.into_iter().filter_map(shift).collect();
    if includes_expired {
        let range = window.recorded_from.pred_opt().zip(window.today.pred_opt());
        ranges.extend(range);
    }
    ranges.retain(|(from, through)| from <= through);
    ranges.sort_unstable();
    let mut merged: Vec<(NaiveDate, NaiveDate)> = Vec::new();
    for (from, through) in ranges {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(through),
            _ => merged.push((from, through)),
        }
    }
    merged
}

fn lead_day(lead: u32, timeline: &Timeline) -> Option<NaiveDate> {
    timeline
        .last_usable_day
        .checked_sub_days(Days::new(u64::from(lead)))
}

fn reminded_recently(timeline: &Timeline, today: NaiveDate) -> bool {
    timeline
        .reminded_on
        .is_some_and(|day| calendar::days_between(day, today) < REMINDER_PAUSE_DAYS)
}

/// What matters about the customer who is told.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and a reason of its own"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Whether what was known of the customer was erased.
    pub is_erased: bool,
    /// Whether the customer is active.
    pub is_active: bool,
    /// Whether there is an address.
    pub has_address: bool,
    /// Whether nothing is to be sent to it.
    pub is_suppressed: bool,
    /// Whether the customer wants no e-mails but mandatory ones.
    pub is_unsubscribed: bool,
}

/// Whether this kind of notice is wanted by the policy in force for a package.
pub fn is_on(kind: NoticeKind, policy: &ReminderPolicy) -> bool {
    match kind {
        NoticeKind::Confirmation => policy.confirmation,
        NoticeKind::Expiring => !policy.lead_days.is_empty(),
        NoticeKind::Expired => policy.expired_notice,
        NoticeKind::LowBalance => policy.low_balance.is_some(),
        NoticeKind::UsedUp => policy.used_up,
        NoticeKind::Extended => policy.extended,
        NoticeKind::Renewed => policy.renewed,
        NoticeKind::HoldTimedOut => policy.hold_timed_out,
    }
}

/// Whether an e-mail of this kind may go to this customer at all; the policy is the one in force for the package.
///
/// # Errors
/// Why not.
pub fn may_be_told(
    kind: NoticeKind,
    business: &Business,
    policy: &ReminderPolicy,
    recipient: &Recipient,
) -> Result<(), DropReason> {
    if !business.feature_enabled {
        Err(DropReason::FeatureOff)
    } else if !is_on(kind, policy) {
        Err(DropReason::KindOff)
    } else if recipient.is_erased {
        Err(DropReason::Erased)
    } else if !recipient.is_active {
        Err(DropReason::Inactive)
    } else if !recipient.has_address {
        Err(DropReason::NoAddress)
    } else if recipient.is_suppressed {
        Err(DropReason::Suppressed)
    } else if recipient.is_unsubscribed && !policy.is_mandatory(kind) {
        Err(DropReason::Unsubscribed)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
