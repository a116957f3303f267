//! Packages that go on where another one of their template ends (semantics 42).

use chrono::{DateTime, Utc};

use super::NoticeKind;
use super::truth::{Facts, has_something_to_lose};
use crate::domain::lot::Lot;
use crate::domain::package::Package;

/// Whether a notice of this kind is not told, since its package's customer has a newer one of the same template: one
/// that was made later, can be used at `now` or from a later day on, has something left, and lasts longer.
pub fn is_covered_by_newer(kind: NoticeKind, facts: &Facts<'_>, now: DateTime<Utc>) -> bool {
    let mut others = facts.others.iter();
    facts.policy.skip_if_newer_package
        && tells_of_an_end(kind)
        && others.any(|(other, lots)| covers(facts.package, other, lots, now))
}

/// Whether notices of this kind tell that a package ends or is used up, soon or already.
pub fn tells_of_an_end(kind: NoticeKind) -> bool {
    match kind {
        NoticeKind::Expiring
        | NoticeKind::Expired
        | NoticeKind::LowBalance
        | NoticeKind::UsedUp => true,
        NoticeKind::Confirmation
        | NoticeKind::Extended
        | NoticeKind::Renewed
        | NoticeKind::HoldTimedOut => false,
    }
}

fn covers(package: &Package, other: &Package, lots: &[Lot], now: DateTime<Utc>) -> bool {
    let template = |it: &Package| it.template.map(|(id, _)| id);
    let owner = |it: &Package| (it.customer_id, it.group_id);
    let is_newer = package.created_at < other.created_at
        && template(package).is_some()
        && template(package) == template(other)
        && owner(package) == owner(other);
    let is_there = other.revoked_at.is_none()
        && other.transferred_at.is_none()
        && other.frozen_at.is_none()
        && other.expires_at.is_none_or(|at| now < at);
    is_newer && is_there && lasts_longer(other, package) && has_something_to_lose(lots)
}

fn lasts_longer(other: &Package, package: &Package) -> bool {
    match (other.expires_at, package.end()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(later), Some(end)) => end < later,
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows should fail"
)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::business::ReminderPolicy;
    use crate::domain::entry::Balances;
    use crate::domain::testing::book::package_until;
    use crate::domain::testing::{at, credits, item, line_for, lot};
    use crate::ids::{CustomerId, GroupId, TemplateId};

    /// A package that ends on the tenth day, and one made a day later that ends on the twentieth, with credits.
    fn pair() -> (Package, (Package, Vec<Lot>)) {
        let template = Some((TemplateId::generate(at(0)), 1));
        let package = Package {
            template,
            ..package_until(10)
        };
        let newer = Package {
            template: template.map(|(id, _)| (id, 2)),
            customer_id: package.customer_id,
            created_at: package.created_at + TimeDelta::days(1),
            ..package_until(20)
        };
        let mut lot = lot(&line_for(&item()), "10", 0);
        lot.fold.balances = Balances {
            available: credits("1"),
            consumed: credits("9"),
            ..Balances::default()
        };
        (package, (newer, vec![lot]))
    }

    fn is_covered(kind: NoticeKind, package: &Package, other: (Package, Vec<Lot>)) -> bool {
        let policy = ReminderPolicy {
            skip_if_newer_package: true,
            ..ReminderPolicy::default()
        };
        let facts = Facts {
            package,
            lots: &[],
            policy: &policy,
            others: &[other],
        };
        is_covered_by_newer(kind, &facts, at(1))
    }

    #[test]
    fn semantics_42_what_tells_of_an_end_is_not_told_where_a_newer_package_goes_on() {
        use NoticeKind::{Expired, Expiring, LowBalance, UsedUp};
        for kind in NoticeKind::ALL {
            let (package, newer) = pair();
            let tells_of_an_end = [Expiring, Expired, LowBalance, UsedUp].contains(kind);
            assert_eq!(
                is_covered(*kind, &package, newer),
                tells_of_an_end,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn nothing_is_covered_unless_the_business_says_so() {
        let (package, newer) = pair();
        let facts = Facts {
            package: &package,
            lots: &[],
            policy: &ReminderPolicy::default(),
            others: &[newer],
        };
        assert!(!is_covered_by_newer(NoticeKind::Expiring, &facts, at(1)));
    }

    /// A change of the older package, and of the newer one with its lots.
    type Change = fn(&mut Package, &mut Package, &mut Vec<Lot>);

    #[test]
    fn a_package_goes_on_only_if_it_is_newer_lasts_longer_and_can_be_used() {
        let changes: [(&str, Change); 13] = [
            ("another template", |_, it, _| {
                it.template = Some((TemplateId::generate(at(2)), 1));
            }),
            ("no templates", |old, it, _| {
                (old.template, it.template) = (None, None);
            }),
            ("another customer", |_, it, _| {
                it.customer_id = CustomerId::generate(at(2));
            }),
            ("of a group", |_, it, _| {
                it.group_id = Some(GroupId::generate(at(2)));
            }),
            ("made at once", |old, it, _| it.created_at = old.created_at),
            ("older", |old, it, _| {
                it.created_at = old.created_at - TimeDelta::days(1);
            }),
            ("revoked", |_, it, _| it.revoked_at = Some(at(1))),
            ("transferred", |_, it, _| it.transferred_at = Some(at(1))),
            ("frozen", |_, it, _| {
                it.frozen_at = Some(at(1));
                it.expires_if_thawed = it.expires_at.take();
            }),
            ("over", |old, it, _| {
                (old.expires_at, it.expires_at) = (Some(at(0)), Some(at(1)));
            }),
            ("ends at once", |old, it, _| it.expires_at = old.expires_at),
            ("the other never ends", |old, _, _| old.expires_at = None),
            ("used up", |_, _, lots| {
                lots[0].fold.balances.available = credits("0");
            }),
        ];
        for (name, change) in changes {
            let (mut package, (mut newer, mut lots)) = pair();
            change(&mut package, &mut newer, &mut lots);
            let is_covered = is_covered(NoticeKind::Expiring, &package, (newer, lots));
            assert!(!is_covered, "{name}");
        }
    }

    #[test]
    fn a_package_without_end_goes_on_whatever_the_end_of_the_other() {
        for end in [Some(at(10)), None] {
            let (mut package, (mut newer, lots)) = pair();
            (package.expires_at, newer.expires_at) = (end, None);
            assert!(is_covered(NoticeKind::LowBalance, &package, (newer, lots)));
        }
    }
}
