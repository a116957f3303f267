//! Whether what falls due would be told: the questions that whoever delivers asks right before sending.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{Look, Upcoming, comes_up_at};
use crate::domain::business::Business;
use crate::domain::customer::Customer;
use crate::domain::email::{Email, folded};
use crate::domain::lot::Lot;
use crate::domain::notice::{
    DropReason, Facts, Notice, Recipient, can_wait, is_overtaken, may_be_told, still_true,
};
use crate::domain::package::Package;
use crate::domain::settle;
use crate::domain::template_emails::ReminderPolicies;
use crate::ids::CustomerId;
use crate::service::error::ServiceError;
use crate::service::mail_plan::{Known, MailPlan, others};
use crate::store::{customers, suppressions};

/// When something would be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(pub(super) DateTime<Utc>);

/// What is known about some packages and those who would be told of them.
pub(super) struct Judge<'a> {
    business: &'a Business,
    policies: &'a ReminderPolicies,
    now: DateTime<Utc>,
    known: Known,
    customers: HashMap<CustomerId, Customer>,
    suppressed: HashSet<String>,
}

impl<'a> Judge<'a> {
    /// Reads it; `told` are customers, and the addresses that e-mails to them have already.
    pub(super) async fn read<'b>(
        look: &'a Look<'_>,
        page: &[Package],
        told: impl Iterator<Item = (CustomerId, Option<&'b str>)>,
    ) -> Result<Self, ServiceError> {
        let (reader, business_id) = (look.ctx.db.reader(), look.business.id);
        let told: Vec<_> = told.collect();
        let ids: HashSet<CustomerId> = told.iter().map(|(id, _)| *id).collect();
        let found = if ids.is_empty() {
            Vec::new()
        } else {
            customers::by_ids(reader, business_id, ids).await?
        };
        let own = found
            .iter()
            .filter_map(|customer| customer.email.as_deref());
        let fixed = told.iter().filter_map(|(_, address)| *address);
        let addresses: Vec<&str> = own.chain(fixed).collect();
        Ok(Self {
            business: &look.business,
            policies: &look.policies,
            now: look.now,
            known: look.known(page).await?,
            suppressed: suppressions::among(reader, business_id, addresses).await?,
            customers: found.into_iter().map(|it| (it.id, it)).collect(),
        })
    }

    /// What falls due of packages on a day.
    pub(super) fn of_packages(
        &self,
        plan: &MailPlan,
        page: &[Package],
        moment: Moment,
    ) -> Vec<Upcoming> {
        let found = plan.find(page, &self.known, moment.0);
        let rows = found.notices.iter().filter_map(|notice| {
            let package = found.packages.get(&notice.package_id)?;
            let lots = found.lots_of(package.id);
            let facts = Facts {
                package,
                lots: &lots,
                policy: self.policies.of(package),
                others: &found.others,
            };
            Some(self.row(notice, &facts, moment, None))
        });
        rows.collect()
    }

    /// What an e-mail that waits tells.
    pub(super) fn of_email(
        &self,
        email: &Email,
        notices: &[Notice],
        page: &[Package],
    ) -> Vec<Upcoming> {
        let moment = comes_up_at(email, self.now);
        let lots = settle::as_of(&self.known.lots, &self.known.holds, moment.0);
        let others = others::with_lots(&self.known.others, &lots);
        let rows = notices.iter().filter_map(|notice| {
            let of_package = |lot: &&Lot| lot.package_id == notice.package_id;
            let lots: Vec<Lot> = lots.iter().filter(of_package).cloned().collect();
            let package = page.iter().find(|it| it.id == notice.package_id)?;
            let package = package.as_of(&lots);
            let facts = Facts {
                package: &package,
                lots: &lots,
                policy: self.policies.of(&package),
                others: &others,
            };
            Some(self.row(notice, &facts, moment, Some(email)))
        });
        rows.collect()
    }

    fn row(
        &self,
        notice: &Notice,
        facts: &Facts<'_>,
        moment: Moment,
        email: Option<&Email>,
    ) -> Upcoming {
        let customer = self.customers.get(&notice.customer_id);
        let fixed = email.and_then(|email| email.text.as_ref());
        let fixed = fixed.map(|text| text.to_address.clone());
        let to_email = fixed.or_else(|| customer?.email.clone());
        let Facts {
            package, policy, ..
        } = *facts;
        let withheld = notice
            .dropped
            .or_else(|| self.bar(notice, package, customer, to_email.as_deref()))
            .or_else(|| still_true(notice, facts, moment.0).err())
            .or_else(|| is_overtaken(notice, &self.known.notices).then_some(DropReason::Missed));
        let waits = |end| can_wait(notice, facts, (moment.0, end));
        Upcoming {
            kind: notice.kind,
            package_id: package.id,
            package_name: package.name.clone(),
            customer_id: notice.customer_id,
            customer_name: customer.map(|it| it.name.clone()).unwrap_or_default(),
            to_email,
            lead_days: notice.lead_days,
            send_at: policy.goes_out_at(moment.0, self.business.zone, waits),
            withheld,
            email_id: email.map(|email| email.id),
        }
    }

    /// Why nothing of this kind goes to this customer.
    fn bar(
        &self,
        notice: &Notice,
        package: &Package,
        customer: Option<&Customer>,
        to_email: Option<&str>,
    ) -> Option<DropReason> {
        let recipient = Recipient {
            is_erased: customer.is_some_and(|it| it.erased_at.is_some()),
            is_active: customer.is_some_and(|it| it.active),
            has_address: customer.is_some_and(|it| it.email.is_some()),
            is_suppressed: to_email.is_some_and(|it| self.suppressed.contains(&folded(it))),
            is_unsubscribed: customer.is_some_and(|it| it.unsubscribed_at.is_some()),
        };
        let policy = self.policies.of(package);
        may_be_told(notice.kind, self.business, policy, &recipient).err()
    }
}
