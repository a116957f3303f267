//! E-mails as they are kept: one message to a customer, of one or more notices, and what became of it.
//!
//! What an e-mail says is fixed with the first attempt that may have delivered it, and the same in all that follow
//! (semantics 43), so it lies here. Until then each attempt says what is true by then.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::entry::coded;
use crate::domain::notice::{DropReason, NoticeKind};
use crate::domain::refusal::EmailingRefusal;
use crate::ids::{BusinessId, CustomerId, EmailId};

coded! {
    /// How far an e-mail is.
    EmailState {
        /// Waits for its moment, or for another attempt.
        Queued = 1, "queued";
        /// Is being handed to the mail server.
        Sending = 2, "sending";
        /// The mail server has taken it over.
        Sent = 3, "sent";
        /// Given up.
        Failed = 4, "failed";
        /// Nothing in it is true or wanted any more.
        Cancelled = 5, "cancelled";
    }
}

coded! {
    /// How an attempt ended.
    AttemptOutcome {
        /// The mail server has taken the e-mail over.
        Accepted = 1, "accepted";
        /// Refused for now, or broken off after the recipient was named.
        Deferred = 2, "deferred";
        /// Refused for good.
        Rejected = 3, "rejected";
        /// The failure lay before any recipient was named; costs no attempt.
        Unreachable = 4, "unreachable";
        /// The text was sent and no answer came: it may have gone out.
        Unknown = 5, "unknown";
    }
}

/// Who and where, apart from the recipient's address; fixed with the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The sender's address.
    pub from_email: String,
    /// The sender's name.
    pub from_name: String,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<String>,
    /// The recipient's name.
    pub to_name: String,
    /// Where the recipient unsubscribes; none for kinds that are mandatory.
    pub unsubscribe_url: Option<String>,
}

/// What an e-mail says, from an attempt on that may have delivered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The Message-ID with its angle brackets, the same in all attempts.
    pub message_id: String,
    /// The address that it goes to.
    pub to_address: String,
    /// Sender and names.
    pub envelope: Envelope,
    /// The subject.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The text part.
    pub plain: String,
    /// When it was rendered: the date that it shows.
    pub rendered_at: DateTime<Utc>,
}

/// A message to a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// The e-mail.
    pub id: EmailId,
    /// Whose customer it goes to.
    pub business_id: BusinessId,
    /// The customer; none: a trial with nobody's data.
    pub customer_id: Option<CustomerId>,
    /// Whether it is a trial, sent to an address that somebody of the business named.
    pub is_test: bool,
    /// What it is about.
    pub kind: NoticeKind,
    /// What it is for, so that there is one of it: the local day, or the sale.
    pub occasion: String,
    /// How far it is.
    pub state: EmailState,
    /// Why it failed or was cancelled; a stable word.
    pub reason: Option<String>,
    /// The run that it came from; it may be claimed once that is done.
    pub mail_day: Option<NaiveDate>,
    /// When it is to be sent, or tried again.
    pub due_at: DateTime<Utc>,
    /// How many attempts it has cost.
    pub attempts: i32,
    /// Until when whoever claimed it has it.
    pub lease_until: Option<DateTime<Utc>>,
    /// Counts the claims; an outcome is marked only under the number of its own claim.
    pub fence: i64,
    /// What it says; nothing as long as nobody can have got it and it is to be tried.
    pub text: Option<Text>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When it was sent, given up or cancelled.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Email {
    /// An e-mail that is due at once.
    pub fn new(
        business_id: BusinessId,
        customer_id: CustomerId,
        kind: NoticeKind,
        occasion: String,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id: EmailId::generate(now),
            business_id,
            customer_id: Some(customer_id),
            is_test: false,
            kind,
            occasion,
            state: EmailState::Queued,
            reason: None,
            mail_day: None,
            due_at: now,
            attempts: 0,
            lease_until: None,
            fence: 0,
            text: None,
            created_at: now,
            finished_at: None,
        }
    }

    /// A trial with a text that is fixed.
    pub fn test(
        business_id: BusinessId,
        customer_id: Option<CustomerId>,
        kind: NoticeKind,
        id: EmailId,
        text: Text,
    ) -> Self {
        let now = text.rendered_at;
        Self {
            id,
            business_id,
            customer_id,
            is_test: true,
            kind,
            occasion: format!("test {id}"),
            state: EmailState::Queued,
            reason: None,
            mail_day: None,
            due_at: now,
            attempts: 0,
            lease_until: None,
            fence: 0,
            text: Some(text),
            created_at: now,
            finished_at: None,
        }
    }

    /// How far it has come, without what it says.
    #[must_use]
    pub fn without_text(&self) -> Self {
        Self {
            occasion: self.occasion.clone(),
            reason: self.reason.clone(),
            text: None,
            ..*self
        }
    }

    /// Ends it.
    pub fn finish(&mut self, state: EmailState, reason: Option<&str>, now: DateTime<Utc>) {
        self.state = state;
        self.reason = reason.map(str::to_owned);
        self.lease_until = None;
        self.finished_at = Some(now);
    }

    /// Whether it was ended because its customer was erased, so that nothing of its address may be written.
    pub fn is_erased(&self) -> bool {
        self.reason.as_deref() == Some(DropReason::Erased.as_str())
    }

    /// Puts it back, to be tried again at `due_at`.
    pub fn postpone(&mut self, due_at: DateTime<Utc>) {
        self.state = EmailState::Queued;
        self.lease_until = None;
        self.due_at = due_at;
    }

    /// Puts one that failed back, to be tried at once and as often as a new one.
    ///
    /// # Errors
    /// [`EmailingRefusal::NotFailed`].
    pub fn retry(&mut self, now: DateTime<Utc>) -> Result<(), EmailingRefusal> {
        if self.state != EmailState::Failed {
            return Err(EmailingRefusal::NotFailed {
                email_id: self.id,
                state: self.state.as_str(),
            });
        }
        self.postpone(now);
        self.reason = None;
        self.finished_at = None;
        self.attempts = 0;
        // Whoever had it when it failed, and still writes that down, had another one.
        self.fence = self.fence.saturating_add(1);
        Ok(())
    }

    /// Ends one that waits, because somebody of the business wants that.
    ///
    /// # Errors
    /// [`EmailingRefusal::NotQueued`], if it is being sent, say.
    pub fn cancel(&mut self, now: DateTime<Utc>) -> Result<(), EmailingRefusal> {
        if self.state != EmailState::Queued {
            return Err(EmailingRefusal::NotQueued {
                email_id: self.id,
                state: self.state.as_str(),
            });
        }
        self.finish(
            EmailState::Cancelled,
            Some(DropReason::ByHand.as_str()),
            now,
        );
        Ok(())
    }
}

/// One attempt to hand an e-mail to the mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which one, from 1.
    pub number: i32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When its outcome was known.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: Option<AttemptOutcome>,
    /// The mail server's reply code.
    pub smtp_code: Option<i32>,
    /// The mail server's reply, or what went wrong.
    pub detail: String,
}

impl Attempt {
    /// Whether the e-mail may have arrived with it.
    pub const fn may_have_delivered(&self) -> bool {
        match self.outcome {
            None | Some(AttemptOutcome::Accepted | AttemptOutcome::Unknown) => true,
            Some(
                AttemptOutcome::Rejected | AttemptOutcome::Deferred | AttemptOutcome::Unreachable,
            ) => false,
        }
    }
}

/// An address as suppressions know it: trimmed and in lower case.
pub fn folded(address: &str) -> String {
    address.trim().to_lowercase()
}

/// An address that nothing is sent to any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// The address, folded.
    pub address: String,
    /// Why; a stable word.
    pub reason: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
}

/// An enhanced status code (RFC 3463), as a report of a bounce carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusCode {
    class: u16,
    subject: u16,
    detail: u16,
}

impl StatusCode {
    /// Reads "5.1.1"; none if it is no such code.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let is_number =
                (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse::<u16>().ok()).flatten()
        });
        let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
        let is_class = matches!(class, 2 | 4 | 5);
        (is_class && parts.next().is_none()).then_some(Self {
            class,
            subject,
            detail,
        })
    }

    /// Whether it says, for good, that the recipient's address is wrong (RFC 3463, RFC 7505). Other codes of the same
    /// subject speak of the sender, whom many servers refuse only once they know for whom the message is.
    pub const fn condemns_address(self) -> bool {
        let is_recipient = matches!(self.detail, 1 | 2 | 3 | 6 | 10);
        self.class == 5 && self.subject == 1 && is_recipient
    }
}

#[cfg(test)]
mod tests;
