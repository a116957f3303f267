//! What an e-mail says: from the facts of the moment to a text that is then fixed.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use url::Url;

use super::Mail;
use super::claim::Facts;
use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::catalog::CreditType;
use crate::domain::credits::Credits;
use crate::domain::email::{Email, Envelope, Text};
use crate::domain::line::LineKind;
use crate::domain::lot::Lot;
use crate::domain::notice::NoticeKind;
use crate::domain::package::Package;
use crate::domain::queue::PeriodToCome;
use crate::domain::validity::PeriodUnit;
use crate::ids::{CreditTypeId, EmailId, NoticeId, PackageId};
use crate::mail::content::{
    BusinessLook, EmailContent, EmailKind, LineFacts, PackageFacts, Price, Start, Term, TermFrom,
    TermUnit,
};
use crate::mail::message::{MessageParts, Outgoing, Party, build_message};
use crate::mail::templates::Rendered;
use crate::service::{ServiceError, unsubscribing};
use crate::store::credit_types;
use crate::store::error::StoreError;

/// The templates could not print it.
const NOT_RENDERED: &str = "not_rendered";
/// A name or address cannot stand in a message.
const NOT_SENDABLE: &str = "not_sendable";
/// The right part of a Message-ID where nothing better is known.
const NO_HOST: &str = "carnet.invalid";

/// The text of an e-mail from the notices that hold, or the reason why there can be none.
pub(super) async fn text(
    txn: &DatabaseTransaction,
    mail: &Mail,
    email: &Email,
    facts: &Facts,
    left_out: &HashSet<NoticeId>,
) -> Result<Result<Text, &'static str>, ServiceError> {
    let type_ids = facts.lots.iter().map(|lot| lot.line.credit_type_id);
    let unique: HashSet<CreditTypeId> = type_ids.collect();
    let types = credit_types::by_ids(txn, email.business_id, unique).await?;
    let types: HashMap<CreditTypeId, CreditType> = types
        .into_iter()
        .map(|credit_type| (credit_type.id, credit_type))
        .collect();
    let envelope = Envelope {
        unsubscribe_url: unsubscribe_url(txn, mail, email, facts).await?,
        ..envelope(mail, facts)
    };
    let mut content = content(email, facts, left_out, &types)?;
    content
        .unsubscribe_url
        .clone_from(&envelope.unsubscribe_url);
    let rendered = match mail.templates.render(&content) {
        Ok(rendered) => rendered,
        Err(error) => {
            let email_id = email.id;
            tracing::error!(%email_id, %error, "{email_id} cannot be rendered: {error}");
            return Ok(Err(NOT_RENDERED));
        }
    };
    Ok(Ok(Text {
        message_id: message_id(email.id, &facts.business, &envelope),
        to_address: facts.contact.email.clone().unwrap_or_default(),
        envelope,
        subject: rendered.subject,
        html: rendered.html,
        plain: rendered.text,
        rendered_at: facts.now,
    }))
}

/// The message of an e-mail whose text is fixed: the same bytes in every attempt.
pub(super) fn message(email: &Email) -> Result<Outgoing, &'static str> {
    let text = email.text.as_ref().ok_or(NOT_RENDERED)?;
    let party = |name: &str, address: &str| Party {
        name: name.to_owned(),
        address: address.to_owned(),
    };
    let envelope = &text.envelope;
    let reply_to = envelope
        .reply_to
        .as_deref()
        .map(|address| party(&envelope.from_name, address));
    let rendered = Rendered {
        subject: text.subject.clone(),
        html: text.html.clone(),
        text: text.plain.clone(),
    };
    build_message(&MessageParts {
        rendered: &rendered,
        from: &party(&envelope.from_name, &envelope.from_email),
        to: &party(&envelope.to_name, &text.to_address),
        reply_to: reply_to.as_ref(),
        message_id: &text.message_id,
        date: text.rendered_at,
        unsubscribe_url: envelope.unsubscribe_url.as_deref(),
    })
    .map_err(|error| {
        let email_id = email.id;
        tracing::error!(%email_id, %error, "{email_id} cannot be sent: {error}");
        NOT_SENDABLE
    })
}

fn content(
    email: &Email,
    facts: &Facts,
    left_out: &HashSet<NoticeId>,
    types: &HashMap<CreditTypeId, CreditType>,
) -> Result<EmailContent, StoreError> {
    let business = &facts.business;
    let mut told: HashSet<PackageId> = HashSet::new();
    let mut packages = Vec::new();
    for notice in &facts.notices {
        if left_out.contains(&notice.id) || !told.insert(notice.package_id) {
            continue;
        }
        if let Some(package) = facts.packages.get(&notice.package_id) {
            packages.push((package.expires_at, package_facts(package, facts, types)?));
        }
    }
    // What ends first comes first, what never ends last.
    packages.sort_by_key(|(expires_at, _)| (expires_at.is_none(), *expires_at));
    Ok(EmailContent {
        kind: match email.kind {
            NoticeKind::Confirmation => EmailKind::Confirmation,
            NoticeKind::Expiring => EmailKind::Expiring,
            NoticeKind::Expired => EmailKind::Expired,
            NoticeKind::LowBalance => EmailKind::LowBalance,
            NoticeKind::UsedUp => EmailKind::UsedUp,
            NoticeKind::Extended => EmailKind::Extended,
            NoticeKind::Renewed => EmailKind::Renewed,
            NoticeKind::HoldTimedOut => EmailKind::HoldTimedOut,
        },
        locale: facts
            .contact
            .locale
            .clone()
            .unwrap_or_else(|| business.locale.clone()),
        business: BusinessLook {
            name: business.name.clone(),
            can_reply: business.sender.reply_to.is_some() || business.sender.from_email.is_some(),
            logo_url: None,
            accent: None,
            link_base_url: business.sender.link_base_url.clone(),
        },
        customer_name: facts.contact.name.clone(),
        packages: packages.into_iter().map(|(_, package)| package).collect(),
        today: calendar::local_day(facts.now, business.zone),
        unsubscribe_url: None,
    })
}

/// Where the customer unsubscribes: not from a kind that comes all the same.
async fn unsubscribe_url(
    txn: &DatabaseTransaction,
    mail: &Mail,
    email: &Email,
    facts: &Facts,
) -> Result<Option<String>, ServiceError> {
    let Some(public_url) = &mail.settings.public_url else {
        return Ok(None);
    };
    if facts.business.reminder_policy.is_mandatory(email.kind) {
        return Ok(None);
    }
    let (business_id, customer_id) = (email.business_id, email.customer_id);
    let url = unsubscribing::url(txn, public_url, business_id, customer_id).await?;
    Ok(Some(url))
}

fn package_facts(
    package: &Package,
    facts: &Facts,
    types: &HashMap<CreditTypeId, CreditType>,
) -> Result<PackageFacts, StoreError> {
    let business = &facts.business;
    let day_before = |at: DateTime<Utc>| calendar::last_usable_day(at, business.zone);
    let today = calendar::local_day(facts.now, business.zone);
    let last_usable_day = package.expires_at.map(day_before);
    let restorable_until = package.restorable_until(business.quarantine_days);
    let restorable_until = restorable_until
        .filter(|until| *until > facts.now && package.expires_at.is_some_and(|at| *until > at));
    Ok(PackageFacts {
        name: package.name.clone(),
        last_usable_day,
        start: start(package, facts),
        term: term(package, facts.now),
        days_left: last_usable_day.map(|day| calendar::days_between(today, day)),
        restorable_through: restorable_until.map(day_before),
        lines: lines(&facts.lots_of(package.id), types)?,
        price: package.sale_id.map(|_| Price {
            minor_units: package.price_minor,
            currency_code: business.currency.code().to_owned(),
        }),
    })
}

fn start(package: &Package, facts: &Facts) -> Start {
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
fn lines(
    lots: &[Lot],
    types: &HashMap<CreditTypeId, CreditType>,
) -> Result<Vec<LineFacts>, StoreError> {
    let mut lines: BTreeMap<_, LineFacts> = BTreeMap::new();
    for lot in lots.iter().filter(|lot| lot.line.kind == LineKind::Prepaid) {
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

/// Who writes to whom; what the business has not chosen is the operator's.
fn envelope(mail: &Mail, facts: &Facts) -> Envelope {
    let sender = &facts.business.sender;
    let operator = &mail.settings;
    let from_name = sender
        .from_name
        .clone()
        .or_else(|| operator.from_name.clone());
    Envelope {
        from_email: sender
            .from_email
            .clone()
            .unwrap_or_else(|| operator.from_email.clone()),
        from_name: from_name.unwrap_or_else(|| facts.business.name.clone()),
        reply_to: sender.reply_to.clone(),
        to_name: facts.contact.name.clone(),
        unsubscribe_url: None,
    }
}

/// The e-mail's id at the host of the business's links, or of the sender's address.
fn message_id(id: EmailId, business: &Business, envelope: &Envelope) -> String {
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
