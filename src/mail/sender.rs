//! Who e-mails come from where a business says nothing.

/// Who sends where a business has no sender of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// The operator's address.
    pub from_email: String,
    /// The name shown with it; none: the business's.
    pub from_name: Option<String>,
}

impl Default for MailSettings {
    /// An address of this machine.
    fn default() -> Self {
        Self {
            from_email: "carnet@localhost".to_owned(),
            from_name: None,
        }
    }
}
