//! Requests that change packages that were sold, and their answers.

use crate::domain::amend::Held;
use crate::domain::money::Currency;
use crate::domain::revoke::LineLoss;
use crate::grpc::convert::common::{optional_etag, to_money, to_timestamp};
use crate::grpc::convert::package::{Detail, to_change, to_package};
use crate::grpc::convert::selling::NOTE_LENGTH_MAX;
use crate::grpc::faults::{Faults, timestamp};
use crate::proto::v1;
use crate::service::amending::{Changed, Target};
use crate::service::freezing::FreezeEntry;
use crate::service::revocation::Preview;
use crate::service::transfer::{TransferEntry, Transferred};
use crate::service::{Answer, Call};

/// A request that names a package to be changed.
pub trait Targeted {
    /// The package's id, the etag and the reason.
    fn target(&self) -> [&str; 3];
}

macro_rules! targeted {
    ($($request:ident),+) => {$(
        impl Targeted for v1::$request {
            fn target(&self) -> [&str; 3] {
                [&self.package_id, &self.etag, &self.reason]
            }
        }
    )+};
}

targeted!(
    ExtendPackageRequest,
    UpdatePackageRequest,
    RevokePackageRequest,
    FreezePackageRequest,
    UnfreezePackageRequest,
    TransferPackageRequest,
    ReinstatePackageRequest
);

/// Which package is to be changed, and why.
pub fn target(request: &impl Targeted, faults: &mut Faults) -> Option<Target> {
    let [package_id, etag, reason] = request.target();
    let package = faults.reference("package_id", package_id);
    let reason = faults.long_text("reason", reason, NOTE_LENGTH_MAX);
    Some(Target {
        package: package?,
        etag: optional_etag(etag),
        reason: reason?,
    })
}

/// A package to be frozen.
pub fn freeze(request: &v1::FreezePackageRequest, faults: &mut Faults) -> Option<FreezeEntry> {
    let target = target(request, faults);
    let until = faults.date("until_date", &request.until_date);
    Some(FreezeEntry {
        target: target?,
        until: until?,
    })
}

/// A package to be moved to another customer.
pub fn transfer(
    request: &v1::TransferPackageRequest,
    faults: &mut Faults,
) -> Option<TransferEntry> {
    let target = target(request, faults);
    let receiver = faults.reference("customer_id", &request.customer_id);
    Some(TransferEntry {
        target: target?,
        receiver: receiver?,
    })
}

/// A package that was moved, as an answer; what was not kept has no ids.
pub fn to_transferred(
    answer: Answer<Transferred>,
    call: &Call,
    reason: &str,
) -> v1::TransferPackageResponse {
    let Transferred { changed, received } = answer.value;
    let changed = Answer {
        value: changed,
        replayed: answer.replayed,
    };
    let mut changed = to_changed(changed, call, reason);
    let mut change = changed.changes.pop();
    if call.validate_only {
        changed.package.transferred_to_package_id.clear();
        if let Some(v1::change::Detail::Owner(owner)) =
            change.as_mut().and_then(|change| change.detail.as_mut())
        {
            owner.new_package_id.clear();
        }
    }
    v1::TransferPackageResponse {
        package: Some(changed.package),
        received: Some(to_package(received, call.currency(), detail(call))),
        change,
        replayed: changed.replayed,
    }
}

/// How much the answer to a call that makes packages shows: what was not kept has no ids.
pub fn detail(call: &Call) -> Detail {
    if call.validate_only {
        Detail::Unkept
    } else {
        Detail::Full
    }
}

/// What a command changed, as the parts of its answer.
#[derive(Debug)]
pub struct ChangedMessages {
    /// The package after it.
    pub package: v1::Package,
    /// The changes that it wrote.
    pub changes: Vec<v1::Change>,
    /// The holds that it is about.
    pub holds: Vec<v1::PackageHold>,
    /// Whether it did so earlier.
    pub replayed: bool,
}

/// What a command changed for this reason, as messages.
pub fn to_changed(answer: Answer<Changed>, call: &Call, reason: &str) -> ChangedMessages {
    let Changed {
        package,
        changes,
        holds,
    } = answer.value;
    let change = |change| to_change(change, reason.to_owned(), call.currency());
    ChangedMessages {
        package: to_package(package, call.currency(), Detail::Full),
        changes: changes.iter().map(change).collect(),
        holds: holds.iter().map(to_hold).collect(),
        replayed: answer.replayed,
    }
}

fn to_hold(held: &Held) -> v1::PackageHold {
    v1::PackageHold {
        hold_id: held.hold_id.to_string(),
        amount: held.amount.to_string(),
        service_at: Some(timestamp(held.service_at)),
        times_out_at: to_timestamp(held.times_out_at),
    }
}

/// What taking a package away would do, as an answer.
pub fn to_preview(preview: Preview, currency: Currency) -> v1::PreviewRevokeResponse {
    let money = |minor_units| Some(to_money(minor_units, currency));
    let Preview {
        losses,
        holds,
        refund,
    } = preview;
    let loss = |loss: &LineLoss| v1::LineLoss {
        line_id: loss.line_id.to_string(),
        amount: loss.amount.to_string(),
        value: money(loss.value_minor),
    };
    v1::PreviewRevokeResponse {
        losses: losses.iter().map(loss).collect(),
        released: holds.iter().map(to_hold).collect(),
        paid: money(refund.paid_minor),
        refund_pro_rata: money(refund.pro_rata_minor),
        used_at_standard_rate: money(refund.used_minor),
        refund_less_used: money(refund.paid_less_used_minor),
    }
}
