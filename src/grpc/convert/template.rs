//! Templates as messages.

use crate::domain::catalog::{Template, TemplateState};
use crate::domain::money::Currency;
use crate::grpc::convert::common::{
    etag, lead_days, money, optional_etag, optional_validity, to_days, to_money, to_validity,
};
use crate::grpc::convert::line::{new_lines, to_template_line};
use crate::grpc::convert::policies::{
    booking_rules, freeze, to_booking_rules, to_freeze, to_use_limit, use_limit,
};
use crate::grpc::convert::pricing::{pricing, selling_rules, to_pricing, to_selling_rules};
use crate::grpc::convert::template_emails::{emails, to_emails};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::mask::{Mask, Writable, writable};
use crate::grpc::page::Page;
use crate::ids::TemplateId;
use crate::proto::v1;
use crate::service::Caller;
use crate::service::templates::{
    NewTemplate, TemplateCopy, TemplateList, TemplateStep, TemplateUpdate,
};

/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// The longest description, in characters.
const DESCRIPTION_LENGTH_MAX: usize = 4_000;
/// The highest tax, in hundredths of a percent.
const TAX_BASIS_POINTS_MAX: i32 = 10_000;
/// The highest priority; the lowest is as far below 0.
pub const PRIORITY_MAX: i32 = 1_000;
/// The most days after its end in which a package can be restored.
pub const QUARANTINE_DAYS_MAX: i32 = 3_650;

/// What a client can write of a template.
fn fields(message: &v1::Template) -> [Writable; 17] {
    writable([
        ("external_id", !message.external_id.is_empty()),
        ("name", !message.name.is_empty()),
        ("description", !message.description.is_empty()),
        ("price", message.price.is_some()),
        ("tax_basis_points", message.tax_basis_points != 0),
        ("validity", message.validity.is_some()),
        ("lines", !message.lines.is_empty()),
        ("priority", message.priority.is_some()),
        ("quarantine_days", message.quarantine_days.is_some()),
        ("reminder_leads", message.reminder_leads.is_some()),
        ("emails", message.emails.is_some()),
        ("freeze", message.freeze.is_some()),
        ("use_limit", message.use_limit.is_some()),
        ("booking_rules", message.booking_rules.is_some()),
        ("transferable", message.transferable.is_some()),
        ("pricing", message.pricing.is_some()),
        ("selling", message.selling.is_some()),
    ])
}

/// A template to be made.
pub fn new_template(
    request: &v1::CreateTemplateRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<NewTemplate> {
    let message = faults.required("template", request.template.as_ref())?;
    faults.within("template", |faults| {
        let external_id = faults.external_id("external_id", &message.external_id);
        let name = faults.required_text("name", &message.name, NAME_LENGTH_MAX);
        let description = description(message, faults);
        let price = price(message, caller, faults);
        let tax = tax(message, faults);
        let validity = optional_validity(faults, "validity", message.validity.as_ref());
        let priority = priority(message, faults);
        let quarantine_days = quarantine_days(message, faults);
        let reminder_leads = reminder_leads(message, faults);
        let emails = emails(message.emails.as_ref(), faults);
        let freeze = freeze(message.freeze.as_ref(), faults);
        let use_limit = use_limit(message.use_limit.as_ref(), faults);
        let booking_rules = booking_rules(message.booking_rules.as_ref(), faults);
        let currency = caller.business.currency;
        let lines = new_lines("lines", &message.lines, currency, faults);
        let pricing = pricing(message, caller, faults);
        let selling = selling_rules(message, faults);
        Some(NewTemplate {
            external_id: external_id?,
            name: name?,
            description: description?,
            price_minor: price?,
            tax_basis_points: tax?,
            validity: validity?,
            priority: priority?,
            quarantine_days: quarantine_days?,
            reminder_leads: reminder_leads?,
            emails: emails?,
            freeze: freeze?,
            use_limit: use_limit?,
            booking_rules: booking_rules?,
            transferable: message.transferable,
            lines: lines?,
            pricing: pricing?,
            selling: selling?,
        })
    })
}

/// A template to be changed.
pub fn template_update(
    request: &v1::UpdateTemplateRequest,
    caller: &Caller,
    faults: &mut Faults,
) -> Option<TemplateUpdate> {
    let message = faults.required("template", request.template.as_ref())?;
    let mask = Mask::read(request.update_mask.as_ref(), &fields(message), faults)?;
    faults.within("template", |faults| {
        let id = faults.reference("id", &message.id);
        let external_id = mask.field("external_id", || {
            faults.external_id("external_id", &message.external_id)
        });
        let name = mask.field("name", || {
            faults.required_text("name", &message.name, NAME_LENGTH_MAX)
        });
        let description = mask.field("description", || description(message, faults));
        let price = mask.field("price", || price(message, caller, faults));
        let tax = mask.field("tax_basis_points", || tax(message, faults));
        let validity = mask.field("validity", || {
            optional_validity(faults, "validity", message.validity.as_ref())
        });
        let priority = mask.field("priority", || priority(message, faults));
        let quarantine_days = mask.field("quarantine_days", || quarantine_days(message, faults));
        let reminder_leads = mask.field("reminder_leads", || reminder_leads(message, faults));
        let emails = mask.field("emails", || emails(message.emails.as_ref(), faults));
        let freeze = mask.field("freeze", || freeze(message.freeze.as_ref(), faults));
        let use_limit = mask.field("use_limit", || {
            use_limit(message.use_limit.as_ref(), faults)
        });
        let booking_rules = mask.field("booking_rules", || {
            booking_rules(message.booking_rules.as_ref(), faults)
        });
        let transferable = mask.field("transferable", || Some(message.transferable));
        let lines = mask.field("lines", || {
            new_lines("lines", &message.lines, caller.business.currency, faults)
        });
        let pricing = mask.field("pricing", || pricing(message, caller, faults));
        let selling = mask.field("selling", || selling_rules(message, faults));
        Some(TemplateUpdate {
            id: id?,
            etag: optional_etag(&message.etag),
            external_id: external_id?,
            name: name?,
            description: description?,
            price_minor: price?,
            tax_basis_points: tax?,
            validity: validity?,
            priority: priority?,
            quarantine_days: quarantine_days?,
            reminder_leads: reminder_leads?,
            emails: emails?,
            freeze: freeze?,
            use_limit: use_limit?,
            booking_rules: booking_rules?,
            transferable: transferable?,
            lines: lines?,
            pricing: pricing?,
            selling: selling?,
        })
    })
}

fn description(message: &v1::Template, faults: &mut Faults) -> Option<String> {
    faults.long_text("description", &message.description, DESCRIPTION_LENGTH_MAX)
}

fn price(message: &v1::Template, caller: &Caller, faults: &mut Faults) -> Option<i64> {
    let price = faults.required("price", message.price.as_ref())?;
    money(faults, "price", price, caller.business.currency)
}

fn tax(message: &v1::Template, faults: &mut Faults) -> Option<i32> {
    let tax = message.tax_basis_points;
    faults.number("tax_basis_points", tax, 0..=TAX_BASIS_POINTS_MAX)
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn priority(message: &v1::Template, faults: &mut Faults) -> Option<Option<i32>> {
    match message.priority {
        None => Some(None),
        Some(priority) => faults
            .number("priority", priority, -PRIORITY_MAX..=PRIORITY_MAX)
            .map(Some),
    }
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn quarantine_days(message: &v1::Template, faults: &mut Faults) -> Option<Option<i32>> {
    match message.quarantine_days {
        None => Some(None),
        Some(days) => faults
            .number("quarantine_days", days, 0..=QUARANTINE_DAYS_MAX)
            .map(Some),
    }
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn reminder_leads(message: &v1::Template, faults: &mut Faults) -> Option<Option<Vec<u32>>> {
    match &message.reminder_leads {
        None => Some(None),
        Some(leads) => faults
            .within("reminder_leads", |faults| {
                lead_days(faults, "days", &leads.days)
            })
            .map(Some),
    }
}

/// A template to be brought into another state.
pub fn template_step(template_id: &str, etag: &str, faults: &mut Faults) -> Option<TemplateStep> {
    Some(TemplateStep {
        id: faults.reference("template_id", template_id)?,
        etag: optional_etag(etag),
    })
}

/// A template to be copied.
pub fn template_copy(
    request: &v1::CloneTemplateRequest,
    _: &Caller,
    faults: &mut Faults,
) -> Option<TemplateCopy> {
    let id = faults.reference("template_id", &request.template_id);
    let external_id = faults.external_id("external_id", &request.external_id);
    let name = faults.text("name", &request.name, NAME_LENGTH_MAX);
    Some(TemplateCopy {
        id: id?,
        external_id: external_id?,
        name: Some(name?).filter(|name| !name.is_empty()),
    })
}

/// Which templates to list.
pub fn template_list(
    request: &v1::ListTemplatesRequest,
    page: &Page<TemplateId>,
    faults: &mut Faults,
) -> Option<TemplateList> {
    let states = faults.choices::<v1::TemplateState>("states", &request.states)?;
    Some(TemplateList {
        states: states.into_iter().filter_map(state).collect(),
        before: page.after,
        limit: page.limit(),
    })
}

fn state(message: v1::TemplateState) -> Option<TemplateState> {
    match message {
        v1::TemplateState::Unspecified => None,
        v1::TemplateState::Draft => Some(TemplateState::Draft),
        v1::TemplateState::Active => Some(TemplateState::Active),
        v1::TemplateState::Archived => Some(TemplateState::Archived),
    }
}

fn to_state(state: TemplateState) -> v1::TemplateState {
    match state {
        TemplateState::Draft => v1::TemplateState::Draft,
        TemplateState::Active => v1::TemplateState::Active,
        TemplateState::Archived => v1::TemplateState::Archived,
    }
}

/// A template as a message.
pub fn to_template(template: Template, currency: Currency) -> v1::Template {
    let definition = template.definition;
    v1::Template {
        id: template.id.to_string(),
        external_id: template.external_id.unwrap_or_default(),
        name: definition.name,
        description: definition.description,
        price: Some(to_money(definition.price_minor, currency)),
        pricing: to_pricing(&definition.pricing, currency),
        selling: to_selling_rules(&definition.selling),
        tax_basis_points: definition.tax_basis_points,
        validity: definition.validity.as_ref().map(to_validity),
        lines: definition
            .lines
            .iter()
            .map(|line| to_template_line(line, currency))
            .collect(),
        state: to_state(template.state).into(),
        version: definition.number,
        priority: definition.priority,
        quarantine_days: definition.quarantine_days,
        reminder_leads: definition.reminder_leads.map(|days| v1::ReminderLeads {
            days: to_days(&days),
        }),
        emails: to_emails(definition.emails),
        use_limit: definition.use_limit.map(to_use_limit),
        booking_rules: definition.booking_rules.map(to_booking_rules),
        freeze: definition.freeze.map(to_freeze),
        transferable: definition.transferable,
        created_at: Some(timestamp(template.created_at)),
        etag: etag(template.version),
    }
}
