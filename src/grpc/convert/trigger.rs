//! Triggers and events as messages.

use crate::domain::trigger::{Award, Event, EventKind, Outcome, Trigger};
use crate::grpc::convert::common::{amount, etag, optional_etag, to_timestamp};
use crate::grpc::convert::package::Detail;
use crate::grpc::convert::pricing::optional_units;
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::TriggerId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::events::Firing;
use crate::service::triggers::{
    NewAward, NewOccasion, NewTrigger, TriggerArchiving, TriggerList, TriggerUpdate,
};

/// The longest name of a trigger, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// The longest name of an event, in characters.
const EVENT_NAME_LENGTH_MAX: usize = 100;
/// The longest id that a client has for an event, in characters.
const EVENT_ID_LENGTH_MAX: usize = 128;

/// What a client can change of a trigger.
fn fields(message: &v1::Trigger) -> [Writable; 2] {
    writable([
        ("name", !message.name.is_empty()),
        ("award", message.award.is_some()),
    ])
}

/// A trigger to be made.
pub fn new_trigger(
    request: &v1::CreateTriggerRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<NewTrigger> {
    let message = faults.required("trigger", request.trigger.as_ref())?;
    faults.within("trigger", |faults| {
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let occasion = occasion(message, faults);
        let award = award(message, faults);
        Some(NewTrigger {
            name: name?,
            occasion: occasion?,
            award: award?,
        })
    })
}

fn occasion(message: &v1::Trigger, faults: &mut Faults) -> Option<NewOccasion> {
    let kind = faults.choice("event", message.event).map(kind);
    let name = if kind == Some(EventKind::Fired) {
        faults.required_text("event_name", &message.event_name, EVENT_NAME_LENGTH_MAX)
    } else {
        Some(String::new())
    };
    let template = faults.optional_reference("for_template_id", &message.for_template_id);
    let item = faults.optional_reference("for_item_id", &message.for_item_id);
    let kind = kind?;
    for (field, given, fits) in [
        ("event_name", &message.event_name, kind == EventKind::Fired),
        (
            "for_template_id",
            &message.for_template_id,
            kind.is_about_package(),
        ),
        ("for_item_id", &message.for_item_id, kind.is_about_items()),
    ] {
        if !fits && !given.is_empty() {
            faults.add(field, "does not fit the event");
        }
    }
    Some(NewOccasion {
        kind,
        name: name?,
        template: template?,
        item: item?,
    })
}

fn award(message: &v1::Trigger, faults: &mut Faults) -> Option<NewAward> {
    match &message.award {
        None => {
            faults.add("award", "must be given: template_id or credits");
            None
        }
        Some(v1::trigger::Award::TemplateId(id)) => {
            let template = faults.reference("template_id", id);
            let quantity = optional_units(faults, "quantity", message.quantity);
            Some(NewAward::Template(template?, quantity?))
        }
        Some(v1::trigger::Award::Credits(_)) if message.quantity != 0 => {
            faults.add("quantity", "fits only template_id");
            None
        }
        Some(v1::trigger::Award::Credits(credits)) => faults.within("credits", |faults| {
            let credit_type = faults.reference("credit_type_id", &credits.credit_type_id);
            let amount = amount(faults, "amount", &credits.amount);
            Some(NewAward::Credits(credit_type?, amount?))
        }),
    }
}

/// A trigger to be changed.
pub fn trigger_update(
    request: &v1::UpdateTriggerRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<TriggerUpdate> {
    let message = faults.required("trigger", request.trigger.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    faults.within("trigger", |faults| {
        let id = faults.id("id", &message.id);
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let award = mask.field("award", || award(message, faults));
        Some(TriggerUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            name: name?,
            award: award?,
        })
    })
}

/// A trigger to be archived.
pub fn trigger_archiving(
    request: &v1::ArchiveTriggerRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<TriggerArchiving> {
    Some(TriggerArchiving {
        id: faults.id("trigger_id", &request.trigger_id)?,
        etag: optional_etag(&request.etag),
    })
}

/// A page of triggers.
pub fn trigger_list(
    request: &v1::ListTriggersRequest,
    page: &Page<TriggerId>,
    faults: &mut Faults,
) -> Option<TriggerList> {
    let kind = match request.event {
        0 => None,
        number => Some(kind(faults.choice("event", number)?)),
    };
    Some(TriggerList {
        include_archived: request.include_archived,
        kind,
        before: page.after,
        limit: page.limit(),
    })
}

/// Something that a client says has happened.
pub fn firing(request: &v1::FireEventRequest, _: &Caller, faults: &mut Faults) -> Option<Firing> {
    let name = faults.required_text("event_name", &request.event_name, EVENT_NAME_LENGTH_MAX);
    let event_id = faults.required_text("event_id", &request.event_id, EVENT_ID_LENGTH_MAX);
    let customer = faults.reference("customer_id", &request.customer_id);
    Some(Firing {
        name: name?,
        event_id: event_id?,
        customer: customer?,
    })
}

fn kind(event: v1::TriggerEvent) -> EventKind {
    match event {
        v1::TriggerEvent::CustomerCreated => EventKind::CustomerCreated,
        v1::TriggerEvent::PackageSold => EventKind::PackageSold,
        v1::TriggerEvent::PackageUsedUp => EventKind::PackageUsedUp,
        v1::TriggerEvent::PackageExpired => EventKind::PackageExpired,
        v1::TriggerEvent::InvoicePaid => EventKind::InvoicePaid,
        v1::TriggerEvent::Fired | v1::TriggerEvent::Unspecified => EventKind::Fired,
    }
}

fn to_kind(kind: EventKind) -> v1::TriggerEvent {
    match kind {
        EventKind::CustomerCreated => v1::TriggerEvent::CustomerCreated,
        EventKind::PackageSold => v1::TriggerEvent::PackageSold,
        EventKind::PackageUsedUp => v1::TriggerEvent::PackageUsedUp,
        EventKind::PackageExpired => v1::TriggerEvent::PackageExpired,
        EventKind::InvoicePaid => v1::TriggerEvent::InvoicePaid,
        EventKind::Fired => v1::TriggerEvent::Fired,
    }
}

/// A trigger as a message.
pub fn to_trigger(trigger: Trigger, detail: Detail) -> v1::Trigger {
    let occasion = trigger.occasion;
    let text = |id: Option<String>| id.unwrap_or_default();
    let (award, quantity) = match trigger.award {
        Award::Template {
            template_id,
            quantity,
        } => (
            v1::trigger::Award::TemplateId(template_id.to_string()),
            quantity.map_or(0, |units| i32::try_from(units).unwrap_or(i32::MAX)),
        ),
        Award::Credits {
            credit_type_id,
            amount,
        } => {
            let credits = v1::TriggerCredits {
                credit_type_id: credit_type_id.to_string(),
                amount: amount.to_string(),
            };
            (v1::trigger::Award::Credits(credits), 0)
        }
    };
    v1::Trigger {
        id: if detail == Detail::Unkept {
            String::new()
        } else {
            trigger.id.to_string()
        },
        name: trigger.name,
        event: to_kind(occasion.kind).into(),
        event_name: occasion.name,
        for_template_id: text(occasion.template_id.map(|id| id.to_string())),
        for_item_id: text(occasion.item_id.map(|id| id.to_string())),
        award: Some(award),
        quantity,
        archived_at: to_timestamp(trigger.archived_at),
        created_at: Some(timestamp(trigger.created_at)),
        etag: etag(trigger.version),
    }
}

/// An event as a message.
pub fn to_event(event: &Event) -> v1::Event {
    v1::Event {
        event: to_kind(event.kind).into(),
        event_name: event.name.clone(),
        event_id: event.subject.clone(),
        customer_id: event.customer_id.to_string(),
        package_id: event
            .package_id
            .map_or_else(String::new, |id| id.to_string()),
        item_id: event.item_id.map_or_else(String::new, |id| id.to_string()),
        occurred_at: Some(timestamp(event.occurred_at)),
    }
}

/// What a trigger made of an event, as a message.
pub fn to_outcome(outcome: &Outcome) -> v1::TriggerOutcome {
    v1::TriggerOutcome {
        event: Some(to_event(&outcome.event)),
        package_id: outcome
            .package_id
            .map_or_else(String::new, |id| id.to_string()),
        refusal: outcome.refusal.clone(),
        acted_at: Some(timestamp(outcome.acted_at)),
    }
}
