//! What commands did, and what was refused to whom (J3). Ids and names of fields only: no personal data, so
//! nothing of it has to be erased with a customer.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::ids::{AuditEventId, TokenId, UserId};

/// The most subjects that one event names.
pub const SUBJECTS_MAX: usize = 100;

/// Something that was done, or refused for want of a permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// The event.
    pub id: AuditEventId,
    /// The method that was called.
    pub method: String,
    /// The token that it was called with.
    pub token_id: Option<TokenId>,
    /// The member of staff that the token belonged to.
    pub user_id: Option<UserId>,
    /// The caller's request id.
    pub request_id: Option<Uuid>,
    /// Our ids of what it was about.
    pub subjects: Vec<String>,
    /// The fields that it wrote, of an update.
    pub fields: Vec<String>,
    /// Why it was refused; none: it was done.
    pub denied_reason: Option<String>,
    /// How often; more than once only for what was refused.
    pub times: i64,
    /// When it was written down, to the millisecond.
    pub recorded_at: DateTime<Utc>,
}

/// What a call names and writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Our ids in the request.
    pub ids: Vec<String>,
    /// The fields that an update writes.
    pub fields: Vec<&'static str>,
}

/// Which events a list has: of one kind, so that there is an index for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// All of them.
    #[default]
    All,
    /// What names this id.
    Subject(String),
    /// What this user did.
    User(UserId),
    /// What was done with this token.
    Token(TokenId),
    /// Calls of this method.
    Method(String),
    /// What was refused.
    Denied,
}
