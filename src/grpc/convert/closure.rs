//! Closures as messages.

use crate::domain::closure::{DAYS_MAX, Days};
use crate::grpc::convert::bulk::to_run;
use crate::grpc::convert::common::{etag, optional_etag, to_timestamp};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::{ClosureId, PackageId};
use crate::proto::v1;
use crate::service::Caller;
use crate::service::closures::{
    ClosureList, ClosurePreview, ClosureUndoing, ClosureUpdate, ClosureView, NewClosure,
};

/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;

/// What a client can change of a closure.
fn fields(message: &v1::Closure) -> [Writable; 3] {
    writable([
        ("name", !message.name.is_empty()),
        ("first_date", !message.first_date.is_empty()),
        ("last_date", !message.last_date.is_empty()),
    ])
}

fn days(message: &v1::Closure, faults: &mut Faults) -> Option<Days> {
    let first = faults.date("first_date", &message.first_date);
    let last = faults.date("last_date", &message.last_date);
    let days = Days {
        first: first?,
        last: last?,
    };
    if days.last < days.first {
        faults.add("last_date", "must not be before first_date");
        return None;
    }
    if days.count() > DAYS_MAX {
        let most = format!("must be at most {DAYS_MAX} days, the first included");
        faults.add("last_date", most);
        return None;
    }
    Some(days)
}

/// A closure to be made.
pub fn new_closure(
    request: &v1::CreateClosureRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewClosure> {
    let message = faults.required("closure", request.closure.as_ref())?;
    faults.within("closure", |faults| {
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let days = days(message, faults);
        let template = faults.optional_reference("template_id", &message.template_id);
        Some(NewClosure {
            name: name?,
            days: days?,
            template: template?,
        })
    })
}

/// A closure to be changed.
pub fn closure_update(
    request: &v1::UpdateClosureRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<ClosureUpdate> {
    let message = faults.required("closure", request.closure.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    if mask.has("first_date") != mask.has("last_date") {
        faults.add("update_mask", "must have both dates or neither");
    }
    faults.within("closure", |faults| {
        let id = faults.id("id", &message.id);
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let days = mask.field("first_date", || days(message, faults));
        Some(ClosureUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            name: name?,
            days: days?,
        })
    })
}

/// A closure to be undone.
pub fn closure_undoing(
    request: &v1::UndoClosureRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<ClosureUndoing> {
    Some(ClosureUndoing {
        id: faults.id("closure_id", &request.closure_id)?,
        etag: optional_etag(&request.etag),
    })
}

/// Which closures to list.
pub fn closure_list(
    _: &v1::ListClosuresRequest,
    page: &Page<ClosureId>,
    _: &mut Faults,
) -> Option<ClosureList> {
    Some(ClosureList {
        before: page.after,
        limit: page.limit(),
    })
}

/// A closure to look ahead of.
pub fn closure_preview(
    request: &v1::PreviewClosureRequest,
    faults: &mut Faults,
) -> Option<(ClosurePreview, Page<PackageId>)> {
    let page = Page::<PackageId>::read(request, faults);
    let message = faults.required("closure", request.closure.as_ref())?;
    let read = faults.within("closure", |faults| {
        let id = match message.id.as_str() {
            "" => Some(None),
            id => faults.id("id", id).map(Some),
        };
        let days = days(message, faults);
        let template = faults.optional_reference("template_id", &message.template_id);
        Some((id?, days?, template?))
    });
    let (page, (id, days, template)) = (page?, read?);
    let input = ClosurePreview {
        id,
        days,
        template,
        before: page.after,
        size: page.size.into(),
    };
    Some((input, page))
}

/// A closure as a message; without an id if it was not kept.
pub fn to_closure(view: &ClosureView) -> v1::Closure {
    let ClosureView { closure, run } = view;
    v1::Closure {
        id: match run {
            Some(_) => closure.id.to_string(),
            None => String::new(),
        },
        name: closure.name.clone(),
        first_date: closure.days.first.to_string(),
        last_date: closure.days.last.to_string(),
        template_id: closure
            .template_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        run: run.as_ref().map(to_run),
        undone_at: to_timestamp(closure.undone_at),
        created_at: Some(timestamp(closure.created_at)),
        etag: etag(closure.version),
    }
}
