//! Requests for reports, and reports as messages.

use crate::domain::liability::{Column, RollForward, Worth};
use crate::domain::money::Currency;
use crate::grpc::convert::common::to_money;
use crate::grpc::convert::history::entry_kind;
use crate::grpc::convert::package::{Detail, status, to_balances, to_package};
use crate::grpc::faults::{Faults, timestamp};
use crate::grpc::page::Page;
use crate::ids::{CreditTypeId, CustomerId, PackageId};
use crate::proto::v1;
use crate::service::balances::BalanceScope;
use crate::service::history::{Amount, EntryFilter, Position};
use crate::service::packages::Scope;
use crate::service::reports::balance_as_of::{PastBalanceQuery, PastBalances};
use crate::service::reports::ledger::LedgerQuery;
use crate::service::reports::liability::{Liability, LiabilityQuery, Rolled};
use crate::service::reports::outstanding::{Holder, Outstanding, OutstandingQuery};
use crate::service::reports::packages::{PackageQuery, PackageRow};
use crate::service::reports::{Period, Range};

/// The time that a report is about.
pub fn period(faults: &mut Faults, field: &str, message: &v1::ReportPeriod) -> Option<Period> {
    use v1::report_period::Named;
    faults.within(field, |faults| match &message.named {
        None => {
            faults.add("named", "must be given: days or instants");
            None
        }
        Some(Named::Days(days)) => faults.within("days", |faults| local_days(faults, days)),
        Some(Named::Instants(range)) => faults.within("instants", |faults| {
            let from = faults.required_instant("from", range.from.as_ref());
            let before = faults.required_instant("before", range.before.as_ref());
            let range = (from?, before?);
            if range.0 >= range.1 {
                faults.add("before", "must be later than from");
                return None;
            }
            Some(Period::Instants(range))
        }),
    })
}

fn local_days(faults: &mut Faults, days: &v1::LocalDays) -> Option<Period> {
    let first = faults.date("first_date", &days.first_date);
    let last = faults.date("last_date", &days.last_date);
    let zone = faults.optional_time_zone("time_zone", &days.time_zone);
    let (first, last, zone) = (first?, last?, zone?);
    if last < first {
        faults.add("last_date", "must not be before first_date");
        return None;
    }
    Some(Period::Days { first, last, zone })
}

#[expect(
    clippy::option_option,
    reason = "outside: whether it could be read; inside: whether it is there"
)]
fn optional_period(
    faults: &mut Faults,
    field: &str,
    message: Option<&v1::ReportPeriod>,
) -> Option<Option<Period>> {
    match message {
        None => Some(None),
        Some(message) => period(faults, field, message).map(Some),
    }
}

/// What is outstanding is asked.
pub fn outstanding(
    message: &v1::OutstandingRequest,
    faults: &mut Faults,
) -> Option<(OutstandingQuery, Page<CustomerId>)> {
    let page = Page::<CustomerId>::read(message, faults);
    let credit_type = faults.optional_reference("credit_type_id", &message.credit_type_id);
    let (page, credit_type) = (page?, credit_type?);
    let query = OutstandingQuery {
        credit_type,
        before: page.after,
        size: page.size.into(),
    };
    Some((query, page))
}

/// Packages are asked for.
pub fn packages(
    message: &v1::PackagesRequest,
    faults: &mut Faults,
) -> Option<(PackageQuery, Page<PackageId>)> {
    let page = Page::<PackageId>::read(message, faults);
    let valid_during = optional_period(faults, "valid_during", message.valid_during.as_ref());
    let statuses = faults.choices::<v1::PackageStatus>("statuses", &message.statuses);
    let customer = faults.optional_reference("customer_id", &message.customer_id);
    let group = faults.optional_reference("group_id", &message.group_id);
    let template = faults.optional_reference("template_id", &message.template_id);
    let page = page?;
    let query = PackageQuery {
        scope: Scope {
            customer: customer?,
            group: group?,
            template: template?,
        },
        valid_during: valid_during?,
        statuses: statuses?.into_iter().filter_map(status).collect(),
        before: page.after,
        size: page.size.into(),
    };
    Some((query, page))
}

/// The ledger as it is asked for: the period, if there is one, is found by the business's zone.
pub fn ledger(
    message: &v1::LedgerRequest,
    faults: &mut Faults,
) -> Option<(LedgerQuery, Page<Position>)> {
    let page = Page::<Position>::read(message, faults);
    let customer = faults.optional_reference("customer_id", &message.customer_id);
    let package = faults.optional_reference("package_id", &message.package_id);
    let invoice = faults.optional_reference("invoice_id", &message.invoice_id);
    let booking = faults.optional_reference("booking_id", &message.booking_id);
    let item = faults.optional_reference("item_id", &message.item_id);
    let user = faults.optional_reference("user_id", &message.user_id);
    let kinds = faults.choices::<v1::EntryKind>("kinds", &message.kinds);
    let recorded = optional_period(faults, "recorded", message.recorded.as_ref());
    let page = page?;
    let filter = EntryFilter {
        item: item?,
        user: user?,
        kinds: kinds?.into_iter().filter_map(entry_kind).collect(),
        customer: customer?,
        invoice: invoice?,
        booking: booking?,
        recorded: None,
    };
    let query = LedgerQuery {
        package: package?,
        filter,
        recorded: recorded?,
        after: page.after,
        amount: Amount::Page(page.size.into()),
    };
    Some((query, page))
}

/// A roll-forward is asked for.
pub fn liability(message: &v1::LiabilityRequest, faults: &mut Faults) -> Option<LiabilityQuery> {
    let named = faults.required("period", message.period.as_ref());
    let period = named.and_then(|message| period(faults, "period", message));
    let credit_type = faults.optional_reference("credit_type_id", &message.credit_type_id);
    Some(LiabilityQuery {
        period: period?,
        credit_type: credit_type?,
    })
}

/// Balances in the past are asked for.
pub fn past_balance(
    message: &v1::BalanceAsOfRequest,
    faults: &mut Faults,
) -> Option<PastBalanceQuery> {
    use v1::balance_as_of_request::Scope;
    let at = faults.required_instant("as_of", message.as_of.as_ref());
    let scope = match &message.scope {
        None => Some(None),
        Some(Scope::CustomerId(id)) => faults
            .reference("customer_id", id)
            .map(|id| Some(BalanceScope::Customer(id))),
        Some(Scope::PackageId(id)) => faults
            .reference("package_id", id)
            .map(|id| Some(BalanceScope::Package(id))),
    };
    let credit_type = faults.optional_reference("credit_type_id", &message.credit_type_id);
    Some(PastBalanceQuery {
        at: at?,
        scope: scope?,
        credit_type: credit_type?,
    })
}

/// What is outstanding of one credit type, as a message.
pub fn to_outstanding(
    credit_type_id: CreditTypeId,
    outstanding: &Outstanding,
    currency: Currency,
) -> v1::Outstanding {
    v1::Outstanding {
        credit_type_id: credit_type_id.to_string(),
        packages: outstanding.packages,
        available: outstanding.available.to_string(),
        held: outstanding.held.to_string(),
        value: Some(to_money(outstanding.value, currency)),
    }
}

/// What a customer holds, as a message.
pub fn to_holder(holder: Holder, currency: Currency) -> v1::Holder {
    v1::Holder {
        customer_id: holder.customer_id.to_string(),
        customer_name: holder.name,
        outstanding: Some(to_outstanding(
            holder.credit_type_id,
            &holder.outstanding,
            currency,
        )),
    }
}

/// A package in a report, as a message.
pub fn to_row(row: PackageRow, currency: Currency) -> v1::PackageRow {
    v1::PackageRow {
        package: Some(to_package(row.view, currency, Detail::Summary)),
        customer_name: row.customer_name,
        unused_value: Some(to_money(row.unused_value_minor, currency)),
        restorable: row.is_restorable,
    }
}

/// A range of instants as a message.
fn to_range((from, before): Range) -> v1::TimeRange {
    v1::TimeRange {
        from: Some(timestamp(from)),
        before: Some(timestamp(before)),
    }
}

/// A roll-forward as a message; `None` where a sum is more than can be kept.
pub fn to_liability(liability: &Liability, currency: Currency) -> Option<v1::LiabilityResponse> {
    let of_type = |rolled: &Rolled| {
        let of = Some(rolled.credit_type_id);
        to_roll_forward(of, &rolled.report, rolled.difference, currency)
    };
    let types = liability.credit_types.iter().map(of_type);
    let total = to_roll_forward(None, &liability.total, liability.difference, currency)?;
    Some(v1::LiabilityResponse {
        period: Some(to_range(liability.range)),
        as_of: Some(timestamp(liability.as_of)),
        credit_types: types.collect::<Option<_>>()?,
        total: Some(total),
    })
}

fn to_roll_forward(
    of: Option<CreditTypeId>,
    report: &RollForward,
    difference: Worth,
    currency: Currency,
) -> Option<v1::RollForward> {
    let told = |worth: Worth| {
        Some(v1::Worth {
            credits: of.map(|_| worth.credits.to_string()).unwrap_or_default(),
            value: Some(to_money(worth.value, currency)),
        })
    };
    let column = |column| told(report.column(column));
    Some(v1::RollForward {
        credit_type_id: of.map(|id| id.to_string()).unwrap_or_default(),
        opening: told(report.opening),
        issued: column(Column::Issued),
        reversed: column(Column::Reversed),
        restored: column(Column::Restored),
        reinstated: column(Column::Reinstated),
        transferred_in: column(Column::TransferredIn),
        consumed: column(Column::Consumed),
        expired: column(Column::Expired),
        revoked: column(Column::Revoked),
        transferred_out: column(Column::TransferredOut),
        adjusted: column(Column::Adjusted),
        revalued: column(Column::Revalued),
        closing: told(report.closing()?),
        breakage: told(report.breakage()?),
        difference: told(difference),
    })
}

/// Balances in the past, as an answer.
pub fn to_past_balances(found: PastBalances, currency: Currency) -> v1::BalanceAsOfResponse {
    let money = |minor_units| Some(to_money(minor_units, currency));
    let balances = found.balances.into_iter().map(|past| v1::PastBalance {
        credit_type_id: past.credit_type_id.to_string(),
        balances: Some(to_balances(&past.balances)),
        values: Some(v1::Values {
            unused: money(past.pools.unused),
            consumed: money(past.pools.consumed),
            expired: money(past.pools.expired),
            revoked: money(past.pools.revoked),
            transferred: money(past.pools.transferred),
        }),
    });
    v1::BalanceAsOfResponse {
        as_of: Some(timestamp(found.as_of)),
        balances: balances.collect(),
    }
}
