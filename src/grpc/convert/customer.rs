//! Customers as messages.

use icu_locale_core::LanguageIdentifier;

use crate::domain::customer::Customer;
use crate::grpc::convert::common::{etag, optional_etag, to_timestamp};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::CustomerId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::customers::{CustomerList, CustomerUpdate, NewCustomer};
use crate::service::merging::Merge;

/// The longest name, in characters.
pub(super) const NAME_LENGTH_MAX: usize = 200;
/// The longest telephone number, in characters.
const PHONE_LENGTH_MAX: usize = 40;
/// The longest search, in characters.
pub(super) const QUERY_LENGTH_MAX: usize = 100;

/// What a client can write of a customer.
fn fields(message: &v1::Customer) -> [Writable; 10] {
    writable([
        ("external_id", !message.external_id.is_empty()),
        ("name", !message.name.is_empty()),
        ("email", !message.email.is_empty()),
        ("email_verified", message.email_verified),
        ("phone", !message.phone.is_empty()),
        ("locale", !message.locale.is_empty()),
        ("time_zone", !message.time_zone.is_empty()),
        ("active", message.active),
        ("may_purchase_on_account", message.may_purchase_on_account),
        ("unsubscribed", message.unsubscribed),
    ])
}

/// A customer to be added.
pub fn new_customer(
    request: &v1::CreateCustomerRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewCustomer> {
    let message = faults.required("customer", request.customer.as_ref())?;
    faults.within("customer", |faults| {
        let external_id = faults.external_id("external_id", &message.external_id);
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let email = faults.email("email", &message.email);
        let phone = phone(message, faults);
        let locale = locale(message, faults);
        let time_zone = faults.optional_time_zone("time_zone", &message.time_zone);
        Some(NewCustomer {
            external_id: external_id?,
            name: name?,
            email: email?,
            email_verified: message.email_verified,
            phone: phone?,
            locale: locale?,
            time_zone: time_zone?,
            may_purchase_on_account: message.may_purchase_on_account,
            unsubscribed: message.unsubscribed,
        })
    })
}

/// A customer to be changed.
pub fn customer_update(
    request: &v1::UpdateCustomerRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<CustomerUpdate> {
    let message = faults.required("customer", request.customer.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    faults.within("customer", |faults| {
        let id = faults.reference("id", &message.id);
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let email = mask.field("email", || faults.email("email", &message.email));
        let phone = mask.field("phone", || phone(message, faults));
        let locale = mask.field("locale", || locale(message, faults));
        let time_zone = mask.field("time_zone", || {
            faults.optional_time_zone("time_zone", &message.time_zone)
        });
        let on_account = mask.has("may_purchase_on_account");
        Some(CustomerUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            external_id: external_id?,
            name: name?,
            email: email?,
            email_verified: mask.has("email_verified").then_some(message.email_verified),
            phone: phone?,
            locale: locale?,
            time_zone: time_zone?,
            active: mask.has("active").then_some(message.active),
            may_purchase_on_account: on_account.then_some(message.may_purchase_on_account),
            unsubscribed: mask.has("unsubscribed").then_some(message.unsubscribed),
        })
    })
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn phone(message: &v1::Customer, faults: &mut Faults) -> Option<Option<String>> {
    let phone = faults.text("phone", &message.phone, PHONE_LENGTH_MAX)?;
    Some(Some(phone).filter(|phone| !phone.is_empty()))
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn locale(message: &v1::Customer, faults: &mut Faults) -> Option<Option<String>> {
    let locale = faults.optional_locale("locale", &message.locale)?;
    Some(locale.as_ref().map(LanguageIdentifier::to_string))
}

/// Whose address is asked for, folded.
pub fn resolved_email(request: &v1::ResolveCustomerRequest, faults: &mut Faults) -> Option<String> {
    let email = faults.email("email", &request.email)?;
    if email.is_none() {
        faults.add("email", "must be given");
    }
    email
}

/// Who is to take whose place.
pub fn merge(
    request: &v1::MergeCustomersRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<Merge> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let into = faults.reference("into_id", &request.into_id);
    Some(Merge {
        customer: customer?,
        into: into?,
        etag: optional_etag(&request.etag),
    })
}

/// Which customers to list.
pub fn customer_list(
    request: &v1::ListCustomersRequest,
    page: &Page<CustomerId>,
    faults: &mut Faults,
) -> Option<CustomerList> {
    Some(CustomerList {
        include_inactive: request.include_inactive,
        query: faults.text("query", &request.query, QUERY_LENGTH_MAX)?,
        before: page.after,
        limit: page.limit(),
    })
}

/// A customer as a message.
pub fn to_customer(customer: Customer) -> v1::Customer {
    v1::Customer {
        id: customer.id.to_string(),
        external_id: customer.external_id.unwrap_or_default(),
        name: customer.name,
        email: customer.email.unwrap_or_default(),
        email_verified: customer.email_verified,
        phone: customer.phone.unwrap_or_default(),
        locale: customer.locale.unwrap_or_default(),
        time_zone: customer
            .time_zone
            .map(|zone| zone.name().to_owned())
            .unwrap_or_default(),
        active: customer.active,
        may_purchase_on_account: customer.may_purchase_on_account,
        unsubscribed: customer.unsubscribed_at.is_some(),
        unsubscribed_at: to_timestamp(customer.unsubscribed_at),
        merged_into: customer
            .merged_into
            .map(|id| id.to_string())
            .unwrap_or_default(),
        created_at: Some(timestamp(customer.created_at)),
        etag: etag(customer.version),
    }
}
