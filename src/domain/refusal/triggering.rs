//! Why a trigger cannot be changed, or an event not be kept.

use chrono::{DateTime, Utc};

use crate::ids::{CustomerId, TriggerId};

/// A change of a trigger or an event that the rules do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TriggeringRefusal {
    /// The client's id of the event stands for what happened to somebody else.
    #[error("event {event_id} of {name} happened to customer {customer_id}")]
    EventIdReused {
        /// What the event is called.
        name: String,
        /// The client's id of it.
        event_id: String,
        /// To whom it happened.
        customer_id: CustomerId,
    },
    /// The trigger was archived.
    #[error("trigger {trigger_id} was archived at {archived_at}")]
    TriggerArchived {
        /// The trigger.
        trigger_id: TriggerId,
        /// When.
        archived_at: DateTime<Utc>,
    },
}

impl TriggeringRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::EventIdReused { .. } => "EVENT_ID_REUSED",
            Self::TriggerArchived { .. } => "TRIGGER_ARCHIVED",
        }
    }
}
