//! What of a use of credits a customer is to be told: that little is left of a package, or nothing
//! (semantics 42). It is told when the line is crossed downward, so each crossing has one posting that
//! is its cause, and below the line nothing more is said.
//!
//! The check costs a command that nobody wants to hear of one comparison, since every use makes it.

use std::collections::BTreeMap;

use crate::domain::business::{Business, LowBalance};
use crate::domain::credits::Credits;
use crate::domain::entry::Account;
use crate::domain::line::LineKind;
use crate::domain::notice::NoticeKind;
use crate::domain::posting::Posting;
use crate::ids::PackageId;

/// What a business wants told of uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    low_balance: Option<LowBalance>,
    used_up: bool,
}

impl Watch {
    /// What this business wants told.
    pub fn of(business: &Business) -> Self {
        if !business.feature_enabled {
            return Self::default();
        }
        Self {
            low_balance: business.reminder_policy.low_balance,
            used_up: business.reminder_policy.used_up,
        }
    }

    /// The packages in which a posting crossed a line that is watched. That nothing is left of one lot is
    /// no proof that the whole package is used up: others may not be in the posting.
    pub fn crossed(&self, posting: &Posting) -> BTreeMap<PackageId, NoticeKind> {
        let mut crossed = BTreeMap::new();
        if *self == Self::default() {
            return crossed;
        }
        for entry in &posting.entries {
            let lot = posting.lots.iter().find(|lot| lot.id == entry.lot_id);
            let (Account::Consumed, Some(lot)) = (entry.to, lot) else {
                continue;
            };
            let balances = &entry.balances;
            let after = balances.available.checked_add(balances.held);
            let before = after.and_then(|after| after.checked_add(entry.amount));
            let (Some(after), Some(before)) = (after, before) else {
                continue;
            };
            if lot.line.kind != LineKind::Prepaid {
                continue;
            }
            let line = self.low_balance.map(|line| line.of(lot.issued.quantity));
            if self.used_up && after == Credits::ZERO {
                crossed.insert(lot.package_id, NoticeKind::UsedUp);
            } else if line.is_some_and(|line| after <= line && line < before) {
                crossed
                    .entry(lot.package_id)
                    .or_insert(NoticeKind::LowBalance);
            }
        }
        crossed
    }
}
