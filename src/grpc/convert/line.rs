//! Lines of templates and what they cover, as messages.

use crate::domain::line::{Coverage, Line, LineKind, Subject};
use crate::domain::money::Currency;
use crate::grpc::convert::common::{amount, amount_or_one, money, to_money};
use crate::grpc::convert::item::CATEGORY_LENGTH_MAX;
use crate::grpc::faults::Faults;
use crate::proto::v1;
use crate::service::template_lines::{NewCoverage, NewLine, NewSubject};

/// The most lines of a template.
const LINES_MAX: usize = 50;
/// The most items and categories that a line covers.
const COVERS_MAX: usize = 200;

/// The lines of a template to be made.
pub fn new_lines(
    field: &str,
    messages: &[v1::TemplateLine],
    currency: Currency,
    faults: &mut Faults,
) -> Option<Vec<NewLine>> {
    faults.count(field, messages.len(), 0..=LINES_MAX)?;
    let read: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| {
            faults.within_item(field, index, |faults| new_line(message, currency, faults))
        })
        .collect();
    read.into_iter().collect()
}

fn new_line(
    message: &v1::TemplateLine,
    currency: Currency,
    faults: &mut Faults,
) -> Option<NewLine> {
    let kind = kind(message, currency, faults);
    let credit_type_id = faults.reference("credit_type_id", &message.credit_type_id);
    let quantity = amount(faults, "quantity", &message.quantity);
    let covers = new_covers("covers", &message.covers, faults);
    Some(NewLine {
        kind: kind?,
        credit_type_id: credit_type_id?,
        quantity: quantity?,
        covers: covers?,
    })
}

fn kind(message: &v1::TemplateLine, currency: Currency, faults: &mut Faults) -> Option<LineKind> {
    let kind = match message.kind {
        0 => v1::LineKind::Prepaid,
        number => faults.choice::<v1::LineKind>("kind", number)?,
    };
    let rate = message.package_rate.as_ref();
    match kind {
        v1::LineKind::Rate => {
            if message.covers.is_empty() {
                faults.add("covers", "must name what the package rate is for");
            }
            let rate = faults.required("package_rate", rate)?;
            let rate_minor = money(faults, "package_rate", rate, currency)?;
            Some(LineKind::Rate { rate_minor })
        }
        v1::LineKind::Prepaid | v1::LineKind::Unspecified => {
            if rate.is_some() {
                faults.add("package_rate", "must be empty unless kind is RATE");
            }
            Some(LineKind::Prepaid)
        }
    }
}

/// What credits are to cover.
pub fn new_covers(
    field: &str,
    messages: &[v1::Coverage],
    faults: &mut Faults,
) -> Option<Vec<NewCoverage>> {
    faults.count(field, messages.len(), 0..=COVERS_MAX)?;
    let read: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| {
            faults.within_item(field, index, |faults| new_coverage(message, faults))
        })
        .collect();
    read.into_iter().collect()
}

fn new_coverage(message: &v1::Coverage, faults: &mut Faults) -> Option<NewCoverage> {
    let target = faults.required("target", message.target.as_ref());
    let subject = target.and_then(|target| match target {
        v1::coverage::Target::ItemId(id) => faults.reference("item_id", id).map(NewSubject::Item),
        v1::coverage::Target::Category(category) => faults
            .required_text("category", category, CATEGORY_LENGTH_MAX)
            .map(NewSubject::Category),
    });
    let credits_per_unit = amount_or_one(faults, "credits_per_unit", &message.credits_per_unit);
    Some(NewCoverage {
        subject: subject?,
        credits_per_unit: credits_per_unit?,
    })
}

/// A line of a template as a message.
pub fn to_template_line(line: &Line, currency: Currency) -> v1::TemplateLine {
    v1::TemplateLine {
        id: line.id.to_string(),
        kind: to_kind(line.kind).into(),
        credit_type_id: line.credit_type_id.to_string(),
        quantity: line.quantity.to_string(),
        covers: line.covers.iter().map(to_coverage).collect(),
        package_rate: to_rate(line.kind, currency),
    }
}

/// The kind of a line as a message.
pub fn to_kind(kind: LineKind) -> v1::LineKind {
    match kind {
        LineKind::Prepaid => v1::LineKind::Prepaid,
        LineKind::Rate { .. } => v1::LineKind::Rate,
    }
}

/// The package rate of a line, if it has one.
pub fn to_rate(kind: LineKind, currency: Currency) -> Option<v1::Money> {
    match kind {
        LineKind::Prepaid => None,
        LineKind::Rate { rate_minor } => Some(to_money(rate_minor, currency)),
    }
}

/// What a line covers, as a message.
pub fn to_coverage(coverage: &Coverage) -> v1::Coverage {
    let target = match &coverage.subject {
        Subject::Item(id) => v1::coverage::Target::ItemId(id.to_string()),
        Subject::Category(category) => v1::coverage::Target::Category(category.clone()),
    };
    v1::Coverage {
        target: Some(target),
        credits_per_unit: coverage.credits_per_unit.to_string(),
    }
}
