//! Requests that give credits.

use crate::domain::credits::Credits;
use crate::grpc::convert::common::{amount, optional_validity};
use crate::grpc::convert::pricing::optional_units;
use crate::grpc::convert::selling::NOTE_LENGTH_MAX;
use crate::grpc::faults::Faults;
use crate::proto::v1;
use crate::service::issue::{Gift, GiftCoverage, GiftOf, GiftSubject};

/// The most things that given credits can be for.
const COVERS_MAX: usize = 200;
/// The longest name, in characters.
const NAME_LENGTH_MAX: usize = 200;
/// The longest category, in characters.
const CATEGORY_LENGTH_MAX: usize = 100;

/// Credits to be given.
pub fn gift(request: &v1::IssueRequest, faults: &mut Faults) -> Option<Gift> {
    let customer = faults.reference("customer_id", &request.customer_id);
    let what = match &request.gift {
        None => {
            faults.add("gift", "must be given: template_id or credits");
            None
        }
        Some(v1::issue_request::Gift::TemplateId(id)) => {
            let template = faults.reference("template_id", id);
            let quantity = optional_units(faults, "quantity", request.quantity);
            template
                .zip(quantity)
                .map(|(template, quantity)| GiftOf::Template { template, quantity })
        }
        Some(v1::issue_request::Gift::Credits(_)) if request.quantity != 0 => {
            faults.add("quantity", "fits only template_id");
            None
        }
        Some(v1::issue_request::Gift::Credits(credits)) => {
            faults.within("credits", |faults| credit_gift(credits, faults))
        }
    };
    let name = faults.text("name", &request.name, NAME_LENGTH_MAX);
    let external_id = faults.external_id("external_id", &request.external_id);
    let start_date = faults.optional_date("start_date", &request.start_date);
    let validity = optional_validity(faults, "validity", request.validity.as_ref());
    let reason = faults.required_text("reason", &request.reason, NOTE_LENGTH_MAX);
    Some(Gift {
        customer: customer?,
        what: what?,
        name: Some(name?).filter(|name| !name.is_empty()),
        external_id: external_id?,
        start_date: start_date?,
        validity: validity?,
        reason: reason?,
    })
}

fn credit_gift(credits: &v1::CreditGift, faults: &mut Faults) -> Option<GiftOf> {
    let credit_type = faults.reference("credit_type_id", &credits.credit_type_id);
    let amount = amount(faults, "amount", &credits.amount);
    faults.count("covers", credits.covers.len(), 0..=COVERS_MAX)?;
    let covers: Vec<Option<GiftCoverage>> = credits
        .covers
        .iter()
        .enumerate()
        .map(|(index, coverage)| {
            faults.within_item("covers", index, |faults| gift_coverage(coverage, faults))
        })
        .collect();
    Some(GiftOf::Credits {
        credit_type: credit_type?,
        amount: amount?,
        covers: covers.into_iter().collect::<Option<_>>()?,
    })
}

fn gift_coverage(coverage: &v1::Coverage, faults: &mut Faults) -> Option<GiftCoverage> {
    let subject = match &coverage.target {
        None => {
            faults.add("target", "must be given: item_id or category");
            None
        }
        Some(v1::coverage::Target::ItemId(id)) => {
            faults.reference("item_id", id).map(GiftSubject::Item)
        }
        Some(v1::coverage::Target::Category(category)) => faults
            .required_text("category", category, CATEGORY_LENGTH_MAX)
            .map(GiftSubject::Category),
    };
    let credits_per_unit = match coverage.credits_per_unit.as_str() {
        "" => Some(Credits::UNIT),
        text => amount(faults, "credits_per_unit", text),
    };
    Some(GiftCoverage {
        subject: subject?,
        credits_per_unit: credits_per_unit?,
    })
}
