//! Whether a customer may hold another package of a template while there is an earlier one (A10,
//! semantics 29). Judged per owner and template, in the selling transaction.

use serde::{Deserialize, Serialize};

use crate::domain::entry::coded;
use crate::domain::invoice::IssueWhen;
use crate::domain::package::Status;
use crate::domain::refusal::{Refusal, SellingRefusal};
use crate::ids::{PackageId, TemplateId};

coded! {
    /// What an earlier package of the same template means for the next one.
    Overlap {
        /// Nothing.
        Allow = 1, "allow";
        /// None is sold while there is something left to use in an earlier one.
        Reject = 2, "reject";
        /// None is sold until every earlier one is used up and paid; what has expired must only be paid.
        RejectUntilComplete = 3, "reject_until_complete";
        /// The next one waits for it.
        Queue = 4, "queue";
    }
}

/// What selling a template depends on besides its price. Each of these is stored with a version of the
/// template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellingRules {
    /// Whether price, quantity, lines and validity may be changed at the sale (A9).
    pub is_freestyle: bool,
    /// What an earlier package means for the next one.
    pub overlap: Overlap,
    /// Whether customers may buy it online themselves (A12).
    pub is_online: bool,
    /// How many customers may share one package; 1: it is not shared (A11).
    pub share_max: u32,
    /// When a package is issued that an invoice or a charge is to pay; none: as the business says.
    pub issue_when: Option<IssueWhen>,
}

impl Default for SellingRules {
    fn default() -> Self {
        Self {
            is_freestyle: false,
            overlap: Overlap::Allow,
            is_online: false,
            share_max: 1,
            issue_when: None,
        }
    }
}

/// A package of the same owner and template, as it is when the next one is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The package.
    pub package_id: PackageId,
    /// What it is.
    pub status: Status,
    /// Whether it is paid.
    pub is_paid: bool,
}

impl Overlap {
    /// Judges whether another package may be sold beside the earlier ones.
    ///
    /// # Errors
    /// [`SellingRefusal::PackageOverlaps`], [`SellingRefusal::PackageNotComplete`].
    pub fn judge(self, template_id: TemplateId, earlier: &[Earlier]) -> Result<(), Refusal> {
        let in_the_way = match self {
            Self::Allow | Self::Queue => None,
            Self::Reject => earlier.iter().find(|it| has_something_to_use(it.status)),
            Self::RejectUntilComplete => earlier.iter().find(|it| !it.is_done()),
        };
        let Some(Earlier {
            package_id, status, ..
        }) = in_the_way.copied()
        else {
            return Ok(());
        };
        Err(match self {
            Self::Allow | Self::Reject | Self::Queue => SellingRefusal::PackageOverlaps {
                template_id,
                package_id,
                status,
            },
            Self::RejectUntilComplete => SellingRefusal::PackageNotComplete {
                template_id,
                package_id,
                status,
            },
        }
        .into())
    }
}

/// Whether there is something to use in it, now or later on.
pub fn has_something_to_use(status: Status) -> bool {
    match status {
        Status::Active | Status::Upcoming | Status::Queued | Status::Frozen => true,
        Status::Revoked
        | Status::Transferred
        | Status::Completed
        | Status::Expired
        | Status::UsedUp => false,
    }
}

impl Earlier {
    /// Whether nothing of it is left to use or to pay.
    fn is_done(&self) -> bool {
        match self.status {
            Status::Revoked | Status::Transferred | Status::Completed => true,
            Status::Expired | Status::UsedUp => self.is_paid,
            Status::Active | Status::Upcoming | Status::Queued | Status::Frozen => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::start;

    /// The statuses that stand in the way of another package, paid or not.
    fn blocking(overlap: Overlap, is_paid: bool) -> Vec<Status> {
        let template_id = TemplateId::generate(start());
        let earlier = |status| Earlier {
            package_id: PackageId::generate(start()),
            status,
            is_paid,
        };
        let blocks = |status: &Status| overlap.judge(template_id, &[earlier(*status)]).is_err();
        Status::ALL.iter().copied().filter(blocks).collect()
    }

    #[test]
    fn an_expired_package_never_stands_in_the_way_of_the_next() {
        let usable = [
            Status::Frozen,
            Status::Queued,
            Status::Upcoming,
            Status::Active,
        ];
        for is_paid in [true, false] {
            assert_eq!(blocking(Overlap::Allow, is_paid), []);
            assert_eq!(blocking(Overlap::Reject, is_paid), usable);
        }
    }

    #[test]
    fn until_it_is_complete_means_used_and_paid_and_an_expired_one_paid() {
        let unused = [
            Status::Frozen,
            Status::Queued,
            Status::Upcoming,
            Status::Active,
        ];
        assert_eq!(blocking(Overlap::RejectUntilComplete, true), unused);
        let unpaid = [
            Status::Frozen,
            Status::Expired,
            Status::UsedUp,
            Status::Queued,
            Status::Upcoming,
            Status::Active,
        ];
        assert_eq!(blocking(Overlap::RejectUntilComplete, false), unpaid);
    }

    #[test]
    fn the_refusal_names_the_package_in_the_way() {
        let template_id = TemplateId::generate(start());
        let [done, open] = [Status::Completed, Status::Active].map(|status| Earlier {
            package_id: PackageId::generate(start()),
            status,
            is_paid: true,
        });
        let refusal = SellingRefusal::PackageOverlaps {
            template_id,
            package_id: open.package_id,
            status: Status::Active,
        };
        let judged = Overlap::Reject.judge(template_id, &[done, open]);
        assert_eq!(judged, Err(refusal.into()));
    }
}
