//! When tokens were last used: noted in memory by each call, written once a minute, so that no call waits for
//! it. What a crash loses is at most the last minute.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::ids::{BusinessId, TokenId};
use crate::service::context::Context;
use crate::store::error::StoreError;
use crate::store::tokens;

/// How often uses are written.
pub const WRITTEN_EVERY: Duration = Duration::from_mins(1);

type Uses = HashMap<(BusinessId, TokenId), DateTime<Utc>>;

/// The latest use of each token since they were last written.
#[derive(Clone, Debug, Default)]
pub struct TokenUses(Arc<Mutex<Uses>>);

impl TokenUses {
    /// Notes that a token is used.
    pub fn note(&self, business_id: BusinessId, token_id: TokenId, now: DateTime<Utc>) {
        let mut uses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        uses.insert((business_id, token_id), now);
    }

    fn take(&self) -> Uses {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what was noted, a transaction for each business.
pub async fn write(ctx: Context) {
    let mut by_business: BTreeMap<BusinessId, Vec<_>> = BTreeMap::new();
    for ((business_id, token_id), used_at) in ctx.token_uses.take() {
        by_business
            .entry(business_id)
            .or_default()
            .push((token_id, used_at));
    }
    for (business_id, mut uses) in by_business {
        // In one order, whichever replica writes.
        uses.sort_unstable();
        if let Err(error) = write_all(&ctx, business_id, &uses).await {
            tracing::warn!(%business_id, %error, "the last uses of tokens were not written: {error}");
        }
    }
}

async fn write_all(
    ctx: &Context,
    business_id: BusinessId,
    uses: &[(TokenId, DateTime<Utc>)],
) -> Result<(), StoreError> {
    let txn = ctx.db.begin().await?;
    for (token_id, used_at) in uses {
        tokens::touch(&txn, business_id, *token_id, *used_at).await?;
    }
    Ok(txn.commit().await?)
}
