//! What there is of e-mails over all businesses: for whoever runs the server.

use std::collections::HashMap;

use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, QuerySelect, Statement};

use super::{Column, Entity, TABLE, WAITING, read};
use crate::domain::email::{Email, EmailState};
use crate::domain::notice::NoticeKind;
use crate::ids::EmailId;
use crate::store::columns::{instant_opt, known};
use crate::store::error::StoreError;

/// One e-mail of whichever business.
pub async fn get_of_any_business(
    db: &impl ConnectionTrait,
    id: EmailId,
) -> Result<Option<Email>, StoreError> {
    let row = Entity::find()
        .filter(Column::Id.eq(id.uuid()))
        .one(db)
        .await?;
    row.map(read).transpose()
}

/// The newest e-mails of all businesses.
pub async fn newest(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Email>, StoreError> {
    let rows = Entity::find()
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// When the e-mail is due, of any business, that is due first.
pub async fn oldest_due(db: &impl ConnectionTrait) -> Result<Option<DateTimeUtc>, StoreError> {
    let sql = format!("{WAITING} SELECT min(first_due_at) FROM waiting");
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let Some(row) = db.query_one_raw(statement).await? else {
        return Ok(None);
    };
    let due_at: Option<i64> = row.try_get_by_index(0)?;
    instant_opt(due_at, TABLE, "the first one due")
}

/// How many e-mails of any business are in each state that is not their last, by their kinds.
pub async fn count_waiting(
    db: &impl ConnectionTrait,
) -> Result<HashMap<(NoticeKind, EmailState), u64>, StoreError> {
    let found: Vec<(i16, i16, i64)> = Entity::find()
        .select_only()
        .columns([Column::Kind, Column::State])
        .column_as(Column::Id.count(), "waiting")
        .filter(Column::FinishedAt.is_null())
        .group_by(Column::Kind)
        .group_by(Column::State)
        .into_tuple()
        .all(db)
        .await?;
    found
        .into_iter()
        .map(|(kind, state, waiting)| {
            let kind = known(NoticeKind::from_code(kind), TABLE, kind)?;
            let state = known(EmailState::from_code(state), TABLE, state)?;
            Ok(((kind, state), u64::try_from(waiting).unwrap_or(0)))
        })
        .collect()
}
