//! What each kind of entry may say: between which accounts it moves, what it undoes, whether time alone
//! can cause it (the table of design section 2).
//!
//! The writers choose from this by construction; the verifier holds stored entries against it.

use crate::domain::entry::{Account, EntryKind};

use Account::{Available, Consumed, Expired, Held, Issued, Revoked, Transferred};

/// What an entry may or must undo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undoing {
    /// It names no other entry.
    Nothing,
    /// If it names one, that is of one of these kinds.
    Maybe(&'static [EntryKind]),
    /// It names one, of one of these kinds.
    Always(&'static [EntryKind]),
}

impl EntryKind {
    /// The accounts that it can move credits between, as (from, to).
    pub const fn movements(self) -> &'static [(Account, Account)] {
        match self {
            Self::Issue => &[(Issued, Available)],
            Self::Consume => &[(Available, Consumed)],
            Self::Hold => &[(Available, Held)],
            Self::Capture => &[(Held, Consumed)],
            Self::Release | Self::TimeOut => &[(Held, Available)],
            Self::Reverse => &[(Consumed, Available)],
            Self::Expire => &[(Available, Expired)],
            Self::Restore => &[(Expired, Available)],
            Self::Revoke => &[(Available, Revoked)],
            Self::Reinstate => &[(Revoked, Available)],
            Self::Transfer => &[(Available, Transferred), (Transferred, Available)],
            Self::Adjust => &[(Available, Issued)],
            Self::Revalue => &[(Issued, Available), (Available, Issued)],
        }
    }

    /// Whether it moves value and no credits; every other kind moves credits.
    pub const fn is_value_only(self) -> bool {
        matches!(self, Self::Revalue)
    }

    /// Which kinds of entries it undoes.
    pub const fn undoing(self) -> Undoing {
        match self {
            Self::Reverse => Undoing::Always(&[Self::Consume, Self::Capture]),
            Self::Restore => Undoing::Maybe(&[Self::Expire]),
            Self::Reinstate => Undoing::Maybe(&[Self::Revoke]),
            Self::Issue
            | Self::Consume
            | Self::Hold
            | Self::Capture
            | Self::Release
            | Self::TimeOut
            | Self::Expire
            | Self::Revoke
            | Self::Transfer
            | Self::Adjust
            | Self::Revalue => Undoing::Nothing,
        }
    }

    /// Whether it can be caused by time alone: the end of validity, that of a hold, which may capture, and
    /// what sends credits on that a hold's end brings back.
    pub const fn may_be_by_time(self) -> bool {
        matches!(
            self,
            Self::Expire | Self::TimeOut | Self::Capture | Self::Revoke | Self::Transfer
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_undoes_moves_the_other_way() {
        for kind in EntryKind::ALL {
            let (Undoing::Maybe(undone) | Undoing::Always(undone)) = kind.undoing() else {
                continue;
            };
            let (from, to) = kind.movements()[0];
            assert_eq!(to, Available, "{kind:?}");
            for original in undone {
                assert_eq!(original.movements()[0].1, from, "{kind:?} of {original:?}");
            }
        }
    }

    #[test]
    fn only_what_ends_by_itself_or_sends_credits_on_is_caused_by_time() {
        use EntryKind::{Capture, Expire, Revoke, TimeOut, Transfer};
        let by_time = [Capture, TimeOut, Expire, Revoke, Transfer];
        for kind in EntryKind::ALL {
            assert_eq!(kind.may_be_by_time(), by_time.contains(kind), "{kind:?}");
        }
    }

    #[test]
    fn only_a_revaluation_moves_no_credits() {
        for kind in EntryKind::ALL {
            let is_revaluation = *kind == EntryKind::Revalue;
            assert_eq!(kind.is_value_only(), is_revaluation, "{kind:?}");
        }
    }

    #[test]
    fn no_movement_stays_where_it_is_and_none_belongs_to_two_kinds_unless_both_end_a_hold() {
        let mut seen = Vec::new();
        for kind in EntryKind::ALL.iter().filter(|kind| !kind.is_value_only()) {
            for movement in kind.movements() {
                assert_ne!(movement.0, movement.1);
                let ends_hold = *movement == (Held, Available);
                assert!(ends_hold || !seen.contains(movement), "{kind:?}");
                seen.push(*movement);
            }
        }
    }
}
