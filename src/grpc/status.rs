//! How an error looks on the wire: a gRPC status with a stable reason and the numbers of its message.
//!
//! Every error that leaves this service is made here, so that none is without an `ErrorInfo`. Text
//! of the database or of a panic never gets into one.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::proto::v1::Reason;

/// The domain of all our reasons, as in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "carnet";

/// The name of a reason in an error, such as `INSUFFICIENT_CREDITS`.
pub fn reason_name(reason: Reason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("REASON_").unwrap_or(name)
}

/// An error on its way to the caller.
#[derive(Clone, Debug)]
pub struct Failure {
    code: Code,
    message: String,
    reason: Reason,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
}

impl Failure {
    /// An error with this code and reason, and a message in English for people.
    pub fn new(code: Code, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            reason,
            metadata: HashMap::new(),
            details: ErrorDetails::new(),
        }
    }

    /// The same with one more entry in the metadata.
    #[must_use]
    pub fn with(mut self, key: &str, value: &(impl ToString + ?Sized)) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// The same with the advice to try again after `delay`.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.details.set_retry_info(Some(delay));
        self
    }

    /// The same with faults of fields.
    #[must_use]
    pub fn with_field_faults(mut self, faults: Vec<FieldViolation>) -> Self {
        self.details.set_bad_request(faults);
        self
    }

    /// The same with the name of what was not found: its kind, and the id as it was given.
    #[must_use]
    pub fn about(self, kind: &str, id: &str) -> Self {
        let mut failure = self.with("kind", kind).with("id", id);
        failure.details.set_resource_info(kind, id, "", "");
        failure
    }

    /// The same with a condition that does not hold: its reason, the path that it is about, and the
    /// message for people.
    #[must_use]
    pub fn with_unmet(mut self, reason: Reason, subject: &str, message: &str) -> Self {
        self.details
            .add_precondition_failure_violation(reason_name(reason), subject, message);
        self
    }

    /// The same with a quota that was used up: whose, and what it is.
    #[must_use]
    pub fn with_quota(mut self, subject: &str, description: &str) -> Self {
        self.details
            .add_quota_failure_violation(subject, description);
        self
    }

    /// The status that the caller gets.
    pub fn into_status(mut self) -> Status {
        self.details
            .set_error_info(reason_name(self.reason), DOMAIN, self.metadata);
        Status::with_error_details(self.code, self.message, self.details)
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        failure.into_status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_its_reason_and_its_numbers() {
        let status = Failure::new(
            Code::FailedPrecondition,
            Reason::InsufficientCredits,
            "2 credits are available, 3 were asked for",
        )
        .with("available", &2)
        .with("requested", &3)
        .into_status();

        assert_eq!(status.code(), Code::FailedPrecondition);
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "INSUFFICIENT_CREDITS");
        assert_eq!(info.domain, "carnet");
        assert_eq!(info.metadata["available"], "2");
        assert_eq!(info.metadata["requested"], "3");
    }

    #[test]
    fn an_unknown_id_is_named_as_a_resource() {
        let status = Failure::new(Code::NotFound, Reason::NotFound, "no such package")
            .about("package", "ext:9")
            .into_status();
        let resource = status.get_details_resource_info().unwrap();
        assert_eq!(
            (
                resource.resource_type.as_str(),
                resource.resource_name.as_str()
            ),
            ("package", "ext:9")
        );
    }
}
