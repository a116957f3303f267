//! Requests that edit packages that were sold.

use crate::domain::credits::Credits;
use crate::grpc::convert::amending::target;
use crate::grpc::convert::common::{amount_or_nothing, money};
use crate::grpc::convert::template::PRIORITY_MAX;
use crate::grpc::faults::Faults;
use crate::grpc::mask::{Mask, Writable, writable};
use crate::ids::LineId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::extension::Until;
use crate::service::package_edit::EditEntry;

/// The most quantities of one edit.
const QUANTITIES_MAX: usize = 50;

/// What a client can write of a package.
fn fields(edit: &v1::PackageEdit) -> [Writable; 6] {
    writable([
        ("external_id", !edit.external_id.is_empty()),
        ("price", edit.price.is_some()),
        ("priority", edit.priority != 0),
        ("quantities", !edit.quantities.is_empty()),
        ("last_usable_date", !edit.last_usable_date.is_empty()),
        ("expires_at", edit.expires_at.is_some()),
    ])
}

/// A package to be edited.
pub fn edit(
    request: &v1::UpdatePackageRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<EditEntry> {
    let target = target(request, faults);
    let message = faults.required("edit", request.edit.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    if mask.has("last_usable_date") && mask.has("expires_at") {
        faults.add("edit.expires_at", "must not be given with last_usable_date");
        return None;
    }
    faults.within("edit", |faults| {
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let price = mask.field("price", || {
            let price = faults.required("price", message.price.as_ref())?;
            money(faults, "price", price, caller.business.currency)
        });
        let priority = mask.field("priority", || {
            let range = -PRIORITY_MAX..=PRIORITY_MAX;
            faults.number("priority", message.priority, range)
        });
        let quantities = mask.field("quantities", || quantities(&message.quantities, faults));
        let last_day = mask.field("last_usable_date", || {
            let day = faults.date("last_usable_date", &message.last_usable_date);
            day.map(Until::LastUsableDay)
        });
        let instant = mask.field("expires_at", || {
            let at = faults.required("expires_at", message.expires_at.as_ref())?;
            faults.instant("expires_at", at).map(Until::Instant)
        });
        Some(EditEntry {
            target: target?,
            external_id: external_id?,
            price_minor: price?,
            priority: priority?,
            quantities: quantities?.unwrap_or_default(),
            until: last_day?.or(instant?),
        })
    })
}

fn quantities(
    quantities: &[v1::LineQuantity],
    faults: &mut Faults,
) -> Option<Vec<(LineId, Credits)>> {
    faults.count("quantities", quantities.len(), 0..=QUANTITIES_MAX)?;
    let read: Vec<Option<_>> = quantities
        .iter()
        .enumerate()
        .map(|(index, quantity)| {
            faults.within_item("quantities", index, |faults| {
                let line_id = faults.id("line_id", &quantity.line_id);
                let amount = amount_or_nothing(faults, "amount", &quantity.amount);
                line_id.zip(amount)
            })
        })
        .collect();
    read.into_iter().collect()
}
