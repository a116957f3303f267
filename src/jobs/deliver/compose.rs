//! What an e-mail says: from the facts of the moment to a text that is then fixed.

use std::collections::HashSet;

use super::claim::Office;
use super::facts::Told;
use crate::domain::email::{Email, Envelope, Text};
use crate::domain::lot::Lot;
use crate::domain::package::Package;
use crate::ids::NoticeId;
use crate::mail::message::{MessageParts, Outgoing, Party, build_message};
use crate::mail::templates::Rendered;
use crate::service::email_content::{self, envelope, message_id};
use crate::service::{ServiceError, customer_page, unsubscribing};
use crate::store::error::StoreError;

/// The templates could not print it.
const NOT_RENDERED: &str = "not_rendered";
/// A name or address cannot stand in a message.
const NOT_SENDABLE: &str = "not_sendable";

/// The text of an e-mail from the notices that hold, or the reason why there can be none.
pub(super) fn text(
    office: &Office,
    email: &Email,
    told: &Told<'_>,
    left_out: &HashSet<NoticeId>,
) -> Result<Result<Text, &'static str>, ServiceError> {
    let (business, contact, now) = (told.business, told.contact, told.facts.now);
    let (packages, lots): (Vec<&Package>, Vec<&[Lot]>) =
        told.packages(left_out).into_iter().unzip();
    let facts = email_content::Facts {
        business,
        contact,
        packages: &packages,
        lots: &lots.concat(),
        types: &told.facts.types,
        now,
    };
    let envelope = Envelope {
        unsubscribe_url: unsubscribe_url(office, email, told)?,
        ..envelope(&office.settings, business, &contact.name)
    };
    let mut content = email_content::content(email.kind, &facts)?;
    content
        .unsubscribe_url
        .clone_from(&envelope.unsubscribe_url);
    if let Some(public_url) = customer_page::offered(&office.settings, business) {
        let whose = (business.id, contact.id);
        let url = customer_page::url(public_url, link_key(told)?, whose, now)?;
        content.business.link_base_url = Some(url);
    }
    let templates = office.templates.current()?;
    let own = &told.facts.own_templates;
    let rendered = match own.render(&templates, email.kind, &content) {
        Ok(rendered) => rendered,
        Err(error) => {
            let email_id = email.id;
            tracing::error!(%email_id, %error, "{email_id} cannot be rendered: {error}");
            return Ok(Err(NOT_RENDERED));
        }
    };
    Ok(Ok(Text {
        message_id: message_id(email.id, business, &envelope),
        to_address: contact.email.clone().unwrap_or_default(),
        envelope,
        subject: rendered.subject,
        html: rendered.html,
        plain: rendered.text,
        rendered_at: now,
    }))
}

/// Where the customer unsubscribes, if the e-mail offers it.
fn unsubscribe_url(
    office: &Office,
    email: &Email,
    told: &Told<'_>,
) -> Result<Option<String>, StoreError> {
    let (business, contact) = (told.business, told.contact);
    let offered = unsubscribing::offered(&office.settings, business, email.kind);
    offered
        .map(|public_url| unsubscribing::url(public_url, link_key(told)?, business.id, contact.id))
        .transpose()
}

fn link_key<'a>(told: &Told<'a>) -> Result<&'a [u8], StoreError> {
    let key = told.facts.link_key.as_deref();
    key.ok_or_else(|| StoreError::corrupt("businesses", told.business.id))
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
