//! The catalogue's messages.

use crate::domain::catalog::CreditType;
use crate::grpc::convert::common::{
    etag, optional_etag, optional_validity, to_timestamp, to_validity,
};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable};
use crate::proto::v1;
use crate::service::credit_types::{CreditTypeArchiving, CreditTypeUpdate, NewCreditType};

/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// The longest description, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 4_000;
/// The most decimal places that a credit type can have.
const DECIMAL_PLACES_MAX: i32 = 6;

/// What a client can write of a credit type.
fn credit_type_fields(message: &v1::CreditType) -> [Writable; 5] {
    [
        ("external_id", !message.external_id.is_empty()),
        ("name", !message.name.is_empty()),
        ("name_plural", !message.name_plural.is_empty()),
        ("description", !message.description.is_empty()),
        ("default_validity", message.default_validity.is_some()),
    ]
    .map(|(name, given)| Writable { name, given })
}

/// A credit type to be made.
pub fn new_credit_type(
    request: &v1::CreateCreditTypeRequest,
    faults: &mut Faults,
) -> Option<NewCreditType> {
    let message = faults.required("credit_type", request.credit_type.as_ref())?;
    faults.within("credit_type", |faults| {
        let external_id = faults.external_id("external_id", &message.external_id);
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let name_plural =
            faults.required_text("name_plural", &message.name_plural, NAME_LENGTH_MAX);
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
    faults: &mut Faults,
) -> Option<CreditTypeUpdate> {
    let message = faults.required("credit_type", request.credit_type.as_ref())?;
    let fields = credit_type_fields(message);
    let mask = Mask::read(request.update_mask.as_ref(), &fields, faults);
    faults.within("credit_type", |faults| {
        let mask = mask?;
        let id = faults.reference("id", &message.id);
        let external_id = mask
            .has("external_id")
            .then(|| faults.external_id("external_id", &message.external_id));
        let name = mask
            .has("name")
            .then(|| faults.required_text("name", &message.name, NAME_LENGTH_MAX));
        let name_plural = mask
            .has("name_plural")
            .then(|| faults.required_text("name_plural", &message.name_plural, NAME_LENGTH_MAX));
        let description = mask
            .has("description")
            .then(|| faults.long_text("description", &message.description, DESCRIPTION_LENGTH_MAX));
        let validity = message.default_validity.as_ref();
        let default_validity = mask
            .has("default_validity")
            .then(|| optional_validity(faults, "default_validity", validity));
        Some(CreditTypeUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            external_id: given(external_id)?,
            name: given(name)?,
            name_plural: given(name_plural)?,
            description: given(description)?,
            default_validity: given(default_validity)?,
        })
    })
}

/// A credit type to be archived.
pub fn credit_type_archiving(
    request: &v1::ArchiveCreditTypeRequest,
    faults: &mut Faults,
) -> Option<CreditTypeArchiving> {
    Some(CreditTypeArchiving {
        id: faults.reference("credit_type_id", &request.credit_type_id)?,
        etag: optional_etag(&request.etag),
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

/// A field of an update: not in the mask, or what was read of it; `None` if a fault was noted.
#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn given<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
    }
}
