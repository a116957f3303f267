//! What an e-mail says: from the facts of the moment to a text that is then fixed.

use std::collections::HashSet;

use sea_orm::DatabaseTransaction;

use super::Mail;
use super::claim::Facts;
use crate::domain::email::{Email, Envelope, Text};
use crate::domain::package::Package;
use crate::ids::{NoticeId, PackageId};
use crate::mail::message::{MessageParts, Outgoing, Party, build_message};
use crate::mail::templates::Rendered;
use crate::service::email_content::{self, envelope, message_id};
use crate::service::{ServiceError, customer_page, email_rendering, unsubscribing};

/// The templates could not print it.
const NOT_RENDERED: &str = "not_rendered";
/// A name or address cannot stand in a message.
const NOT_SENDABLE: &str = "not_sendable";

/// The text of an e-mail from the notices that hold, or the reason why there can be none.
pub(super) async fn text(
    txn: &DatabaseTransaction,
    mail: &Mail,
    email: &Email,
    facts: &Facts,
    left_out: &HashSet<NoticeId>,
) -> Result<Result<Text, &'static str>, ServiceError> {
    let told = email_content::Facts {
        business: &facts.business,
        contact: &facts.contact,
        packages: &packages(facts, left_out),
        lots: &facts.lots,
        now: facts.now,
    };
    let envelope = Envelope {
        unsubscribe_url: unsubscribe_url(txn, mail, email, facts).await?,
        ..envelope(&mail.settings, &facts.business, &facts.contact.name)
    };
    let mut content = email_content::content(txn, email.kind, &told).await?;
    content
        .unsubscribe_url
        .clone_from(&envelope.unsubscribe_url);
    if let Some(public_url) = customer_page::offered(&mail.settings, &facts.business) {
        let whose = (email.business_id, facts.contact.id);
        let url = customer_page::url(txn, public_url, whose, facts.now).await?;
        content.business.link_base_url = Some(url);
    }
    let templates = mail.templates.current()?;
    let business_id = email.business_id;
    let rendered =
        email_rendering::render(txn, &templates, business_id, email.kind, &content).await?;
    let rendered = match rendered {
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

/// Where the customer unsubscribes, if the e-mail offers it.
async fn unsubscribe_url(
    txn: &DatabaseTransaction,
    mail: &Mail,
    email: &Email,
    facts: &Facts,
) -> Result<Option<String>, ServiceError> {
    let offered = unsubscribing::offered(&mail.settings, &facts.business, email.kind);
    let Some(public_url) = offered else {
        return Ok(None);
    };
    let url = unsubscribing::url(txn, public_url, email.business_id, facts.contact.id).await?;
    Ok(Some(url))
}

/// The packages that the notices which hold are about, each once.
fn packages<'a>(facts: &'a Facts, left_out: &HashSet<NoticeId>) -> Vec<&'a Package> {
    let mut told: HashSet<PackageId> = HashSet::new();
    let notices = facts.notices.iter();
    notices
        .filter(|notice| !left_out.contains(&notice.id) && told.insert(notice.package_id))
        .filter_map(|notice| facts.packages.get(&notice.package_id))
        .collect()
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
