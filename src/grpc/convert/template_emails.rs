//! What a template says itself of e-mails, as messages.

use crate::domain::template_emails::{OwnLowBalance, TemplateEmails, UseEmails};
use crate::grpc::convert::reminder_policy::{low_balance, to_low_balance};
use crate::grpc::faults::Faults;
use crate::proto::v1;

/// What a template says; left out, it says nothing.
pub fn emails(message: Option<&v1::TemplateEmails>, faults: &mut Faults) -> Option<TemplateEmails> {
    let Some(message) = message else {
        return Some(TemplateEmails::default());
    };
    let own = match &message.low_balance {
        None => None,
        Some(v1::TemplateLowBalance { at: None }) => Some(OwnLowBalance::Never),
        Some(v1::TemplateLowBalance { at: Some(line) }) => {
            let field = "emails.low_balance.at";
            let line = faults.within(field, |faults| low_balance(line, faults))?;
            Some(OwnLowBalance::At(line))
        }
    };
    Some(TemplateEmails {
        confirmation: message.confirmation,
        expired_notice: message.expired_notice,
        uses: UseEmails {
            low_balance: own,
            used_up: message.used_up,
        },
        extended: message.extended,
        hold_timed_out: message.hold_timed_out,
    })
}

/// What a template says as a message; left out where it says nothing.
pub fn to_emails(emails: TemplateEmails) -> Option<v1::TemplateEmails> {
    let own = emails.uses.low_balance;
    let message = v1::TemplateEmails {
        confirmation: emails.confirmation,
        expired_notice: emails.expired_notice,
        low_balance: own.map(|own| v1::TemplateLowBalance {
            at: match own {
                OwnLowBalance::Never => None,
                OwnLowBalance::At(line) => Some(to_low_balance(line)),
            },
        }),
        used_up: emails.uses.used_up,
        extended: emails.extended,
        hold_timed_out: emails.hold_timed_out,
    };
    (emails != TemplateEmails::default()).then_some(message)
}
