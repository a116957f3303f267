//! Looking at the service: whether everything that can be read is what the reference says.

use std::collections::BTreeMap;

use carnet::proto::v1;
use carnet::proto::v1::{Account, PackageStatus};
use futures_util::future::join_all;

use crate::model::catalogue::CUSTOMERS;
use crate::model::reference::lot::Entry;
use crate::model::reference::{Instant, Ledger};
use crate::model::run::Service;
use crate::model::run::names::{balances, cents, instant, millionths};

impl Service {
    pub(super) async fn package(&self, id: &str) -> v1::Package {
        let request = v1::GetPackageRequest {
            package_id: id.to_owned(),
        };
        let answer = self.tenant().packages().get_package(request).await;
        answer.unwrap().into_inner().package.unwrap()
    }

    /// Compares every customer's balance, and each package that is not as it was at the last look.
    pub(in crate::model) async fn look(&mut self, ledger: &Ledger) {
        let marks: Vec<Mark> = (0..self.names.packages.len())
            .map(|number| mark(ledger, number))
            .collect();
        let before = std::mem::replace(&mut self.looked_at, marks);
        let changed = self.looked_at.iter().enumerate();
        let changed = changed.filter(|(number, mark)| before.get(*number) != Some(mark));
        let packages = changed.map(|(number, _)| self.compare_package(ledger, number));
        let balances = (0..CUSTOMERS).map(|customer| self.compare_balances(ledger, customer));
        let usable = (0..CUSTOMERS).map(|customer| self.compare_usable(ledger, customer));
        tokio::join!(join_all(packages), join_all(balances), join_all(usable));
    }

    /// Compares everything, changed or not.
    pub(in crate::model) async fn look_at_all(&mut self, ledger: &Ledger) {
        self.looked_at.clear();
        self.look(ledger).await;
    }

    async fn compare_package(&self, ledger: &Ledger, number: usize) {
        let package = self.package(&self.names.packages[number].id).await;
        let context = format!("{}: package {number} at {}", self.label, ledger.now);
        assert_eq!(self.shown(&package), Facts::of(ledger, number), "{context}");
        let mut seen = 0;
        for lot in package.lines.iter().flat_map(|line| &line.lots) {
            let index = self.names.lot(&lot.id);
            let context = format!("{context}: lot {index}, {}", ledger.lot_line(index));
            let known = &ledger.lots[index];
            seen += 1;
            assert_eq!(
                balances(lot.balances.as_ref()),
                known.balances(),
                "{context}"
            );
            let value = cents(lot.unused_value.as_ref());
            assert_eq!(value, known.unused_value(), "{context}: value");
            assert_eq!(instant(lot.created_at), Some(known.created_at), "{context}");
            let as_issued = (cents(lot.value.as_ref()), millionths(&lot.quantity));
            assert_eq!(as_issued, known.issued, "{context}: as issued");
            if !known.undone && known.of(Account::Issued) == -known.issued.1 {
                // Half a cent: 2 × |value × quantity − all × unused| ≤ quantity.
                let share = i128::from(known.issued.0) * i128::from(known.unused());
                let stray = i128::from(value) * i128::from(known.issued.1) - share;
                assert!(
                    stray.abs() * 2 <= i128::from(known.issued.1),
                    "{context}: half a cent"
                );
            }
        }
        assert_eq!(seen, ledger.lots_of(number).count(), "{context}: lots");
    }

    fn shown(&self, package: &v1::Package) -> Facts {
        let customers = &self.names.customers;
        let moved_to = self.names.package(&package.transferred_to_package_id);
        Facts {
            customer: customers.iter().position(|id| *id == package.customer_id),
            transferred: instant(package.transferred_at).zip(moved_to),
            came_from: self.names.package(&package.came_from_package_id),
            price: cents(package.price.as_ref()),
            status: package.status(),
            starts_at: instant(package.starts_at),
            expires_at: instant(package.expires_at),
            restorable_until: instant(package.restorable_until),
            revoked_at: instant(package.revoked_at),
            frozen_at: instant(package.frozen_at),
            frozen_until: package.frozen_until_date.clone(),
            expires_if_thawed: instant(package.expires_if_thawed),
        }
    }

    async fn compare_balances(&self, ledger: &Ledger, customer: usize) {
        let id = self.names.customers[customer].clone();
        let request = v1::GetBalanceRequest {
            scope: Some(v1::get_balance_request::Scope::CustomerId(id)),
            credit_type_id: String::new(),
        };
        let sheet = self.tenant().credits().get_balance(request).await.unwrap();
        let context = format!("{}: customer {customer} at {}", self.label, ledger.now);
        let mut expected: BTreeMap<usize, ([i64; 7], i64)> = BTreeMap::new();
        for lot in &ledger.lots {
            if ledger.packages[lot.package].customer == customer {
                let (sum, usable) = expected.entry(ledger.line_of(lot).kind).or_default();
                for (slot, amount) in sum.iter_mut().zip(lot.balances()) {
                    *slot += amount;
                }
                if ledger.is_usable_now(lot) {
                    *usable += lot.available();
                }
            }
        }
        let sheet = sheet.into_inner().balances;
        let seen = sheet.iter().map(|line| {
            let kind = self
                .names
                .kinds
                .iter()
                .position(|id| *id == line.credit_type_id);
            (
                kind.unwrap(),
                (balances(line.balances.as_ref()), millionths(&line.usable)),
            )
        });
        assert_eq!(seen.collect::<BTreeMap<_, _>>(), expected, "{context}");
    }

    /// The packages that could be used now, the one that would pay first in front.
    async fn compare_usable(&self, ledger: &Ledger, customer: usize) {
        let request = v1::ListUsablePackagesRequest {
            customer_id: self.names.customers[customer].clone(),
            hide_unusable: true,
            ..Default::default()
        };
        let answer = self.tenant().credits().list_usable_packages(request).await;
        let seen = answer.unwrap().into_inner().packages;
        let seen: Vec<usize> = seen
            .iter()
            .map(|package| self.names.package(&package.package_id).unwrap())
            .collect();
        let mut lots: Vec<_> = ledger
            .lots
            .iter()
            .filter(|lot| ledger.packages[lot.package].customer == customer)
            .filter(|lot| ledger.is_usable_now(lot))
            .collect();
        lots.sort_by(|a, b| ledger.pay_order(a, b));
        let mut expected = Vec::new();
        for lot in lots {
            if !expected.contains(&lot.package) {
                expected.push(lot.package);
            }
        }
        assert_eq!(
            seen, expected,
            "{}: what customer {customer} can use at {}",
            self.label, ledger.now
        );
    }

    /// Compares the whole history of every lot.
    pub(in crate::model) async fn compare_entries(&mut self, ledger: &Ledger) {
        for (number, package) in self.names.packages.iter().enumerate() {
            let mut entries = self.tenants[0].entries_of_package(&package.id).await;
            entries.sort_by_key(|entry| entry.sequence);
            let mut by_lot: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
            for entry in entries {
                let lot = by_lot.entry(self.names.lot(&entry.lot_id)).or_default();
                lot.push(known(&entry));
                assert_eq!(
                    usize::try_from(entry.sequence).unwrap(),
                    lot.len(),
                    "{}: gaps",
                    self.label
                );
            }
            let expected = ledger
                .lots_of(number)
                .map(|(index, lot)| (index, lot.entries.clone()));
            assert_eq!(
                by_lot,
                expected.collect(),
                "{}: the entries of package {number}",
                self.label
            );
        }
    }
}

/// What a package shows of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    status: PackageStatus,
    customer: Option<usize>,
    price: i64,
    starts_at: Option<Instant>,
    expires_at: Option<Instant>,
    restorable_until: Option<Instant>,
    revoked_at: Option<Instant>,
    frozen_at: Option<Instant>,
    frozen_until: String,
    expires_if_thawed: Option<Instant>,
    transferred: Option<(Instant, usize)>,
    came_from: Option<usize>,
}

impl Facts {
    fn of(ledger: &Ledger, number: usize) -> Self {
        let package = &ledger.packages[number];
        let frozen = package.frozen.as_ref();
        let through = frozen.map(|freeze| freeze.through.to_string());
        Self {
            status: status(ledger, number),
            customer: Some(package.customer),
            price: package.price,
            starts_at: Some(package.starts_at),
            expires_at: package.expires_at,
            restorable_until: package.restorable_until(),
            revoked_at: package.revoked_at,
            frozen_at: frozen.map(|freeze| freeze.at),
            frozen_until: through.unwrap_or_default(),
            expires_if_thawed: frozen.map(|freeze| freeze.end),
            transferred: package.transferred,
            came_from: package.came_from,
        }
    }
}

/// What changes with a package: how many entries it has, and what it shows of itself.
pub(super) type Mark = (usize, Facts);

fn mark(ledger: &Ledger, number: usize) -> Mark {
    let entries = ledger.lots_of(number).map(|(_, lot)| lot.entries.len());
    (entries.sum(), Facts::of(ledger, number))
}

fn known(entry: &v1::Entry) -> Entry {
    Entry {
        kind: entry.kind(),
        from: entry.from_account(),
        to: entry.to_account(),
        amount: millionths(&entry.amount),
        value: cents(entry.value.as_ref()),
        effective_at: instant(entry.effective_at).unwrap(),
        by_time: entry.by_time,
    }
}

fn status(ledger: &Ledger, number: usize) -> PackageStatus {
    let lots = || ledger.lots_of(number);
    let nothing_left = lots().all(|(_, lot)| lot.unused() == 0);
    let nothing_lost = lots().all(|(_, lot)| lot.of(Account::Expired) == 0);
    if ledger.packages[number].is_revoked() {
        PackageStatus::Revoked
    } else if ledger.packages[number].is_transferred() {
        PackageStatus::Transferred
    } else if nothing_left && nothing_lost {
        PackageStatus::Completed
    } else if ledger.packages[number].frozen.is_some() {
        PackageStatus::Frozen
    } else if ledger.packages[number].has_ended(ledger.now) {
        PackageStatus::Expired
    } else if nothing_left {
        PackageStatus::UsedUp
    } else {
        PackageStatus::Active
    }
}
