//! Whatever commands come, in whatever order: the book proves after each that the seven accounts sum to
//! zero, nothing is below zero, every cent is somewhere, the chains of hashes hold, holds and lots agree,
//! and the next time-outs are known.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each method takes the steps of its kind"
)]

use proptest::prelude::*;

use crate::domain::amend::Amendment;
use crate::domain::decide::*;
use crate::domain::freeze::{freeze, unfreeze};
use crate::domain::hold::OnTimeOut;
use crate::domain::line::{ItemFacts, Subject};
use crate::domain::part::Portion;
use crate::domain::revoke::{reinstate, revoke};
use crate::domain::testing::book::*;
use crate::domain::testing::{at, credits, customer, item, line, stamp_at};
use crate::domain::transfer::{Consent, hand_over};
use crate::ids::{CustomerId, HoldId, PackageId};

/// One step of a random history; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Consume {
        tenths: i64,
        ago: i64,
        late: bool,
        manual: bool,
    },
    Hold {
        tenths: i64,
        ahead: i64,
        times_out: Option<i64>,
        used_then: bool,
    },
    Capture {
        which: usize,
        portion: Share,
        excess: bool,
    },
    Release {
        which: usize,
    },
    Reverse {
        which: usize,
        portion: Share,
        restore: bool,
    },
    Move {
        which: usize,
        to: usize,
    },
    Remove {
        which: usize,
        tenths: i64,
    },
    Add {
        which: usize,
        tenths: i64,
        value: i64,
    },
    Revalue {
        which: usize,
        change: i64,
    },
    Revoke {
        which: usize,
    },
    Freeze {
        which: usize,
        days: i64,
    },
    Transfer {
        which: usize,
    },
    Settle,
}

/// How much of a hold or use.
#[derive(Clone, Copy, Debug)]
enum Share {
    All,
    Units(i64),
    Credits(i64),
}

impl Share {
    fn portion(self) -> Portion {
        match self {
            Self::All => Portion::All,
            Self::Units(tenths) => Portion::Units(tenth(tenths)),
            Self::Credits(tenths) => Portion::Credits(tenth(tenths)),
        }
    }
}

fn tenth(n: i64) -> crate::domain::credits::Credits {
    crate::domain::credits::Credits::from_millionths(n * 100_000)
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![
        Just(Share::All),
        (1_i64..50).prop_map(Share::Units),
        (1_i64..50).prop_map(Share::Credits),
    ]
}

fn using() -> impl Strategy<Value = Step> {
    let which = 0_usize..100;
    prop_oneof![
        4 => (1_i64..40, 0_i64..60, any::<bool>(), any::<bool>()).prop_map(
            |(tenths, ago, late, manual)| Step::Consume { tenths, ago, late, manual }
        ),
        4 => (1_i64..40, 0_i64..60, proptest::option::of(1_i64..80), any::<bool>()).prop_map(
            |(tenths, ahead, times_out, used_then)| Step::Hold { tenths, ahead, times_out, used_then }
        ),
        3 => (which.clone(), share(), any::<bool>())
            .prop_map(|(which, portion, excess)| Step::Capture { which, portion, excess }),
        2 => which.clone().prop_map(|which| Step::Release { which }),
        4 => (which.clone(), share(), any::<bool>())
            .prop_map(|(which, portion, restore)| Step::Reverse { which, portion, restore }),
        2 => (which.clone(), which).prop_map(|(which, to)| Step::Move { which, to }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let which = 0_usize..100;
    prop_oneof![
        20 => using(),
        1 => (which.clone(), 1_i64..30).prop_map(|(which, tenths)| Step::Remove { which, tenths }),
        1 => (which.clone(), 1_i64..30, 0_i64..500)
            .prop_map(|(which, tenths, value)| Step::Add { which, tenths, value }),
        2 => (which.clone(), 0_i64..4).prop_map(|(which, days)| Step::Freeze { which, days }),
        2 => (which.clone(), -400_i64..400)
            .prop_map(|(which, change)| Step::Revalue { which, change }),
        1 => which.clone().prop_map(|which| Step::Revoke { which }),
        1 => which.prop_map(|which| Step::Transfer { which }),
        2 => Just(Step::Settle),
    ]
}

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
