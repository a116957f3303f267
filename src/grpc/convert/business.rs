//! Settings as messages.

use crate::domain::business::{Business, Invoicing, Sender};
use crate::grpc::convert::common::{etag, optional_etag};
use crate::grpc::convert::policies::{policies, to_policies};
use crate::grpc::convert::pricing::{issue_when, to_issue_when};
use crate::grpc::convert::template::{PRIORITY_MAX, QUARANTINE_DAYS_MAX};
use crate::grpc::faults::Faults;
use crate::grpc::mask::{Mask, Writable, writable};
use crate::mail::content::Colour;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::business::SettingsUpdate;

/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// The longest name in From, in characters.
const FROM_NAME_LENGTH_MAX: usize = 100;
/// For how many days the credits of a draft may be held.
const DRAFT_HOLD_DAYS_MAX: i32 = 365;
/// For how many hours a charge request may be open: a year.
const CHARGE_TIMEOUT_HOURS_MAX: i32 = 8_760;

/// What a client can write of the settings.
fn fields(message: &v1::Settings) -> [Writable; 11] {
    writable([
        ("name", !message.name.is_empty()),
        ("time_zone", !message.time_zone.is_empty()),
        ("locale", !message.locale.is_empty()),
        ("feature_enabled", message.feature_enabled),
        ("account_payments_active", message.account_payments_active),
        ("prices_include_tax", message.prices_include_tax),
        ("quarantine_days", message.quarantine_days != 0),
        ("policies", message.policies.is_some()),
        ("default_priority", message.default_priority != 0),
        ("invoicing", message.invoicing.is_some()),
        ("sender", message.sender.is_some()),
    ])
}

/// Settings to be changed.
pub fn settings_update(
    request: &v1::UpdateSettingsRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<SettingsUpdate> {
    let message = faults.required("settings", request.settings.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    let flag = |name, value| mask.has(name).then_some(value);
    faults.within("settings", |faults| {
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let zone = mask.field("time_zone", || {
            faults.time_zone("time_zone", &message.time_zone)
        });
        let locale = mask.field("locale", || {
            let locale = faults.locale("locale", &message.locale)?;
            Some(locale.to_string())
        });
        let quarantine_days = mask.field("quarantine_days", || {
            let days = message.quarantine_days;
            faults.number("quarantine_days", days, 0..=QUARANTINE_DAYS_MAX)
        });
        let policies = mask.field("policies", || {
            let message = message.policies.clone().unwrap_or_default();
            faults.within("policies", |faults| policies(&message, faults))
        });
        let default_priority = mask.field("default_priority", || {
            let range = -PRIORITY_MAX..=PRIORITY_MAX;
            faults.number("default_priority", message.default_priority, range)
        });
        let invoicing = mask.field("invoicing", || {
            let message = message.invoicing.unwrap_or_default();
            faults.within("invoicing", |faults| invoicing(message, faults))
        });
        let sender = mask.field("sender", || match &message.sender {
            None => Some(Sender::default()),
            Some(message) => faults.within("sender", |faults| sender(message, faults)),
        });
        Some(SettingsUpdate {
            etag: optional_etag(&message.etag),
            name: name?,
            zone: zone?,
            locale: locale?,
            feature_enabled: flag("feature_enabled", message.feature_enabled),
            account_payments_active: flag(
                "account_payments_active",
                message.account_payments_active,
            ),
            prices_include_tax: flag("prices_include_tax", message.prices_include_tax),
            quarantine_days: quarantine_days?,
            policies: policies?,
            default_priority: default_priority?,
            invoicing: invoicing?,
            sender: sender?,
        })
    })
}

fn sender(message: &v1::Sender, faults: &mut Faults) -> Option<Sender> {
    let from_name = faults.text("from_name", &message.from_name, FROM_NAME_LENGTH_MAX);
    let from_email = faults.email("from_email", &message.from_email);
    let reply_to = faults.email("reply_to", &message.reply_to);
    let link_base_url = faults.link_base_url("link_base_url", &message.link_base_url);
    let logo_url = faults.picture_url("logo_url", &message.logo_url);
    let accent_colour = faults.colour("accent_colour", &message.accent_colour);
    Some(Sender {
        from_name: Some(from_name?).filter(|name| !name.is_empty()),
        from_email: from_email?,
        reply_to: reply_to?,
        link_base_url: link_base_url?,
        logo_url: logo_url?,
        accent_colour: accent_colour?.map(Colour::css),
    })
}

/// How invoices work; what is 0 is as it is by default.
fn invoicing(message: v1::InvoiceSettings, faults: &mut Faults) -> Option<Invoicing> {
    let default = Invoicing::default();
    let issue_when = issue_when(faults, message.issue_when);
    let mut number = |field, given, most, default| match given {
        0 => Some(default),
        given => faults
            .number(field, given, 1..=most)
            .and_then(|number| u32::try_from(number).ok()),
    };
    let days = ("draft_hold_days", message.draft_hold_days);
    let hours = ("charge_timeout_hours", message.charge_timeout_hours);
    let draft_hold_days = number(days.0, days.1, DRAFT_HOLD_DAYS_MAX, default.draft_hold_days);
    let charge_timeout_hours = number(
        hours.0,
        hours.1,
        CHARGE_TIMEOUT_HOURS_MAX,
        default.charge_timeout_hours,
    );
    Some(Invoicing {
        issue_when: issue_when?.unwrap_or(default.issue_when),
        draft_hold_days: draft_hold_days?,
        charge_timeout_hours: charge_timeout_hours?,
    })
}

fn to_invoicing(invoicing: Invoicing) -> v1::InvoiceSettings {
    let number = |number| i32::try_from(number).unwrap_or(i32::MAX);
    v1::InvoiceSettings {
        issue_when: to_issue_when(Some(invoicing.issue_when)).into(),
        draft_hold_days: number(invoicing.draft_hold_days),
        charge_timeout_hours: number(invoicing.charge_timeout_hours),
    }
}

/// The settings as a message.
pub fn to_settings(business: Business) -> v1::Settings {
    v1::Settings {
        business_id: business.id.to_string(),
        name: business.name,
        time_zone: business.zone.name().to_owned(),
        locale: business.locale,
        currency_code: business.currency.code().to_owned(),
        feature_enabled: business.feature_enabled,
        account_payments_active: business.account_payments_active,
        prices_include_tax: business.prices_include_tax,
        quarantine_days: business.quarantine_days,
        policies: Some(to_policies(business.policies)),
        default_priority: business.default_priority,
        invoicing: Some(to_invoicing(business.invoicing)),
        sender: Some(v1::Sender {
            from_name: business.sender.from_name.unwrap_or_default(),
            from_email: business.sender.from_email.unwrap_or_default(),
            reply_to: business.sender.reply_to.unwrap_or_default(),
            link_base_url: business.sender.link_base_url.unwrap_or_default(),
            logo_url: business.sender.logo_url.unwrap_or_default(),
            accent_colour: business.sender.accent_colour.unwrap_or_default(),
        }),
        etag: etag(business.version),
    }
}
