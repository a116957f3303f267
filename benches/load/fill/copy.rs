//! Filling PostgreSQL: COPY, table by table and chunk by chunk.
//!
//! The rows are written here a second time, since the store writes none as text. A column that is added
//! and must not be empty makes COPY fail; `carnet verify` proves the rest.

use std::fmt::{Display, Write as _};

use carnet::domain::credits::Credits;
use carnet::domain::customer::Customer;
use carnet::domain::entry::{Entry, EntryKey};
use carnet::domain::lot::Lot;
use carnet::domain::package::Package;
use carnet::ids::{BusinessId, CustomerId, ItemId, LotId, SaleId, UserId};
use chrono::{DateTime, Utc};
use sea_orm::sqlx::{Connection as _, Executor as _, PgConnection};
use serde::Serialize;
use uuid::Uuid;

use super::make::Maker;
use crate::dataset::{BUYERS, HOLDERS, PACKAGES_PER_CUSTOMER};

/// How many packages one COPY writes.
const PACKAGES_PER_CHUNK: u64 = 30_000;

const CUSTOMERS: &str = "COPY customers (business_id, id, external_id, name, email, email_folded, \
    email_verified, phone, locale, time_zone, active, may_purchase_on_account, search_text, created_at, \
    version) FROM STDIN";
const PACKAGES: &str = "COPY packages (business_id, id, external_id, sale_id, customer_id, template_id, \
    definition_version, name, list_price_minor, price_minor, net_price_minor, priority, \
    quarantine_days, validity, expiry_source, time_zone, starts_at, expires_at, \
    counts_from_first_use, first_used_on, expiry_epoch, frozen_at, freezes, frozen_days, revoked_at, transferred_at, \
    paid_at, change_seq, created_at, version) FROM STDIN";
const LOTS: &str = "COPY lots (business_id, id, package_id, line_id, customer_id, credit_type_id, origin, \
    priority, starts_at, expires_at, counts_from_first_use, first_used_on, expires_if_unused, \
    time_zone, frozen, revoked, issued_quantity, issued_value, basis_quantity, basis_value, revalued, issued, available, held, \
    consumed, expired, revoked_credits, transferred, value_unused, value_consumed, value_expired, \
    value_revoked, value_transferred, seq, last_posting_id, last_n, last_hash, last_recorded_at, \
    next_timeout_at, transferred_to, is_open, created_at, version) FROM STDIN";
const ENTRIES: &str = "COPY entries (business_id, posting_id, n, lot_id, line_id, seq, previous_posting_id, \
    previous_n, hash, kind, from_account, to_account, amount, value, available, held, consumed, expired, \
    revoked, transferred, effective_at, recorded_at, by_time, undoes_posting_id, undoes_n, \
    request_hash, method, actor_kind, actor_id, consumed_by, customer_id, item_id, units, \
    invoice_line_id, booking_id, hold_id) FROM STDIN";

/// A connection that loads rows.
#[derive(Debug)]
pub(super) struct Loader {
    connection: PgConnection,
}

impl Loader {
    /// Connects as a superuser, so that foreign keys need not be looked up for each row.
    pub(super) async fn connect(url: &str) -> anyhow::Result<Self> {
        let mut connection = PgConnection::connect(url).await?;
        connection
            .execute("SET session_replication_role = replica")
            .await?;
        Ok(Self { connection })
    }

    /// Writes the customers of the business that sells.
    pub(super) async fn buyers(
        &mut self,
        business_id: BusinessId,
        maker: &Maker,
    ) -> anyhow::Result<()> {
        let mut rows = Rows::default();
        for index in 0..BUYERS + HOLDERS {
            customer(&mut rows, business_id, &maker.buyer(index));
        }
        self.copy(CUSTOMERS, &rows).await
    }

    /// Writes so many packages, with their customers, lots and entries.
    pub(super) async fn packages(&mut self, maker: &Maker, count: u64) -> anyhow::Result<()> {
        for (from, to) in chunks(count) {
            self.sales(maker, from, to).await?;
        }
        // As time wrote them: the first use of every package, then the second of each.
        for n in 1..=maker.uses() {
            for (from, to) in chunks(count) {
                self.uses(maker, from, to, n).await?;
            }
        }
        Ok(())
    }

    /// Writes packages as they were sold, with lots of which everything was used since.
    async fn sales(&mut self, maker: &Maker, from: u64, to: u64) -> anyhow::Result<()> {
        let business_id = maker.business_id();
        let mut customers = Rows::default();
        let owners = from / PACKAGES_PER_CUSTOMER..to.div_ceil(PACKAGES_PER_CUSTOMER);
        for index in owners {
            customer(&mut customers, business_id, &maker.customer(index));
        }
        let mut packages = Rows::default();
        let mut lots = Rows::default();
        let mut entries = Rows::default();
        for index in from..to {
            let (sold, posting) = maker.package(index)?;
            package(&mut packages, &sold)?;
            for sold in &posting.lots {
                lot(&mut lots, sold)?;
            }
            if let Some(issued) = posting.entries.first() {
                entry(&mut entries, business_id.uuid(), issued);
            }
        }
        self.copy(CUSTOMERS, &customers).await?;
        self.copy(PACKAGES, &packages).await?;
        self.copy(LOTS, &lots).await?;
        self.copy(ENTRIES, &entries).await
    }

    /// Writes the `n`th use of each of these packages.
    async fn uses(&mut self, maker: &Maker, from: u64, to: u64, n: u32) -> anyhow::Result<()> {
        let mut entries = Rows::default();
        for index in from..to {
            let (_, posting) = maker.package(index)?;
            let used = posting.entries.get(usize::try_from(n)?);
            let used = used.ok_or_else(|| anyhow::anyhow!("a package was not used so often"))?;
            entry(&mut entries, maker.business_id().uuid(), used);
        }
        self.copy(ENTRIES, &entries).await
    }

    /// Lets the planner know what is there, and leaves nothing for later to write.
    pub(super) async fn finish(mut self) -> anyhow::Result<()> {
        self.connection.execute("VACUUM ANALYZE").await?;
        self.connection.execute("CHECKPOINT").await?;
        Ok(self.connection.close().await?)
    }

    async fn copy(&mut self, statement: &str, rows: &Rows) -> anyhow::Result<()> {
        let mut copy = self.connection.copy_in_raw(statement).await?;
        copy.send(rows.text.as_bytes()).await?;
        copy.finish().await?;
        Ok(())
    }
}

/// The packages of each COPY: from the first number to before the second.
fn chunks(count: u64) -> impl Iterator<Item = (u64, u64)> {
    let begins = (0..count).step_by(usize::try_from(PACKAGES_PER_CHUNK).unwrap_or(usize::MAX));
    begins.map(move |from| (from, count.min(from + PACKAGES_PER_CHUNK)))
}

/// Rows in the text format of COPY.
#[derive(Debug, Default)]
struct Rows {
    text: String,
}

impl Rows {
    /// Adds a row of fields that are already written.
    fn add(&mut self, fields: &[Field]) {
        for (index, Field(text)) in fields.iter().enumerate() {
            if index > 0 {
                self.text.push('\t');
            }
            self.text.push_str(text);
        }
        self.text.push('\n');
    }
}

/// One field in the text format of COPY.
struct Field(String);

/// A number, a UUID or a truth value.
fn plain(value: impl Display) -> Field {
    Field(value.to_string())
}

/// The same, which may be missing.
fn optional(value: Option<impl Display>) -> Field {
    value.map_or_else(|| Field("\\N".to_owned()), plain)
}

fn text(value: &str) -> Field {
    let escaped = value.replace('\\', "\\\\").replace('\t', "\\t");
    Field(escaped.replace('\n', "\\n").replace('\r', "\\r"))
}

fn optional_text(value: Option<&str>) -> Field {
    value.map_or_else(|| Field("\\N".to_owned()), text)
}

fn json<T: Serialize>(value: &T) -> anyhow::Result<Field> {
    Ok(text(&serde_json::to_string(value)?))
}

fn bytes(value: &[u8]) -> Field {
    let mut hex = String::from("\\\\x");
    for byte in value {
        // Writing to a string cannot fail.
        let _done = write!(hex, "{byte:02x}");
    }
    Field(hex)
}

fn instant(at: DateTime<Utc>) -> Field {
    plain(at.timestamp_micros())
}

fn optional_instant(at: Option<DateTime<Utc>>) -> Field {
    optional(at.map(|at| at.timestamp_micros()))
}

fn key(key: Option<EntryKey>) -> [Field; 2] {
    [
        optional(key.map(|key| key.posting_id)),
        optional(key.map(|key| key.n)),
    ]
}

fn customer(rows: &mut Rows, business_id: BusinessId, customer: &Customer) {
    rows.add(&[
        plain(business_id.uuid()),
        plain(customer.id.uuid()),
        optional_text(customer.external_id.as_deref()),
        text(&customer.name),
        optional_text(customer.email.as_deref()),
        // It is in lower case as it is.
        optional_text(customer.email.as_deref()),
        plain(customer.email_verified),
        optional_text(customer.phone.as_deref()),
        optional_text(customer.locale.as_deref()),
        optional_text(customer.time_zone.map(chrono_tz::Tz::name)),
        plain(customer.active),
        plain(customer.may_purchase_on_account),
        text(&customer.search_text()),
        instant(customer.created_at),
        plain(customer.version),
    ]);
}

fn package(rows: &mut Rows, package: &Package) -> anyhow::Result<()> {
    rows.add(&[
        plain(package.business_id.uuid()),
        plain(package.id.uuid()),
        optional_text(package.external_id.as_deref()),
        optional(package.sale_id.map(SaleId::uuid)),
        plain(package.customer_id.uuid()),
        optional(package.template.map(|(id, _)| id.uuid())),
        optional(package.template.map(|(_, version)| version)),
        text(&package.name),
        plain(package.list_price_minor),
        plain(package.price_minor),
        plain(package.net_price_minor),
        plain(package.priority),
        optional(package.quarantine_days),
        json(&package.validity)?,
        plain(TEMPLATES_EXPIRY),
        text(package.zone.name()),
        instant(package.starts_at),
        optional_instant(package.expires_at),
        plain(package.counts_from_first_use),
        optional(package.first_used_on),
        plain(package.expiry_epoch),
        optional_instant(package.frozen_at),
        plain(package.freezes),
        plain(package.frozen_days),
        optional_instant(package.revoked_at),
        optional_instant(package.transferred_at),
        optional_instant(package.paid_at),
        plain(package.change_seq),
        instant(package.created_at),
        plain(package.version),
    ]);
    Ok(())
}

/// The code of an expiry that comes from the template.
const TEMPLATES_EXPIRY: i16 = 2;

fn lot(rows: &mut Rows, lot: &Lot) -> anyhow::Result<()> {
    let fold = &lot.fold;
    let (balances, pools, basis) = (&fold.balances, &fold.pools, &fold.basis);
    let corrupt = || anyhow::anyhow!("a new lot does not add up");
    let total = balances.total().ok_or_else(corrupt)?;
    let issued = total.checked_neg().ok_or_else(corrupt)?;
    let last = lot.tail.last.ok_or_else(corrupt)?;
    let recorded_at = lot.tail.recorded_at.ok_or_else(corrupt)?;
    rows.add(&[
        plain(lot.business_id.uuid()),
        plain(lot.id.uuid()),
        plain(lot.package_id.uuid()),
        plain(lot.line.id.uuid()),
        plain(lot.customer_id.uuid()),
        plain(lot.line.credit_type_id.uuid()),
        plain(lot.origin.code()),
        plain(lot.priority),
        instant(lot.terms.starts_at),
        optional_instant(lot.terms.expires_at),
        plain(lot.terms.counts_from_first_use),
        optional(lot.terms.first_used_on),
        optional_instant(lot.terms.expires_if_unused),
        text(lot.terms.zone.name()),
        plain(lot.terms.frozen),
        plain(lot.terms.revoked),
        plain(lot.issued.quantity.millionths()),
        plain(lot.issued.value),
        plain(basis.quantity.millionths()),
        plain(basis.value),
        plain(fold.revalued),
        plain(issued.millionths()),
        plain(balances.available.millionths()),
        plain(balances.held.millionths()),
        plain(balances.consumed.millionths()),
        plain(balances.expired.millionths()),
        plain(balances.revoked.millionths()),
        plain(balances.transferred.millionths()),
        plain(pools.unused),
        plain(pools.consumed),
        plain(pools.expired),
        plain(pools.revoked),
        plain(pools.transferred),
        plain(lot.tail.seq),
        plain(last.posting_id),
        plain(last.n),
        bytes(&lot.tail.hash),
        instant(recorded_at),
        optional_instant(lot.next_timeout_at),
        optional(lot.transferred_to.map(LotId::uuid)),
        plain(lot.is_open()),
        instant(lot.created_at),
        plain(lot.version + 1),
    ]);
    Ok(())
}

fn entry(rows: &mut Rows, business_id: Uuid, entry: &Entry) {
    let (actor_kind, actor_id) = entry.actor.parts();
    let (balances, about) = (&entry.balances, &entry.about);
    let [previous_posting_id, previous_n] = key(entry.previous);
    let [undoes_posting_id, undoes_n] = key(entry.undoes);
    let none = || optional_text(None);
    rows.add(&[
        plain(business_id),
        plain(entry.key.posting_id),
        plain(entry.key.n),
        plain(entry.lot_id.uuid()),
        plain(entry.line_id.uuid()),
        plain(entry.seq),
        previous_posting_id,
        previous_n,
        bytes(&entry.hash),
        plain(entry.kind.code()),
        plain(entry.from.code()),
        plain(entry.to.code()),
        plain(entry.amount.millionths()),
        plain(entry.value),
        plain(balances.available.millionths()),
        plain(balances.held.millionths()),
        plain(balances.consumed.millionths()),
        plain(balances.expired.millionths()),
        plain(balances.revoked.millionths()),
        plain(balances.transferred.millionths()),
        instant(entry.effective_at),
        instant(entry.recorded_at),
        plain(entry.by_time),
        undoes_posting_id,
        undoes_n,
        entry
            .request_hash
            .as_ref()
            .map_or_else(none, |hash| bytes(hash)),
        text(&entry.method),
        plain(actor_kind),
        optional(actor_id),
        optional(about.consumed_by.map(UserId::uuid)),
        optional(about.customer_id.map(CustomerId::uuid)),
        optional(about.item_id.map(ItemId::uuid)),
        optional(about.units.map(Credits::millionths)),
        optional(about.invoice_line_id),
        optional(about.booking_id),
        optional(about.hold_id),
    ]);
}
