//! Groups and memberships as messages.

use crate::domain::group::Group;
use crate::grpc::convert::common::{etag, optional_etag};
use crate::grpc::convert::customer::{NAME_LENGTH_MAX, QUERY_LENGTH_MAX};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::GroupId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::groups::{GroupList, GroupMembership, GroupUpdate, GroupView, NewGroup};
use crate::service::sharing::Membership;

/// What a client can write of a group.
fn fields(message: &v1::Group) -> [Writable; 4] {
    writable([
        ("external_id", !message.external_id.is_empty()),
        ("name", !message.name.is_empty()),
        ("contact_id", !message.contact_id.is_empty()),
        ("active", message.active),
    ])
}

/// A group to be added.
pub fn new_group(
    request: &v1::CreateGroupRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewGroup> {
    let message = faults.required("group", request.group.as_ref())?;
    faults.within("group", |faults| {
        let external_id = faults.external_id("external_id", &message.external_id);
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let contact = faults.reference("contact_id", &message.contact_id);
        Some(NewGroup {
            external_id: external_id?,
            name: name?,
            contact: contact?,
        })
    })
}

/// A group to be changed.
pub fn group_update(
    request: &v1::UpdateGroupRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<GroupUpdate> {
    let message = faults.required("group", request.group.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    faults.within("group", |faults| {
        let id = faults.reference("id", &message.id);
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let contact = mask.field("contact_id", || {
            faults.reference("contact_id", &message.contact_id)
        });
        Some(GroupUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            external_id: external_id?,
            name: name?,
            contact: contact?,
            active: mask.has("active").then_some(message.active),
        })
    })
}

/// Which groups to list.
pub fn group_list(
    request: &v1::ListGroupsRequest,
    page: &Page<GroupId>,
    faults: &mut Faults,
) -> Option<GroupList> {
    let query = faults.text("query", &request.query, QUERY_LENGTH_MAX);
    let member = faults.optional_reference("member_id", &request.member_id);
    Some(GroupList {
        include_inactive: request.include_inactive,
        query: query?,
        member: member?,
        before: page.after,
        limit: page.limit(),
    })
}

/// Who is to be in a group, or not any more.
pub fn membership(
    group_id: &str,
    customer_id: &str,
    etag: &str,
    faults: &mut Faults,
) -> Option<GroupMembership> {
    let group = faults.reference("group_id", group_id);
    let customer = faults.reference("customer_id", customer_id);
    Some(GroupMembership {
        group: group?,
        customer: customer?,
        etag: optional_etag(etag),
    })
}

/// Who is to share a package, or not any more.
pub fn sharing(
    package_id: &str,
    customer_id: &str,
    etag: &str,
    faults: &mut Faults,
) -> Option<Membership> {
    let package = faults.reference("package_id", package_id);
    let customer = faults.reference("customer_id", customer_id);
    Some(Membership {
        package: package?,
        customer: customer?,
        etag: optional_etag(etag),
    })
}

/// A group as a message, without its members.
pub fn to_group(group: Group) -> v1::Group {
    v1::Group {
        id: group.id.to_string(),
        external_id: group.external_id.unwrap_or_default(),
        name: group.name,
        contact_id: group.contact_id.to_string(),
        active: group.active,
        member_ids: Vec::new(),
        created_at: Some(timestamp(group.created_at)),
        etag: etag(group.version),
    }
}

/// A group with its members as a message.
pub fn to_group_view(view: GroupView) -> v1::Group {
    v1::Group {
        member_ids: view.members.iter().map(ToString::to_string).collect(),
        ..to_group(view.group)
    }
}
