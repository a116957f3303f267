//! What is owed to customers, and how it came about: the roll-forward of semantics 28.
//!
//! What time alone caused counts when it was true, whenever it was written; everything else counts when it
//! was written. So a period that is over never changes. Amounts are added up exactly; credits of different
//! types are never added to each other.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::credits::Credits;
use crate::domain::entry::{Account, Balances, Entry, EntryKind};
use crate::domain::lot::{Fold, Pools};

/// Credits, and the money in minor units that they stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// The credits.
    pub credits: Credits,
    /// Their value.
    pub value: i64,
}

impl Worth {
    /// The sum, or `None` beyond what is kept.
    pub fn plus(self, other: Self) -> Option<Self> {
        Some(Self {
            credits: self.credits.checked_add(other.credits)?,
            value: self.value.checked_add(other.value)?,
        })
    }

    /// The difference, or `None` beyond what is kept.
    pub fn minus(self, other: Self) -> Option<Self> {
        Some(Self {
            credits: self.credits.checked_sub(other.credits)?,
            value: self.value.checked_sub(other.value)?,
        })
    }
}

/// When an entry counts: at the instant at which time caused it, or else when it was written.
pub fn counts_at(entry: &Entry) -> DateTime<Utc> {
    if entry.by_time {
        entry.effective_at
    } else {
        entry.recorded_at
    }
}

/// What was moved between two accounts by entries of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What kind.
    pub kind: EntryKind,
    /// Out of this account.
    pub from: Account,
    /// Into this one.
    pub to: Account,
    /// How much in all.
    pub worth: Worth,
}

impl Moved {
    /// What one entry moved.
    pub fn by(entry: &Entry) -> Self {
        Self {
            kind: entry.kind,
            from: entry.from,
            to: entry.to,
            worth: Worth {
                credits: entry.amount,
                value: entry.value,
            },
        }
    }

    /// By how much it changed what is unused: what is available and held together.
    pub fn change(&self) -> Option<Worth> {
        let is_unused = |account| matches!(account, Account::Available | Account::Held);
        match (is_unused(self.from), is_unused(self.to)) {
            (false, true) => Some(self.worth),
            (true, false) => Worth::default().minus(self.worth),
            (true, true) | (false, false) => Some(Worth::default()),
        }
    }

    /// Where it belongs in a roll-forward; none if it leaves what is unused as it was.
    const fn column(&self) -> Option<Column> {
        match self.kind {
            EntryKind::Issue => Some(Column::Issued),
            EntryKind::Consume | EntryKind::Capture => Some(Column::Consumed),
            EntryKind::Hold | EntryKind::Release | EntryKind::TimeOut => None,
            EntryKind::Reverse => Some(Column::Reversed),
            EntryKind::Expire => Some(Column::Expired),
            EntryKind::Restore => Some(Column::Restored),
            EntryKind::Revoke => Some(Column::Revoked),
            EntryKind::Reinstate => Some(Column::Reinstated),
            EntryKind::Transfer if matches!(self.to, Account::Available) => {
                Some(Column::TransferredIn)
            }
            EntryKind::Transfer => Some(Column::TransferredOut),
            EntryKind::Adjust => Some(Column::Adjusted),
            EntryKind::Revalue => Some(Column::Revalued),
        }
    }
}

/// The columns of a roll-forward between opening and closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// New credits.
    Issued,
    /// Uses undone.
    Reversed,
    /// Lost credits brought back.
    Restored,
    /// Credits given back that had been taken away.
    Reinstated,
    /// Moved here from another lot.
    TransferredIn,
    /// Used.
    Consumed,
    /// Lost at the end of validity.
    Expired,
    /// Taken away.
    Revoked,
    /// Moved to another lot.
    TransferredOut,
    /// Corrected; below zero, since that only goes down.
    Adjusted,
    /// Worth more, or below zero: less.
    Revalued,
}

impl Column {
    /// Whether it is subtracted: its amounts are written without a sign.
    const fn is_subtracted(self) -> bool {
        match self {
            Self::Consumed | Self::Expired | Self::Revoked | Self::TransferredOut => true,
            Self::Issued
            | Self::Reversed
            | Self::Restored
            | Self::Reinstated
            | Self::TransferredIn
            | Self::Adjusted
            | Self::Revalued => false,
        }
    }
}

/// When a movement counts, as a period sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before the period.
    Before,
    /// In it.
    Within,
    /// At its end or later.
    After,
}

impl Phase {
    /// The phase of an instant for the period from the first instant to before the second.
    pub fn of(at: DateTime<Utc>, (from, before): (DateTime<Utc>, DateTime<Utc>)) -> Self {
        if at < from {
            Self::Before
        } else if at < before {
            Self::Within
        } else {
            Self::After
        }
    }
}

/// How what is owed went from one instant to another, by kind of movement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollForward {
    /// What was unused when the period began.
    pub opening: Worth,
    columns: BTreeMap<Column, Worth>,
    later: Worth,
}

impl RollForward {
    /// Counts a movement; `None` beyond what is kept.
    pub fn count(&mut self, moved: &Moved, phase: Phase) -> Option<()> {
        let change = moved.change()?;
        match phase {
            Phase::Before => self.opening = self.opening.plus(change)?,
            Phase::After => self.later = self.later.plus(change)?,
            Phase::Within => {
                if let Some(column) = moved.column() {
                    let worth = if column.is_subtracted() {
                        Worth::default().minus(change)?
                    } else {
                        change
                    };
                    let sum = self.columns.entry(column).or_default();
                    *sum = sum.plus(worth)?;
                }
            }
        }
        Some(())
    }

    /// What moved in a column.
    pub fn column(&self, column: Column) -> Worth {
        self.columns.get(&column).copied().unwrap_or_default()
    }

    /// What was unused when the period ended: the opening and all columns.
    pub fn closing(&self) -> Option<Worth> {
        let mut columns = self.columns.iter();
        columns.try_fold(self.opening, |sum, (column, worth)| {
            if column.is_subtracted() {
                sum.minus(*worth)
            } else {
                sum.plus(*worth)
            }
        })
    }

    /// The breakage of the period: what expired, less what was brought back.
    pub fn breakage(&self) -> Option<Worth> {
        self.column(Column::Expired)
            .minus(self.column(Column::Restored))
    }

    /// By how much the entries and the lots differ, which is nothing unless one of them is damaged:
    /// `unused` is what the lots say of now.
    pub fn difference(&self, unused: Worth) -> Option<Worth> {
        self.closing()?.plus(self.later)?.minus(unused)
    }

    /// Adds the money of another one, but not its credits, which may be of another type.
    pub fn add_money(&mut self, other: &Self) -> Option<()> {
        let money = |worth: Worth| Worth {
            credits: Credits::ZERO,
            ..worth
        };
        self.opening = self.opening.plus(money(other.opening))?;
        self.later = self.later.plus(money(other.later))?;
        for (column, worth) in &other.columns {
            let sum = self.columns.entry(*column).or_default();
            *sum = sum.plus(money(*worth))?;
        }
        Some(())
    }
}

/// What is in each account, credits and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing(BTreeMap<Account, Worth>);

impl Standing {
    /// What the entries of a lot add up to.
    pub fn of(fold: &Fold) -> Self {
        let (balances, pools) = (&fold.balances, &fold.pools);
        let worths = [
            (Account::Available, balances.available, pools.unused),
            (Account::Held, balances.held, 0),
            (Account::Consumed, balances.consumed, pools.consumed),
            (Account::Expired, balances.expired, pools.expired),
            (Account::Revoked, balances.revoked, pools.revoked),
            (
                Account::Transferred,
                balances.transferred,
                pools.transferred,
            ),
        ];
        let worths = worths.into_iter();
        Self(
            worths
                .map(|(account, credits, value)| (account, Worth { credits, value }))
                .collect(),
        )
    }

    /// Lets something move; `None` beyond what is kept.
    pub fn count(&mut self, moved: &Moved) -> Option<()> {
        let from = self.0.entry(moved.from).or_default();
        *from = from.minus(moved.worth)?;
        let to = self.0.entry(moved.to).or_default();
        *to = to.plus(moved.worth)?;
        Some(())
    }

    /// Takes back that something moved; `None` beyond what is kept.
    pub fn discount(&mut self, moved: &Moved) -> Option<()> {
        self.count(&Moved {
            from: moved.to,
            to: moved.from,
            ..*moved
        })
    }

    /// Adds another one; `None` beyond what is kept.
    pub fn add(&mut self, other: &Self) -> Option<()> {
        for (account, worth) in &other.0 {
            let sum = self.0.entry(*account).or_default();
            *sum = sum.plus(*worth)?;
        }
        Some(())
    }

    /// The credits by account.
    pub fn balances(&self) -> Balances {
        Balances {
            available: self.worth(Account::Available).credits,
            held: self.worth(Account::Held).credits,
            consumed: self.worth(Account::Consumed).credits,
            expired: self.worth(Account::Expired).credits,
            revoked: self.worth(Account::Revoked).credits,
            transferred: self.worth(Account::Transferred).credits,
        }
    }

    /// The value by pool; `None` beyond what is kept.
    pub fn pools(&self) -> Option<Pools> {
        let [available, held] = [Account::Available, Account::Held].map(|it| self.worth(it).value);
        Some(Pools {
            unused: available.checked_add(held)?,
            consumed: self.worth(Account::Consumed).value,
            expired: self.worth(Account::Expired).value,
            revoked: self.worth(Account::Revoked).value,
            transferred: self.worth(Account::Transferred).value,
        })
    }

    fn worth(&self, account: Account) -> Worth {
        self.0.get(&account).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
