//! The messages of the reminder policy.

use crate::domain::business::LowBalance;
use crate::domain::quiet::QuietHours;
use crate::grpc::convert::common::{amount, etag, optional_etag};
use crate::grpc::convert::email::{kinds, to_kind};
use crate::grpc::faults::Faults;
use crate::grpc::mask::{Mask, Writable};
use crate::proto::v1;
use crate::proto::v1::low_balance::Line;
use crate::service::reminder_policy::{PolicyUpdate, VersionedPolicy};

/// The most leads of a policy.
const LEADS_MAX: usize = 10;
/// The longest lead, in days.
const LEAD_DAYS_MAX: i32 = 365;
/// The highest line of a low balance, in percent.
const PERCENT_MAX: i32 = 99;
/// The last hour of a day.
const HOUR_MAX: i32 = 23;

/// What a client can write of the reminder policy.
fn policy_fields(message: &v1::ReminderPolicy) -> [Writable; 12] {
    [
        ("lead_days", !message.lead_days.is_empty()),
        ("local_hour", message.local_hour != 0),
        ("expired_notice", message.expired_notice),
        ("confirmation", message.confirmation),
        ("renewed", message.renewed),
        ("low_balance", message.low_balance.is_some()),
        ("used_up", message.used_up),
        ("extended", message.extended),
        ("hold_timed_out", message.hold_timed_out),
        ("mandatory_kinds", !message.mandatory_kinds.is_empty()),
        ("quiet_hours", message.quiet_hours.is_some()),
        ("skip_if_newer_package", message.skip_if_newer_package),
    ]
    .map(|(name, given)| Writable { name, given })
}

/// A reminder policy to be changed.
pub fn policy_update(
    request: &v1::UpdateReminderPolicyRequest,
    faults: &mut Faults,
) -> Option<PolicyUpdate> {
    let message = faults.required("policy", request.policy.as_ref())?;
    let mask = Mask::read(
        request.update_mask.as_ref(),
        &policy_fields(message),
        faults,
    );
    faults.within("policy", |faults| {
        let leads = lead_days(message, faults);
        let hour = faults.number("local_hour", message.local_hour, 0..=HOUR_MAX);
        let low_balance = match &message.low_balance {
            None => Some(None),
            Some(message) => faults
                .within("low_balance", |faults| low_balance(message, faults))
                .map(Some),
        };
        let mandatory = kinds("mandatory_kinds", &message.mandatory_kinds, faults);
        let (mask, leads, hour) = (mask?, leads?, u32::try_from(hour?).ok()?);
        let quiet_hours = match &message.quiet_hours {
            None => Some(None),
            Some(message) => quiet_hours(*message, faults).map(Some),
        };
        let (low_balance, mandatory) = (low_balance?, mandatory?);
        let quiet_hours = quiet_hours?;
        let chosen = |name, value: bool| mask.has(name).then_some(value);
        Some(PolicyUpdate {
            etag: optional_etag(&message.etag),
            lead_days: mask.has("lead_days").then_some(leads),
            local_hour: mask.has("local_hour").then_some(hour),
            expired_notice: chosen("expired_notice", message.expired_notice),
            confirmation: chosen("confirmation", message.confirmation),
            renewed: chosen("renewed", message.renewed),
            low_balance: mask.has("low_balance").then_some(low_balance),
            used_up: chosen("used_up", message.used_up),
            extended: chosen("extended", message.extended),
            hold_timed_out: chosen("hold_timed_out", message.hold_timed_out),
            mandatory: mask.has("mandatory_kinds").then_some(mandatory),
            quiet_hours: mask.has("quiet_hours").then_some(quiet_hours),
            skip_if_newer_package: chosen("skip_if_newer_package", message.skip_if_newer_package),
        })
    })
}

/// The line of a low balance.
pub fn low_balance(message: &v1::LowBalance, faults: &mut Faults) -> Option<LowBalance> {
    match &message.line {
        Some(Line::Credits(credits)) => amount(faults, "credits", credits).map(LowBalance::Credits),
        Some(Line::Percent(percent)) => {
            let percent = faults.number("percent", *percent, 1..=PERCENT_MAX)?;
            u32::try_from(percent).ok().map(LowBalance::Percent)
        }
        None => {
            faults.add("line", "must be given");
            None
        }
    }
}

fn quiet_hours(message: v1::QuietHours, faults: &mut Faults) -> Option<QuietHours> {
    faults.within("quiet_hours", |faults| {
        let from = faults.number("from_hour", message.from_hour, 0..=HOUR_MAX);
        let until = faults.number("until_hour", message.until_hour, 0..=HOUR_MAX);
        let (from, until) = (from?, until?);
        if from == until {
            faults.add("until_hour", "must be another hour than from_hour");
            return None;
        }
        Some(QuietHours {
            from_hour: u32::try_from(from).ok()?,
            until_hour: u32::try_from(until).ok()?,
        })
    })
}

/// The line of a low balance as a message.
pub fn to_low_balance(line: LowBalance) -> v1::LowBalance {
    let line = match line {
        LowBalance::Credits(credits) => Line::Credits(credits.to_string()),
        LowBalance::Percent(percent) => {
            Line::Percent(i32::try_from(percent).unwrap_or(PERCENT_MAX))
        }
    };
    v1::LowBalance { line: Some(line) }
}

fn lead_days(message: &v1::ReminderPolicy, faults: &mut Faults) -> Option<Vec<u32>> {
    faults.count("lead_days", message.lead_days.len(), 0..=LEADS_MAX)?;
    let mut leads = Vec::new();
    let mut sound = true;
    for (index, days) in message.lead_days.iter().enumerate() {
        let field = format!("lead_days[{index}]");
        let days = faults.number(&field, *days, 0..=LEAD_DAYS_MAX);
        match days.and_then(|days| u32::try_from(days).ok()) {
            Some(days) if leads.contains(&days) => {
                faults.add(&field, "must not be a repeat");
                sound = false;
            }
            Some(days) => leads.push(days),
            None => sound = false,
        }
    }
    sound.then_some(leads)
}

/// A reminder policy as a message.
pub fn to_policy(versioned: &VersionedPolicy) -> v1::ReminderPolicy {
    let policy = &versioned.policy;
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let quiet_hours = policy.quiet_hours.map(|quiet| v1::QuietHours {
        from_hour: number(quiet.from_hour),
        until_hour: number(quiet.until_hour),
    });
    v1::ReminderPolicy {
        lead_days: policy.lead_days.iter().copied().map(number).collect(),
        local_hour: number(policy.local_hour),
        expired_notice: policy.expired_notice,
        confirmation: policy.confirmation,
        renewed: policy.renewed,
        low_balance: policy.low_balance.map(to_low_balance),
        used_up: policy.used_up,
        extended: policy.extended,
        hold_timed_out: policy.hold_timed_out,
        mandatory_kinds: policy
            .mandatory
            .iter()
            .map(|kind| to_kind(*kind).into())
            .collect(),
        quiet_hours,
        skip_if_newer_package: policy.skip_if_newer_package,
        etag: etag(versioned.version),
    }
}
