//! Lots and lines for the tests of the rules.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::domain::business::{Business, Invoicing, ReminderPolicy, Sender};
use crate::domain::credits::Credits;
use crate::domain::customer::Customer;
use crate::domain::entry::{Account, Actor, EntryKind};
use crate::domain::line::{Coverage, ItemFacts, Line, LineKind, Subject};
use crate::domain::lot::{Basis, Fold, Lot, Movement, Origin, Stamp, Tail, Terms};
use crate::domain::money::Currency;
use crate::domain::policies::Policies;
use crate::domain::template_emails::UseEmails;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, ItemId, LineId, LotId, PackageId, TokenId};

pub(crate) mod book;
mod commands;

/// The instant at which the tests begin: noon in Tallinn.
pub(crate) fn start() -> DateTime<Utc> {
    "2026-03-16T10:00:00Z".parse().unwrap()
}

/// So many hours after that.
pub(crate) fn at(hours: i64) -> DateTime<Utc> {
    start() + TimeDelta::hours(hours)
}

/// An amount.
pub(crate) fn credits(text: &str) -> Credits {
    Credits::parse(text).unwrap()
}

/// An item without a category.
pub(crate) fn item() -> ItemFacts {
    ItemFacts {
        id: ItemId::generate(start()),
        category: String::new(),
        active: true,
    }
}

/// A line for some things at some credits per unit, of a credit type with one decimal place.
pub(crate) fn line(covers: &[(Subject, &str)]) -> Arc<Line> {
    Arc::new(Line {
        id: LineId::generate(start()),
        position: 1,
        kind: LineKind::Prepaid,
        credit_type_id: CreditTypeId::from_uuid(Uuid::nil()),
        decimal_places: 1,
        quantity: credits("8"),
        covers: covers
            .iter()
            .map(|(subject, per_unit)| Coverage {
                subject: subject.clone(),
                credits_per_unit: credits(per_unit),
            })
            .collect(),
        emails: UseEmails::default(),
    })
}

/// A line for one item at one credit a unit.
pub(crate) fn line_for(item: &ItemFacts) -> Arc<Line> {
    line(&[(Subject::Item(item.id), "1")])
}

/// What one posting's entries have in common, `hours` after the start.
pub(crate) fn stamp(hours: i64) -> Stamp {
    stamp_at(at(hours))
}

/// The same at an instant.
pub(crate) fn stamp_at(now: DateTime<Utc>) -> Stamp {
    Stamp {
        posting_id: crate::ids::new_uuid(now),
        now,
        request_hash: Some([7; 32]),
        method: "Consume".to_owned(),
        actor: Actor::Token(TokenId::from_uuid(Uuid::nil())),
        purpose: None,
    }
}

/// A customer.
pub(crate) fn customer() -> CustomerId {
    CustomerId::from_uuid(Uuid::nil())
}

/// Somebody with a name and nothing else.
pub(crate) fn somebody() -> Customer {
    Customer {
        id: customer(),
        external_id: None,
        name: "Õnne ÕUN".to_owned(),
        email: None,
        email_verified: false,
        phone: None,
        locale: None,
        time_zone: None,
        active: true,
        may_purchase_on_account: false,
        unsubscribed_at: None,
        merged_into: None,
        erased_at: None,
        created_at: start(),
        version: 1,
    }
}

/// A studio in Tallinn.
pub(crate) fn business() -> Business {
    Business {
        id: BusinessId::generate(start()),
        name: "Studio".to_owned(),
        zone: Tz::Europe__Tallinn,
        locale: "et".to_owned(),
        currency: Currency::parse("EUR").unwrap(),
        feature_enabled: true,
        account_payments_active: false,
        prices_include_tax: true,
        quarantine_days: 30,
        policies: Policies::default(),
        default_priority: 100,
        reminder_policy: ReminderPolicy::default(),
        invoicing: Invoicing::default(),
        sender: Sender::default(),
        version: 1,
    }
}

/// An issued lot of a package of its own.
pub(crate) fn lot(line: &Arc<Line>, quantity: &str, value: i64) -> Lot {
    let mut lot = Lot {
        id: LotId::generate(start()),
        business_id: BusinessId::from_uuid(Uuid::nil()),
        package_id: PackageId::generate(start()),
        line: Arc::clone(line),
        customer_id: customer(),
        origin: Origin::Sold,
        priority: 0,
        terms: Terms {
            starts_at: start(),
            expires_at: None,
            counts_from_first_use: false,
            first_used_on: None,
            expires_if_unused: None,
            zone: Tz::Europe__Tallinn,
            frozen: false,
            frozen_until_max: None,
            expires_if_thawed: None,
            revoked: false,
            is_followed: false,
            is_limited: false,
        },
        issued: Basis {
            value,
            quantity: credits(quantity),
        },
        fold: Fold::default(),
        tail: Tail::default(),
        next_timeout_at: None,
        transferred_to: None,
        created_at: start(),
        version: 1,
    };
    let issue = Movement {
        kind: EntryKind::Issue,
        from: Account::Issued,
        to: Account::Available,
        amount: credits(quantity),
        value,
        effective_at: start(),
        by_time: false,
        undoes: None,
        about: crate::domain::entry::About::default(),
    };
    lot.post(&stamp(0), 0, issue).unwrap();
    lot
}

/// The lot, ending `hours` after the start.
pub(crate) fn ending(mut lot: Lot, hours: i64) -> Lot {
    lot.terms.expires_at = Some(start() + TimeDelta::hours(hours));
    lot
}
