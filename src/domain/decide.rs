//! Deciding: what a command does to lots that are locked, or why not.
//!
//! `decide` is the whole rule. The server, `validate_only`, `Explain`, the verifier's tests and the
//! benchmarks call the same function; it reads no clock and no database. It settles first, so an expired
//! package is refused whether or not the expiry job has been there.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::domain::entry::Entry;
use crate::domain::hold::Hold;
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::returned::send_on_all;
use crate::domain::settle::settle;
use crate::domain::use_limit::Use;
use crate::ids::{CustomerId, PackageId};

mod adjusting;
mod explaining;
mod holding;
mod rating;
mod takes;
mod undoing;
mod using;

pub use adjusting::{Adjust, Adjustment, take_out};
pub use explaining::{LeftOut, Look, allowances_of, explain};
pub use holding::{Capture, Keep, PlaceHold, Release};
pub use rating::{RatePart, RateQuery, rate};
pub use undoing::{Meanwhile, Move, Reverse};
pub use using::{Consume, refusal};

/// A command that only moves credits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Use credits.
    Consume(Consume),
    /// Set credits aside.
    Hold(PlaceHold),
    /// Use what is held, in whole or in part.
    Capture(Capture),
    /// Free what is held.
    Release(Release),
    /// Hold without a time-out from now on.
    Keep(Keep),
    /// Undo a use, in whole or in part.
    Reverse(Reverse),
    /// Undo a use and use other packages instead.
    Move(Move),
    /// Correct how many credits there are.
    Adjust(Adjust),
}

/// What a command is decided on, all of it locked.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The lots concerned.
    pub lots: Vec<Lot>,
    /// The hold that the command names, and where a lot's
    /// [`next_timeout_at`](Lot::next_timeout_at) has come or may change, the open holds in it.
    pub holds: Vec<Hold>,
    /// The packages, where they are locked: then `lots` has all of theirs.
    pub packages: Vec<Package>,
    /// What the customer of the command used of those packages whose use is limited, around the service.
    pub uses: Vec<Use>,
    /// The packages of others that the customer of the command may use.
    pub shared_with: BTreeSet<PackageId>,
    /// Who took the place of the customer in the posting that is to be undone, if they were merged.
    pub survivor: Option<CustomerId>,
    /// The entries of the posting that is to be undone.
    pub original: Vec<Entry>,
    /// The entries that undid some of it.
    pub undone: Vec<Entry>,
}

impl Facts {
    /// Lots without holds that are due.
    pub fn of_lots(lots: impl IntoIterator<Item = Lot>) -> Self {
        Self {
            lots: lots.into_iter().collect(),
            ..Self::default()
        }
    }
}

impl Command {
    /// The posting that it undoes, if it undoes one.
    pub fn undoes(&self) -> Option<Uuid> {
        match self {
            Self::Reverse(reverse) => Some(reverse.posting_id),
            Self::Move(moved) => Some(moved.posting_id),
            Self::Consume(_)
            | Self::Hold(_)
            | Self::Capture(_)
            | Self::Release(_)
            | Self::Keep(_)
            | Self::Adjust(_) => None,
        }
    }
}

/// Settles the lots and does what `command` says.
///
/// # Errors
/// Every refusal of the rules; nothing is kept then.
pub fn decide(facts: &Facts, command: &Command, stamp: &Stamp) -> Result<Posting, Refusal> {
    let (lots, holds) = (facts.lots.iter().cloned(), facts.holds.iter().cloned());
    let mut draft = Draft::with_holds(stamp, lots, holds);
    settle(&mut draft)?;
    match command {
        Command::Consume(consume) => using::consume(&mut draft, consume, facts)?,
        Command::Hold(place) => holding::place(&mut draft, place, facts)?,
        Command::Capture(capture) => holding::capture(&mut draft, capture, facts)?,
        Command::Release(release) => holding::release(&mut draft, release)?,
        Command::Keep(keep) => holding::keep(&mut draft, keep)?,
        Command::Reverse(reverse) => undoing::reverse(&mut draft, reverse, facts)?,
        Command::Move(moved) => undoing::relocate(&mut draft, moved, facts)?,
        Command::Adjust(adjust) => adjusting::adjust(&mut draft, adjust, &facts.packages)?,
    }
    end_moved(&mut draft, &facts.packages)?;
    Ok(draft.close())
}

/// Tells the lots of locked packages of the effects on those. A use that is recorded late may have ended
/// its package before now: what is left is lost with the posting that says so, not at an instant that
/// was reported on already.
fn end_moved(draft: &mut Draft<'_>, packages: &[Package]) -> Result<(), Refusal> {
    let now = draft.stamp().now;
    for package in packages {
        let mut changed = package.clone();
        for effect in draft.effects() {
            if effect.package_id() == package.id {
                effect.apply(&mut changed);
            }
        }
        if changed != *package {
            let terms = changed.terms();
            draft.retell(package.id, |copied| *copied = terms.clone());
            send_on_all(draft, package.id, now, false)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests;
