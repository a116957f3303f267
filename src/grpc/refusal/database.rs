//! What is said when the database did not do its part. What a person must look at is logged here, once.

use std::time::Duration;

use tonic::{Code, Status};

use crate::grpc::status::Failure;
use crate::proto::v1::Reason;
use crate::service::ServiceError;

/// After which time an unreachable database is worth another try.
const UNAVAILABLE_RETRY: Duration = Duration::from_secs(1);
/// After which time a full one is: somebody has to make room.
const FULL_RETRY: Duration = Duration::from_secs(30);
/// After which time contended rows are worth another try.
const CONTENTION_RETRY: Duration = Duration::from_millis(100);

/// It cannot be reached, or cannot write.
pub(super) fn unavailable(error: &ServiceError) -> Status {
    let (reason, message, delay) = if error.is_full() {
        tracing::error!(%error, "a call was not done: {error}");
        let message = "the database has no room left, so nothing was kept";
        (Reason::DatabaseFull, message, FULL_RETRY)
    } else {
        tracing::warn!(%error, "a call was not done: {error}");
        let message = "the database cannot be reached";
        (Reason::DatabaseUnavailable, message, UNAVAILABLE_RETRY)
    };
    Failure::new(Code::Unavailable, reason, message)
        .retry_after(delay)
        .into_status()
}

/// Others held what was needed.
pub(super) fn contended() -> Status {
    Failure::new(
        Code::Aborted,
        Reason::Contention,
        "others are changing the same rows; repeat it with the same request_id",
    )
    .retry_after(CONTENTION_RETRY)
    .into_status()
}
