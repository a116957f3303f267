//! For how long the server keeps what it needs no more. The ledger, and that a request took effect, are kept for ever.

use chrono::TimeDelta;
use clap::Args;

/// For how long what is for a while only is kept.
#[derive(Args, Clone, Copy, Debug)]
pub struct RetentionSettings {
    /// After how many days the stored answer of a request is cleared; a repeat that is later still takes no effect, and
    /// is told so.
    #[arg(
        long,
        env = "CARNET_KEEP_ANSWERS_DAYS",
        default_value_t = 30,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub keep_answers_days: u16,
    /// After how many days the text and the address of an e-mail are cleared that was sent, given up or cancelled.
    #[arg(
        long,
        env = "CARNET_KEEP_EMAIL_TEXTS_DAYS",
        default_value_t = 365,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub keep_email_texts_days: u16,
    /// After how many days events of the audit are removed; never before stored answers are, which are found by them
    /// when a customer is erased.
    #[arg(
        long,
        env = "CARNET_KEEP_AUDIT_DAYS",
        default_value_t = 730,
        value_name = "DAYS",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub keep_audit_days: u16,
}

impl RetentionSettings {
    /// How long stored answers are kept.
    pub fn answers(&self) -> TimeDelta {
        TimeDelta::days(self.keep_answers_days.into())
    }

    /// How long texts and addresses of e-mails are kept.
    pub fn email_texts(&self) -> TimeDelta {
        TimeDelta::days(self.keep_email_texts_days.into())
    }

    /// How long events of the audit are kept.
    pub fn audit(&self) -> TimeDelta {
        TimeDelta::days(self.keep_audit_days.max(self.keep_answers_days).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_outlive_the_answers_that_are_found_by_them() {
        let days = |answers, audit| RetentionSettings {
            keep_answers_days: answers,
            keep_email_texts_days: 1,
            keep_audit_days: audit,
        };
        assert_eq!(days(30, 7).audit(), TimeDelta::days(30));
        assert_eq!(days(30, 90).audit(), TimeDelta::days(90));
    }
}
