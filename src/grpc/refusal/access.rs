//! The numbers and names of refusals that are about roles, users and tokens.

use tonic::Code;

use super::rfc3339;
use crate::domain::permission::names;
use crate::domain::refusal::AccessRefusal;
use crate::grpc::status::Failure;

/// An error with the names of the refusal.
pub(super) fn with(failure: Failure, refusal: &AccessRefusal) -> Failure {
    match refusal {
        AccessRefusal::PermissionsExceedCaller { missing } => {
            failure.with("permissions", &names(missing))
        }
        AccessRefusal::RoleBuiltIn { role } => failure.with("role_id", role.as_str()),
        AccessRefusal::RoleNameTaken { name } => failure.with("name", name),
        AccessRefusal::UserInactive { user_id } | AccessRefusal::UserWithoutRole { user_id } => {
            failure.with("user_id", user_id)
        }
        AccessRefusal::TokenRevoked {
            token_id,
            revoked_at,
        } => failure
            .with("token_id", token_id)
            .with("revoked_at", &rfc3339(*revoked_at)),
        AccessRefusal::TokenExpiryNotAhead { expires_at } => {
            failure.with("expires_at", &rfc3339(*expires_at))
        }
        AccessRefusal::TokenExpiryTooLate { latest } => failure.with("latest", &rfc3339(*latest)),
    }
}

/// The code of the refusal.
pub(super) fn code(refusal: &AccessRefusal) -> Code {
    match refusal {
        AccessRefusal::PermissionsExceedCaller { .. } => Code::PermissionDenied,
        AccessRefusal::RoleNameTaken { .. } => Code::AlreadyExists,
        AccessRefusal::RoleBuiltIn { .. }
        | AccessRefusal::UserInactive { .. }
        | AccessRefusal::UserWithoutRole { .. }
        | AccessRefusal::TokenRevoked { .. }
        | AccessRefusal::TokenExpiryNotAhead { .. }
        | AccessRefusal::TokenExpiryTooLate { .. } => Code::FailedPrecondition,
    }
}
