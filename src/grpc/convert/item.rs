//! Items as messages.

use crate::domain::catalog::Item;
use crate::domain::money::Currency;
use crate::grpc::convert::common::{etag, money, optional_etag, to_money};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::ItemId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::items::{ItemArchiving, ItemList, ItemUpdate, NewItem};

/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// The longest category, in characters.
pub const CATEGORY_LENGTH_MAX: usize = 100;

/// What a client can write of an item.
fn fields(message: &v1::Item) -> [Writable; 5] {
    writable([
        ("external_id", !message.external_id.is_empty()),
        ("name", !message.name.is_empty()),
        ("category", !message.category.is_empty()),
        ("standard_rate", message.standard_rate.is_some()),
        ("active", message.active),
    ])
}

/// An item to be made.
pub fn new_item(
    request: &v1::CreateItemRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<NewItem> {
    let message = faults.required("item", request.item.as_ref())?;
    faults.within("item", |faults| {
        let external_id = faults.external_id("external_id", &message.external_id);
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let category = faults.text("category", &message.category, CATEGORY_LENGTH_MAX);
        let standard_rate = standard_rate(message, caller, faults);
        Some(NewItem {
            external_id: external_id?,
            name: name?,
            category: category?,
            standard_rate_minor: standard_rate?,
        })
    })
}

/// An item to be changed.
pub fn item_update(
    request: &v1::UpdateItemRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<ItemUpdate> {
    let message = faults.required("item", request.item.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    faults.within("item", |faults| {
        let id = faults.reference("id", &message.id);
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let category = mask.field("category", || {
            faults.text("category", &message.category, CATEGORY_LENGTH_MAX)
        });
        let standard_rate = mask.field("standard_rate", || standard_rate(message, caller, faults));
        Some(ItemUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            external_id: external_id?,
            name: name?,
            category: category?,
            standard_rate_minor: standard_rate?,
            active: mask.has("active").then_some(message.active),
        })
    })
}

/// What one unit costs, which may be unknown.
#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn standard_rate(message: &v1::Item, caller: &Caller, faults: &mut Faults) -> Option<Option<i64>> {
    match &message.standard_rate {
        None => Some(None),
        Some(rate) => money(faults, "standard_rate", rate, caller.business.currency).map(Some),
    }
}

/// An item to be archived.
pub fn item_archiving(
    request: &v1::ArchiveItemRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<ItemArchiving> {
    Some(ItemArchiving {
        id: faults.reference("item_id", &request.item_id)?,
        etag: optional_etag(&request.etag),
    })
}

/// Which items to list.
pub fn item_list(
    request: &v1::ListItemsRequest,
    page: &Page<ItemId>,
    faults: &mut Faults,
) -> Option<ItemList> {
    let category = faults.text("category", &request.category, CATEGORY_LENGTH_MAX)?;
    Some(ItemList {
        include_inactive: request.include_inactive,
        category: (!category.is_empty()).then_some(category),
        before: page.after,
        limit: page.limit(),
    })
}

/// An item as a message.
pub fn to_item(item: Item, currency: Currency) -> v1::Item {
    v1::Item {
        id: item.id.to_string(),
        external_id: item.external_id.unwrap_or_default(),
        name: item.name,
        category: item.category,
        standard_rate: item
            .standard_rate_minor
            .map(|minor_units| to_money(minor_units, currency)),
        active: item.active,
        created_at: Some(timestamp(item.created_at)),
        etag: etag(item.version),
    }
}
