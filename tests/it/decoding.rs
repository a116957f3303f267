//! Requests as anybody may send them: whatever the bytes, reading them ends in a use of credits or in
//! faults that name fields of the message.

mod anything;

use carnet::grpc::convert::using::consumption;
use carnet::grpc::faults::Faults;
use carnet::proto::v1;
use carnet::proto::v1::consume_request::What;
use proptest::prelude::*;
use prost::Message;
use tonic::Code;
use tonic_types::StatusExt;

/// What the path of a fault may begin with.
const FIELDS: [&str; 8] = [
    "customer_id",
    "what",
    "item",
    "credits",
    "package_ids",
    "delivered_at",
    "consumed_by",
    "note",
];

/// Reads a request, and checks that it is read or at fault, never both and never neither.
fn check(request: &v1::ConsumeRequest) -> Result<bool, TestCaseError> {
    let mut faults = Faults::new();
    let read = consumption(request, &mut faults);
    prop_assert_eq!(read.is_some(), faults.is_empty(), "{:?}", request);
    let is_read = read.is_some();
    let Err(status) = faults.all(read) else {
        return Ok(is_read);
    };
    prop_assert_eq!(status.code(), Code::InvalidArgument);
    let named = status.get_details_bad_request().unwrap().field_violations;
    prop_assert!(!named.is_empty());
    for fault in named {
        let root = fault.field.split(['.', '[']).next().unwrap();
        prop_assert!(FIELDS.contains(&root), "{fault:?} of {request:?}");
        prop_assert!(!fault.description.is_empty());
    }
    Ok(is_read)
}

/// A text that is sometimes what is wanted.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "ext:[a-z0-9-]{0,130}",
        "[a-z]{3}_[0-9a-z]{26}",
        "-?[0-9]{0,14}(\\.[0-9]{0,8})?",
        "\\PC{0,20}",
        any::<String>(),
    ]
}

fn what() -> impl Strategy<Value = Option<What>> {
    let item =
        (text(), text()).prop_map(|(item_id, units)| What::Item(v1::ItemUnits { item_id, units }));
    let credits = (text(), text()).prop_map(|(credit_type_id, amount)| {
        What::Credits(v1::CreditAmount {
            credit_type_id,
            amount,
        })
    });
    prop::option::of(prop_oneof![item, credits])
}

fn request() -> impl Strategy<Value = v1::ConsumeRequest> {
    let instant = prop::option::of((any::<i64>(), any::<i32>()));
    let packages = prop::collection::vec(text(), 0..4);
    (text(), what(), packages, instant, text(), text()).prop_map(
        |(customer_id, what, package_ids, instant, consumed_by, note)| v1::ConsumeRequest {
            customer_id,
            what,
            package_ids,
            delivered_at: instant.map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }),
            consumed_by,
            note,
            ..Default::default()
        },
    )
}

proptest! {
    #[test]
    fn any_bytes_are_no_message_or_are_read_or_at_fault(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(request) = v1::ConsumeRequest::decode(bytes.as_slice()) {
            check(&request)?;
        }
    }

    #[test]
    fn any_message_is_read_or_at_fault(request in request()) {
        check(&request)?;
    }

    #[test]
    fn a_message_with_any_byte_changed_is_read_or_at_fault(
        request in request(),
        place: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = request.encode_to_vec();
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(request) = v1::ConsumeRequest::decode(bytes.as_slice()) {
            check(&request)?;
        }
    }
}

#[test]
fn both_outcomes_are_met() {
    let mut request = v1::ConsumeRequest {
        customer_id: "ext:mari".to_owned(),
        what: Some(What::Item(v1::ItemUnits {
            item_id: "ext:swim".to_owned(),
            units: "1.5".to_owned(),
        })),
        ..Default::default()
    };
    assert!(check(&request).unwrap());
    request.what = None;
    assert!(!check(&request).unwrap());
}
