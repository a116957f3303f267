//! The messages of addresses that nothing is sent to.

use crate::domain::email::{StatusCode, Suppression};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::proto::v1;
use crate::service::suppressions::{AddressEntry, Bounce, SuppressionList};

/// Which page of addresses.
pub fn suppression_list(page: &Page<String>) -> SuppressionList {
    SuppressionList {
        after: page.after.clone(),
        limit: page.limit(),
    }
}

/// An address to add or to remove.
pub fn address_entry(faults: &mut Faults, email: &str) -> Option<AddressEntry> {
    address(faults, email).map(|address| AddressEntry { address })
}

fn address(faults: &mut Faults, email: &str) -> Option<String> {
    let address = faults.email("email", email)?;
    if address.is_none() {
        faults.add("email", "must be given");
    }
    address
}

/// An e-mail that came back.
pub fn bounce(request: &v1::ReportBounceRequest, faults: &mut Faults) -> Option<Bounce> {
    let address = address(faults, &request.email);
    let status = StatusCode::parse(&request.status_code);
    if status.is_none() {
        let example = "must be an enhanced status code such as \"5.1.1\"";
        faults.add("status_code", example);
    }
    Some(Bounce {
        address: address?,
        status: status?,
    })
}

/// An address as a message.
pub fn to_suppression(suppression: Suppression) -> v1::Suppression {
    v1::Suppression {
        email: suppression.address,
        reason: suppression.reason,
        created_at: Some(timestamp(suppression.created_at)),
    }
}
