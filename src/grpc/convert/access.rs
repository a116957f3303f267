//! Tokens, users and roles as messages.

use chrono::TimeDelta;

use crate::domain::access::Token;
use crate::domain::permission::{Permission, Permissions};
use crate::domain::role::{BuiltInRole, Role, RoleKey};
use crate::domain::user::User;
use crate::grpc::convert::common::{etag, optional_etag, to_timestamp};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::grpc::permission::{permission_name, permission_named};
use crate::ids::{RoleId, TokenId, UserId};
use crate::proto::v1;
use crate::service::Caller;
use crate::service::roles::{NewRole, RoleList, RoleUpdate};
use crate::service::tokens::{HolderName, Rotation, TokenList, TokenOrder};
use crate::service::users::{NewUser, UserList, UserUpdate};

/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// More permissions than there are.
const PERMISSIONS_MAX: usize = 200;
/// The longest time in which an old secret is still taken: a week.
const GRACE_MINUTES_MAX: i32 = 7 * 24 * 60;

/// A token to be made.
pub fn token_order(
    request: &v1::CreateTokenRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<TokenOrder> {
    let message = faults.required("token", request.token.as_ref())?;
    faults.within("token", |faults| {
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let holder = token_holder(message, faults);
        let holders = if message.customer_id.is_empty() {
            Holders::Staff
        } else {
            Holders::Customers
        };
        let permissions = permissions(&message.permissions, holders, faults);
        let expires_at = faults.optional_instant("expires_at", message.expires_at.as_ref());
        if holders == Holders::Customers && message.expires_at.is_none() {
            faults.add("expires_at", "must be given for the token of a customer");
            return None;
        }
        Some(TokenOrder {
            name: name?,
            permissions: permissions?,
            holder: holder?,
            expires_at: expires_at?,
        })
    })
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn token_holder(message: &v1::Token, faults: &mut Faults) -> Option<Option<HolderName>> {
    let user = faults.optional_reference("user_id", &message.user_id);
    let customer = faults.optional_reference("customer_id", &message.customer_id);
    match (user?, customer?) {
        (Some(_), Some(_)) => {
            faults.add("customer_id", "must be empty for the token of a user");
            None
        }
        (Some(user), None) => Some(Some(HolderName::User(user))),
        (None, customer) => Some(customer.map(HolderName::Customer)),
    }
}

/// Who can hold permissions: each is for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holders {
    /// Staff, and programs that work for it.
    Staff,
    /// Customers, for their own.
    Customers,
}

fn permissions(numbers: &[i32], holders: Holders, faults: &mut Faults) -> Option<Permissions> {
    faults.count("permissions", numbers.len(), 1..=PERMISSIONS_MAX)?;
    let chosen = faults.choices::<v1::Permission>("permissions", numbers)?;
    let names = chosen.into_iter().map(permission_name);
    let permissions: Permissions = names.filter_map(Permission::from_name).collect();
    if permissions.len() < numbers.len() {
        faults.add("permissions", "must have each permission once");
        return None;
    }
    let is_for_customers = holders == Holders::Customers;
    if permissions
        .iter()
        .any(|held| held.is_for_customers() != is_for_customers)
    {
        let only =
            "PORTAL_READ and PORTAL_BUY are for the tokens of customers, which hold no other";
        faults.add("permissions", only);
        return None;
    }
    Some(permissions)
}

fn to_permissions(permissions: &Permissions) -> Vec<i32> {
    let names = permissions.iter().map(|permission| permission.as_str());
    names.filter_map(permission_named).map(i32::from).collect()
}

/// A token that is to have a new secret.
pub fn rotation(
    request: &v1::RotateTokenRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<Rotation> {
    let id = faults.id("token_id", &request.token_id);
    let minutes = faults.number(
        "grace_minutes",
        request.grace_minutes,
        0..=GRACE_MINUTES_MAX,
    );
    let expires_at = faults.optional_instant("expires_at", request.expires_at.as_ref());
    Some(Rotation {
        id: id?,
        grace: TimeDelta::minutes(minutes?.into()),
        expires_at: expires_at?,
    })
}

/// Which tokens to list.
pub fn token_list(
    request: &v1::ListTokensRequest,
    page: &Page<TokenId>,
    faults: &mut Faults,
) -> Option<TokenList> {
    Some(TokenList {
        hide_revoked: request.hide_revoked,
        customer: faults.optional_reference("customer_id", &request.customer_id)?,
        before: page.after,
        limit: page.limit(),
    })
}

/// A token as a message, without its text.
pub fn to_token(token: Token) -> v1::Token {
    v1::Token {
        id: token.id.to_string(),
        name: token.name,
        permissions: to_permissions(&token.permissions),
        user_id: token.user_id.map(|id| id.to_string()).unwrap_or_default(),
        customer_id: token
            .customer_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        created_at: Some(timestamp(token.created_at)),
        last_used_at: to_timestamp(token.last_used_at),
        revoked_at: to_timestamp(token.revoked_at),
        expires_at: to_timestamp(token.expires_at),
        previous_secret_until: to_timestamp(token.previous.map(|previous| previous.until)),
    }
}

/// What a client can change of a user.
fn user_fields(message: &v1::User) -> [Writable; 4] {
    writable([
        ("external_id", !message.external_id.is_empty()),
        ("name", !message.name.is_empty()),
        ("role_id", !message.role_id.is_empty()),
        ("active", message.active),
    ])
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
        let role = optional_role(&message.role_id, faults);
        Some(NewUser {
            external_id: external_id?,
            name: name?,
            role: role?,
        })
    })
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn optional_role(text: &str, faults: &mut Faults) -> Option<Option<RoleKey>> {
    if text.is_empty() {
        return Some(None);
    }
    faults.id("role_id", text).map(Some)
}

/// A user to be changed.
pub fn user_update(
    request: &v1::UpdateUserRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<UserUpdate> {
    let message = faults.required("user", request.user.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &user_fields(message), faults)?;
    faults.within("user", |faults| {
        let id = faults.reference("id", &message.id);
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let role = mask.field("role_id", || optional_role(&message.role_id, faults));
        Some(UserUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            external_id: external_id?,
            name: name?,
            role: role?,
            active: mask.has("active").then_some(message.active),
        })
    })
}

/// Which users to list.
pub fn user_list(
    request: &v1::ListUsersRequest,
    page: &Page<UserId>,
    _: &mut Faults,
) -> Option<UserList> {
    Some(UserList {
        hide_inactive: request.hide_inactive,
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
        role_id: user.role.map(|role| role.to_string()).unwrap_or_default(),
        active: user.active,
        etag: etag(user.version),
    }
}

/// What a client can change of a role.
fn role_fields(message: &v1::Role) -> [Writable; 2] {
    writable([
        ("name", !message.name.is_empty()),
        ("permissions", !message.permissions.is_empty()),
    ])
}

/// A role to be made.
pub fn new_role(
    request: &v1::CreateRoleRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewRole> {
    let message = faults.required("role", request.role.as_ref())?;
    faults.within("role", |faults| {
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let permissions = permissions(&message.permissions, Holders::Staff, faults);
        Some(NewRole {
            name: name?,
            permissions: permissions?,
        })
    })
}

/// A role to be changed.
pub fn role_update(
    request: &v1::UpdateRoleRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<RoleUpdate> {
    let message = faults.required("role", request.role.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &role_fields(message), faults)?;
    faults.within("role", |faults| {
        let id = faults.id("id", &message.id);
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let permissions = mask.field("permissions", || {
            permissions(&message.permissions, Holders::Staff, faults)
        });
        Some(RoleUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            name: name?,
            permissions: permissions?,
        })
    })
}

/// Which roles to list.
pub fn role_list(
    _: &v1::ListRolesRequest,
    page: &Page<RoleId>,
    _: &mut Faults,
) -> Option<RoleList> {
    Some(RoleList {
        before: page.after,
        limit: page.limit(),
    })
}

/// A role as a message.
pub fn to_role(role: Role) -> v1::Role {
    v1::Role {
        id: role.id.to_string(),
        permissions: to_permissions(&role.permissions),
        name: role.name,
        built_in: false,
        created_at: Some(timestamp(role.created_at)),
        etag: etag(role.version),
    }
}

/// The roles that are built in, as messages.
pub fn built_in_roles() -> Vec<v1::Role> {
    let roles = BuiltInRole::ALL.into_iter();
    roles
        .map(|role| v1::Role {
            id: role.as_str().to_owned(),
            name: role.title().to_owned(),
            permissions: to_permissions(&role.permissions()),
            built_in: true,
            created_at: None,
            etag: String::new(),
        })
        .collect()
}
