//! The file of customers.

use icu_locale_core::LanguageIdentifier;

use super::cells::{Cells, Otherwise, Writing};
use super::sheet::{Column, Row, optional, required};
use crate::grpc::convert::customer::{NAME_LENGTH_MAX, PHONE_LENGTH_MAX};
use crate::service::customers::NewCustomer;
use crate::service::importing::Fault;
use crate::service::importing::customers::CustomerLine;

/// Its columns.
pub(super) const COLUMNS: [Column; 10] = [
    required("external_id"),
    required("name"),
    optional("email"),
    optional("email_verified"),
    optional("phone"),
    optional("locale"),
    optional("time_zone"),
    optional("active"),
    optional("may_purchase_on_account"),
    optional("unsubscribed"),
];

/// Reads a row.
pub(super) fn read(row: &Row, writing: Writing) -> Result<CustomerLine, Vec<Fault>> {
    let mut cells = Cells::new(row, writing);
    let external_id = cells.required("external_id", |cells| {
        cells.text("external_id", |faults, text| {
            faults.external_id("", text).flatten()
        })
    });
    let name = cells.text("name", |faults, text| {
        faults.required_text("", text, NAME_LENGTH_MAX)
    });
    let email = cells.text("email", |faults, text| faults.email("", text));
    let email_verified = cells.is_so("email_verified", Otherwise::No);
    let phone = cells.text("phone", |faults, text| {
        faults.text("", text, PHONE_LENGTH_MAX)
    });
    let locale = cells.text("locale", |faults, text| faults.optional_locale("", text));
    let time_zone = cells.text("time_zone", |faults, text| {
        faults.optional_time_zone("", text)
    });
    let active = cells.is_so("active", Otherwise::Yes);
    let on_account = cells.is_so("may_purchase_on_account", Otherwise::No);
    let unsubscribed = cells.is_so("unsubscribed", Otherwise::No);
    if email == Some(None) && email_verified == Some(true) {
        cells.refuse("email_verified", "must be no: there is no address");
    }
    let line = row.line;
    let read = || {
        let external_id = external_id?;
        Some(CustomerLine {
            line,
            customer: NewCustomer {
                external_id: Some(external_id.clone()),
                name: name?,
                email: email?,
                email_verified: email_verified?,
                phone: phone.map(|phone| Some(phone).filter(|it| !it.is_empty()))?,
                locale: locale?.as_ref().map(LanguageIdentifier::to_string),
                time_zone: time_zone?,
                may_purchase_on_account: on_account?,
                unsubscribed: unsubscribed?,
            },
            external_id,
            active: active?,
        })
    };
    let read = read();
    cells.all(read)
}
