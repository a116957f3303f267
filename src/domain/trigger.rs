//! Triggers: "when this happens, issue that many credits" (C7, semantics 35).
//!
//! What happened is an event, one row for each fact, raised where it happens and only if somebody waits for
//! it. A trigger acts once on each event of its kind that came after it was made. What a trigger issues
//! fires no trigger.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::credits::Credits;
use crate::domain::entry::{EntryKind, coded};
use crate::domain::line::{Line, Subject};
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::ids::{
    BusinessId, CreditTypeId, CustomerId, EventId, ItemId, PackageId, TemplateId, TriggerId,
};

coded! {
    /// What can happen.
    EventKind {
        /// A customer was added.
        CustomerCreated = 1, "customer_created";
        /// A package was sold, or a period of a subscription paid.
        PackageSold = 2, "package_sold";
        /// The last credits of a package were used.
        PackageUsedUp = 3, "package_used_up";
        /// A package ended with something left in it.
        PackageExpired = 4, "package_expired";
        /// A client says so.
        Fired = 5, "fired";
        /// An invoice was paid on which an item was delivered.
        InvoicePaid = 6, "invoice_paid";
    }
}

impl EventKind {
    /// Whether it is about a package, so that a trigger can wait for certain ones only.
    pub const fn is_about_package(self) -> bool {
        matches!(
            self,
            Self::PackageSold | Self::PackageUsedUp | Self::PackageExpired
        )
    }

    /// Whether it is about items, so that a trigger can wait for a certain one only.
    pub const fn is_about_items(self) -> bool {
        self.is_about_package() || matches!(self, Self::InvoicePaid)
    }
}

/// What a trigger waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// What happens.
    pub kind: EventKind,
    /// What a client calls it; empty unless a client says so.
    pub name: String,
    /// Only for packages of this template.
    pub template_id: Option<TemplateId>,
    /// Only for packages with a line that covers this item, or for lines of invoices with it.
    pub item_id: Option<ItemId>,
}

/// What a trigger issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Award {
    /// A package of this template.
    Template {
        /// Which one.
        template_id: TemplateId,
        /// How many units; none: the least that is offered.
        quantity: Option<u32>,
    },
    /// Credits of one type, for all that it pays for.
    Credits {
        /// Which type.
        credit_type_id: CreditTypeId,
        /// So many.
        amount: Credits,
    },
}

/// A standing order to issue credits when something happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The trigger.
    pub id: TriggerId,
    /// Whose.
    pub business_id: BusinessId,
    /// What staff calls it.
    pub name: String,
    /// What it waits for.
    pub occasion: Occasion,
    /// What it issues.
    pub award: Award,
    /// Since when it waits no more.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// How often it changed; the caller's etag.
    pub version: i64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The event.
    pub id: EventId,
    /// Where.
    pub business_id: BusinessId,
    /// What.
    pub kind: EventKind,
    /// What a client calls it; empty unless a client said so.
    pub name: String,
    /// The client's id of it, or the id of what it happened to: unique for each kind and name.
    pub subject: String,
    /// To whom.
    pub customer_id: CustomerId,
    /// To which package.
    pub package_id: Option<PackageId>,
    /// With which item.
    pub item_id: Option<ItemId>,
    /// When.
    pub occurred_at: DateTime<Utc>,
}

/// What became of an event with one trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The event.
    pub event: Event,
    /// The package that was issued; none: it was refused.
    pub package_id: Option<PackageId>,
    /// The reason of the refusal, as published; empty if there was none.
    pub refusal: String,
    /// When.
    pub acted_at: DateTime<Utc>,
}

impl Trigger {
    /// Whether it acts on an event, which may be about a package with these lines.
    pub fn acts_on(&self, event: &Event, about: Option<(&Package, &[Line])>) -> bool {
        let Occasion {
            kind,
            name,
            template_id,
            item_id,
        } = &self.occasion;
        let waits = self.created_at <= event.occurred_at
            && self.archived_at.is_none_or(|at| event.occurred_at < at);
        let is_template = template_id.is_none_or(|wanted| {
            about.is_some_and(|(package, _)| package.template.is_some_and(|(id, _)| id == wanted))
        });
        let is_item = item_id.is_none_or(|wanted| {
            event.item_id == Some(wanted)
                || about.is_some_and(|(_, lines)| lines.iter().any(|it| names(it, wanted)))
        });
        waits && *kind == event.kind && *name == event.name && is_template && is_item
    }
}

/// Whether a line covers the item by name; that its category is covered does not count.
fn names(line: &Line, item_id: ItemId) -> bool {
    line.covers
        .iter()
        .any(|coverage| coverage.subject == Subject::Item(item_id))
}

/// What the last entries of a package say has happened to it; `kinds` are those of the entries that were
/// written on its lots since it was looked at last. Credits that went elsewhere were not used.
pub fn happened(package: &Package, lots: &[Lot], kinds: &[EntryKind]) -> Option<EventKind> {
    if package.revoked_at.is_some() || package.transferred_at.is_some() {
        return None;
    }
    let has = |wanted: &[EntryKind]| kinds.iter().any(|kind| wanted.contains(kind));
    let any = |of: fn(&Lot) -> Credits| lots.iter().any(|lot| of(lot) > Credits::ZERO);
    let is_left = any(Lot::available) || any(|lot| lot.fold.balances.held);
    let has_lost = any(|lot| lot.fold.balances.expired);
    if has(&[EntryKind::Expire]) && has_lost {
        return Some(EventKind::PackageExpired);
    }
    let was_moved = any(|lot| lot.fold.balances.transferred);
    let is_used_up = !is_left && !has_lost && !was_moved && any(|lot| lot.fold.balances.consumed);
    (is_used_up && has(&[EntryKind::Consume, EntryKind::Capture]))
        .then_some(EventKind::PackageUsedUp)
}

#[cfg(test)]
mod tests;
