//! Runs as messages, and requests that begin them or read what they did.

use crate::domain::bulk::{BulkOutcome, BulkResult, BulkRun};
use crate::domain::credits::Credits;
use crate::domain::extend::Until;
use crate::grpc::convert::common::{amount, period, to_timestamp};
use crate::grpc::convert::package::status;
use crate::grpc::convert::selling::{BONUSES_MAX, NOTE_LENGTH_MAX};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::ids::{CreditTypeId, PackageId, Reference};
use crate::proto::v1;
use crate::proto::v1::extend_packages_request::{NewExpiry, Packages};
use crate::service::extensions::{Begun, BulkExtension, Chosen, FilterEntry, ResultList};
use crate::service::packages::Scope;
use crate::service::{Answer, Call};

/// The most packages that one call names.
const PACKAGES_MAX: usize = 1_000;

/// Many packages to be extended, and the page of a preview.
pub fn extension(
    request: &v1::ExtendPackagesRequest,
    faults: &mut Faults,
) -> Option<(BulkExtension, Page<PackageId>)> {
    let page = Page::<PackageId>::read(request, faults);
    if !request.page_token.is_empty() && !request.validate_only {
        faults.add("page_token", "must be empty without validate_only");
    }
    let chosen = match &request.packages {
        None => {
            faults.add("packages", "must be given: filter or ids");
            None
        }
        Some(Packages::Filter(message)) => {
            faults.within("filter", |faults| filter(message, faults))
        }
        Some(Packages::Ids(message)) => faults.within("ids", |faults| package_ids(message, faults)),
    };
    let until = until(request, faults);
    let bonuses = bonuses(&request.bonuses, faults);
    let reason = faults.long_text("reason", &request.reason, NOTE_LENGTH_MAX);
    let page = page?;
    let input = BulkExtension {
        chosen: chosen?,
        until: until?,
        bonuses: bonuses?,
        force: request.force_restore,
        reason: reason?,
        before: page.after,
        size: page.size.into(),
    };
    Some((input, page))
}

fn filter(message: &v1::PackageFilter, faults: &mut Faults) -> Option<Chosen> {
    if *message == v1::PackageFilter::default() {
        faults.add("", "must say something");
        return None;
    }
    let customer = faults.optional_reference("customer_id", &message.customer_id);
    let group = faults.optional_reference("group_id", &message.group_id);
    let template = faults.optional_reference("template_id", &message.template_id);
    let statuses = faults.choices::<v1::PackageStatus>("statuses", &message.statuses);
    let expires_from = faults.optional_instant("expires_from", message.expires_from.as_ref());
    let expires_before = faults.optional_instant("expires_before", message.expires_before.as_ref());
    let valid_at = faults.optional_instant("valid_at", message.valid_at.as_ref());
    Some(Chosen::Filter(FilterEntry {
        scope: Scope {
            customer: customer?,
            group: group?,
            template: template?,
        },
        statuses: statuses?.into_iter().filter_map(status).collect(),
        expires_from: expires_from?,
        expires_before: expires_before?,
        valid_at: valid_at?,
    }))
}

fn package_ids(message: &v1::PackageIds, faults: &mut Faults) -> Option<Chosen> {
    let ids = &message.package_ids;
    faults.count("package_ids", ids.len(), 1..=PACKAGES_MAX)?;
    let read: Vec<Option<_>> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| faults.reference(&format!("package_ids[{index}]"), id))
        .collect();
    Some(Chosen::Packages(read.into_iter().collect::<Option<_>>()?))
}

fn until(request: &v1::ExtendPackagesRequest, faults: &mut Faults) -> Option<Until> {
    match &request.new_expiry {
        None => {
            faults.add(
                "new_expiry",
                "must be given: last_usable_date, expires_at or by",
            );
            None
        }
        Some(NewExpiry::LastUsableDate(date)) => faults
            .date("last_usable_date", date)
            .map(Until::LastUsableDay),
        Some(NewExpiry::ExpiresAt(at)) => faults.instant("expires_at", at).map(Until::Instant),
        Some(NewExpiry::By(by)) => faults
            .within("by", |faults| period(faults, by.count, by.unit))
            .map(Until::By),
    }
}

fn bonuses(
    messages: &[v1::BulkBonus],
    faults: &mut Faults,
) -> Option<Vec<(Reference<CreditTypeId>, Credits)>> {
    faults.count("bonuses", messages.len(), 0..=BONUSES_MAX)?;
    let read: Vec<Option<_>> = messages
        .iter()
        .enumerate()
        .map(|(index, bonus)| {
            faults.within_item("bonuses", index, |faults| {
                let credit_type = faults.reference("credit_type_id", &bonus.credit_type_id);
                let amount = amount(faults, "amount", &bonus.amount);
                credit_type.zip(amount)
            })
        })
        .collect();
    read.into_iter().collect()
}

/// What a run did that a page asks for.
pub fn result_list(
    request: &v1::ListBulkResultsRequest,
    page: &Page<PackageId>,
    faults: &mut Faults,
) -> Option<ResultList> {
    Some(ResultList {
        run_id: faults.id("run_id", &request.run_id)?,
        refused_only: request.refused_only,
        before: page.after,
        limit: page.limit(),
    })
}

/// A run that a call has begun, as an answer.
pub fn to_begun(
    answer: &Answer<Begun>,
    call: &Call,
    next_page_token: String,
) -> v1::ExtendPackagesResponse {
    let mut run = to_run(&answer.value.run);
    if call.validate_only {
        run.id.clear();
    }
    v1::ExtendPackagesResponse {
        run: Some(run),
        results: answer.value.results.iter().map(to_result).collect(),
        next_page_token,
        replayed: answer.replayed,
    }
}

/// A run as a message.
pub fn to_run(run: &BulkRun) -> v1::BulkRun {
    v1::BulkRun {
        id: run.id.to_string(),
        changed: run.changed,
        refused: run.refused,
        created_at: Some(timestamp(run.created_at)),
        finished_at: to_timestamp(run.finished_at),
    }
}

/// What a run did to a package, as a message.
pub fn to_result(result: &BulkResult) -> v1::BulkResult {
    let outcome = match &result.outcome {
        BulkOutcome::Moved { old, new } => v1::bulk_result::Outcome::Moved(v1::MovedEnd {
            old_expires_at: to_timestamp(*old),
            new_expires_at: to_timestamp(*new),
        }),
        BulkOutcome::Refused { reason, message } => {
            let published = v1::Reason::from_str_name(&format!("REASON_{reason}"));
            v1::bulk_result::Outcome::Refused(v1::PackageRefusal {
                reason: published.unwrap_or(v1::Reason::Internal).into(),
                message: message.clone(),
            })
        }
    };
    v1::BulkResult {
        package_id: result.package_id.to_string(),
        outcome: Some(outcome),
    }
}
