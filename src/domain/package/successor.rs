//! Packages that go on with what was in another one: what is restored, carried over or transferred.

use chrono::{DateTime, Utc};

use super::Package;
use crate::ids::PackageId;

impl Package {
    /// A package of its own with the owner and the terms of this one, for credits that come from it. It was never sold,
    /// is worth what its lots bring, and nothing has happened to it yet; whether it counts as paid is this one's.
    #[must_use]
    pub fn successor(&self, id: PackageId, now: DateTime<Utc>) -> Self {
        Self {
            id,
            external_id: None,
            sale_id: None,
            came_from: Some(self.id),
            list_price_minor: 0,
            price_minor: 0,
            net_price_minor: 0,
            first_used_on: None,
            expiry_epoch: 0,
            frozen_at: None,
            frozen_until_max: None,
            expires_if_thawed: None,
            freezes: 0,
            frozen_days: 0,
            queued_behind: None,
            is_followed: false,
            change_seq: 0,
            created_at: now,
            version: 1,
            ..self.clone()
        }
    }

    /// The same as a gift: it waits for no money.
    #[must_use]
    pub fn given_successor(&self, id: PackageId, now: DateTime<Utc>) -> Self {
        Self {
            paid_at: Some(now),
            invoice_line_id: None,
            unpaid_uses: 0,
            ..self.successor(id, now)
        }
    }
}
