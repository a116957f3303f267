//! A business leaves for good (J7): it is deleted with all that it has, by the operator of the server.
//!
//! First it is put out of sight in one transaction, with its tokens: no call and no job finds it any more. Then its
//! rows go, part by part, children before those that they refer to. Whoever was at work for it at that moment may
//! still write a row behind us; then there is another pass. What broke off is done again by the same command.

use sea_orm::DatabaseTransaction;

use crate::domain::business::Business;
use crate::ids::BusinessId;
use crate::service::context::Context;
use crate::store::businesses;
use crate::store::error::StoreError;
use crate::store::leaving::{self, UnderWay};
use crate::store::whole::TABLES;

/// How often all tables are gone through before somebody must look why rows come back.
const PASSES_MAX: usize = 10;
/// Behind how many deleted rows of a table it is cleaned up before the next one.
const ROWS_TO_CLEAN_UP_MIN: u64 = 10_000;

/// Why a business does not leave.
#[derive(Debug, thiserror::Error)]
pub enum LeavingError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is none of this id.
    #[error("there is no business {0}")]
    Missing(BusinessId),
    /// The database keeps its history from whoever asks.
    #[error(
        "this role of the database may not delete entries: use the URL of the role that owns the tables"
    )]
    NotOwner,
    /// It is in use.
    #[error(
        "{0} is switched on: switch it off first (UpdateSettings, feature_enabled), so that nothing is sold or sent any more"
    )]
    SwitchedOn(BusinessId),
    /// Something has to end first.
    #[error(
        "{} e-mails are being sent and {} runs over many packages are under way: wait until they are done",
        .0.emails, .0.bulk_runs
    )]
    UnderWay(UnderWay),
}

/// A business that is to leave.
#[derive(Clone, Debug)]
pub struct Leaver {
    /// The business.
    pub business: Business,
    /// Whether it has begun to leave.
    pub has_begun: bool,
    /// How many rows it has in each table that has some.
    pub rows: Vec<(&'static str, u64)>,
}

/// What would go with a business; writes nothing.
///
/// # Errors
/// If it is not there or cannot leave now.
pub async fn look(ctx: &Context, id: BusinessId) -> Result<Leaver, LeavingError> {
    let txn = ctx.db.begin().await?;
    let (business, has_begun) = may_leave(ctx, &txn, id).await?;
    txn.rollback().await.map_err(StoreError::from)?;
    let mut rows = Vec::new();
    for table in TABLES {
        let count = table.count(ctx.db.reader(), id).await?;
        if count > 0 {
            rows.push((table.name, count));
        }
    }
    Ok(Leaver {
        business,
        has_begun,
        rows,
    })
}

/// Deletes a business with all that it has; how many rows. `progress` hears of each part: its table and rows.
///
/// # Errors
/// If it is not there or cannot leave now; of the database, and then the same goes on where it stopped.
pub async fn delete(
    ctx: &Context,
    id: BusinessId,
    mut progress: impl FnMut(&'static str, u64),
) -> Result<u64, LeavingError> {
    let txn = ctx.db.begin().await?;
    let (_, has_begun) = may_leave(ctx, &txn, id).await?;
    if !has_begun {
        businesses::set_leaving(&txn, id, Some(ctx.clock.now())).await?;
    }
    leaving::delete_tokens(&txn, id).await?;
    txn.commit().await.map_err(StoreError::from)?;
    let mut deleted = 0_u64;
    let mut count = |table, rows| {
        deleted = deleted.saturating_add(rows);
        progress(table, rows);
    };
    let mut passes_left = PASSES_MAX;
    loop {
        passes_left = passes_left.saturating_sub(1);
        match delete_rows(ctx, id, &mut count).await {
            Err(error) if error.is_overtaken() && passes_left > 0 => {}
            done => break done?,
        }
    }
    Ok(deleted)
}

/// The business, locked, and whether it has begun to leave.
async fn may_leave(
    ctx: &Context,
    txn: &DatabaseTransaction,
    id: BusinessId,
) -> Result<(Business, bool), LeavingError> {
    if !leaving::may_delete(txn).await? {
        return Err(LeavingError::NotOwner);
    }
    let found = businesses::lock_to_leave(txn, id).await?;
    let (business, leaving_at) = found.ok_or(LeavingError::Missing(id))?;
    if leaving_at.is_some() {
        return Ok((business, true));
    }
    if business.feature_enabled {
        return Err(LeavingError::SwitchedOn(id));
    }
    let under_way = leaving::under_way(txn, id, ctx.clock.now()).await?;
    if under_way != UnderWay::default() {
        return Err(LeavingError::UnderWay(under_way));
    }
    Ok((business, false))
}

async fn delete_rows(
    ctx: &Context,
    id: BusinessId,
    count: &mut impl FnMut(&'static str, u64),
) -> Result<(), StoreError> {
    for table in TABLES.into_iter().rev() {
        let mut deleted = 0_u64;
        let mut has_more = true;
        while has_more {
            let txn = ctx.db.begin().await?;
            let (rows, more) = leaving::delete_part(&txn, table, id).await?;
            txn.commit().await?;
            count(table.name, rows);
            deleted = deleted.saturating_add(rows);
            has_more = more;
        }
        if deleted >= ROWS_TO_CLEAN_UP_MIN
            && let Err(error) = ctx.db.clean_up(table.name).await
        {
            let table = table.name;
            tracing::warn!(table, %error, "{table} was not cleaned up, so the rest takes longer: {error}");
        }
    }
    Ok(())
}
