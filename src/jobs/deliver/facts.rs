//! What e-mails of one business are about, as it is at this moment: read once for all that are claimed together.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::catalog::CreditType;
use crate::domain::customer::Customer;
use crate::domain::email::{Attempt, Email, folded};
use crate::domain::lot::Lot;
use crate::domain::notice::{
    self, DropReason, Notice, NoticeKind, Recipient, can_wait, is_overtaken, may_be_told,
    still_true,
};
use crate::domain::package::Package;
use crate::domain::template_emails::ReminderPolicies;
use crate::ids::{BusinessId, CreditTypeId, CustomerId, EmailId, NoticeId, PackageId};
use crate::ledger::reach::settled;
use crate::service::ServiceError;
use crate::service::email_content;
use crate::service::email_rendering::OwnTemplates;
use crate::service::mail_plan::others;
use crate::service::mailing::MailSettings;
use crate::store::error::StoreError;
use crate::store::{
    businesses, customers, email_attempts, lots, notices, packages, suppressions, template_versions,
};

/// What some e-mails of a business are about.
pub(super) struct Facts {
    /// None: it is leaving.
    pub(super) business: Option<Business>,
    /// What it signs links with, if there are any.
    pub(super) link_key: Option<Vec<u8>>,
    pub(super) own_templates: OwnTemplates,
    pub(super) types: HashMap<CreditTypeId, CreditType>,
    pub(super) now: DateTime<Utc>,
    last_attempts: HashMap<EmailId, Attempt>,
    contacts: HashMap<CustomerId, Customer>,
    /// Addresses, folded.
    suppressed: HashSet<String>,
    notices: HashMap<EmailId, Vec<Notice>>,
    /// All notices of packages of whose end one of them reminds.
    reminded: Vec<Notice>,
    /// Each as its settled lots say, with them.
    packages: HashMap<PackageId, (Package, Vec<Lot>)>,
    /// Packages that may go on where one of them ends.
    others: Vec<(Package, Vec<Lot>)>,
    policies: ReminderPolicies,
}

/// What one of them is about.
pub(super) struct Told<'a> {
    pub(super) business: &'a Business,
    pub(super) contact: &'a Customer,
    /// Those that were not dropped before.
    pub(super) notices: Vec<&'a Notice>,
    /// All that is known.
    pub(super) facts: &'a Facts,
    is_suppressed: bool,
}

impl Facts {
    /// Reads what these locked e-mails are about.
    pub(super) async fn read(
        txn: &DatabaseTransaction,
        settings: &MailSettings,
        business_id: BusinessId,
        emails: &[Email],
        now: DateTime<Utc>,
    ) -> Result<Self, ServiceError> {
        let tried = emails.iter().filter(|email| email.fence > 0);
        let tried: Vec<EmailId> = tried.map(|email| email.id).collect();
        let business = businesses::get(txn, business_id).await?;
        let link_key = match settings.public_url {
            Some(_) => businesses::link_key(txn, business_id).await?,
            None => None,
        };
        let told: Vec<&Email> = emails.iter().filter(|email| !email.is_test).collect();
        let ids: BTreeSet<CustomerId> = told.iter().filter_map(|email| email.customer_id).collect();
        let contacts = customers::by_ids(txn, business_id, ids).await?;
        let fixed = emails.iter().filter_map(fixed_address);
        let current = contacts.iter().filter_map(|it| it.email.as_deref());
        let suppressed = suppressions::among(txn, business_id, fixed.chain(current)).await?;
        let ids: Vec<EmailId> = told.iter().map(|email| email.id).collect();
        let notices = notices::of_emails(txn, business_id, &ids).await?;
        let reminders = notices.values().flatten();
        let reminders = reminders.filter(|it| it.kind == NoticeKind::Expiring);
        let ids: BTreeSet<PackageId> = reminders.map(|it| it.package_id).collect();
        let ids: Vec<PackageId> = ids.into_iter().collect();
        let reminded = notices::of_packages(txn, business_id, &ids).await?;
        let ids: BTreeSet<PackageId> = notices.values().flatten().map(|it| it.package_id).collect();
        let ids: Vec<PackageId> = ids.into_iter().collect();
        let found = packages::by_ids(txn, business_id, &ids).await?;
        let others = match &business {
            Some(business) => {
                let of_an_end = notices.values().flatten();
                let of_an_end = of_an_end.filter(|it| notice::tells_of_an_end(it.kind));
                let ended: BTreeSet<PackageId> = of_an_end.map(|it| it.package_id).collect();
                let ended = found.iter().filter(|it| ended.contains(&it.id));
                others::beside(txn, business, ended, now).await?
            }
            None => Vec::new(),
        };
        let ids: BTreeSet<PackageId> = found.iter().chain(&others).map(|it| it.id).collect();
        let ids: Vec<PackageId> = ids.into_iter().collect();
        let lots = lots::of_packages(txn, business_id, &ids).await?;
        let lots = settled(txn, business_id, lots, now).await?;
        let types = email_content::types_of(txn, business_id, &lots).await?;
        let kinds: BTreeSet<NoticeKind> = told.iter().map(|email| email.kind).collect();
        let kinds: Vec<NoticeKind> = kinds.into_iter().collect();
        let locales = contacts.iter().filter_map(|it| it.locale.as_deref());
        let locales = locales.chain(business.as_ref().map(|business| &*business.locale));
        Ok(Self {
            link_key,
            own_templates: OwnTemplates::read(txn, business_id, &kinds, locales).await?,
            types,
            now,
            last_attempts: email_attempts::last(txn, business_id, &tried).await?,
            suppressed,
            notices,
            reminded,
            others: others::with_lots(&others, &lots),
            packages: with_lots(found, lots),
            policies: match &business {
                Some(business) => template_versions::reminder_policies(txn, business).await?,
                None => ReminderPolicies::default(),
            },
            contacts: contacts.into_iter().map(|it| (it.id, it)).collect(),
            business,
        })
    }

    /// The last attempt to send an e-mail; nothing if it was never tried.
    pub(super) fn last_attempt(&self, email: &Email) -> Option<&Attempt> {
        self.last_attempts.get(&email.id)
    }

    /// Why a trial, whose text is fixed and which tells nobody's facts, does not go out.
    pub(super) fn check_test(&self, email: &Email) -> Result<(), DropReason> {
        let is_on = self.business.as_ref().is_some_and(|it| it.feature_enabled);
        if !is_on {
            Err(DropReason::FeatureOff)
        } else if fixed_address(email).is_some_and(|address| self.is_suppressed(address)) {
            Err(DropReason::Suppressed)
        } else {
            Ok(())
        }
    }

    /// What an e-mail that is no trial is about.
    pub(super) fn of(&self, email: &Email) -> Result<Told<'_>, StoreError> {
        let damaged = || StoreError::corrupt("emails", email.id);
        let contact = email.customer_id.and_then(|id| self.contacts.get(&id));
        let contact = contact.ok_or_else(damaged)?;
        let notices = self.notices.get(&email.id).into_iter().flatten();
        let address = fixed_address(email).or(contact.email.as_deref());
        Ok(Told {
            business: self.business.as_ref().ok_or_else(damaged)?,
            contact,
            notices: notices.filter(|notice| notice.dropped.is_none()).collect(),
            facts: self,
            is_suppressed: address.is_some_and(|address| self.is_suppressed(address)),
        })
    }

    fn is_suppressed(&self, address: &str) -> bool {
        self.suppressed.contains(&folded(address))
    }
}

impl Told<'_> {
    /// The notices that do not hold any more, and why.
    pub(super) fn dropped(&self) -> Vec<(NoticeId, DropReason)> {
        self.notices
            .iter()
            .filter_map(|notice| Some((notice.id, self.check(notice).err()?)))
            .collect()
    }

    /// When the e-mail goes out, as far as quiet hours have a say in it: now, if something that holds would
    /// not hold any more at their end, if a package ends meanwhile, or if the days that a fixed text counts would be
    /// wrong by then.
    pub(super) fn goes_out_at(
        &self,
        email: &Email,
        dropped: &[(NoticeId, DropReason)],
    ) -> DateTime<Utc> {
        let (policy, zone) = (&self.business.reminder_policy, self.business.zone);
        let now = self.facts.now;
        policy.goes_out_at(now, zone, |end| {
            let counts_days = email.kind == NoticeKind::Expiring && email.text.is_some();
            let is_other_day = calendar::local_day(end, zone) != calendar::local_day(now, zone);
            let mut holding = self.notices.iter();
            !(counts_days && is_other_day)
                && holding.all(|notice| {
                    let is_dropped = dropped.iter().any(|(id, _)| *id == notice.id);
                    is_dropped || self.can_wait(notice, end)
                })
        })
    }

    /// The packages that the notices which hold are about, each once, with its lots.
    pub(super) fn packages(&self, left_out: &HashSet<NoticeId>) -> Vec<(&Package, &[Lot])> {
        let mut told: HashSet<PackageId> = HashSet::new();
        let notices = self.notices.iter();
        notices
            .filter(|notice| !left_out.contains(&notice.id) && told.insert(notice.package_id))
            .filter_map(|notice| self.package(notice))
            .collect()
    }

    fn check(&self, notice: &Notice) -> Result<(), DropReason> {
        let recipient = Recipient {
            is_erased: self.contact.erased_at.is_some(),
            is_active: self.contact.active,
            has_address: self.contact.email.is_some(),
            is_suppressed: self.is_suppressed,
            is_unsubscribed: self.contact.unsubscribed_at.is_some(),
        };
        let policies = &self.facts.policies;
        let package = self.package(notice);
        let policy = package.map_or(policies.of_business(), |(it, _)| policies.of(it));
        may_be_told(notice.kind, self.business, policy, &recipient)?;
        if is_overtaken(notice, &self.facts.reminded) {
            return Err(DropReason::Missed);
        }
        self.is_true_at(notice, self.facts.now)
    }

    fn is_true_at(&self, notice: &Notice, at: DateTime<Utc>) -> Result<(), DropReason> {
        // A package is never deleted; one that is not there has nothing to be told of.
        let checked = self.checked(notice).ok_or(DropReason::Revoked)?;
        still_true(notice, &checked, at)
    }

    fn can_wait(&self, notice: &Notice, end: DateTime<Utc>) -> bool {
        let (checked, now) = (self.checked(notice), self.facts.now);
        checked.is_some_and(|checked| can_wait(notice, &checked, (now, end)))
    }

    /// What a notice is checked against.
    fn checked(&self, notice: &Notice) -> Option<notice::Facts<'_>> {
        let (package, lots) = self.package(notice)?;
        Some(notice::Facts {
            package,
            lots,
            policy: self.facts.policies.of(package),
            others: &self.facts.others,
        })
    }

    fn package(&self, notice: &Notice) -> Option<(&Package, &[Lot])> {
        let (package, lots) = self.facts.packages.get(&notice.package_id)?;
        Some((package, lots))
    }
}

/// The address that an e-mail whose text is fixed goes to.
fn fixed_address(email: &Email) -> Option<&str> {
    email.text.as_ref().map(|text| text.to_address.as_str())
}

fn with_lots(packages: Vec<Package>, settled: Vec<Lot>) -> HashMap<PackageId, (Package, Vec<Lot>)> {
    let mut lots: HashMap<PackageId, Vec<Lot>> = HashMap::new();
    for lot in settled {
        lots.entry(lot.package_id).or_default().push(lot);
    }
    let packages = packages.into_iter();
    packages
        .map(|package| {
            let own = lots.remove(&package.id).unwrap_or_default();
            (package.id, (package.as_of(&own), own))
        })
        .collect()
}
