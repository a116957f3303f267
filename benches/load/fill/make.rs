//! Customers, packages and the postings that issue them, each from its index alone.

use carnet::domain::business::Business;
use carnet::domain::catalog::Template;
use carnet::domain::credits::Credits;
use carnet::domain::customer::Customer;
use carnet::domain::entry::{About, Account, Actor, EntryKind};
use carnet::domain::extend::NewLot;
use carnet::domain::lot::{Movement, Stamp};
use carnet::domain::offer::Offer;
use carnet::domain::package::Package;
use carnet::domain::posting::Posting;
use carnet::domain::sale::{LineWeight, Price};
use carnet::ids::{BusinessId, CustomerId, TokenId};
use carnet::ledger::post;
use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::dataset::{Dataset, Group, PACKAGES_PER_CUSTOMER, owner};

/// The ends of a customer's packages lie so many days apart.
const DAYS_BETWEEN_ENDS: u64 = 30;
/// The first of them lies so many days ahead.
const DAYS_TO_FIRST_END: u64 = 200;
/// How many days before the last usable day of a package an e-mail tells of it: one of the leads by default.
const LEAD_DAYS: u64 = 7;

/// Makes the packages of one group.
#[derive(Debug)]
pub(super) struct Maker {
    dataset: Dataset,
    group: Group,
    actor: Actor,
    now: DateTime<Utc>,
    /// How often each package was used.
    uses: u32,
    /// What all packages have in common, and the lot of each.
    package: Package,
    lots: Vec<NewLot>,
}

impl Maker {
    pub(super) fn new(
        dataset: &Dataset,
        business: &Business,
        template: &Template,
        group: Group,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Self> {
        let (package, lots) = offer(template, CustomerId::generate(now)).make(business, now)?;
        Ok(Self {
            dataset: dataset.clone(),
            group,
            actor: Actor::Token(TokenId::from_uuid(dataset.business.token_uuid)),
            now,
            uses: 0,
            package,
            lots,
        })
    }

    /// The same, but each package was used so often, a day apart.
    pub(super) fn with_uses(self, uses: u32) -> anyhow::Result<Self> {
        let days = (self.now - self.sold_at(0)?).num_days();
        anyhow::ensure!(
            i64::from(uses) < days,
            "{uses} uses a day apart are more than there were days since the sale"
        );
        Ok(Self { uses, ..self })
    }

    /// How often each package was used.
    pub(super) fn uses(&self) -> u32 {
        self.uses
    }

    /// Whose packages they are.
    pub(super) fn business_id(&self) -> BusinessId {
        self.package.business_id
    }

    /// The customer `index` of the group.
    pub(super) fn customer(&self, index: u64) -> Customer {
        self.person(self.dataset.customer_id(self.group, index), index)
    }

    /// The customer `index` of the business that sells.
    pub(super) fn buyer(&self, index: u64) -> Customer {
        self.person(self.dataset.buyer_id(index), index)
    }

    /// Only those whose packages are due have an address, so that nothing else makes e-mails.
    fn person(&self, id: CustomerId, index: u64) -> Customer {
        let has_address = self.group == Group::Due;
        Customer {
            id,
            external_id: None,
            name: format!("Customer {index}"),
            email: has_address.then(|| format!("customer{index}@example.com")),
            email_verified: false,
            phone: None,
            locale: None,
            time_zone: None,
            active: true,
            may_purchase_on_account: true,
            unsubscribed_at: None,
            merged_into: None,
            erased_at: None,
            created_at: self.now,
            version: 1,
        }
    }

    fn sold_at(&self, index: u64) -> anyhow::Result<DateTime<Utc>> {
        let milliseconds = i64::try_from(self.dataset.milliseconds(index))?;
        Ok(DateTime::from_timestamp_millis(milliseconds).unwrap_or(self.now))
    }

    /// The package `index` of the group, and what issued its lot when it was sold, followed by its uses.
    pub(super) fn package(&self, index: u64) -> anyhow::Result<(Package, Posting)> {
        let customer = owner(index);
        let sold_at = self.sold_at(index)?;
        let package = Package {
            id: self.dataset.package_id(self.group, index),
            customer_id: self.dataset.customer_id(self.group, customer),
            starts_at: sold_at,
            expires_at: Some(self.expires_at(index)?),
            paid_at: Some(sold_at),
            invoice_line_id: None,
            unpaid_uses: 0,
            created_at: sold_at,
            ..self.package.clone()
        };
        let posting_id = self.dataset.posting_id(self.group, index);
        let stamp = self.stamp(posting_id, sold_at, "SellPackages");
        let lots = self.lots.iter().map(|lot| NewLot {
            id: self.dataset.lot_id(self.group, index),
            ..lot.clone()
        });
        let mut posting = post::issue(&stamp, [(package.clone(), lots.collect())])?;
        for n in 1..=self.uses {
            self.use_one(&mut posting, index, n)?;
        }
        Ok((package, posting))
    }

    fn stamp(&self, posting_id: Uuid, now: DateTime<Utc>, method: &str) -> Stamp {
        Stamp {
            posting_id,
            now,
            request_hash: Some(Sha256::digest(posting_id).into()),
            method: method.to_owned(),
            actor: self.actor,
            purpose: None,
        }
    }

    /// Adds the `n`th use of a package, of one credit.
    fn use_one(&self, posting: &mut Posting, index: u64, n: u32) -> anyhow::Result<()> {
        let at = self.sold_at(index)? + TimeDelta::days(n.into());
        let posting_id = self.dataset.use_id(self.group, index, n);
        let stamp = self.stamp(posting_id, at, "Consume");
        for lot in &mut posting.lots {
            let amount = Credits::UNIT;
            let value = lot.fold.value_leaving(amount);
            let movement = Movement {
                kind: EntryKind::Consume,
                from: Account::Available,
                to: Account::Consumed,
                amount,
                value: value.ok_or_else(|| anyhow::anyhow!("nothing is left to use"))?,
                effective_at: at,
                by_time: false,
                undoes: None,
                about: About {
                    customer_id: Some(lot.customer_id),
                    units: Some(Credits::UNIT),
                    ..About::default()
                },
            };
            posting.entries.push(lot.post(&stamp, 0, movement)?);
        }
        Ok(())
    }

    /// When the package `index` ends. Those of a customer that are due end on three days in a row. Of others, which
    /// one ends first differs from customer to customer; with the very first customer it is the first one.
    fn expires_at(&self, index: u64) -> anyhow::Result<DateTime<Utc>> {
        if self.group == Group::Due {
            let mail_day = self.dataset.first_mail_day + Days::new(index % PACKAGES_PER_CUSTOMER);
            let day_after_last = mail_day + Days::new(LEAD_DAYS + 1);
            return Ok(day_after_last.and_time(NaiveTime::MIN).and_utc());
        }
        let rank = (index + owner(index)) % PACKAGES_PER_CUSTOMER;
        let days = DAYS_TO_FIRST_END + rank * DAYS_BETWEEN_ENDS;
        Ok(self.now + TimeDelta::days(i64::try_from(days)?))
    }
}

/// The offer of a template of one line, at its price.
fn offer(template: &Template, customer_id: CustomerId) -> Offer {
    let definition = &template.definition;
    let price_minor = definition.price_minor;
    let weighed = definition.lines.iter().map(|line| {
        let weight = LineWeight {
            quantity: line.quantity,
            dearest: None,
        };
        (line.clone(), weight)
    });
    Offer {
        customer_id,
        group_id: None,
        share_max: 1,
        external_id: None,
        sale_id: None,
        template: Some((template.id, definition.number)),
        name: definition.name.clone(),
        list_price_minor: price_minor,
        price_minor,
        price: Price::of(price_minor, definition.tax_basis_points, true).unwrap_or_default(),
        priority: None,
        quarantine_days: None,
        use_limit: None,
        booking_rules: None,
        lines: weighed.collect(),
        validity: definition.validity,
        defaults: Vec::new(),
        validity_override: None,
        start_date: None,
        is_paid: true,
    }
}
