//! What customers see of their own, as messages.

use crate::domain::calendar;
use crate::domain::money::Currency;
use crate::grpc::convert::amending::detail;
use crate::grpc::convert::common::{to_money, to_timestamp};
use crate::grpc::convert::history::to_entry_kind;
use crate::grpc::convert::line::to_kind;
use crate::grpc::convert::package::{
    to_balances, to_sale, to_status, to_units as to_whole_credits,
};
use crate::grpc::convert::pricing::optional_units;
use crate::grpc::convert::using::to_units;
use crate::grpc::faults::{Faults, timestamp};
use crate::proto::v1;
use crate::service::portal::{MyEntry, MyPackage, Wish};
use crate::service::sales::Sold;
use crate::service::{Answer, Call};

/// A package as a message to its customer.
pub fn to_my_package(mine: MyPackage, currency: Currency) -> v1::MyPackage {
    let MyPackage {
        view,
        is_shared,
        credit_types,
    } = mine;
    let package = view.package;
    let is_paid_for = package.sale_id.is_some() && !is_shared;
    let lines = view.lines.iter().zip(credit_types);
    v1::MyPackage {
        id: package.id.to_string(),
        status: to_status(view.status).into(),
        starts_at: to_timestamp(package.known_start()),
        expires_at: to_timestamp(package.expires_at),
        last_usable_date: view
            .last_usable_day
            .map(|day| day.to_string())
            .unwrap_or_default(),
        frozen_until_date: package
            .frozen_until_max
            .map(|until| calendar::last_usable_day(until, package.zone).to_string())
            .unwrap_or_default(),
        restorable_until: to_timestamp(view.restorable_until),
        shared: is_shared,
        price: is_paid_for.then(|| to_money(package.price_minor, currency)),
        lines: lines
            .map(|(line, credit_type)| v1::MyPackageLine {
                kind: to_kind(line.line.kind).into(),
                credit_name: credit_type.name,
                credit_name_plural: credit_type.name_plural,
                balances: Some(to_balances(&line.balances)),
                units: to_whole_credits(&line.balances),
            })
            .collect(),
        name: package.name,
    }
}

/// An entry as a message to the customer whose history it is in.
pub fn to_my_entry(mine: MyEntry) -> v1::MyEntry {
    let MyEntry {
        entry,
        package_id,
        package_name,
        credit_type,
        item_name,
    } = mine;
    v1::MyEntry {
        package_id: package_id.to_string(),
        package_name,
        kind: to_entry_kind(entry.kind).into(),
        amount: entry.amount.to_string(),
        credit_name: credit_type.name,
        credit_name_plural: credit_type.name_plural,
        item_name: item_name.unwrap_or_default(),
        units: to_units(&entry),
        effective_at: Some(timestamp(entry.effective_at)),
        recorded_at: Some(timestamp(entry.recorded_at)),
    }
}

/// What a customer wants to buy.
pub fn wish(request: &v1::BuyPackageRequest, faults: &mut Faults) -> Option<Wish> {
    let template = faults.reference("template_id", &request.template_id);
    let quantity = optional_units(faults, "quantity", request.quantity);
    Some(Wish {
        template: template?,
        quantity: quantity?,
        on_account: request.on_account,
    })
}

/// What a customer bought, as a message.
pub fn to_bought(answer: &Answer<Sold>, call: &Call) -> v1::BuyPackageResponse {
    let sales = answer.value.sales.iter();
    let mut sold = sales.map(|sale| to_sale(sale, call.currency(), detail(call)));
    let sale = sold.next_back().unwrap_or_default();
    v1::BuyPackageResponse {
        package_id: sale.package_ids.into_iter().next().unwrap_or_default(),
        charge_request_id: sale
            .charge_requests
            .into_iter()
            .next()
            .map(|charge| charge.id)
            .unwrap_or_default(),
        sale_id: sale.id,
        total: sale.total,
        payment_state: sale.payment_state,
        replayed: answer.replayed,
    }
}
