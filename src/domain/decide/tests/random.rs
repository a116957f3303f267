//! Whatever commands come, in whatever order: the book proves after each that the seven accounts sum to
//! zero, nothing is below zero, every cent is somewhere, the chains of hashes hold, holds and lots agree,
//! and the next time-outs are known.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each method takes the steps of its kind"
)]

mod step;

use proptest::prelude::*;

use crate::domain::amend::Amendment;
use crate::domain::decide::*;
use crate::domain::edit::{Edit, edit};
use crate::domain::freeze::{freeze, unfreeze};
use crate::domain::hold::OnTimeOut;
use crate::domain::line::{ItemFacts, Subject};
use crate::domain::revoke::{reinstate, revoke};
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, customer, item, line, stamp_at};
use crate::domain::transfer::{Consent, hand_over};
use crate::ids::{CustomerId, HoldId, LotId, PackageId};

use step::{Step, step, tenth};

/// A book, and what there is to choose from.
struct World {
    book: Book,
    lesson: ItemFacts,
    holds: Vec<HoldId>,
    uses: Vec<Uuid>,
}

fn choose<T: Copy>(from: &[T], which: usize) -> Option<T> {
    from.get(which.checked_rem(from.len())?).copied()
}

impl World {
    fn new(kinds: &[(u8, i64)]) -> Self {
        let lesson = item();
        let by_two = line(&[(Subject::Item(lesson.id), "2")]);
        let mut book = Book::default();
        for (kind, value) in kinds {
            let by = at(5 * 24).date_naive();
            let package = match kind {
                0 => package(),
                1 => package_until(150),
                _ => package_from_first_use(6, Some(by)),
            };
            book.sell(package, &[(&by_two, "7.3", *value), (&by_two, "1.1", 0)]);
        }
        Self {
            book,
            lesson,
            holds: Vec::new(),
            uses: Vec::new(),
        }
    }

    fn package_id(&self, which: usize) -> PackageId {
        let ids: Vec<_> = self
            .book
            .packages
            .iter()
            .map(|package| package.id)
            .collect();
        choose(&ids, which).unwrap()
    }

    fn act(&mut self, hours: i64, command: Command) {
        let is_hold = matches!(command, Command::Hold(_));
        let entries = self.book.entries.len();
        match self.book.act(hours, command) {
            Ok(posting) => {
                if is_hold {
                    self.holds.push(hold_of(&posting));
                } else {
                    self.uses.push(posting.id);
                }
            }
            Err(refusal) => {
                assert!(!matches!(refusal, Refusal::LotCorrupt(_)), "{refusal}");
                assert_eq!(self.book.entries.len(), entries);
            }
        }
    }

    fn taking(&self, tenths: i64, hours: i64) -> Consume {
        Consume {
            delivered_at: Some(at(hours)),
            ..units(&self.lesson, &tenth(tenths).to_string())
        }
    }

    fn step(&mut self, hours: i64, step: &Step) {
        match step {
            Step::Consume { .. } | Step::Hold { .. } => self.take(hours, step),
            Step::Capture { .. } | Step::Release { .. } => self.end(hours, step),
            Step::Reverse { .. } | Step::Move { .. } => self.undo(hours, step),
            Step::Remove { .. } | Step::Add { .. } | Step::Revalue { .. } => {
                self.correct(hours, step);
            }
            Step::Revoke { which } => {
                let id = self.package_id(*which);
                let take = |amendment: &mut Amendment<'_>| revoke(amendment).map(|_| ());
                if let Err(refusal) = self.book.amend(hours, id, take) {
                    let was_moved = refusal.reason() == "PACKAGE_TRANSFERRED";
                    assert!(was_moved || self.book.amend(hours, id, reinstate).is_ok());
                }
            }
            Step::Freeze { which, days } => {
                let id = self.package_id(*which);
                let until = at(hours + days * 24).date_naive();
                let set_aside =
                    |amendment: &mut Amendment<'_>| freeze(amendment, until, None).map(|_| ());
                if self.book.amend(hours, id, set_aside).is_err() {
                    let thaw = |amendment: &mut Amendment<'_>| unfreeze(amendment).map(|_| ());
                    let _ = self.book.amend(hours, id, thaw);
                }
            }
            Step::Edit {
                which,
                tenths,
                ahead,
            } => self.edit(hours, *which, *tenths, *ahead),
            Step::Transfer { which } => self.transfer(hours, *which),
            Step::Settle => {
                self.book.settle(at(hours));
                assert!(self.book.settle(at(hours)).entries.is_empty());
            }
        }
    }

    fn take(&mut self, hours: i64, step: &Step) {
        match *step {
            Step::Consume {
                tenths,
                ago,
                late,
                manual,
            } => {
                let mut consume = self.taking(tenths, hours - ago.min(hours));
                consume.past_expiry = late.then_some(3);
                if manual {
                    consume.wanted = by_hand("1.3").wanted;
                }
                self.act(hours, Command::Consume(consume));
            }
            Step::Hold {
                tenths,
                ahead,
                times_out,
                used_then,
            } => {
                let on_time_out = if used_then {
                    OnTimeOut::Capture
                } else {
                    OnTimeOut::Release
                };
                let place = PlaceHold {
                    taking: self.taking(tenths, hours + ahead),
                    times_out_at: times_out.map(|later| at(hours + later)),
                    on_time_out,
                };
                self.act(hours, Command::Hold(place));
            }
            _ => {}
        }
    }

    fn end(&mut self, hours: i64, step: &Step) {
        match *step {
            Step::Capture {
                which,
                portion,
                excess,
            } => {
                let Some(hold_id) = choose(&self.holds, which) else {
                    return;
                };
                let capture = Capture {
                    hold_id,
                    portion: portion.portion(),
                    delivered_at: None,
                    excess: excess.then(|| Some(self.lesson.clone())),
                };
                self.act(hours, Command::Capture(capture));
            }
            Step::Release { which } => {
                let Some(hold_id) = choose(&self.holds, which) else {
                    return;
                };
                self.act(hours, release(hold_id));
            }
            _ => {}
        }
    }

    fn undo(&mut self, hours: i64, step: &Step) {
        match *step {
            Step::Reverse {
                which,
                portion,
                restore,
            } => {
                let Some(posting_id) = choose(&self.uses, which) else {
                    return;
                };
                let ids = (0..40).map(|_| stamp_at(at(hours)).posting_id).collect();
                let meanwhile = if restore {
                    Meanwhile::Restore {
                        expires_at: at(hours + 50),
                        ids,
                    }
                } else {
                    Meanwhile::Expire
                };
                let portion = portion.portion();
                self.act(
                    hours,
                    Command::Reverse(Reverse {
                        posting_id,
                        portion,
                        meanwhile,
                    }),
                );
            }
            Step::Move { which, to } => {
                let Some(posting_id) = choose(&self.uses, which) else {
                    return;
                };
                let package_ids = vec![self.package_id(to)];
                let item = Some(self.lesson.clone());
                self.act(
                    hours,
                    Command::Move(Move {
                        posting_id,
                        package_ids,
                        item,
                    }),
                );
            }
            _ => {}
        }
    }

    fn correct(&mut self, hours: i64, step: &Step) {
        let adjustment = match *step {
            Step::Remove { tenths, .. } => Adjustment::Remove(tenth(tenths)),
            Step::Add { tenths, value, .. } => Adjustment::Add {
                lot: new_lot(&self.any_line(), &tenth(tenths).to_string(), value),
            },
            Step::Revalue { which, change } => {
                let id = self.package_id(which);
                let revalued = self.book.revalue(hours, id, change, |_| 1);
                assert!(!matches!(revalued, Err(Refusal::LotCorrupt(_))));
                return;
            }
            _ => return,
        };
        let (Step::Remove { which, .. } | Step::Add { which, .. }) = *step else {
            return;
        };
        let adjust = Adjust {
            package_id: self.package_id(which),
            line_id: self.any_line().id,
            adjustment,
        };
        self.act(hours, Command::Adjust(adjust));
    }

    fn any_line(&self) -> std::sync::Arc<crate::domain::line::Line> {
        std::sync::Arc::clone(&self.book.lots.values().next().unwrap().line)
    }

    /// Holds of a package that is taken away or moved are released first (semantics 23, 25).
    fn release_all(&mut self, hours: i64, id: PackageId) {
        for hold_id in self.holds.clone() {
            let in_package = self.book.holds[&hold_id].parts.iter().any(|part| {
                part.left.is_positive() && self.book.lots[&part.lot_id].package_id == id
            });
            if in_package {
                self.act(hours, release(hold_id));
            }
        }
    }

    /// Brings a line to so many credits, and its package to an earlier end.
    fn edit(&mut self, hours: i64, which: usize, tenths: i64, ahead: Option<i64>) {
        let id = self.package_id(which);
        let new = LotId::generate(at(hours));
        let change = Edit {
            quantities: vec![(self.any_line().id, tenth(tenths), new)],
            expires_at: ahead.map(|ahead| at(hours + ahead)),
            ..Edit::default()
        };
        let edited = self
            .book
            .amend(hours, id, |amendment| edit(amendment, &change, |_| 1));
        assert!(!matches!(edited, Err(Refusal::LotCorrupt(_))));
    }

    fn transfer(&mut self, hours: i64, which: usize) {
        let id = self.package_id(which);
        self.release_all(hours, id);
        let owner = self.book.package(id).customer_id;
        let other = CustomerId::from_uuid(Uuid::from_u128(2));
        let receiver = if owner == other { customer() } else { other };
        let moved = self.book.amend(hours, id, |amendment| {
            hand_over(amendment, receiver, Consent::Given)
        });
        assert!(!matches!(moved, Err(Refusal::LotCorrupt(_))));
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_or_doubled_whatever_is_done(
        kinds in proptest::collection::vec((0_u8..3, 0_i64..2_000), 1..3),
        steps in proptest::collection::vec((step(), 0_i64..20), 1..40),
    ) {
        let mut world = World::new(&kinds);
        let mut hours = 1;
        for (step, later) in &steps {
            hours += later;
            world.step(hours, step);
        }
        world.book.settle(at(hours + 10_000));
        prop_assert!(world.book.settle(at(hours + 10_000)).entries.is_empty());
        for lot in world.book.lots.values() {
            prop_assert!(lot.transferred_to.is_none() || lot.available() == credits("0"));
            let may_be_left = lot.terms.expires_at.is_none();
            prop_assert!(may_be_left || lot.available() == credits("0"));
        }
    }
}
