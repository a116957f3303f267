//! What a filled database holds, as far as a run has to know it.
//!
//! Ids are not listed but computed: the id of the i-th thing of a kind is a version-7 UUID whose time
//! advances by a millisecond every [`IDS_PER_MILLISECOND`] things, as if they had been sold one after
//! the other. `peer.sql` computes the same ids.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use carnet::ids::{CustomerId, LotId, PackageId};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many packages each customer has.
pub(crate) const PACKAGES_PER_CUSTOMER: u64 = 3;
/// How many ids of a kind carry the same millisecond.
const IDS_PER_MILLISECOND: u64 = 8;

/// How many customers the business has that sells.
pub(crate) const BUYERS: u64 = 1_000;
/// How many customers it has besides, to whom only certain numbers of packages are sold.
pub(crate) const HOLDERS: u64 = 8;

/// Packages that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// Of so many credits that no run uses them up, and ten million packages stay below what a report can sum.
    Deep,
    /// Of one credit.
    Shallow,
    /// Of a few credits, and so near their end that e-mails tell of it.
    Due,
}

impl Group {
    /// How many credits each package has.
    pub(crate) fn quantity(self) -> u64 {
        match self {
            Self::Deep => 800_000,
            Self::Shallow => 1,
            Self::Due => 10,
        }
    }

    /// How the kinds of its ids begin.
    fn kinds_from(self) -> u64 {
        match self {
            Self::Deep => 0x010,
            Self::Shallow => 0x020,
            Self::Due => 0x040,
        }
    }
}

/// The kinds of ids within a group.
const CUSTOMER: u64 = 1;
const PACKAGE: u64 = 2;
const LOT: u64 = 3;
const POSTING: u64 = 4;
const USE: u64 = 5;
/// How many uses of each package can have an id.
const USES_MAX: u64 = 64;
/// The kind of the customers of the business that sells.
const BUYER: u64 = 0x031;

/// A filled database.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dataset {
    /// The business whose credits are used.
    pub(crate) business: Tenant,
    /// The business that sells while the other one uses.
    pub(crate) seller: Tenant,
    /// How many packages the first business has, from 0.
    pub(crate) packages: u64,
    /// How many packages of one credit it has besides, from 0.
    pub(crate) shallow_packages: u64,
    /// The first day on which e-mails tell of packages; that day and the two after it each tell of a third of those
    /// that are due.
    pub(crate) first_mail_day: NaiveDate,
    /// The time of the first ids, in milliseconds since 1970.
    pub(crate) epoch_milliseconds: u64,
}

/// A business, and the ids that calls of it name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) item_id: String,
    pub(crate) template_id: String,
    /// The same as plain UUIDs, for SQL.
    pub(crate) business_uuid: Uuid,
    pub(crate) item_uuid: Uuid,
    pub(crate) token_uuid: Uuid,
}

impl Dataset {
    /// Reads what the filler wrote.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("cannot read the dataset {}", file.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes it for later runs.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        fs::write(file, serde_json::to_string(self)?)
            .with_context(|| format!("cannot write the dataset {}", file.display()))
    }

    /// The customer `index` of a group.
    pub(crate) fn customer_id(&self, group: Group, index: u64) -> CustomerId {
        CustomerId::from_uuid(self.uuid(group.kinds_from() | CUSTOMER, index))
    }

    /// The package `index` of a group.
    pub(crate) fn package_id(&self, group: Group, index: u64) -> PackageId {
        PackageId::from_uuid(self.uuid(group.kinds_from() | PACKAGE, index))
    }

    /// The lot of the package `index` of a group.
    pub(crate) fn lot_id(&self, group: Group, index: u64) -> LotId {
        LotId::from_uuid(self.uuid(group.kinds_from() | LOT, index))
    }

    /// The posting that issued the package `index` of a group.
    pub(crate) fn posting_id(&self, group: Group, index: u64) -> Uuid {
        self.uuid(group.kinds_from() | POSTING, index)
    }

    /// The posting that used the package `index` of a group for the `n`th time.
    pub(crate) fn use_id(&self, group: Group, index: u64, n: u32) -> Uuid {
        let use_index = index.saturating_mul(USES_MAX).saturating_add(n.into());
        self.uuid(group.kinds_from() | USE, use_index)
    }

    /// The customer `index` of the business that sells.
    pub(crate) fn buyer_id(&self, index: u64) -> CustomerId {
        CustomerId::from_uuid(self.uuid(BUYER, index))
    }

    /// The millisecond that the ids of the thing `index` carry.
    pub(crate) fn milliseconds(&self, index: u64) -> u64 {
        self.epoch_milliseconds
            .saturating_add(index / IDS_PER_MILLISECOND)
    }

    /// `mmmmmmmm-mmmm-7kkk-8iii-iiiiiiiiiiii`: the millisecond, the kind and the index in hexadecimal.
    fn uuid(&self, kind: u64, index: u64) -> Uuid {
        let high = (self.milliseconds(index) << 16) | 0x7000 | kind;
        let low = (0x8 << 60) | (index & 0x0fff_ffff_ffff_ffff);
        Uuid::from_u64_pair(high, low)
    }
}

/// The customer that owns the package `index`.
pub(crate) fn owner(package: u64) -> u64 {
    package / PACKAGES_PER_CUSTOMER
}
