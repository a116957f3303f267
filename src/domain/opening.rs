//! Packages that another system sold and that were used there in part (J4).
//!
//! The ledger takes them over whole: all credits are issued now, and the used ones are consumed at the cut-over, each
//! by a posting of its own, decided like any other. When and by whom they were used is not known here, so no limit of
//! use is held against that. From the cut-over on Carnet counts: nothing can be used from such a package at an earlier
//! time.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::credits::Credits;
use crate::domain::decide::{Command, Consume, Facts, decide};
use crate::domain::entry::Entry;
use crate::domain::extend::{self, NewLot};
use crate::domain::lot::{Lot, Stamp};
use crate::domain::package::Package;
use crate::domain::posting::{Draft, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::selection::Wanted;
use crate::ids::CreditTypeId;

/// What was used of a package, of one credit type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The posting that consumes it.
    pub posting_id: Uuid,
    /// The credit type.
    pub credit_type_id: CreditTypeId,
    /// How much; above 0.
    pub amount: Credits,
}

/// A package that is taken over, with all that the ledger says of it; nothing of it is written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The package.
    pub package: Package,
    /// Its lots, after everything.
    pub lots: Vec<Lot>,
    /// The entries of its postings, in their order.
    pub entries: Vec<Entry>,
}

/// Takes over a package: `stamp` is that of the posting which issues it.
///
/// # Errors
/// [`Refusal::InsufficientCredits`], [`Refusal::PackageNotStarted`], [`Refusal::PackageExpired`] and whatever else stands
/// in the way of the used part, and [`Refusal::AmountTooLarge`].
pub fn take_over(
    stamp: &Stamp,
    cut_over_at: DateTime<Utc>,
    (package, new_lots): (Package, Vec<NewLot>),
    used: &[Used],
) -> Result<Opening, Refusal> {
    let mut draft = Draft::open(stamp, []);
    for new_lot in new_lots {
        extend::issue(&mut draft, &package, new_lot)?;
    }
    let issued = draft.close();
    let mut opening = Opening {
        package,
        lots: issued.lots,
        entries: issued.entries,
    };
    for lot in &mut opening.lots {
        lot.created_at = cut_over_at;
    }
    for part in used {
        let posting = opening.consume(stamp, cut_over_at, *part)?;
        opening.keep(posting);
    }
    Ok(opening)
}

impl Opening {
    fn consume(
        &self,
        stamp: &Stamp,
        cut_over_at: DateTime<Utc>,
        used: Used,
    ) -> Result<Posting, Refusal> {
        let package = Package {
            use_limit: None,
            ..self.package.clone()
        };
        let command = Command::Consume(Consume {
            customer_id: package.customer_id,
            wanted: Wanted::Credits {
                credit_type_id: used.credit_type_id,
                amount: used.amount,
            },
            package_ids: vec![package.id],
            delivered_at: Some(cut_over_at),
            consumed_by: None,
            past_expiry: None,
        });
        let facts = Facts {
            packages: vec![package],
            ..Facts::of_lots(self.lots.iter().cloned())
        };
        let stamp = Stamp {
            posting_id: used.posting_id,
            ..stamp.clone()
        };
        decide(&facts, &command, &stamp)
    }

    fn keep(&mut self, posting: Posting) {
        for effect in &posting.effects {
            effect.apply(&mut self.package);
        }
        for moved in posting.lots {
            if let Some(lot) = self.lots.iter_mut().find(|lot| lot.id == moved.id) {
                *lot = moved;
            }
        }
        for lot in &mut self.lots {
            lot.terms = self.package.terms();
        }
        self.entries.extend(posting.entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::IMPORT;
    use crate::domain::package::Status;
    use crate::domain::testing::book::{new_lot, package, package_from_first_use};
    use crate::domain::testing::{at, credits, line_for, stamp, start};
    use crate::domain::use_limit::{UseLimit, uses};

    fn used(amount: &str) -> [Used; 1] {
        [Used {
            posting_id: Uuid::from_u128(7),
            credit_type_id: CreditTypeId::from_uuid(Uuid::nil()),
            amount: credits(amount),
        }]
    }

    fn eight(package: Package, amount: &str) -> Result<Opening, Refusal> {
        let line = line_for(&crate::domain::testing::item());
        let lots = vec![new_lot(&line, "8", 12_000)];
        take_over(&stamp(100), at(24), (package, lots), &used(amount))
    }

    #[test]
    fn what_was_used_is_consumed_at_the_cut_over_with_its_share_of_the_value() {
        let opening = eight(package(), "3").unwrap();
        let [issued, consumed] = opening.entries.as_slice() else {
            panic!("{:?}", opening.entries);
        };
        assert_eq!((issued.amount, issued.value), (credits("8"), 12_000));
        assert_eq!(issued.recorded_at, at(100));
        assert_eq!((consumed.amount, consumed.value), (credits("3"), 4_500));
        assert_eq!(
            (consumed.effective_at, consumed.recorded_at),
            (at(24), at(100))
        );
        assert_eq!(consumed.key.posting_id, Uuid::from_u128(7));
        assert_eq!(opening.lots[0].available(), credits("5"));
        assert_eq!(opening.lots[0].fold.pools.unused, 7_500);
    }

    #[test]
    fn no_more_was_used_than_there_was_and_nothing_before_it_began() {
        assert!(eight(package(), "8").is_ok());
        let refusal = eight(package(), "9").unwrap_err();
        assert_eq!(refusal.reason(), "INSUFFICIENT_CREDITS");
        let later = Package {
            starts_at: at(25),
            ..package()
        };
        let refusal = eight(later, "1").unwrap_err();
        assert_eq!(refusal.reason(), "PACKAGE_NOT_STARTED");
    }

    #[test]
    fn a_limit_of_use_is_kept_and_not_held_against_what_was_used_elsewhere() {
        let limited = Package {
            use_limit: Some(UseLimit {
                per_day: Some(credits("1")),
                per_week: None,
            }),
            ..package_from_first_use(30, None)
        };
        let opening = eight(limited, "5").unwrap();
        assert!(opening.package.first_used_on.is_some());
        assert!(opening.lots[0].terms.is_limited);
        assert_eq!(opening.lots[0].terms, opening.package.terms());
        let of = (opening.package.id, opening.package.customer_id);
        let mut entries = opening.entries.clone();
        assert_eq!(uses(&entries, of.0, of.1).len(), 1);
        entries[1].method = IMPORT.to_owned();
        assert_eq!(uses(&entries, of.0, of.1), []);
        let status = opening.package.status(&opening.lots, start());
        assert_eq!(status, Status::Active);
    }
}
