//! From a rendered e-mail to the bytes that a mail server takes.
//!
//! All attempts to send one e-mail give the same bytes under the same Message-ID, so that a server or
//! a mail program that sees two of them can tell that they are one. Control characters are refused
//! here, whatever was cleaned before: a line break in a name would begin a header of its own (and
//! makes the builder panic). Header names are from a fixed list. Deliberately absent: signing, which
//! is the relay's job.

use chrono::{DateTime, Utc};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use url::{Host, Url};

use super::templates::Rendered;

/// Somebody with an e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The name shown; may be empty.
    pub name: String,
    /// The address.
    pub address: String,
}

/// Everything around the text of one e-mail.
#[derive(Clone, Debug)]
pub struct MessageParts<'a> {
    /// Subject and texts.
    pub rendered: &'a Rendered,
    /// Who writes; bounces go there too.
    pub from: &'a Party,
    /// Who gets it.
    pub to: &'a Party,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<&'a Party>,
    /// `<…@…>`, the same for all attempts.
    pub message_id: &'a str,
    /// The date shown, the same for all attempts.
    pub date: DateTime<Utc>,
    /// Where the recipient unsubscribes, if that is possible.
    pub unsubscribe_url: Option<&'a str>,
}

/// A message that is ready to be handed to a mail server.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Its Message-ID with the angle brackets.
    pub message_id: String,
    /// The envelope's sender.
    pub sender: Address,
    /// The envelope's recipient.
    pub recipient: Address,
    /// Headers and body.
    pub bytes: Vec<u8>,
}

/// Why a message cannot be built; nothing personal is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A name, address or subject holds a line break or another control character.
    #[error("the {field} holds a control character")]
    ControlCharacter {
        /// Which one.
        field: &'static str,
    },
    /// Not an e-mail address.
    #[error("the {field} is not an e-mail address")]
    Address {
        /// Which one.
        field: &'static str,
    },
    /// Not of the form `<left@right>`.
    #[error("the Message-ID is not of the form <left@right>")]
    MessageId,
    /// Not an address that can stand in a header.
    #[error("the address to unsubscribe at is no http or https URL")]
    UnsubscribeUrl,
    /// The builder refused it.
    #[error("the message cannot be built")]
    Build,
}

/// Builds the message: a text part and an HTML part, marked as sent by a machine.
///
/// # Errors
///
/// A field that cannot stand in a header.
pub fn build_message(parts: &MessageParts<'_>) -> Result<Outgoing, MessageError> {
    let from = mailbox(parts.from, "sender")?;
    let to = mailbox(parts.to, "recipient")?;
    let reply_to = parts
        .reply_to
        .map(|party| mailbox(party, "reply address"))
        .transpose()?;
    refuse_control(&parts.rendered.subject, "subject")?;
    let message_id = checked_message_id(parts.message_id)?;
    let (sender, recipient) = (from.email.clone(), to.email.clone());
    let mut builder = Message::builder()
        .from(from)
        .to(to)
        .subject(parts.rendered.subject.clone())
        .date(parts.date.into())
        .message_id(Some(message_id.clone()))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ));
    if let Some(reply_to) = reply_to {
        builder = builder.reply_to(reply_to);
    }
    for (name, value) in unsubscribe_headers(parts.unsubscribe_url)? {
        let name = HeaderName::new_from_ascii_str(name);
        builder = builder.raw_header(HeaderValue::new(name, value));
    }
    let body = MultiPart::alternative()
        .boundary(boundary(&message_id))
        .singlepart(SinglePart::plain(parts.rendered.text.clone()))
        .singlepart(SinglePart::html(parts.rendered.html.clone()));
    let bytes = builder
        .multipart(body)
        .map_err(|_| MessageError::Build)?
        .formatted();
    Ok(Outgoing {
        message_id,
        sender,
        recipient,
        bytes,
    })
}

/// What lets mail programs offer to unsubscribe: by one click only over https, as RFC 8058 wants it.
fn unsubscribe_headers(url: Option<&str>) -> Result<Vec<(&'static str, String)>, MessageError> {
    let Some(url) = url else {
        return Ok(Vec::new());
    };
    let parsed = Url::parse(url).map_err(|_| MessageError::UnsubscribeUrl)?;
    // A header line ends at 998 characters, and the address cannot be folded.
    if !matches!(parsed.scheme(), "http" | "https") || parsed.as_str().len() > 900 {
        return Err(MessageError::UnsubscribeUrl);
    }
    let mut headers = vec![("List-Unsubscribe", format!("<{parsed}>"))];
    if parsed.scheme() == "https" {
        let one_click = "List-Unsubscribe=One-Click".to_owned();
        headers.push(("List-Unsubscribe-Post", one_click));
    }
    Ok(headers)
}

/// Whether a message can be sent to this address; what is kept as a customer's must pass.
pub fn is_address(text: &str) -> bool {
    let party = Party {
        name: String::new(),
        address: text.to_owned(),
    };
    mailbox(&party, "address").is_ok()
}

fn mailbox(party: &Party, field: &'static str) -> Result<Mailbox, MessageError> {
    refuse_control(&party.name, field)?;
    refuse_control(&party.address, field)?;
    let invalid = MessageError::Address { field };
    let (user, domain) = party.address.trim().rsplit_once('@').ok_or(invalid)?;
    // A domain in national letters goes over the wire in its ASCII form.
    let domain = Host::parse(domain).map_err(|_| invalid)?.to_string();
    let address = Address::new(user, domain).map_err(|_| invalid)?;
    let name = party.name.trim();
    Ok(Mailbox::new(
        (!name.is_empty()).then(|| name.to_owned()),
        address,
    ))
}

fn refuse_control(text: &str, field: &'static str) -> Result<(), MessageError> {
    if text.chars().any(char::is_control) {
        return Err(MessageError::ControlCharacter { field });
    }
    Ok(())
}

fn checked_message_id(id: &str) -> Result<String, MessageError> {
    let inner = id.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let (left, right) = inner
        .and_then(|inner| inner.split_once('@'))
        .ok_or(MessageError::MessageId)?;
    let plain = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+=".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed)
    };
    // Header lines end at 998 characters; an id that long is a mistake anyway.
    if id.len() <= 250 && plain(left) && plain(right) {
        Ok(id.to_owned())
    } else {
        Err(MessageError::MessageId)
    }
}

/// A boundary that follows from the Message-ID, at most 70 characters as RFC 2046 wants.
fn boundary(message_id: &str) -> String {
    let letters = message_id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60);
    format!("carnet-{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered() -> Rendered {
        Rendered {
            subject: "Alles 7 sõidutundi".to_owned(),
            html: "<p>O'Neil</p>".to_owned(),
            text: "Tere, O'Neil!\n.\n.\n\nLõpp".to_owned(),
        }
    }

    fn party(name: &str, address: &str) -> Party {
        Party {
            name: name.to_owned(),
            address: address.to_owned(),
        }
    }

    fn build(from: &Party, to: &Party, message_id: &str) -> Result<Outgoing, MessageError> {
        build_message(&MessageParts {
            rendered: &rendered(),
            from,
            to,
            reply_to: Some(&party("Front desk", "desk@studio.example")),
            message_id,
            date: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            unsubscribe_url: Some("https://carnet.example/unsubscribe/biz_1.cus_1.mac"),
        })
    }

    #[test]
    fn all_attempts_give_the_same_bytes() {
        let (from, to) = (
            party("Studio Õ", "hello@studio.example"),
            party("", "mari@example.com"),
        );
        let first = build(&from, &to, "<eml_1@carnet.example>").unwrap();
        let second = build(&from, &to, "<eml_1@carnet.example>").unwrap();
        assert_eq!(first.bytes, second.bytes);
        let text = String::from_utf8(first.bytes).unwrap();
        for header in [
            "Message-ID: <eml_1@carnet.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "To: mari@example.com\r\n",
            "Reply-To: \"Front desk\" <desk@studio.example>\r\n",
            "Content-Type: multipart/alternative;",
            "List-Unsubscribe: <https://carnet.example/unsubscribe/biz_1.cus_1.mac>\r\n",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        ] {
            assert!(text.contains(header), "{header} in {text}");
        }
        assert!(text.is_ascii());
        assert!(text.lines().all(|line| line.len() < 998));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn one_click_needs_https() {
        let names = |url| {
            let headers = unsubscribe_headers(Some(url)).unwrap();
            headers
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        let both = ["List-Unsubscribe", "List-Unsubscribe-Post"];
        assert_eq!(names("https://carnet.example/u"), both);
        assert_eq!(names("http://127.0.0.1:8080/u"), both[..1]);
        assert_eq!(unsubscribe_headers(None), Ok(Vec::new()));
        for wrong in ["mailto:a@b.example", "carnet.example", ""] {
            let refusal = unsubscribe_headers(Some(wrong));
            assert_eq!(refusal, Err(MessageError::UnsubscribeUrl), "{wrong}");
        }
    }

    #[test]
    fn a_line_break_in_a_name_is_refused() {
        let good = party("Studio", "hello@studio.example");
        for name in ["Mari\r\nBcc: all@example.com", "Mari\n", "a\0b"] {
            let refusal = build(&good, &party(name, "mari@example.com"), "<a@b>");
            assert_eq!(
                refusal.unwrap_err(),
                MessageError::ControlCharacter { field: "recipient" }
            );
        }
        assert!(build(&party("a\rb", "hello@studio.example"), &good, "<a@b>").is_err());
        assert!(
            build(
                &good,
                &party("", "mari@example.com\r\nRCPT TO:<x@y>"),
                "<a@b>"
            )
            .is_err()
        );
    }

    #[test]
    fn what_is_no_address_or_no_id_is_refused() {
        let good = party("Studio", "hello@studio.example");
        for address in [
            "",
            "mari",
            "@example.com",
            "mari@",
            "a b@example.com",
            "mari@exa mple.com",
        ] {
            let refusal = build(&good, &party("", address), "<a@b>").unwrap_err();
            assert_eq!(
                refusal,
                MessageError::Address { field: "recipient" },
                "{address}"
            );
            assert!(!is_address(address), "{address}");
        }
        for id in [
            "",
            "a@b",
            "<ab>",
            "<a@b",
            "<a b@c>",
            "<a@b>\r\nX: y",
            "<@b>",
            "<a@b@c>",
        ] {
            assert_eq!(
                build(&good, &good, id).unwrap_err(),
                MessageError::MessageId,
                "{id}"
            );
        }
    }

    #[test]
    fn a_domain_in_national_letters_goes_out_in_ascii() {
        let good = party("Studio", "hello@studio.example");
        let built = build(&good, &party("", "mari@õpe.example"), "<a@b>").unwrap();
        assert_eq!(built.recipient.to_string(), "mari@xn--pe-bka.example");
    }
}
