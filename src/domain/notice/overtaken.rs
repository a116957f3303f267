//! Reminders that waited so long that a later one tells the same.

use super::{Notice, NoticeKind};

/// Whether a reminder was overtaken by one of the same expiry with fewer days to go, among these notices: where mail
/// went out late, it would tell again what the other tells (semantics 43).
pub fn is_overtaken<'a>(notice: &Notice, others: impl IntoIterator<Item = &'a Notice>) -> bool {
    let reminds = |it: &Notice| it.kind == NoticeKind::Expiring;
    reminds(notice)
        && others.into_iter().any(|other| {
            reminds(other)
                && other.package_id == notice.package_id
                && other.expiry_epoch == notice.expiry_epoch
                && other.email_id.is_some()
                && other.dropped.is_none()
                && other.lead_days < notice.lead_days
        })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::notice::{DropReason, lead_cause};
    use crate::ids::{BusinessId, CustomerId, EmailId, NoticeId, PackageId};

    fn reminders(leads: &[u32]) -> Vec<Notice> {
        let now = DateTime::UNIX_EPOCH;
        let (business_id, customer_id) = (BusinessId::generate(now), CustomerId::generate(now));
        let package_id = PackageId::generate(now);
        let of_lead = |lead: &u32| Notice {
            id: NoticeId::generate(now),
            business_id,
            kind: NoticeKind::Expiring,
            package_id,
            cause: lead_cause(*lead, 0),
            customer_id,
            email_id: Some(EmailId::generate(now)),
            expiry_epoch: 0,
            lead_days: i32::try_from(*lead).ok(),
            dropped: None,
            created_at: now,
        };
        leads.iter().map(of_lead).collect()
    }

    #[test]
    fn only_the_reminder_with_the_fewest_days_to_go_is_told() {
        let all = reminders(&[7, 3, 1]);
        let overtaken: Vec<bool> = all.iter().map(|it| is_overtaken(it, &all)).collect();
        assert_eq!(overtaken, [true, true, false]);
    }

    #[test]
    fn what_is_not_told_itself_or_tells_something_else_overtakes_nothing() {
        let changes: [fn(&mut Notice); 5] = [
            |it| it.dropped = Some(DropReason::Frozen),
            |it| it.email_id = None,
            |it| it.expiry_epoch = 1,
            |it| it.kind = NoticeKind::LowBalance,
            |it| it.package_id = PackageId::generate(DateTime::UNIX_EPOCH),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut all = reminders(&[7, 3]);
            change(&mut all[1]);
            assert!(!is_overtaken(&all[0], &all), "{index}");
        }
    }
}
