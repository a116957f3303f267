//! Lots: the credits of one line in one package at one unit value, and their value to the cent.

use carnet::proto::v1::{Account, EntryKind};

use crate::model::reference::Instant;

/// One movement in a lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Entry {
    pub(in crate::model) kind: EntryKind,
    pub(in crate::model) from: Account,
    pub(in crate::model) to: Account,
    pub(in crate::model) amount: i64,
    pub(in crate::model) value: i64,
    pub(in crate::model) effective_at: Instant,
    pub(in crate::model) by_time: bool,
}

#[derive(Clone, Debug)]
pub(in crate::model) struct Lot {
    pub(in crate::model) package: usize,
    /// Which line of its package.
    pub(in crate::model) line: usize,
    pub(in crate::model) created_at: Instant,
    /// Value and quantity as issued: for the order in which lots pay.
    pub(in crate::model) issued: (i64, i64),
    /// Value and quantity that shares are counted by.
    basis: (i64, i64),
    /// Whether they begin with what was unused when it was last revalued: then what comes back adds to them.
    revalued: bool,
    /// The lot to which all its credits were moved.
    pub(super) moved_to: Option<usize>,
    /// Credits by account; they sum to zero.
    credits: [i64; 8],
    /// Value by account; held credits' value lies with the available ones'.
    worth: [i64; 8],
    pub(in crate::model) entries: Vec<Entry>,
    /// Whether something was undone in it, or it was revalued: then it may stray from its share by more than half a cent.
    pub(in crate::model) undone: bool,
}

/// The place of an account in an array.
fn slot(account: Account) -> usize {
    usize::try_from(i32::from(account)).unwrap()
}

/// `numerator ÷ denominator`, halves to the even one.
fn half_even(numerator: i128, denominator: i128) -> i64 {
    let (floor, rest) = (numerator / denominator, numerator % denominator);
    let up = rest * 2 > denominator || (rest * 2 == denominator && floor % 2 == 1);
    i64::try_from(floor + i128::from(up)).unwrap()
}

/// What leaves a pool of `pool` cents when `rest` remains of what was `value` for `quantity`.
pub(super) fn share_leaving(pool: i64, (value, quantity): (i64, i64), rest: i64) -> i64 {
    if rest == 0 {
        return pool;
    }
    let kept = half_even(i128::from(value) * i128::from(rest), i128::from(quantity));
    (pool - kept).clamp(0, pool)
}

impl Lot {
    /// A lot of this line of a package, with nothing in it yet.
    pub(super) fn new(
        (package, line): (usize, usize),
        created_at: Instant,
        issued: (i64, i64),
    ) -> Self {
        Self {
            package,
            line,
            created_at,
            issued,
            basis: (0, 0),
            revalued: false,
            moved_to: None,
            credits: [0; 8],
            worth: [0; 8],
            entries: Vec::new(),
            undone: false,
        }
    }

    pub(in crate::model) fn of(&self, account: Account) -> i64 {
        self.credits[slot(account)]
    }

    pub(in crate::model) fn available(&self) -> i64 {
        self.of(Account::Available)
    }

    pub(in crate::model) fn unused(&self) -> i64 {
        self.available() + self.of(Account::Held)
    }

    /// The value of what is in an account.
    pub(super) fn worth_of(&self, account: Account) -> i64 {
        self.worth[slot(account)]
    }

    pub(in crate::model) fn unused_value(&self) -> i64 {
        self.worth_of(Account::Available)
    }

    /// The balances as the service shows them: issued is what was put in.
    pub(in crate::model) fn balances(&self) -> [i64; 7] {
        [
            -self.of(Account::Issued),
            self.available(),
            self.of(Account::Held),
            self.of(Account::Consumed),
            self.of(Account::Expired),
            self.of(Account::Revoked),
            self.of(Account::Transferred),
        ]
    }

    pub(super) fn leaving(&self, amount: i64) -> i64 {
        share_leaving(self.unused_value(), self.basis, self.unused() - amount)
    }

    pub(super) fn post(&mut self, entry: Entry) {
        let Entry { from, to, .. } = entry;
        self.credits[slot(from)] -= entry.amount;
        self.credits[slot(to)] += entry.amount;
        let pool = |account| match account {
            Account::Held => slot(Account::Available),
            other => slot(other),
        };
        self.worth[pool(from)] -= entry.value;
        self.worth[pool(to)] += entry.value;
        let is_new = matches!(from, Account::Issued | Account::Transferred);
        let is_back =
            to == Account::Available && !matches!(from, Account::Available | Account::Held);
        if entry.kind == EntryKind::Revalue {
            self.basis = (self.unused_value(), self.unused());
            self.revalued = true;
            self.undone = true;
        } else if is_new || (self.revalued && is_back) {
            self.basis = (self.basis.0 + entry.value, self.basis.1 + entry.amount);
        }
        assert_eq!(self.credits.iter().sum::<i64>(), 0);
        assert_eq!(self.worth.iter().sum::<i64>(), 0);
        for account in [
            Account::Available,
            Account::Held,
            Account::Consumed,
            Account::Expired,
            Account::Revoked,
        ] {
            assert!(self.credits[slot(account)] >= 0 && self.worth[slot(account)] >= 0);
        }
        self.entries.push(entry);
    }
}
