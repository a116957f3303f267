//! How an error is shown to a person: everything that the server said, one thing to a line.

use std::error::Error;
use std::io::{self, Write};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::CallError;

/// Writes why a call gave no answer.
pub fn write_error(out: &mut impl Write, error: &CallError) -> io::Result<()> {
    match error {
        CallError::Refused(status) => write_status(out, status),
        CallError::Usage(_)
        | CallError::Unreachable { .. }
        | CallError::Json(_)
        | CallError::Io(_) => writeln!(out, "{error}"),
    }
}

/// An error and what caused it, in one line, each message once.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = cause.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = cause.source();
    }
    text
}

fn write_status(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let details = status.get_error_details();
    let code = code_name(status.code());
    match details.error_info() {
        Some(info) if info.reason != code => writeln!(out, "{code} {}", info.reason)?,
        _ => writeln!(out, "{code}")?,
    }
    writeln!(out, "{}", status.message())?;

    if let Some(info) = details.error_info() {
        let mut metadata: Vec<_> = info.metadata.iter().collect();
        metadata.sort();
        for (key, value) in metadata {
            writeln!(out, "  {key}: {value}")?;
        }
    }
    if let Some(request) = details.bad_request() {
        for fault in &request.field_violations {
            writeln!(out, "  {} {}", fault.field, fault.description)?;
        }
    }
    if let Some(failure) = details.precondition_failure() {
        for unmet in &failure.violations {
            writeln!(
                out,
                "  {} {}: {}",
                unmet.subject, unmet.r#type, unmet.description
            )?;
        }
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        writeln!(out, "  try again after {} ms", delay.as_millis())?;
    }
    Ok(())
}

/// The name of a code as the gRPC documents write it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
