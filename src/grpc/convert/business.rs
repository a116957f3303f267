//! Settings, tokens and users as messages.

use crate::domain::access::Token;
use crate::domain::business::{Business, Sender};
use crate::domain::permission::{Permission, Permissions};
use crate::domain::user::User;
use crate::grpc::convert::common::{etag, optional_etag, to_timestamp};
use crate::grpc::convert::template::{PRIORITY_MAX, QUARANTINE_DAYS_MAX};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::grpc::permission::{permission_name, permission_named};
use crate::ids::{TokenId, UserId};
use crate::mail::content::Colour;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::business::SettingsUpdate;
use crate::service::tokens::{TokenList, TokenOrder};
use crate::service::users::{NewUser, UserList};

/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// The longest name in From, in characters.
const FROM_NAME_LENGTH_MAX: usize = 100;
/// More permissions than there are.
const PERMISSIONS_MAX: usize = 100;

/// What a client can write of the settings.
fn fields(message: &v1::Settings) -> [Writable; 9] {
    writable([
        ("name", !message.name.is_empty()),
        ("time_zone", !message.time_zone.is_empty()),
        ("locale", !message.locale.is_empty()),
        ("feature_enabled", message.feature_enabled),
        ("account_payments_active", message.account_payments_active),
        ("prices_include_tax", message.prices_include_tax),
        ("quarantine_days", message.quarantine_days != 0),
        ("default_priority", message.default_priority != 0),
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
        let default_priority = mask.field("default_priority", || {
            let range = -PRIORITY_MAX..=PRIORITY_MAX;
            faults.number("default_priority", message.default_priority, range)
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
            default_priority: default_priority?,
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
        default_priority: business.default_priority,
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

/// A token to be made.
pub fn token_order(
    request: &v1::CreateTokenRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<TokenOrder> {
    let message = faults.required("token", request.token.as_ref())?;
    faults.within("token", |faults| {
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let permissions = permissions(&message.permissions, faults);
        let user_id = faults.optional_reference("user_id", &message.user_id);
        Some(TokenOrder {
            name: name?,
            permissions: permissions?,
            user_id: user_id?,
        })
    })
}

fn permissions(numbers: &[i32], faults: &mut Faults) -> Option<Permissions> {
    faults.count("permissions", numbers.len(), 1..=PERMISSIONS_MAX)?;
    let chosen = faults.choices::<v1::Permission>("permissions", numbers)?;
    let names = chosen.into_iter().map(permission_name);
    let permissions: Permissions = names.filter_map(Permission::from_name).collect();
    if permissions.len() < numbers.len() {
        faults.add("permissions", "must have each permission once");
        return None;
    }
    Some(permissions)
}

/// Which tokens to list.
pub fn token_list(
    request: &v1::ListTokensRequest,
    page: &Page<TokenId>,
    _: &mut Faults,
) -> Option<TokenList> {
    Some(TokenList {
        hide_revoked: request.hide_revoked,
        before: page.after,
        limit: page.limit(),
    })
}

/// A token as a message, without its text.
pub fn to_token(token: Token) -> v1::Token {
    let names = token
        .permissions
        .iter()
        .map(|permission| permission.as_str());
    v1::Token {
        id: token.id.to_string(),
        name: token.name,
        permissions: names.filter_map(permission_named).map(i32::from).collect(),
        user_id: token.user_id.map(|id| id.to_string()).unwrap_or_default(),
        created_at: Some(timestamp(token.created_at)),
        last_used_at: to_timestamp(token.last_used_at),
        revoked_at: to_timestamp(token.revoked_at),
    }
}

/// A user to be added.
pub fn new_user(
    request: &v1::CreateUserRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewUser> {
    let message = faults.required("user", request.user.as_ref())?;
    faults.within("user", |faults| {
        let external_id = faults.external_id("external_id", &message.external_id);
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        Some(NewUser {
            external_id: external_id?,
            name: name?,
        })
    })
}

/// Which users to list.
pub fn user_list(
    _: &v1::ListUsersRequest,
    page: &Page<UserId>,
    _: &mut Faults,
) -> Option<UserList> {
    Some(UserList {
        before: page.after,
        limit: page.limit(),
    })
}

/// A user as a message.
pub fn to_user(user: User) -> v1::User {
    v1::User {
        id: user.id.to_string(),
        external_id: user.external_id.unwrap_or_default(),
        name: user.name,
        created_at: Some(timestamp(user.created_at)),
    }
}
