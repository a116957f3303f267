//! How a use case can fail.

use crate::domain::refusal::Refusal;
use crate::ledger::LedgerError;
use crate::mail::templates::TemplateError;
use crate::store::error::StoreError;

/// A failure of a use case.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The rules say no; nothing was kept.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// One entry of several was refused, so none was kept.
    #[error("entry {index}: {refusal}")]
    EntriesRefused {
        /// Every entry that was refused: its index and why.
        refusals: Vec<(usize, Refusal)>,
        /// The first of them.
        index: usize,
        /// Why the first was refused.
        refusal: Refusal,
    },
    /// Occurrences of a series were refused, so none was kept: the index of each and why.
    #[error("{} occurrences are refused", .0.len())]
    OccurrencesRefused(Vec<(usize, Refusal)>),
    /// More calls wait than may; nothing was tried.
    #[error("too many calls wait")]
    Overloaded,
    /// The database cannot be reached, or has no room left; whether anything was kept is found out by repeating the
    /// call.
    #[error(transparent)]
    Unavailable(StoreError),
    /// Others held what was needed, or it took too long; nothing was kept, and the whole unit may be
    /// tried again.
    #[error("the database is contended: {0}")]
    Contention(StoreError),
    /// Any other failure: a defect, or a damaged row.
    #[error(transparent)]
    Broken(StoreError),
    /// The e-mail templates that are part of the program do not pass: a defect.
    #[error(transparent)]
    Templates(#[from] TemplateError),
}

impl ServiceError {
    /// The refusal of a batch, or `None` if nothing was refused.
    pub fn of_entries(refusals: Vec<(usize, Refusal)>) -> Option<Self> {
        let (index, refusal) = refusals.first().cloned()?;
        Some(Self::EntriesRefused {
            refusals,
            index,
            refusal,
        })
    }

    /// Whether the database has no room left to write.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Unavailable(StoreError::Full(_)))
    }

    /// Whether the whole unit may be tried again as it is.
    pub fn is_contention(&self) -> bool {
        matches!(self, Self::Contention(_))
    }

    /// Whether the whole unit is worth another try right away: not if it has waited too long already.
    pub fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::Contention(cause) if !matches!(cause, StoreError::TooSlow(_)))
    }

    /// Whether the connection to the database broke, perhaps after the commit: a unit that tells a repeat from the
    /// first may run again.
    pub fn is_cut_off(&self) -> bool {
        matches!(self, Self::Unavailable(cause) if cause.is_cut_off())
    }

    /// Says a taken unique key as what it stands for: the external id of a thing of this kind.
    pub fn taken(error: StoreError, kind: &'static str, external_id: Option<&str>) -> Self {
        match (error, external_id) {
            (StoreError::Taken(_), Some(external_id)) => Self::Refused(Refusal::ExternalIdTaken {
                kind,
                external_id: external_id.to_owned(),
            }),
            (other, _) => other.into(),
        }
    }
}

impl From<sea_orm::DbErr> for ServiceError {
    fn from(error: sea_orm::DbErr) -> Self {
        StoreError::from(error).into()
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) | StoreError::Full(_) => Self::Unavailable(error),
            StoreError::Contention(_) | StoreError::TooSlow(_) => Self::Contention(error),
            StoreError::TooLarge(_) => Self::Refused(Refusal::AmountTooLarge),
            StoreError::Taken(_) | StoreError::Corrupt { .. } | StoreError::Database(_) => {
                Self::Broken(error)
            }
        }
    }
}

impl From<LedgerError> for ServiceError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(refusal) => Self::Refused(refusal),
            LedgerError::Overloaded => Self::Overloaded,
            LedgerError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::DbErr;

    use super::*;

    #[test]
    fn what_waited_too_long_is_not_tried_again_at_once() {
        let failed = || DbErr::Custom(String::new());
        let lost = ServiceError::from(StoreError::Contention(failed()));
        let slow = ServiceError::from(StoreError::TooSlow(failed()));
        assert!(lost.is_contention() && lost.is_worth_another_try());
        assert!(slow.is_contention() && !slow.is_worth_another_try());
    }
}
