//! `job_runs`: when each job last finished a run, on any replica. A global table.

use std::collections::HashMap;

use sea_orm::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;

use crate::store::columns::{instant, micros};
use crate::store::error::StoreError;

const TABLE: &str = "job_runs";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "job_runs")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub job: String,
        pub finished_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity};

/// Notes that a job has finished a run.
pub async fn note(
    txn: &sea_orm::DatabaseTransaction,
    job: &str,
    now: DateTimeUtc,
) -> Result<(), StoreError> {
    Entity::insert(ActiveModel {
        job: Set(job.to_owned()),
        finished_at: Set(micros(now)),
    })
    .on_conflict(
        OnConflict::column(Column::Job)
            .update_column(Column::FinishedAt)
            .to_owned(),
    )
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// When each job last finished a run.
pub async fn all(db: &impl ConnectionTrait) -> Result<HashMap<String, DateTimeUtc>, StoreError> {
    let rows = Entity::find().all(db).await?;
    rows.into_iter()
        .map(|row| {
            let finished_at = instant(row.finished_at, TABLE, &row.job)?;
            Ok((row.job, finished_at))
        })
        .collect()
}
