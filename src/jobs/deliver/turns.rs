//! Whose e-mails go out next: businesses take turns, so that one with many e-mails holds up no other.

use std::collections::VecDeque;

use rand::RngExt;

use crate::ids::BusinessId;

/// The turns of the businesses that have something due.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Those businesses, beginning with the one whose turn it is.
    due: VecDeque<BusinessId>,
    /// Whose turn it was last.
    last: Option<BusinessId>,
}

impl Turns {
    /// Goes on with the businesses that have something due now, in the order of their ids: behind the one whose turn
    /// it was last, and at first from anywhere on, so that replicas do not all begin with the same one.
    pub(super) fn renew(&mut self, due: Vec<BusinessId>) {
        let had_theirs = match self.last {
            Some(last) => due.iter().take_while(|id| **id <= last).count(),
            None => rand::rng().random_range(0..due.len().max(1)),
        };
        self.due = VecDeque::from(due);
        self.due.rotate_left(had_theirs);
    }

    /// Whether nothing of any business is known to be due.
    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Whose turn it is for each of so many e-mails: as many for every business, and of those that are over one for
    /// each in turn. In the order of their ids, in which they are locked.
    pub(super) fn share(&mut self, emails: usize) -> Vec<(BusinessId, usize)> {
        let businesses = self.due.len();
        let (Some(each), Some(over)) = (
            emails.checked_div(businesses),
            emails.checked_rem(businesses),
        ) else {
            return Vec::new();
        };
        let places = self.due.iter().enumerate();
        let shares = places.map(|(place, id)| {
            let one_more = usize::from(place < over);
            (*id, each.saturating_add(one_more))
        });
        let mut shares: Vec<_> = shares.filter(|(_, share)| *share > 0).collect();
        self.due.rotate_left(over);
        self.last = self.due.back().copied();
        shares.sort_unstable();
        shares
    }

    /// Nothing more of this business is due that may go out.
    pub(super) fn end(&mut self, business_id: BusinessId) {
        self.due.retain(|id| *id != business_id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use chrono::DateTime;

    use super::*;

    fn businesses(count: usize) -> Vec<BusinessId> {
        let mut ids: Vec<_> = (0..count)
            .map(|_| BusinessId::generate(DateTime::UNIX_EPOCH))
            .collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn however_many_are_asked_for_at_once_no_business_gets_two_more_than_another() {
        for (count, asked) in [(1, 16), (3, 16), (16, 16), (20, 16), (7, 1), (5, 4)] {
            let mut turns = Turns::default();
            turns.renew(businesses(count));
            let mut had: HashMap<BusinessId, usize> = HashMap::new();
            for _ in 0..50 {
                let shares = turns.share(asked);
                assert!(shares.is_sorted());
                assert_eq!(shares.iter().map(|(_, share)| share).sum::<usize>(), asked);
                for (id, share) in shares {
                    *had.entry(id).or_default() += share;
                }
                let most = had.values().max().unwrap();
                let least = had.values().min().unwrap();
                let missing = had.len() < count;
                let least = if missing { &0 } else { least };
                assert!(most - least <= 1, "{asked} among {count}: {had:?}");
            }
        }
    }

    #[test]
    fn who_has_nothing_more_leaves_its_turns_to_the_others() {
        let mut turns = Turns::default();
        let ids = businesses(3);
        turns.renew(ids.clone());
        turns.end(ids[1]);
        assert_eq!(turns.share(4), [(ids[0], 2), (ids[2], 2)]);
        turns.end(ids[0]);
        turns.end(ids[2]);
        assert!(turns.is_empty());
        assert_eq!(turns.share(4), []);
    }

    #[test]
    fn a_new_look_goes_on_behind_the_one_whose_turn_it_was_last() {
        let mut turns = Turns::default();
        let ids = businesses(4);
        turns.renew(vec![ids[0]]);
        assert_eq!(turns.share(1), [(ids[0], 1)]);
        turns.renew(ids.clone());
        assert_eq!(turns.share(2), [(ids[1], 1), (ids[2], 1)]);
        turns.renew(ids.clone());
        assert_eq!(turns.share(1), [(ids[3], 1)]);
    }
}
