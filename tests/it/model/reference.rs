//! A plain ledger: what the rules of the credit ledger say, written from the rules and not from the service.
//!
//! Integers, vectors and loops, nothing else; slow, and easy to check by eye. It knows no database, no ids
//! and no jobs: what time causes is written the moment that time comes, so it also says what the service
//! must show when no job has ever run. Credits are in millionths, money in cents.

use carnet::proto::v1::{Account, EntryKind};
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};

use crate::model::catalogue::{self, Line};
use crate::support::tenant::ZONE;

pub(super) mod calls;
mod ending;
mod taking;
mod undoing;

/// One credit.
pub(super) const ONE: i64 = 1_000_000;
/// For how many days after its last one a package can be restored.
const QUARANTINE_DAYS: u64 = 30;

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

/// One movement in a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    pub(super) from: Account,
    pub(super) to: Account,
    pub(super) amount: i64,
    pub(super) value: i64,
    pub(super) effective_at: Instant,
    pub(super) by_time: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Lot {
    pub(super) package: usize,
    /// Which line of its package.
    pub(super) line: usize,
    pub(super) created_at: Instant,
    /// Value and quantity as issued: for the order in which lots pay.
    pub(super) issued: (i64, i64),
    /// Value and quantity that shares are counted by.
    basis: (i64, i64),
    /// Credits by account; they sum to zero.
    credits: [i64; 8],
    /// Value by account; held credits' value lies with the available ones'.
    worth: [i64; 8],
    pub(super) entries: Vec<Entry>,
    /// Whether something was undone in it: then it may stray from its share by more than half a cent.
    pub(super) undone: bool,
}

/// Validity that counts from the first use.
#[derive(Clone, Debug)]
struct UseClock {
    days: u64,
    first: Option<NaiveDate>,
    /// The end until the first use.
    deadline: Option<Instant>,
    /// Whether somebody moved the end since the first use.
    moved: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) customer: usize,
    pub(super) priority: i32,
    pub(super) lines: Vec<Line>,
    pub(super) starts_at: Instant,
    pub(super) expires_at: Option<Instant>,
    clock: Option<UseClock>,
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

/// The place of an account in an array.
pub(super) fn slot(account: Account) -> usize {
    usize::try_from(i32::from(account)).unwrap()
}

/// `numerator ÷ denominator`, halves to the even one.
fn half_even(numerator: i128, denominator: i128) -> i64 {
    let (floor, rest) = (numerator / denominator, numerator % denominator);
    let up = rest * 2 > denominator || (rest * 2 == denominator && floor % 2 == 1);
    i64::try_from(floor + i128::from(up)).unwrap()
}

/// What leaves a pool of `pool` cents when `rest` remains of what was `value` for `quantity`.
fn share_leaving(pool: i64, (value, quantity): (i64, i64), rest: i64) -> i64 {
    if rest == 0 {
        return pool;
    }
    let kept = half_even(i128::from(value) * i128::from(rest), i128::from(quantity));
    (pool - kept).clamp(0, pool)
}

pub(super) fn local_day(at: Instant) -> NaiveDate {
    at.with_timezone(&ZONE).date_naive()
}

/// The first instant of the day after. No zone of the tests skips midnight.
pub(super) fn end_of(day: NaiveDate) -> Instant {
    let midnight = (day + Days::new(1)).and_hms_opt(0, 0, 0).unwrap();
    let midnight = midnight.and_local_timezone(ZONE).unwrap();
    midnight.with_timezone(&Utc)
}

/// The local day of the last moment before the end.
pub(super) fn last_day(expires_at: Instant) -> NaiveDate {
    local_day(expires_at - TimeDelta::microseconds(1))
}

impl Lot {
    pub(super) fn of(&self, account: Account) -> i64 {
        self.credits[slot(account)]
    }

    pub(super) fn available(&self) -> i64 {
        self.of(Account::Available)
    }

    pub(super) fn unused(&self) -> i64 {
        self.available() + self.of(Account::Held)
    }

    pub(super) fn unused_value(&self) -> i64 {
        self.worth[slot(Account::Available)]
    }

    /// The balances as the service shows them: issued is what was put in.
    pub(super) fn balances(&self) -> [i64; 6] {
        [
            -self.of(Account::Issued),
            self.available(),
            self.of(Account::Held),
            self.of(Account::Consumed),
            self.of(Account::Expired),
            self.of(Account::Transferred),
        ]
    }

    fn leaving(&self, amount: i64) -> i64 {
        share_leaving(self.unused_value(), self.basis, self.unused() - amount)
    }

    fn post(&mut self, entry: Entry) {
        let Entry { from, to, .. } = entry;
        self.credits[slot(from)] -= entry.amount;
        self.credits[slot(to)] += entry.amount;
        let pool = |account| match account {
            Account::Held => slot(Account::Available),
            other => slot(other),
        };
        self.worth[pool(from)] -= entry.value;
        self.worth[pool(to)] += entry.value;
        if matches!(from, Account::Issued | Account::Transferred) {
            self.basis = (self.basis.0 + entry.value, self.basis.1 + entry.amount);
        }
        assert_eq!(self.credits.iter().sum::<i64>(), 0);
        assert_eq!(self.worth.iter().sum::<i64>(), 0);
        for account in [
            Account::Available,
            Account::Held,
            Account::Consumed,
            Account::Expired,
        ] {
            assert!(self.credits[slot(account)] >= 0 && self.worth[slot(account)] >= 0);
        }
        self.entries.push(entry);
    }
}

impl Package {
    pub(super) fn has_ended(&self, at: Instant) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// Until when it can be restored.
    pub(super) fn restorable_until(&self) -> Option<Instant> {
        let last = last_day(self.expires_at?);
        Some(end_of(last + Days::new(QUARANTINE_DAYS)))
    }

    /// Semantics 9: the earliest local day of a service counts.
    fn start_clock(&mut self, service_at: Instant) {
        let day = local_day(service_at.max(self.starts_at));
        if let Some(clock) = &mut self.clock
            && clock.first.is_none_or(|first| day < first)
        {
            clock.first = Some(day);
            if !clock.moved {
                self.expires_at = Some(end_of(day + Days::new(clock.days)));
            }
        }
    }
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
        let ends = self
            .packages
            .iter()
            .filter_map(|package| package.expires_at);
        let quarantines = self.packages.iter().filter_map(Package::restorable_until);
        let time_outs = self.holds.iter().filter_map(|hold| hold.times_out_at);
        let mut all: Vec<Instant> = ends.chain(time_outs).chain(quarantines).collect();
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

    /// What came back into a package that has ended is lost at once.
    fn send_on(&mut self, lot: usize, at: Instant) -> bool {
        let goes_on = self.lots[lot].available() > 0 && self.is_over(lot, at);
        if goes_on {
            self.expire(lot, at);
        }
        goes_on
    }

    /// Semantics 9: if all of it is undone the clock is unset again; a package that has ended stays so.
    fn stop_clock(&mut self, package: usize, at: Instant) -> Vec<usize> {
        let idle = self
            .lots_of(package)
            .all(|(_, lot)| lot.of(Account::Held) == 0 && lot.of(Account::Consumed) == 0);
        let known = &mut self.packages[package];
        if !idle || known.has_ended(at) {
            return Vec::new();
        }
        if let Some(clock) = &mut known.clock
            && clock.first.take().is_some()
        {
            if clock.moved {
                clock.deadline = known.expires_at;
            }
            clock.moved = false;
            known.expires_at = clock.deadline;
        }
        self.send_on_all(package, at)
    }

    /// What is left in a package whose end was set into the past is lost at once; in which lots.
    fn send_on_all(&mut self, package: usize, at: Instant) -> Vec<usize> {
        let lots: Vec<usize> = self.lots_of(package).map(|(index, _)| index).collect();
        let sent = lots.into_iter().filter(|lot| self.send_on(*lot, at));
        sent.collect()
    }

    /// Writes what time has caused, in the order of its instants; a hold ends before its package does.
    pub(super) fn settle(&mut self) {
        while let Some((at, is_expiry, index)) = self.next_due() {
            if is_expiry {
                self.expire(index, at);
                self.by_time(index);
            } else {
                self.time_out(index, at);
            }
        }
    }

    fn next_due(&self) -> Option<(Instant, bool, usize)> {
        let holds = self.holds.iter().enumerate().filter_map(|(index, hold)| {
            let at = hold
                .times_out_at
                .filter(|_| hold.state == HoldState::Open)?;
            Some((at, false, index))
        });
        let lots = self.lots.iter().enumerate().filter_map(|(index, lot)| {
            let at = self.packages[lot.package].expires_at?;
            (lot.available() > 0).then_some((at, true, index))
        });
        holds.chain(lots).filter(|(at, ..)| *at <= self.now).min()
    }

    fn time_out(&mut self, hold: usize, at: Instant) {
        self.holds[hold].state = HoldState::TimedOut;
        let held = self.holds[hold].clone();
        let mut captured = Vec::new();
        for Part {
            lot, amount, units, ..
        } in &held.parts
        {
            let (kind, to, value) = if held.captures {
                let value = self.lots[*lot].leaving(*amount);
                (EntryKind::Capture, Account::Consumed, value)
            } else {
                (EntryKind::TimeOut, Account::Available, 0)
            };
            self.move_credits(*lot, kind, (Account::Held, to), (*amount, value), at);
            self.by_time(*lot);
            if self.send_on(*lot, at) {
                self.by_time(*lot);
            }
            captured.push(Part::whole(*lot, (*amount, value), *units));
        }
        if held.captures {
            // It is undone under the id of the hold.
            self.uses.push(Use {
                call: held.call,
                ask: held.ask,
                at,
                parts: captured,
            });
        }
        for package in self.packages_of(&held.parts) {
            for lot in self.stop_clock(package, at) {
                self.by_time(lot);
            }
        }
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
        let lot = Lot {
            package,
            line,
            created_at: self.now,
            issued,
            basis: (0, 0),
            credits: [0; 8],
            worth: [0; 8],
            entries: Vec::new(),
            undone: false,
        };
        let same = |other: &Lot| {
            other.created_at == lot.created_at
                && self.packages[other.package].priority == self.packages[package].priority
                && self.line_of(other).narrowness()
                    == self.packages[package].lines[line].narrowness()
                && i128::from(other.issued.0) * i128::from(issued.1)
                    == i128::from(issued.0) * i128::from(other.issued.1)
        };
        let twin_line = self.lots.iter().any(|other| {
            other.package == package && other.line == line && other.created_at == lot.created_at
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
