//! What every ledger must be at every moment.

use super::Book;
use crate::domain::entry::{Account, EntryKind};
use crate::domain::lot::{Fold, Lot, Pools};

impl Book {
    /// Proves that the caches are what the entries add up to, that nothing is lost and that each chain holds.
    pub(super) fn prove(&self) {
        for lot in self.lots.values() {
            self.prove_lot(lot);
        }
        let transfers = self
            .entries
            .iter()
            .filter(|entry| entry.kind == EntryKind::Transfer);
        let (mut amount, mut value) = (0, 0);
        for entry in transfers {
            let sign = if entry.to == Account::Transferred {
                1
            } else {
                -1
            };
            amount += sign * entry.amount.millionths();
            value += sign * entry.value;
        }
        assert_eq!((amount, value), (0, 0), "what is moved arrives");
    }

    fn prove_lot(&self, lot: &Lot) {
        let mut fold = Fold::default();
        let (mut hash, mut seq, mut previous, mut recorded_at) = ([0; 32], 0, None, None);
        let (mut issued, mut agreed) = (0, 0);
        for entry in self.entries.iter().filter(|entry| entry.lot_id == lot.id) {
            let accounts = (entry.from, entry.to);
            let moved = fold.moved(entry.kind, accounts, entry.amount, entry.value);
            fold = moved.expect("a movement that a sound lot can make");
            seq += 1;
            hash = entry.digest(&hash);
            assert_eq!((entry.seq, entry.hash), (seq, hash), "the chain holds");
            assert_eq!(entry.previous, previous);
            assert_eq!(entry.balances, fold.balances);
            assert!(entry.effective_at <= entry.recorded_at);
            assert!(recorded_at <= Some(entry.recorded_at), "never backwards");
            let opens = entry.seq == 1 && entry.from == Account::Transferred;
            let may_be_nothing = opens || entry.kind == EntryKind::Revalue;
            assert!(entry.amount.is_positive() || may_be_nothing);
            (previous, recorded_at) = (Some(entry.key), Some(entry.recorded_at));
            let sign = match accounts {
                (Account::Issued, _) => 1,
                (_, Account::Issued) => -1,
                _ => 0,
            };
            issued += sign * entry.amount.millionths();
            agreed += sign * entry.value;
        }
        assert_eq!(fold, lot.fold, "the cache is the fold of the entries");
        let total = fold.balances.total().unwrap();
        assert_eq!(total.millionths(), issued, "the seven accounts sum to zero");
        assert_eq!(worth(&fold.pools), agreed, "no cent is lost or made");
        self.prove_holds(lot);
        let package = self.package(lot.package_id);
        assert_eq!(lot.terms, package.terms(), "terms are copies");
    }

    fn prove_holds(&self, lot: &Lot) {
        let parts = self.holds.values().flat_map(|hold| &hold.parts);
        let held: i64 = parts
            .filter(|part| part.lot_id == lot.id)
            .map(|part| part.left.millionths())
            .sum();
        assert_eq!(lot.fold.balances.held.millionths(), held, "holds are held");
        let open = self.holds.values().filter(|hold| hold.holds_in(lot.id));
        let next = open.filter_map(|hold| hold.times_out_at).min();
        assert_eq!(lot.next_timeout_at, next, "the next time-out is known");
    }
}

/// All the value of a lot, wherever it is.
fn worth(pools: &Pools) -> i64 {
    pools.unused + pools.consumed + pools.expired + pools.revoked + pools.transferred
}
