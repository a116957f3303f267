//! What e-mails are made of beside the database: the templates in use, and what the operator settles.

use crate::config::PublicUrl;
use crate::mail::reload::Templates;

/// What e-mails are made of, beside the database.
#[derive(Clone, Debug, Default)]
pub struct Mailing {
    /// The templates in use.
    pub templates: Templates,
    /// What the operator settles.
    pub operator: MailSettings,
}

/// What the operator settles: who e-mails come from where a business says nothing, where their links lead, and
/// how many go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// The address that e-mails come from where a business has none of its own.
    pub from_email: String,
    /// The name shown with it; none: the business's.
    pub from_name: Option<String>,
    /// What the links to unsubscribe and to the customer's page begin with; without it there are none.
    pub public_url: Option<PublicUrl>,
    /// How many go out in a minute.
    pub rates: Rates,
}

/// How many e-mails go out in any minute at most; none: as many as the mail server takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of all businesses together.
    pub all_max: Option<u32>,
    /// Of each business.
    pub business_max: Option<u32>,
}

impl Default for MailSettings {
    /// An address of this machine.
    fn default() -> Self {
        Self {
            from_email: "carnet@localhost".to_owned(),
            from_name: None,
            public_url: None,
            rates: Rates::default(),
        }
    }
}
