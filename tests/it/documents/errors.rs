//! `docs/errors.md`: every reason with its gRPC code, from the comments of `reasons.proto`.

use std::fmt::Write;

use prost_reflect::DescriptorPool;

use super::comments::{comment, in_a_cell};

const CODES: [&str; 14] = [
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
];

pub(super) fn page(pool: &DescriptorPool) -> String {
    let reasons = pool.get_enum_by_name("carnet.v1.Reason").unwrap();
    let mut page = "# Errors\n\n\
        Every error is a `google.rpc.Status` with a `google.rpc.ErrorInfo`: domain `carnet`, one of these reasons, \
        and metadata with the numbers of the message. Reasons and the keys of their metadata are stable, the \
        message is English for people and may change. Amounts of credits in metadata are decimal strings, \
        instants are RFC 3339 in UTC.\n\n\
        | reason | code | when, and the metadata |\n|---|---|---|\n"
        .to_owned();
    // In the order of the file, which is that of the paths. An unspecified reason is never in an error.
    let values = reasons.enum_descriptor_proto().value.iter();
    for (place, reason) in values.enumerate().skip(1) {
        let mut path = reasons.path().to_vec();
        path.extend([2, i32::try_from(place).unwrap()]);
        let said = comment(&reasons.parent_file(), &path);
        let words = said.split(|it: char| !(it.is_ascii_uppercase() || it == '_'));
        let code = words.into_iter().find(|word| CODES.contains(word));
        let name = reason.name().strip_prefix("REASON_").unwrap();
        let code = match code {
            Some(code) => format!("`{code}`"),
            None if said.contains("never an error") => String::new(),
            None => panic!("the comment of {name} says no code"),
        };
        let said = in_a_cell(&said);
        writeln!(page, "| `{name}` | {code} | {said} |").unwrap();
    }
    page
}
