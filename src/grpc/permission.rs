//! Which permission each method needs, as the proto files say.
//!
//! Read from the descriptors once, at the start. What is not listed is refused: a method that
//! declares no permission can be called by nobody, however much a token holds.

use std::collections::HashMap;

use prost_reflect::{DescriptorError, DescriptorPool, MethodDescriptor};
use tonic::{Code, Status};

use crate::grpc::status::Failure;
use crate::proto::FILE_DESCRIPTOR_SET;
use crate::proto::v1::{Permission, Reason};

/// The methods of all services and what a caller must hold for each.
#[derive(Clone, Debug)]
pub struct Permissions {
    by_path: HashMap<String, Option<Permission>>,
}

impl Permissions {
    /// Reads the permissions from the descriptors that are built in. Fails only if those are broken.
    pub fn read() -> Result<Self, DescriptorError> {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
        Ok(Self::of(&pool))
    }

    fn of(pool: &DescriptorPool) -> Self {
        let mut by_path = HashMap::new();
        for service in pool.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                by_path.insert(path, declared(&method));
            }
        }
        Self { by_path }
    }

    /// What the method at this path, such as `/carnet.v1.CreditService/Consume`, needs. None: there is
    /// no such method, or it declares nothing and must be refused.
    pub fn required(&self, path: &str) -> Option<Permission> {
        self.by_path.get(path).copied().flatten()
    }

    /// Refuses a call of the method at `path` unless `held` has what it needs: `METHOD_UNKNOWN`, or
    /// `PERMISSION_DENIED`.
    pub fn check(&self, path: &str, held: &[Permission]) -> Result<(), Status> {
        match self.by_path.get(path) {
            None => Err(Failure::new(
                Code::Unimplemented,
                Reason::MethodUnknown,
                "there is no such method",
            )
            .with("method", path)
            .into_status()),
            Some(None) => Err(Failure::new(
                Code::PermissionDenied,
                Reason::PermissionDenied,
                "nobody may call this method",
            )
            .into_status()),
            Some(Some(permission)) if held.contains(permission) => Ok(()),
            Some(Some(permission)) => Err(denied(*permission)),
        }
    }
}

/// The refusal of a caller who lacks `permission`.
pub fn denied(permission: Permission) -> Status {
    let name = permission_name(permission);
    Failure::new(
        Code::PermissionDenied,
        Reason::PermissionDenied,
        format!("this needs the permission {name}"),
    )
    .with("permission", name)
    .into_status()
}

/// The name of a permission without its prefix, such as `PACKAGES_SELL`: on the command line, in the
/// database and in errors.
pub fn permission_name(permission: Permission) -> &'static str {
    let name = permission.as_str_name();
    name.strip_prefix("PERMISSION_").unwrap_or(name)
}

/// The permission with this name, with or without its prefix. Not `UNSPECIFIED`, which nobody holds.
pub fn permission_named(name: &str) -> Option<Permission> {
    let full = if name.starts_with("PERMISSION_") {
        name.to_owned()
    } else {
        format!("PERMISSION_{name}")
    };
    Permission::from_str_name(&full).filter(|permission| *permission != Permission::Unspecified)
}

/// No permission has a higher number.
const PERMISSION_NUMBER_MAX: i32 = 1_000;

/// Every permission that a token can hold, in the order of their numbers.
pub fn all_permissions() -> Vec<Permission> {
    // There are gaps between the numbers.
    (1..=PERMISSION_NUMBER_MAX)
        .filter_map(|number| Permission::try_from(number).ok())
        .collect()
}

fn declared(method: &MethodDescriptor) -> Option<Permission> {
    let option = method
        .parent_pool()
        .get_extension_by_name("carnet.v1.permission")?;
    let options = method.options();
    if !options.has_extension(&option) {
        return None;
    }
    let number = options.get_extension(&option).as_enum_number()?;
    Permission::try_from(number)
        .ok()
        .filter(|permission| *permission != Permission::Unspecified)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tonic_types::StatusExt;

    use super::*;
    use crate::domain::permission as domain;

    const CONSUME: &str = "/carnet.v1.CreditService/Consume";

    #[test]
    fn a_method_needs_what_its_proto_says() {
        let permissions = Permissions::read().unwrap();
        assert_eq!(
            permissions.required(CONSUME),
            Some(Permission::CreditsConsume)
        );
        assert!(
            permissions
                .check(CONSUME, &[Permission::CreditsConsume])
                .is_ok()
        );
    }

    #[test]
    fn who_lacks_the_permission_is_told_which() {
        let permissions = Permissions::read().unwrap();
        let status = permissions
            .check(CONSUME, &[Permission::PackagesSell])
            .unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.metadata["permission"], "CREDITS_CONSUME");
    }

    #[test]
    fn a_method_that_declares_nothing_is_refused_to_everybody() {
        let pool = DescriptorPool::decode(tonic_health::pb::FILE_DESCRIPTOR_SET).unwrap();
        let permissions = Permissions::of(&pool);
        let path = "/grpc.health.v1.Health/Check";
        assert_eq!(permissions.required(path), None);
        let status = permissions.check(path, &all_permissions()).unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
    }

    #[test]
    fn an_unknown_method_is_unimplemented() {
        let permissions = Permissions::read().unwrap();
        let status = permissions
            .check("/carnet.v1.CreditService/Burn", &all_permissions())
            .unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }

    #[test]
    fn a_permission_has_one_name() {
        let all = all_permissions();
        assert!(all.contains(&Permission::EmailsManage));
        for permission in all {
            assert_eq!(
                permission_named(permission_name(permission)),
                Some(permission)
            );
        }
        assert_eq!(permission_named("UNSPECIFIED"), None);
        assert_eq!(permission_named("ROOT"), None);
    }

    #[test]
    fn tokens_hold_the_permissions_that_are_published_and_no_others() {
        let published: BTreeSet<_> = all_permissions().into_iter().map(permission_name).collect();
        let held: BTreeSet<_> = domain::Permission::ALL
            .iter()
            .map(|permission| permission.as_str())
            .collect();
        assert_eq!(published, held);
    }
}
