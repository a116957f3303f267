//! A plain ledger: what the rules of the credit ledger say, written from the rules and not from the service.
//!
//! Integers, vectors and loops, nothing else; slow, and easy to check by eye. It knows no database, no ids
//! and no jobs: what time causes is written the moment that time comes, so it also says what the service
//! must show when no job has ever run. Credits are in millionths, money in cents.

use carnet::proto::v1::{Account, EntryKind};
use chrono::{DateTime, Utc};

use crate::model::catalogue::{self, Line};
use crate::model::reference::lot::{Entry, Lot};
use crate::model::reference::package::Package;

pub(super) mod calls;
mod ending;
mod extending;
mod freezing;
pub(super) mod lot;
pub(super) mod package;
mod repricing;
mod revoking;
mod settling;
mod taking;
mod transferring;
mod undoing;

/// One credit.
pub(super) const ONE: i64 = 1_000_000;
pub(super) type Instant = DateTime<Utc>;

/// Why a call is refused: the published word, and how much there was and how much was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) numbers: Option<(i64, i64)>,
}

pub(super) fn refuse<T>(reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal {
        reason,
        numbers: None,
    })
}

/// What one entry of a hold or use took, and what is left of that.
#[derive(Clone, Debug)]
struct Part {
    lot: usize,
    amount: i64,
    value: i64,
    left: i64,
    left_value: i64,
    /// Units of the item; a part of none finishes the unit of the one before it.
    units: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HoldState {
    Open,
    Captured(usize),
    Released(usize),
    TimedOut,
}

#[derive(Clone, Debug)]
struct Hold {
    /// The number of its call.
    call: usize,
    ask: calls::Ask,
    service_at: Instant,
    times_out_at: Option<Instant>,
    captures: bool,
    state: HoldState,
    parts: Vec<Part>,
    /// What came back when its package was taken away.
    returned: Vec<calls::Returned>,
}

/// A posting that used credits.
#[derive(Clone, Debug)]
struct Use {
    /// The number of its call.
    call: usize,
    ask: calls::Ask,
    at: Instant,
    parts: Vec<Part>,
}

/// All there is.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) now: Instant,
    pub(super) packages: Vec<Package>,
    pub(super) lots: Vec<Lot>,
    holds: Vec<Hold>,
    uses: Vec<Use>,
    /// Uses and holds that may start a clock when the call is done.
    starts: Vec<(usize, Instant)>,
    /// Whether ids, which nobody can foretell, would decide which of two lots pays first.
    pub(super) ambiguous: bool,
}

impl Ledger {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now,
            packages: Vec::new(),
            lots: Vec::new(),
            holds: Vec::new(),
            uses: Vec::new(),
            starts: Vec::new(),
            ambiguous: false,
        }
    }

    /// The instants at which something changes by itself.
    pub(super) fn boundaries(&self) -> Vec<Instant> {
        let ends = self.packages.iter().filter_map(Package::end);
        let thaws = self.packages.iter().filter_map(Package::thaws_at);
        let quarantines = self.packages.iter().filter_map(Package::restorable_until);
        let time_outs = self.holds.iter().filter_map(|hold| hold.times_out_at);
        let mut all: Vec<Instant> = ends
            .chain(thaws)
            .chain(time_outs)
            .chain(quarantines)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub(super) fn holds_len(&self) -> usize {
        self.holds.len()
    }

    /// The calls that used credits.
    pub(super) fn use_calls(&self) -> Vec<usize> {
        self.uses.iter().map(|used| used.call).collect()
    }

    pub(super) fn lots_of(&self, package: usize) -> impl Iterator<Item = (usize, &Lot)> {
        let lots = self.lots.iter().enumerate();
        lots.filter(move |(_, lot)| lot.package == package)
    }

    /// Whether there is a lot of the line: not all of a package is restored as one of its own.
    fn has_line(&self, package: usize, line: usize) -> bool {
        self.lots_of(package).any(|(_, lot)| lot.line == line)
    }

    fn is_over(&self, lot: usize, at: Instant) -> bool {
        self.packages[self.lots[lot].package].has_ended(at)
    }

    fn move_credits(
        &mut self,
        lot: usize,
        kind: EntryKind,
        (from, to): (Account, Account),
        (amount, value): (i64, i64),
        effective_at: Instant,
    ) {
        self.lots[lot].post(Entry {
            kind,
            from,
            to,
            amount,
            value,
            effective_at,
            by_time: false,
        });
    }

    fn by_time(&mut self, lot: usize) {
        self.lots[lot].entries.last_mut().unwrap().by_time = true;
    }

    /// Loses all that is available in a lot.
    fn expire(&mut self, lot: usize, at: Instant) {
        let amount = self.lots[lot].available();
        let value = self.lots[lot].leaving(amount);
        let accounts = (Account::Available, Account::Expired);
        self.move_credits(lot, EntryKind::Expire, accounts, (amount, value), at);
    }

    /// What came back into a package that was moved, was taken away or has ended goes on to there at once.
    fn send_on(&mut self, lot: usize, at: Instant) -> Option<Account> {
        if self.lots[lot].available() == 0 {
            None
        } else if let Some(to) = self.lots[lot].moved_to {
            self.follow(lot, to, at);
            self.send_on(to, at);
            Some(Account::Transferred)
        } else if self.packages[self.lots[lot].package].is_revoked() {
            self.take_away(lot, at);
            Some(Account::Revoked)
        } else if self.is_over(lot, at) {
            self.expire(lot, at);
            Some(Account::Expired)
        } else {
            None
        }
    }

    /// Semantics 9: if all of it is undone the clock is unset again; a package that has ended stays so.
    fn stop_clock(&mut self, package: usize, at: Instant) -> Vec<usize> {
        let idle = self
            .lots_of(package)
            .all(|(_, lot)| lot.of(Account::Held) == 0 && lot.of(Account::Consumed) == 0);
        if !idle || self.packages[package].has_ended(at) {
            return Vec::new();
        }
        self.packages[package].stop_clock();
        self.send_on_all(package, at)
    }

    /// What a package cannot keep goes on; from which lots.
    fn send_on_all(&mut self, package: usize, at: Instant) -> Vec<usize> {
        let lots: Vec<usize> = self.lots_of(package).map(|(index, _)| index).collect();
        let sent = lots
            .into_iter()
            .filter(|lot| self.send_on(*lot, at).is_some());
        sent.collect()
    }

    fn packages_of(&self, parts: &[Part]) -> Vec<usize> {
        let mut packages: Vec<usize> = parts
            .iter()
            .map(|part| self.lots[part.lot].package)
            .collect();
        packages.sort_unstable();
        packages.dedup();
        packages
    }

    fn new_lot(&mut self, package: usize, line: usize, issued: (i64, i64)) -> usize {
        let lot = Lot::new((package, line), self.now, issued);
        let same = |other: &Lot| {
            other.created_at == lot.created_at
                && self.packages[other.package].priority == self.packages[package].priority
                && self.line_of(other).narrowness()
                    == self.packages[package].lines[line].narrowness()
                && i128::from(other.issued.0) * i128::from(issued.1)
                    == i128::from(issued.0) * i128::from(other.issued.1)
        };
        let twin_line = self.lots.iter().any(|other| {
            other.package == package
                && other.line == line
                && other.created_at == lot.created_at
                && other.issued == issued
        });
        self.ambiguous |= twin_line || self.lots.iter().any(same);
        self.lots.push(lot);
        self.lots.len() - 1
    }

    fn issue(&mut self, package: usize, line: usize, (value, quantity): (i64, i64)) -> usize {
        let lot = self.new_lot(package, line, (value, quantity));
        let accounts = (Account::Issued, Account::Available);
        let now = self.now;
        self.move_credits(lot, EntryKind::Issue, accounts, (quantity, value), now);
        lot
    }

    pub(super) fn line_of(&self, lot: &Lot) -> &Line {
        &self.packages[lot.package].lines[lot.line]
    }

    /// Whether the amount is finer than the credits of this lot can be counted.
    fn is_too_fine(&self, lot: usize, amount: i64) -> bool {
        catalogue::is_too_fine(self.line_of(&self.lots[lot]).kind, amount)
    }
}
