//! A small ledger in memory: it decides commands on all that it has, keeps what they did, and proves
//! after each of them that everything still adds up.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

mod proof;

pub(crate) use super::commands::*;
use super::{at, credits, customer, stamp_at, start};
use crate::domain::amend::{Amended, Amendment};
use crate::domain::carry::carry_over;
use crate::domain::decide::{Command, Facts, PlaceHold, decide};
use crate::domain::entry::{Balances, Entry, EntryKey, Purpose};
use crate::domain::extend::{self, NewLot};
use crate::domain::hold::Hold;
use crate::domain::line::Line;
use crate::domain::lot::{Fold, Lot, Origin, Pools, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Posting};
use crate::domain::pricing::CarryOver;
use crate::domain::refusal::Refusal;
use crate::domain::revalue::revalue;
use crate::domain::revoke::revoke;
use crate::domain::settle::settle;
use crate::domain::subscription::Span;
use crate::domain::use_limit::{self, Use};
use crate::domain::validity::{Anchor, ExpirySource, MustStartBy, Period, PeriodUnit, Validity};
use crate::ids::{BusinessId, HoldId, LotId, PackageId};

/// Everything that a business would have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) lots: BTreeMap<LotId, Lot>,
    pub(crate) holds: BTreeMap<HoldId, Hold>,
    pub(crate) packages: Vec<Package>,
    pub(crate) entries: Vec<Entry>,
    /// The packages of others that customers may use.
    pub(crate) shared_with: BTreeSet<PackageId>,
}

impl Book {
    /// Sells a package with one lot of each line, so many credits for such a value.
    pub(crate) fn sell(
        &mut self,
        package: Package,
        lots: &[(&std::sync::Arc<Line>, &str, i64)],
    ) -> Vec<LotId> {
        let stamp = stamp_at(start());
        let mut draft = Draft::open(&stamp, []);
        let mut ids = Vec::new();
        for (line, quantity, value) in lots {
            let new = new_lot(line, quantity, *value);
            ids.push(new.id);
            extend::issue(&mut draft, &package, new).unwrap();
        }
        self.packages.push(package);
        self.keep(&draft.close());
        ids
    }

    /// Decides a command so many hours after the start, and keeps what it did.
    pub(crate) fn act(&mut self, hours: i64, command: Command) -> Result<Posting, Refusal> {
        self.act_at(at(hours), command)
    }

    /// The same at an instant.
    pub(crate) fn act_at(
        &mut self,
        now: DateTime<Utc>,
        command: Command,
    ) -> Result<Posting, Refusal> {
        self.act_as(&stamp_at(now), command)
    }

    /// The same for an invoice line or a booking.
    pub(crate) fn act_for(
        &mut self,
        purpose: Option<Purpose>,
        hours: i64,
        command: Command,
    ) -> Result<Posting, Refusal> {
        let stamp = stamp_at(at(hours));
        self.act_as(&Stamp { purpose, ..stamp }, command)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a command is made where it is given"
    )]
    fn act_as(&mut self, stamp: &Stamp, command: Command) -> Result<Posting, Refusal> {
        let facts = self.facts(&command);
        let posting = decide(&facts, &command, stamp)?;
        self.keep(&posting);
        Ok(posting)
    }

    pub(crate) fn facts(&self, command: &Command) -> Facts {
        let undone = command.undoes();
        let held = self.holds.values();
        let captured: Vec<EntryKey> = held
            .filter(|hold| Some(hold.id.uuid()) == undone)
            .flat_map(|hold| hold.captured_by_time.iter().map(|(_, key)| *key))
            .collect();
        let is_of = |key: EntryKey| Some(key.posting_id) == undone || captured.contains(&key);
        let of = |entry: &&Entry| is_of(entry.key);
        let undoing = |entry: &&Entry| undone.is_some() && entry.undoes.is_some_and(is_of);
        Facts {
            lots: self.lots.values().cloned().collect(),
            holds: self.holds.values().cloned().collect(),
            packages: self.packages.clone(),
            original: self.entries.iter().filter(of).cloned().collect(),
            undone: self.entries.iter().filter(undoing).cloned().collect(),
            uses: self.uses(command),
            shared_with: self.shared_with.clone(),
            ..Facts::default()
        }
    }

    /// What the customer of a command used of the packages whose use is limited.
    fn uses(&self, command: &Command) -> Vec<Use> {
        let customer_id = match command {
            Command::Consume(taking) | Command::Hold(PlaceHold { taking, .. }) => {
                taking.customer_id
            }
            Command::Capture(_)
            | Command::Release(_)
            | Command::Keep(_)
            | Command::Reverse(_)
            | Command::Move(_)
            | Command::Adjust(_) => customer(),
        };
        let limited = self.lots.values().filter(|lot| lot.terms.is_limited);
        let uses = limited.flat_map(|lot| {
            let entries = self.entries.iter().filter(|entry| entry.lot_id == lot.id);
            let entries: Vec<Entry> = entries.cloned().collect();
            use_limit::uses(&entries, lot.package_id, customer_id)
        });
        uses.collect()
    }

    /// Writes what time has caused by then.
    pub(crate) fn settle(&mut self, now: DateTime<Utc>) -> Posting {
        let stamp = stamp_at(now);
        let (lots, holds) = (self.lots.values().cloned(), self.holds.values().cloned());
        let mut draft = Draft::with_holds(&stamp, lots, holds);
        settle(&mut draft).unwrap();
        let posting = draft.close();
        self.keep(&posting);
        posting
    }

    /// Changes what is unused in a package, settled, by so many minor units.
    pub(crate) fn revalue(
        &mut self,
        hours: i64,
        package_id: PackageId,
        change: i64,
        weight_of: impl Fn(&Lot) -> i128,
    ) -> Result<Posting, Refusal> {
        let stamp = stamp_at(at(hours));
        let (lots, holds) = (self.lots.values().cloned(), self.holds.values().cloned());
        let mut draft = Draft::with_holds(&stamp, lots, holds);
        settle(&mut draft)?;
        revalue(&mut draft, package_id, change, weight_of)?;
        let posting = draft.close();
        self.keep(&posting);
        Ok(posting)
    }

    /// Moves a lot into a new one of another package.
    pub(crate) fn transfer(&mut self, hours: i64, from: LotId, package: Package) -> LotId {
        let stamp = stamp_at(at(hours));
        let lot = self.lots[&from].clone();
        let id = LotId::generate(stamp.now);
        let mut draft = Draft::open(&stamp, [lot.clone()]);
        draft.add(Lot {
            id,
            package_id: package.id,
            origin: Origin::Transferred,
            terms: package.terms(),
            fold: Fold::default(),
            tail: crate::domain::lot::Tail::default(),
            next_timeout_at: None,
            created_at: stamp.now,
            version: 0,
            ..lot
        });
        crate::domain::returned::transfer(&mut draft, from, id, stamp.now, false).unwrap();
        let posting = draft.close();
        self.packages.push(package);
        self.keep(&posting);
        self.lots.get_mut(&from).unwrap().transferred_to = Some(id);
        id
    }

    /// Carries over what goes on from all packages into a period, and keeps what that did.
    pub(crate) fn carry(
        &mut self,
        now: DateTime<Utc>,
        agreed: CarryOver,
        into: &Span,
    ) -> (Option<Package>, Posting) {
        let stamp = stamp_at(now);
        let (lots, holds) = (self.lots.values().cloned(), self.holds.values().cloned());
        let mut draft = Draft::with_holds(&stamp, lots, holds);
        settle(&mut draft).unwrap();
        let carried = carry_over(&mut draft, agreed, &self.packages, customer(), into).unwrap();
        let posting = draft.close();
        self.keep(&posting);
        (carried, posting)
    }

    /// What changing a package so comes to.
    pub(crate) fn amended(
        &self,
        now: DateTime<Utc>,
        id: PackageId,
        rule: impl FnOnce(&mut Amendment<'_>) -> Result<(), Refusal>,
    ) -> Result<Amended, Refusal> {
        let stamp = stamp_at(now);
        let lots: Vec<Lot> = self.lots.values().cloned().collect();
        let lots = lots.into_iter().filter(|lot| lot.package_id == id);
        let draft = Draft::with_holds(&stamp, lots, self.holds.values().cloned());
        let mut amendment = Amendment::begin(self.package(id), draft)?;
        rule(&mut amendment)?;
        Ok(amendment.end())
    }

    /// Changes a package so many hours after the start, and keeps what that did.
    pub(crate) fn amend(
        &mut self,
        hours: i64,
        id: PackageId,
        rule: impl FnOnce(&mut Amendment<'_>) -> Result<(), Refusal>,
    ) -> Result<Amended, Refusal> {
        let amended = self.amended(at(hours), id, rule)?;
        let package = amended.package.clone();
        self.change(id, |known| *known = package);
        for lot in &amended.unmoved {
            self.lots.insert(lot.id, lot.clone());
        }
        let effects = Vec::new();
        self.keep(&Posting {
            effects,
            ..amended.posting.clone()
        });
        Ok(amended)
    }

    /// Takes a package away.
    pub(crate) fn revoke(&mut self, hours: i64, id: PackageId) {
        self.amend(hours, id, |amendment| revoke(amendment).map(|_| ()))
            .unwrap();
    }

    /// Changes a package, and what its lots copy from it.
    pub(crate) fn change(&mut self, id: PackageId, change: impl FnOnce(&mut Package)) {
        let package = self.packages.iter_mut().find(|package| package.id == id);
        let package = package.unwrap();
        change(package);
        for lot in self.lots.values_mut().filter(|lot| lot.package_id == id) {
            lot.terms = package.terms();
        }
    }

    pub(crate) fn package(&self, id: PackageId) -> &Package {
        self.packages.iter().find(|found| found.id == id).unwrap()
    }

    pub(crate) fn balances(&self, id: LotId) -> Balances {
        self.lots[&id].fold.balances
    }

    pub(crate) fn pools(&self, id: LotId) -> Pools {
        self.lots[&id].fold.pools
    }

    fn keep(&mut self, posting: &Posting) {
        self.entries.extend(posting.entries.iter().cloned());
        for lot in &posting.lots {
            let mut lot = lot.clone();
            lot.version += 1;
            self.lots.insert(lot.id, lot);
        }
        for hold in &posting.holds {
            self.holds.insert(hold.id, hold.clone());
        }
        self.packages.extend(posting.packages.iter().cloned());
        for effect in &posting.effects {
            self.change(effect.package_id(), |package| effect.apply(package));
        }
        for lot in &posting.lots {
            let package = self.package(lot.package_id);
            assert_eq!(
                lot.terms,
                package.terms(),
                "a posting's lots know its effects"
            );
        }
        self.prove();
    }
}

/// A package that never ends, made at the start.
pub(crate) fn package() -> Package {
    Package {
        id: PackageId::generate(start()),
        business_id: BusinessId::from_uuid(Uuid::nil()),
        external_id: None,
        sale_id: None,
        came_from: None,
        group_id: None,
        share_max: 1,
        customer_id: customer(),
        template: None,
        name: "Eight lessons".to_owned(),
        list_price_minor: 0,
        price_minor: 0,
        net_price_minor: 0,
        priority: 0,
        quarantine_days: None,
        validity: Validity::Never,
        expiry_source: ExpirySource::Sale,
        zone: Tz::Europe__Tallinn,
        starts_at: start(),
        expires_at: None,
        counts_from_first_use: false,
        first_used_on: None,
        expiry_epoch: 0,
        frozen_at: None,
        frozen_until_max: None,
        expires_if_thawed: None,
        freezes: 0,
        frozen_days: 0,
        revoked_at: None,
        transferred_at: None,
        transferred_to: None,
        queued_behind: None,
        is_followed: false,
        use_limit: None,
        booking_rules: None,
        paid_at: Some(start()),
        invoice_line_id: None,
        unpaid_uses: 0,
        change_seq: 0,
        created_at: start(),
        version: 1,
    }
}

/// A package that ends so many hours after the start.
pub(crate) fn package_until(hours: i64) -> Package {
    Package {
        expires_at: Some(at(hours)),
        ..package()
    }
}

/// A package that is valid for so many days from its first use, which must come by this day.
pub(crate) fn package_from_first_use(days: u32, must_start_by: Option<NaiveDate>) -> Package {
    let length = Period::new(days, PeriodUnit::Day).unwrap();
    let must_start_by = must_start_by.map(MustStartBy::On);
    let validity = Validity::Period {
        length,
        anchor: Anchor::FirstUse { must_start_by },
    };
    Package {
        validity,
        expires_at: crate::domain::validity::unstarted(&validity, start(), Tz::Europe__Tallinn),
        counts_from_first_use: true,
        ..package()
    }
}

/// A lot to be made.
pub(crate) fn new_lot(line: &std::sync::Arc<Line>, quantity: &str, value: i64) -> NewLot {
    NewLot {
        id: LotId::generate(start()),
        line: std::sync::Arc::clone(line),
        origin: Origin::Sold,
        quantity: credits(quantity),
        value,
    }
}
