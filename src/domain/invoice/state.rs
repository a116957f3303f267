//! The states of an invoice. One is left by a transition only, each of which consumes it and says why it cannot.

use crate::domain::entry::coded;
use crate::domain::refusal::InvoiceRefusal;

coded! {
    /// What an invoice is at one moment.
    InvoiceState {
        /// In the making.
        Draft = 1, "draft";
        /// It has its number, and nothing is paid.
        Issued = 2, "issued";
        /// Something is paid, but not all.
        PartlyPaid = 3, "partly_paid";
        /// Nothing is due.
        Paid = 4, "paid";
        /// It counts no more.
        Void = 5, "void";
    }
}

/// What an invoice asks for and what was paid of it, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// The sum of its lines, with tax.
    pub total_minor: i64,
    /// What was paid and did not bounce.
    pub paid_minor: i64,
}

impl Owed {
    /// What is still to be paid, in minor units; never below 0.
    pub fn due_minor(self) -> i64 {
        self.total_minor.saturating_sub(self.paid_minor).max(0)
    }

    fn state(self) -> InvoiceState {
        if self.due_minor() == 0 {
            InvoiceState::Paid
        } else if self.paid_minor == 0 {
            InvoiceState::Issued
        } else {
            InvoiceState::PartlyPaid
        }
    }
}

impl InvoiceState {
    /// Lines and the like are changed.
    ///
    /// # Errors
    /// [`InvoiceRefusal::NotDraft`], [`InvoiceRefusal::Void`].
    pub fn changed(self) -> Result<Self, InvoiceRefusal> {
        match self {
            Self::Draft => Ok(Self::Draft),
            Self::Issued | Self::PartlyPaid | Self::Paid => {
                Err(InvoiceRefusal::NotDraft { state: self })
            }
            Self::Void => Err(InvoiceRefusal::Void),
        }
    }

    /// It gets its number; with nothing due it is paid at once (semantics 40).
    ///
    /// # Errors
    /// [`InvoiceRefusal::AlreadyIssued`], [`InvoiceRefusal::Void`].
    pub fn issued(self, owed: Owed) -> Result<Self, InvoiceRefusal> {
        match self {
            Self::Draft => Ok(owed.state()),
            Self::Issued | Self::PartlyPaid | Self::Paid => {
                Err(InvoiceRefusal::AlreadyIssued { state: self })
            }
            Self::Void => Err(InvoiceRefusal::Void),
        }
    }

    /// Other units than before are paid in credits.
    ///
    /// # Errors
    /// [`InvoiceRefusal::AlreadyPaid`], [`InvoiceRefusal::Void`].
    pub fn priced_again(self, owed: Owed) -> Result<Self, InvoiceRefusal> {
        match self {
            Self::Draft => Ok(Self::Draft),
            Self::Issued | Self::PartlyPaid => Ok(owed.state()),
            Self::Paid => Err(InvoiceRefusal::AlreadyPaid),
            Self::Void => Err(InvoiceRefusal::Void),
        }
    }

    /// Money came in.
    ///
    /// # Errors
    /// [`InvoiceRefusal::NotIssued`], [`InvoiceRefusal::AlreadyPaid`], [`InvoiceRefusal::Void`].
    pub fn paid(self, owed: Owed) -> Result<Self, InvoiceRefusal> {
        match self {
            Self::Draft => Err(InvoiceRefusal::NotIssued),
            Self::Issued | Self::PartlyPaid => Ok(owed.state()),
            Self::Paid => Err(InvoiceRefusal::AlreadyPaid),
            Self::Void => Err(InvoiceRefusal::Void),
        }
    }

    /// A payment bounced; one of an invoice that is void changes nothing else (semantics 24).
    ///
    /// # Errors
    /// [`InvoiceRefusal::NotIssued`].
    pub fn bounced(self, owed: Owed) -> Result<Self, InvoiceRefusal> {
        match self {
            Self::Draft => Err(InvoiceRefusal::NotIssued),
            Self::Issued | Self::PartlyPaid | Self::Paid => Ok(owed.state()),
            Self::Void => Ok(Self::Void),
        }
    }

    /// Money went back.
    ///
    /// # Errors
    /// [`InvoiceRefusal::NotIssued`].
    pub fn refunded(self) -> Result<Self, InvoiceRefusal> {
        match self {
            Self::Draft => Err(InvoiceRefusal::NotIssued),
            Self::Issued | Self::PartlyPaid | Self::Paid | Self::Void => Ok(self),
        }
    }

    /// It is voided but for what was used of the packages that it sold.
    ///
    /// # Errors
    /// [`InvoiceRefusal::NotIssued`], [`InvoiceRefusal::Void`].
    pub fn reduced(self, owed: Owed) -> Result<Self, InvoiceRefusal> {
        match self {
            Self::Draft => Err(InvoiceRefusal::NotIssued),
            Self::Issued | Self::PartlyPaid | Self::Paid => Ok(owed.state()),
            Self::Void => Err(InvoiceRefusal::Void),
        }
    }

    /// It counts no more.
    ///
    /// # Errors
    /// [`InvoiceRefusal::Void`].
    pub fn voided(self) -> Result<Self, InvoiceRefusal> {
        match self {
            Self::Draft | Self::Issued | Self::PartlyPaid | Self::Paid => Ok(Self::Void),
            Self::Void => Err(InvoiceRefusal::Void),
        }
    }
}
