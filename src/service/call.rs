//! One call: who calls, with which request id, and what was answered.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::audit::Touched;
use crate::domain::business::Business;
use crate::domain::entry::{Actor, Hash};
use crate::domain::lot::Stamp;
use crate::domain::money::Currency;
use crate::domain::permission::{Permission, Permissions};
use crate::domain::posting::Posting;
use crate::domain::refusal::{AccessRefusal, Refusal};
use crate::ids::{BusinessId, CustomerId, TokenId, new_uuid};
use crate::ledger::{post, replay};
use crate::service::audit;
use crate::service::error::ServiceError;
use crate::store::columns::{from_json, to_json};
use crate::store::error::StoreError;
use crate::store::requests;

/// Who calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The business that the token belongs to, as it was when the call came in.
    pub business: Arc<Business>,
    /// The token.
    pub token_id: TokenId,
    /// The member of staff that the token belongs to, or the token.
    pub actor: Actor,
    /// The customer that the token belongs to, who may see its own.
    pub customer_id: Option<CustomerId>,
    /// What the token may do, in the hands of its user.
    pub permissions: Arc<Permissions>,
    /// When the call came in.
    pub called_at: DateTime<Utc>,
}

/// One call of one method.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The method.
    pub method: &'static str,
    /// The caller's request id; always there on calls that move credits or money.
    pub request_id: Option<Uuid>,
    /// SHA-256 over the method and the message without its request id.
    pub hash: Hash,
    /// Whether nothing is to be kept.
    pub validate_only: bool,
    /// What the request names and writes.
    pub touched: Touched,
}

/// What a command answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The answer.
    pub value: T,
    /// Whether it is that of an earlier call with the same request id.
    pub replayed: bool,
}

impl<T> Answer<T> {
    /// The answer of a command that took effect now.
    pub fn fresh(value: T) -> Self {
        Self {
            value,
            replayed: false,
        }
    }
}

impl Call {
    /// The business of the caller.
    pub fn business_id(&self) -> BusinessId {
        self.caller.business.id
    }

    /// What money is in.
    pub fn currency(&self) -> Currency {
        self.caller.business.currency
    }

    /// Refuses a caller whose token lacks `permission`: for uses that need more than the method does.
    pub fn require(&self, permission: Permission) -> Result<(), Refusal> {
        if self.caller.permissions.contains(&permission) {
            return Ok(());
        }
        Err(Refusal::PermissionDenied {
            permission: permission.as_str(),
        })
    }

    /// Refuses a caller who would give, or take, more than the caller's token holds.
    ///
    /// # Errors
    /// [`AccessRefusal::PermissionsExceedCaller`], with all that is missing.
    pub fn require_all(&self, permissions: &Permissions) -> Result<(), Refusal> {
        let missing = permissions.difference(&self.caller.permissions);
        let missing: Permissions = missing.copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(AccessRefusal::PermissionsExceedCaller { missing }.into())
    }

    /// What the entries of this call have in common.
    pub fn stamp(&self, now: DateTime<Utc>) -> Stamp {
        Stamp {
            posting_id: self.request_id.unwrap_or_else(|| new_uuid(now)),
            now,
            request_hash: Some(self.hash),
            method: self.method.to_owned(),
            actor: self.caller.actor,
            purpose: None,
        }
    }

    /// Claims the request id for this transaction, or answers what was answered to it before.
    ///
    /// # Errors
    /// [`Refusal::RequestIdReused`] if it was used for another request, [`Refusal::AnswerCleared`] if what was
    /// answered is kept no more.
    pub async fn claim<T: DeserializeOwned>(
        &self,
        txn: &DatabaseTransaction,
        now: DateTime<Utc>,
    ) -> Result<Option<Answer<T>>, ServiceError> {
        let Some(request_id) = self.request_id else {
            return Ok(None);
        };
        let business_id = self.business_id();
        let claimed =
            requests::claim(txn, business_id, request_id, self.method, &self.hash, now).await?;
        if claimed {
            if replay::has_entries(txn, business_id, request_id).await? {
                return Err(Refusal::RequestIdReused { request_id }.into());
            }
            return Ok(None);
        }
        let earlier = requests::earlier(txn, business_id, request_id).await?;
        let Some(earlier) = earlier.filter(|earlier| earlier.hash == self.hash) else {
            return Err(Refusal::RequestIdReused { request_id }.into());
        };
        let answer = earlier.answer.ok_or(Refusal::AnswerCleared {
            request_id,
            method: earlier.method,
            requested_at: earlier.created_at,
        })?;
        Ok(Some(Answer {
            value: from_json(answer, "requests", request_id)?,
            replayed: true,
        }))
    }

    /// Writes the call's posting, under its request id.
    ///
    /// # Errors
    /// [`Refusal::RequestIdReused`] if a posting has got the id since it was claimed.
    pub async fn post(
        &self,
        txn: &DatabaseTransaction,
        posting: &Posting,
        note: &str,
    ) -> Result<(), ServiceError> {
        let written = post::post_in(txn, self.business_id(), posting, note).await;
        written.map_err(|error| {
            if matches!(error, StoreError::Taken(_)) {
                let request_id = posting.id;
                ServiceError::Refused(Refusal::RequestIdReused { request_id })
            } else {
                error.into()
            }
        })
    }

    /// Writes down that the command was done, and remembers the answer under the request id.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn remember<T: Serialize>(
        &self,
        txn: &DatabaseTransaction,
        value: &T,
    ) -> Result<(), ServiceError> {
        let answer = to_json(value, "requests")?;
        audit::record(txn, self, &answer).await?;
        if let Some(request_id) = self.request_id {
            requests::answer(txn, self.business_id(), request_id, answer).await?;
        }
        Ok(())
    }

    /// Whether nothing happens twice where its unit runs twice: it reads, keeps nothing, or has a request id.
    pub fn may_run_twice(&self) -> bool {
        self.method.is_empty() || self.validate_only || self.request_id.is_some()
    }

    /// Commits, unless the call only wanted to know; then nothing is kept, the request id included.
    pub async fn commit(&self, txn: DatabaseTransaction) -> Result<(), ServiceError> {
        if self.validate_only {
            txn.rollback().await?;
        } else {
            txn.commit().await?;
        }
        Ok(())
    }
}
