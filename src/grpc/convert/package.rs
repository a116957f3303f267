//! Packages, sales and changes as messages.

use crate::domain::calendar;
use crate::domain::change::{Change, ChangeKind, Value};
use crate::domain::credits::Credits;
use crate::domain::entry::{Account, Actor, Balances};
use crate::domain::line::Line;
use crate::domain::lot::Origin;
use crate::domain::money::Currency;
use crate::domain::package::{Status, UnitState, units};
use crate::domain::payment::MoneyKind;
use crate::domain::sale::Sale;
use crate::grpc::convert::charge::to_charge_requests;
use crate::grpc::convert::common::{etag, to_expiry_source, to_money, to_timestamp, to_validity};
use crate::grpc::convert::line::{to_coverage, to_kind, to_rate};
use crate::grpc::convert::payment::to_money_records;
use crate::grpc::convert::policies::{to_booking_rules, to_use_limit};
use crate::grpc::faults::timestamp;
use crate::ids::PackageId;
use crate::proto::v1;
use crate::service::package_view::{LineView, LotView, PackageView};
use crate::service::sales::SoldEntry;

/// How much of a package a message shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All, with lots and their units.
    Full,
    /// Without lots: for lists.
    Summary,
    /// As full, without ids: of what was not kept.
    Unkept,
}

/// A package as a message.
pub fn to_package(view: PackageView, currency: Currency, detail: Detail) -> v1::Package {
    let PackageView {
        package,
        status,
        last_usable_day,
        restorable_until,
        lines,
        members,
    } = view;
    let (template_id, template_version) = package
        .template
        .map(|(id, version)| (id.to_string(), version))
        .unwrap_or_default();
    let discount_minor = package.discount_minor();
    let starts_at = to_timestamp(package.known_start());
    let is_kept = detail != Detail::Unkept;
    let id = |id: String| if is_kept { id } else { String::new() };
    let named = |id: Option<PackageId>| id.map(|id| id.to_string()).unwrap_or_default();
    v1::Package {
        id: id(package.id.to_string()),
        external_id: package.external_id.unwrap_or_default(),
        customer_id: package.customer_id.to_string(),
        template_id,
        template_version,
        sale_id: id(package.sale_id.map(|id| id.to_string()).unwrap_or_default()),
        name: package.name,
        list_price: Some(to_money(package.list_price_minor, currency)),
        price: Some(to_money(package.price_minor, currency)),
        discount: Some(to_money(discount_minor, currency)),
        net_price: Some(to_money(package.net_price_minor, currency)),
        status: to_status(status).into(),
        starts_at,
        queued_behind_package_id: named(package.queued_behind),
        expires_at: to_timestamp(package.expires_at),
        last_usable_date: last_usable_day
            .map(|day| day.to_string())
            .unwrap_or_default(),
        expiry_source: to_expiry_source(package.expiry_source).into(),
        group_id: package
            .group_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        share_max: package.share_max,
        use_limit: package.use_limit.map(to_use_limit),
        booking_rules: package.booking_rules.map(to_booking_rules),
        invoice_line_id: package
            .invoice_line_id
            .map(|id| id.to_string())
            .unwrap_or_default(),
        member_ids: members.iter().map(ToString::to_string).collect(),
        validity: Some(to_validity(&package.validity)),
        expiry_epoch: package.expiry_epoch,
        restorable_until: to_timestamp(restorable_until),
        priority: package.priority,
        lines: lines
            .into_iter()
            .map(|line| to_line(line, currency, detail))
            .collect(),
        created_at: Some(timestamp(package.created_at)),
        etag: etag(package.version),
        revoked_at: to_timestamp(package.revoked_at),
        frozen_at: to_timestamp(package.frozen_at),
        frozen_until_date: package
            .frozen_until_max
            .map(|until| calendar::last_usable_day(until, package.zone).to_string())
            .unwrap_or_default(),
        expires_if_thawed: to_timestamp(package.expires_if_thawed),
        transferred_at: to_timestamp(package.transferred_at),
        transferred_to_package_id: named(package.transferred_to),
        came_from_package_id: named(package.came_from),
    }
}

/// What became of each entry of a sale.
pub fn to_results(
    entries: Vec<SoldEntry>,
    currency: Currency,
    detail: Detail,
) -> Vec<v1::SaleResult> {
    let results = entries.into_iter().zip(0_i32..).map(|(entry, index)| {
        let sale_id = entry.sale_id.filter(|_| detail != Detail::Unkept);
        v1::SaleResult {
            index,
            sale_id: sale_id.map(|id| id.to_string()).unwrap_or_default(),
            package: entry.package.map(|it| to_package(it, currency, detail)),
        }
    });
    results.collect()
}

fn to_line(view: LineView, currency: Currency, detail: Detail) -> v1::PackageLine {
    let Line {
        id,
        kind,
        credit_type_id,
        quantity,
        covers,
        ..
    } = view.line;
    let lots = if detail == Detail::Summary {
        Vec::new()
    } else {
        view.lots
            .iter()
            .map(|lot| to_lot(lot, currency, detail))
            .collect()
    };
    v1::PackageLine {
        id: id.to_string(),
        kind: to_kind(kind).into(),
        credit_type_id: credit_type_id.to_string(),
        quantity: quantity.to_string(),
        covers: covers.iter().map(to_coverage).collect(),
        package_rate: to_rate(kind, currency),
        balances: Some(to_balances(&view.balances)),
        lots,
    }
}

fn to_lot(lot: &LotView, currency: Currency, detail: Detail) -> v1::Lot {
    let id = match detail {
        Detail::Unkept => String::new(),
        Detail::Full | Detail::Summary => lot.id.to_string(),
    };
    v1::Lot {
        id,
        bonus: lot.origin == Origin::Bonus,
        quantity: lot.quantity.to_string(),
        value: Some(to_money(lot.value_minor, currency)),
        unused_value: Some(to_money(lot.unused_value_minor, currency)),
        balances: Some(to_balances(&lot.balances)),
        units: to_units(&lot.balances),
        created_at: Some(timestamp(lot.created_at)),
    }
}

/// Each whole credit as a message; none if there are too many.
pub fn to_units(balances: &Balances) -> Vec<v1::Unit> {
    let units = units(balances).unwrap_or_default().into_iter();
    let shown = units.map(|unit| v1::Unit {
        state: to_unit_state(unit.state).into(),
        amount: unit.amount.to_string(),
    });
    shown.collect()
}

/// Balances as a message; what was issued is the sum of the others.
pub fn to_balances(balances: &Balances) -> v1::Balances {
    v1::Balances {
        issued: balances.total().unwrap_or(Credits::ZERO).to_string(),
        available: balances.available.to_string(),
        held: balances.held.to_string(),
        consumed: balances.consumed.to_string(),
        expired: balances.expired.to_string(),
        revoked: balances.revoked.to_string(),
        transferred: balances.transferred.to_string(),
    }
}

/// A status as a message.
pub fn to_status(status: Status) -> v1::PackageStatus {
    match status {
        Status::Revoked => v1::PackageStatus::Revoked,
        Status::Transferred => v1::PackageStatus::Transferred,
        Status::Completed => v1::PackageStatus::Completed,
        Status::Frozen => v1::PackageStatus::Frozen,
        Status::Expired => v1::PackageStatus::Expired,
        Status::UsedUp => v1::PackageStatus::UsedUp,
        Status::Queued => v1::PackageStatus::Queued,
        Status::Upcoming => v1::PackageStatus::Upcoming,
        Status::Active => v1::PackageStatus::Active,
    }
}

/// The status that a filter names; none for the unspecified one.
pub fn status(status: v1::PackageStatus) -> Option<Status> {
    Status::ALL
        .iter()
        .copied()
        .find(|known| to_status(*known) == status)
}

fn to_unit_state(state: UnitState) -> v1::UnitState {
    match state {
        UnitState::Used => v1::UnitState::Used,
        UnitState::Held => v1::UnitState::Held,
        UnitState::Unused => v1::UnitState::Unused,
        UnitState::Expired => v1::UnitState::Expired,
        UnitState::Revoked => v1::UnitState::Revoked,
        UnitState::Transferred => v1::UnitState::Transferred,
    }
}

/// An account as a message.
pub fn to_account(account: Account) -> v1::Account {
    match account {
        Account::Issued => v1::Account::Issued,
        Account::Available => v1::Account::Available,
        Account::Held => v1::Account::Held,
        Account::Consumed => v1::Account::Consumed,
        Account::Expired => v1::Account::Expired,
        Account::Revoked => v1::Account::Revoked,
        Account::Transferred => v1::Account::Transferred,
    }
}

/// The id of whoever did something; empty for Carnet itself.
pub fn to_actor(actor: Actor) -> String {
    match actor {
        Actor::System => String::new(),
        Actor::User(id) => id.to_string(),
        Actor::Token(id) => id.to_string(),
    }
}

/// A change as a message.
pub fn to_change(change: &Change, reason: String, currency: Currency) -> v1::Change {
    v1::Change {
        package_id: change.package_id.to_string(),
        sequence: change.seq,
        kind: to_change_kind(change.kind).into(),
        detail: to_detail(&change.old, &change.new, currency),
        posting_id: change.request_id.to_string(),
        actor_id: to_actor(change.actor),
        reason,
        effective_at: Some(timestamp(change.effective_at)),
        recorded_at: Some(timestamp(change.recorded_at)),
    }
}

fn to_change_kind(kind: ChangeKind) -> v1::ChangeKind {
    match kind {
        ChangeKind::Extended => v1::ChangeKind::Extended,
        ChangeKind::Restored => v1::ChangeKind::Restored,
        ChangeKind::ClockStarted => v1::ChangeKind::ClockStarted,
        ChangeKind::ClockStopped => v1::ChangeKind::ClockStopped,
        ChangeKind::MemberAdded => v1::ChangeKind::MemberAdded,
        ChangeKind::MemberRemoved => v1::ChangeKind::MemberRemoved,
        ChangeKind::OwnerChanged => v1::ChangeKind::OwnerChanged,
        ChangeKind::Revoked => v1::ChangeKind::Revoked,
        ChangeKind::Reinstated => v1::ChangeKind::Reinstated,
        ChangeKind::Frozen => v1::ChangeKind::Frozen,
        ChangeKind::Thawed => v1::ChangeKind::Thawed,
        ChangeKind::Shortened => v1::ChangeKind::Shortened,
        ChangeKind::PriceChanged => v1::ChangeKind::PriceChanged,
        ChangeKind::ExternalIdChanged => v1::ChangeKind::ExternalIdChanged,
        ChangeKind::PriorityChanged => v1::ChangeKind::PriorityChanged,
        ChangeKind::QuantityChanged => v1::ChangeKind::QuantityChanged,
        ChangeKind::SaleUndone => v1::ChangeKind::SaleUndone,
        ChangeKind::QueueMoved => v1::ChangeKind::QueueMoved,
        ChangeKind::Transferred => v1::ChangeKind::Transferred,
    }
}

/// What exactly changed; both are of one sort.
fn to_detail(old: &Value, new: &Value, currency: Currency) -> Option<v1::change::Detail> {
    match (old, new) {
        (Value::Price(old), Value::Price(new)) => {
            Some(v1::change::Detail::Price(v1::PriceChange {
                old_price: Some(to_money(old.price_minor, currency)),
                new_price: Some(to_money(new.price_minor, currency)),
            }))
        }
        (Value::ExternalId(old), Value::ExternalId(new)) => {
            Some(v1::change::Detail::ExternalId(v1::ExternalIdChange {
                old_external_id: old.clone().unwrap_or_default(),
                new_external_id: new.clone().unwrap_or_default(),
            }))
        }
        (Value::Priority(old), Value::Priority(new)) => {
            Some(v1::change::Detail::Priority(v1::PriorityChange {
                old_priority: *old,
                new_priority: *new,
            }))
        }
        (Value::Quantity(old), Value::Quantity(new)) => {
            Some(v1::change::Detail::Quantity(v1::QuantityChange {
                line_id: new.line_id.to_string(),
                old_amount: old.amount.to_string(),
                new_amount: new.amount.to_string(),
            }))
        }
        (Value::Expiry(old), Value::Expiry(new)) => {
            Some(v1::change::Detail::Expiry(v1::ExpiryChange {
                old_expires_at: to_timestamp(old.expires_at),
                new_expires_at: to_timestamp(new.expires_at),
                expiry_epoch: new.expiry_epoch,
                old_expires_if_thawed: to_timestamp(old.expires_if_thawed),
                new_expires_if_thawed: to_timestamp(new.expires_if_thawed),
            }))
        }
        (Value::Span(old), Value::Span(new)) => Some(v1::change::Detail::Span(v1::SpanChange {
            old_starts_at: to_timestamp(old.starts_at),
            new_starts_at: to_timestamp(new.starts_at),
            old_expires_at: to_timestamp(old.expiry.expires_at),
            new_expires_at: to_timestamp(new.expiry.expires_at),
            expiry_epoch: new.expiry.expiry_epoch,
        })),
        (Value::Owner(old), Value::Owner(new)) => {
            Some(v1::change::Detail::Owner(v1::OwnerChange {
                old_customer_id: old.customer_id.to_string(),
                new_customer_id: new.customer_id.to_string(),
                new_package_id: new.package_id.to_string(),
            }))
        }
        (Value::Customer(old), Value::Customer(new)) => {
            Some(to_customer_change(old.to_string(), new.to_string()))
        }
        (Value::Customer(old), _) => Some(to_customer_change(old.to_string(), String::new())),
        (_, Value::Customer(new)) => Some(to_customer_change(String::new(), new.to_string())),
        _ => None,
    }
}

fn to_customer_change(old: String, new: String) -> v1::change::Detail {
    v1::change::Detail::Customer(v1::CustomerChange {
        old_customer_id: old,
        new_customer_id: new,
    })
}

/// A sale as a message.
pub fn to_sale(sale: &Sale, currency: Currency, detail: Detail) -> v1::Sale {
    let is_kept = detail != Detail::Unkept;
    let paid = sale.paid_minor();
    let payment_state = if paid >= sale.price.total_minor {
        v1::PaymentState::Paid
    } else if paid > 0 {
        v1::PaymentState::PartlyPaid
    } else {
        v1::PaymentState::Unpaid
    };
    v1::Sale {
        id: if is_kept {
            sale.id.to_string()
        } else {
            String::new()
        },
        customer_id: sale.customer_id.to_string(),
        group_id: sale.group_id.map(|id| id.to_string()).unwrap_or_default(),
        package_ids: sale
            .package_ids
            .iter()
            .filter(|_| is_kept)
            .map(ToString::to_string)
            .collect(),
        net: Some(to_money(sale.price.net_minor, currency)),
        tax: Some(to_money(sale.price.tax_minor, currency)),
        total: Some(to_money(sale.price.total_minor, currency)),
        payment_state: payment_state.into(),
        money: to_money_records(&sale.money, currency, detail),
        refunded: Some(to_money(sale.money.sum(MoneyKind::Refund), currency)),
        charge_requests: to_charge_requests(&sale.charges, detail),
        created_at: Some(timestamp(sale.sold_at)),
        undone_at: to_timestamp(sale.undone_at),
        invoice_id: sale
            .invoiced
            .map(|it| it.invoice_id.to_string())
            .unwrap_or_default(),
        invoice_line_id: sale
            .invoiced
            .map(|it| it.line_id.to_string())
            .unwrap_or_default(),
    }
}
