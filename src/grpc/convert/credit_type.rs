//! Credit types as messages.

use crate::domain::catalog::CreditType;
use crate::grpc::convert::common::{
    etag, optional_etag, optional_validity, to_timestamp, to_validity,
};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::CreditTypeId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::credit_types::{
    CreditTypeArchiving, CreditTypeList, CreditTypeUpdate, NewCreditType,
};

/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 100;
/// The longest description, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 4_000;
/// The most decimal places that a credit type can have.
const DECIMAL_PLACES_MAX: i32 = 6;

/// What a client can write of a credit type.
fn fields(message: &v1::CreditType) -> [Writable; 5] {
    writable([
        ("external_id", !message.external_id.is_empty()),
        ("name", !message.name.is_empty()),
        ("name_plural", !message.name_plural.is_empty()),
        ("description", !message.description.is_empty()),
        ("default_validity", message.default_validity.is_some()),
    ])
}

/// A credit type to be made.
pub fn new_credit_type(
    request: &v1::CreateCreditTypeRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewCreditType> {
    let message = faults.required("credit_type", request.credit_type.as_ref())?;
    faults.within("credit_type", |faults| {
        let external_id = faults.external_id("external_id", &message.external_id);
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let name_plural = faults.text("name_plural", &message.name_plural, NAME_LENGTH_MAX);
        let description =
            faults.long_text("description", &message.description, DESCRIPTION_LENGTH_MAX);
        let decimal_places = faults.number(
            "decimal_places",
            message.decimal_places,
            0..=DECIMAL_PLACES_MAX,
        );
        let validity = message.default_validity.as_ref();
        let default_validity = optional_validity(faults, "default_validity", validity);
        Some(NewCreditType {
            external_id: external_id?,
            name: name?,
            name_plural: name_plural?,
            description: description?,
            decimal_places: u32::try_from(decimal_places?).ok()?,
            default_validity: default_validity?,
        })
    })
}

/// A credit type to be changed.
pub fn credit_type_update(
    request: &v1::UpdateCreditTypeRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<CreditTypeUpdate> {
    let message = faults.required("credit_type", request.credit_type.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    faults.within("credit_type", |faults| {
        let id = faults.reference("id", &message.id);
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let name_plural = mask.field("name_plural", || {
            faults.text("name_plural", &message.name_plural, NAME_LENGTH_MAX)
        });
        let description = mask.field("description", || {
            faults.long_text("description", &message.description, DESCRIPTION_LENGTH_MAX)
        });
        let validity = message.default_validity.as_ref();
        let default_validity = mask.field("default_validity", || {
            optional_validity(faults, "default_validity", validity)
        });
        Some(CreditTypeUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            external_id: external_id?,
            name: name?,
            name_plural: name_plural?,
            description: description?,
            default_validity: default_validity?,
        })
    })
}

/// A credit type to be archived.
pub fn credit_type_archiving(
    request: &v1::ArchiveCreditTypeRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<CreditTypeArchiving> {
    Some(CreditTypeArchiving {
        id: faults.reference("credit_type_id", &request.credit_type_id)?,
        etag: optional_etag(&request.etag),
    })
}

/// Which credit types to list.
pub fn credit_type_list(
    request: &v1::ListCreditTypesRequest,
    page: &Page<CreditTypeId>,
    _: &mut Faults,
) -> Option<CreditTypeList> {
    Some(CreditTypeList {
        include_archived: request.include_archived,
        before: page.after,
        limit: page.limit(),
    })
}

/// A credit type as a message.
pub fn to_credit_type(credit_type: CreditType) -> v1::CreditType {
    v1::CreditType {
        id: credit_type.id.to_string(),
        external_id: credit_type.external_id.unwrap_or_default(),
        name: credit_type.name,
        name_plural: credit_type.name_plural,
        description: credit_type.description,
        decimal_places: i32::try_from(credit_type.decimal_places).unwrap_or_default(),
        default_validity: credit_type.default_validity.as_ref().map(to_validity),
        archived: credit_type.archived_at.is_some(),
        archived_at: to_timestamp(credit_type.archived_at),
        created_at: Some(timestamp(credit_type.created_at)),
        etag: etag(credit_type.version),
    }
}
