//! What an e-mail says and who it comes from: from facts to content, and to a text in the words of the
//! business or of the program.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;
use url::Url;

use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::catalog::CreditType;
use crate::domain::credits::Credits;
use crate::domain::customer::Customer;
use crate::domain::email::Envelope;
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::notice::NoticeKind;
use crate::domain::package::Package;
use crate::domain::queue::PeriodToCome;
use crate::domain::validity::PeriodUnit;
use crate::ids::{BusinessId, CreditTypeId, EmailId};
use crate::mail::content::{
    BusinessLook, Colour, EmailContent, EmailKind, LineFacts, PackageFacts, Price, Start, Term,
    TermFrom, TermUnit,
};
use crate::service::mailing::MailSettings;
use crate::store::credit_types;
use crate::store::error::StoreError;

/// The right part of a Message-ID where nothing better is known.
const NO_HOST: &str = "carnet.invalid";

/// What an e-mail is about.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who writes.
    pub business: &'a Business,
    /// To whom.
    pub contact: &'a Customer,
    /// The packages, as they are now.
    pub packages: &'a [&'a Package],
    /// Their lots, settled.
    pub lots: &'a [Lot],
    /// The credit types of those.
    pub types: &'a HashMap<CreditTypeId, CreditType>,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Everything that an e-mail of this kind says of these facts, but for where to unsubscribe.
pub fn content(kind: NoticeKind, facts: &Facts<'_>) -> Result<EmailContent, StoreError> {
    let mut packages = facts
        .packages
        .iter()
        .map(|package| Ok((package.expires_at, package_facts(package, facts)?)))
        .collect::<Result<Vec<_>, StoreError>>()?;
    // What ends first comes first, what never ends last.
    packages.sort_by_key(|(expires_at, _)| (expires_at.is_none(), *expires_at));
    Ok(EmailContent {
        kind: email_kind(kind),
        locale: locale(facts.business, Some(facts.contact)),
        business: look(facts.business),
        customer_name: facts.contact.name.clone(),
        packages: packages.into_iter().map(|(_, package)| package).collect(),
        today: calendar::local_day(facts.now, facts.business.zone),
        unsubscribe_url: None,
    })
}

/// The credit types of lots.
pub async fn types_of(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    lots: &[Lot],
) -> Result<HashMap<CreditTypeId, CreditType>, StoreError> {
    let ids = lots.iter().map(|lot| lot.line.credit_type_id);
    let unique: HashSet<CreditTypeId> = ids.collect();
    let types = credit_types::by_ids(db, business_id, unique).await?;
    Ok(types.into_iter().map(|found| (found.id, found)).collect())
}

/// The language of e-mails to a customer.
pub fn locale(business: &Business, contact: Option<&Customer>) -> String {
    let own = contact.and_then(|contact| contact.locale.clone());
    own.unwrap_or_else(|| business.locale.clone())
}

/// The templates that a kind of e-mail is made with.
pub const fn email_kind(kind: NoticeKind) -> EmailKind {
    match kind {
        NoticeKind::Confirmation => EmailKind::Confirmation,
        NoticeKind::Expiring => EmailKind::Expiring,
        NoticeKind::Expired => EmailKind::Expired,
        NoticeKind::LowBalance => EmailKind::LowBalance,
        NoticeKind::UsedUp => EmailKind::UsedUp,
        NoticeKind::Extended => EmailKind::Extended,
        NoticeKind::Renewed => EmailKind::Renewed,
        NoticeKind::HoldTimedOut => EmailKind::HoldTimedOut,
    }
}

/// How a business shows itself (G11).
pub fn look(business: &Business) -> BusinessLook {
    let sender = &business.sender;
    BusinessLook {
        name: business.name.clone(),
        can_reply: sender.reply_to.is_some() || sender.from_email.is_some(),
        logo_url: sender.logo_url.clone(),
        accent: sender.accent_colour.as_deref().and_then(Colour::parse),
        link_base_url: sender.link_base_url.clone(),
    }
}

/// What there is to say of one of the packages.
pub(super) fn package_facts(
    package: &Package,
    facts: &Facts<'_>,
) -> Result<PackageFacts, StoreError> {
    let business = facts.business;
    let day_before = |at: DateTime<Utc>| calendar::last_usable_day(at, business.zone);
    let today = calendar::local_day(facts.now, business.zone);
    let last_usable_day = package.expires_at.map(day_before);
    let restorable_until = package.restorable_until(business.quarantine_days);
    let restorable_until = restorable_until
        .filter(|until| *until > facts.now && package.expires_at.is_some_and(|at| *until > at));
    let lots = facts.lots.iter().filter(|lot| lot.package_id == package.id);
    Ok(PackageFacts {
        name: package.name.clone(),
        last_usable_day,
        start: start(package, facts),
        term: term(package, facts.now),
        days_left: last_usable_day.map(|day| calendar::days_between(today, day)),
        restorable_through: restorable_until.map(day_before),
        lines: lines(lots, facts.types)?,
        price: package.sale_id.map(|_| Price {
            minor_units: package.price_minor,
            currency_code: business.currency.code().to_owned(),
        }),
    })
}

fn start(package: &Package, facts: &Facts<'_>) -> Start {
    let day = |at| calendar::local_day(at, facts.business.zone);
    if package.waits(facts.now) {
        Start::AfterEarlier {
            on_at_latest: package.known_start().map(day),
        }
    } else if facts.now < package.starts_at {
        Start::On(day(package.starts_at))
    } else {
        Start::Begun
    }
}

fn term(package: &Package, now: DateTime<Utc>) -> Option<Term> {
    let (length, from) = match package.period_to_come(now)? {
        PeriodToCome::FromFirstUse(length) => (length, TermFrom::FirstUse),
        PeriodToCome::FromStart(length) => (length, TermFrom::Start),
    };
    Some(Term {
        count: length.count,
        unit: match length.unit {
            PeriodUnit::Day => TermUnit::Day,
            PeriodUnit::Week => TermUnit::Week,
            PeriodUnit::Month => TermUnit::Month,
            PeriodUnit::Year => TermUnit::Year,
        },
        from,
    })
}

/// One line for each line of the package that pays, bonus included.
fn lines<'a>(
    lots: impl Iterator<Item = &'a Lot>,
    types: &HashMap<CreditTypeId, CreditType>,
) -> Result<Vec<LineFacts>, StoreError> {
    let mut lines: BTreeMap<_, LineFacts> = BTreeMap::new();
    for lot in lots.filter(|lot| lot.line.kind == LineKind::Prepaid) {
        let type_id = lot.line.credit_type_id;
        let credit_type = types
            .get(&type_id)
            .ok_or_else(|| StoreError::corrupt("lots", lot.id))?;
        let line = lines
            .entry((lot.line.position, type_id))
            .or_insert_with(|| LineFacts {
                credit_name: credit_type.name.clone(),
                credit_name_plural: credit_type.name_plural.clone(),
                quantity: 0,
                available: 0,
                used: 0,
                lost: 0,
            });
        let balances = &lot.fold.balances;
        add(&mut line.quantity, lot.issued.quantity);
        add(&mut line.available, balances.available);
        add(&mut line.available, balances.held);
        add(&mut line.used, balances.consumed);
        add(&mut line.lost, balances.expired);
    }
    Ok(lines.into_values().collect())
}

fn add(sum: &mut i64, credits: Credits) {
    *sum = sum.saturating_add(credits.millionths());
}

/// Who writes to somebody of this name, who cannot unsubscribe; what the business has not chosen is the
/// operator's.
pub fn envelope(operator: &MailSettings, business: &Business, to_name: &str) -> Envelope {
    let sender = &business.sender;
    let from_name = sender
        .from_name
        .clone()
        .or_else(|| operator.from_name.clone());
    Envelope {
        from_email: sender
            .from_email
            .clone()
            .unwrap_or_else(|| operator.from_email.clone()),
        from_name: from_name.unwrap_or_else(|| business.name.clone()),
        reply_to: sender.reply_to.clone(),
        to_name: to_name.to_owned(),
        unsubscribe_url: None,
    }
}

/// The e-mail's id at the host of the business's links, or of the sender's address.
pub fn message_id(id: EmailId, business: &Business, envelope: &Envelope) -> String {
    let link = business.sender.link_base_url.as_deref();
    let of_links = link
        .and_then(|link| Url::parse(link).ok())
        .and_then(|url| url.domain().map(str::to_owned));
    let of_sender = || {
        let (_, domain) = envelope.from_email.rsplit_once('@')?;
        let url = Url::parse(&format!("http://{domain}")).ok()?;
        url.domain().map(str::to_owned)
    };
    let host = of_links.or_else(of_sender);
    format!("<{id}@{}>", host.as_deref().unwrap_or(NO_HOST))
}
