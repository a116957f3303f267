//! What an error must say.

use std::collections::HashMap;
use std::fmt::Debug;

use carnet::grpc::status::DOMAIN;
use carnet::proto::v1::Reason;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Checks that a call was refused with this code and reason, under our domain and with a published
/// reason; the answer is the metadata.
#[track_caller]
pub(crate) fn refused<T: Debug>(
    result: Result<T, Status>,
    code: Code,
    reason: &str,
) -> HashMap<String, String> {
    let status = result.unwrap_err();
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("an error without a reason: {status:?}"));
    assert_eq!(
        (status.code(), info.reason.as_str()),
        (code, reason),
        "{}",
        status.message()
    );
    assert_eq!(info.domain, DOMAIN);
    let published = Reason::from_str_name(&format!("REASON_{reason}"));
    assert!(published.is_some(), "{reason} is not in the proto files");
    assert!(!status.message().is_empty(), "{reason} has no message");
    info.metadata
}

/// The fields that a call was refused for, by path, and why.
#[track_caller]
pub(crate) fn field_faults<T: Debug>(result: Result<T, Status>) -> Vec<(String, String)> {
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let faults = status.get_details_bad_request();
    let faults = faults.unwrap_or_else(|| panic!("no field is named: {status:?}"));
    faults
        .field_violations
        .into_iter()
        .map(|fault| (fault.field, fault.description))
        .collect()
}
