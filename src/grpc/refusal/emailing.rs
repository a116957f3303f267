//! The codes, numbers and names of refusals that are about e-mail templates, trials and single e-mails.

use tonic::Code;
use tonic_types::FieldViolation;

use super::rfc3339;
use crate::domain::email_template::TextFault;
use crate::domain::refusal::EmailingRefusal;
use crate::grpc::status::Failure;

/// How many faults an error lists: it travels in headers.
const FAULTS_LISTED_MAX: usize = 20;
/// The most bytes that it says of each.
const FAULT_TEXT_MAX: usize = 160;

/// The code of the error.
pub(super) const fn code(refusal: &EmailingRefusal) -> Code {
    match refusal {
        EmailingRefusal::TemplateFaulty(_) => Code::InvalidArgument,
        EmailingRefusal::TestLimitReached { .. } => Code::ResourceExhausted,
        EmailingRefusal::CannotBeTold { .. }
        | EmailingRefusal::AddressSuppressed { .. }
        | EmailingRefusal::NotFailed { .. }
        | EmailingRefusal::NotQueued { .. }
        | EmailingRefusal::TextCleared { .. } => Code::FailedPrecondition,
    }
}

/// An error with the numbers and names of the refusal.
pub(super) fn with(failure: Failure, refusal: &EmailingRefusal) -> Failure {
    match refusal {
        EmailingRefusal::TemplateFaulty(faults) => {
            let listed = faults.iter().take(FAULTS_LISTED_MAX).map(violation);
            failure
                .with("faults", &faults.len())
                .with_field_faults(listed.collect())
        }
        EmailingRefusal::CannotBeTold { problem } => failure.with("problem", shortened(problem)),
        EmailingRefusal::AddressSuppressed { reason } => failure.with("reason", reason),
        EmailingRefusal::TestLimitReached {
            limit,
            possible_from,
        } => failure
            .with("limit", limit)
            .with("possible_from", &rfc3339(*possible_from)),
        EmailingRefusal::NotFailed { email_id, state }
        | EmailingRefusal::NotQueued { email_id, state } => {
            failure.with("email_id", email_id).with("state", *state)
        }
        EmailingRefusal::TextCleared { email_id } => failure.with("email_id", email_id),
    }
}

fn violation(fault: &TextFault) -> FieldViolation {
    let TextFault {
        part,
        line,
        column,
        reason,
    } = fault;
    let reason = shortened(reason);
    FieldViolation::new(
        format!("text.{}", part.as_str()),
        format!("line {line}, column {column}: {reason}"),
    )
}

fn shortened(text: &str) -> &str {
    let end = text.floor_char_boundary(FAULT_TEXT_MAX);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;
    use crate::domain::email_template::TextPart;
    use crate::domain::refusal::Refusal;

    #[test]
    fn however_many_faults_there_are_the_error_fits_into_headers() {
        let fault = TextFault {
            part: TextPart::HtmlBody,
            line: 7,
            column: 3,
            reason: "õ".repeat(60_000),
        };
        let refusal = EmailingRefusal::TemplateFaulty(vec![fault; 5_000]);
        let status = crate::grpc::refusal::status(&Refusal::from(refusal).into());
        assert!(status.details().len() < 6_000, "{}", status.details().len());
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().metadata["faults"], "5000");
        let listed = &details.bad_request().unwrap().field_violations;
        assert_eq!(listed[0].field, "text.html_body");
        assert!(listed[0].description.starts_with("line 7, column 3: õ"));
    }
}
