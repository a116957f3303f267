//! The second wall: while a call of one business is served, PostgreSQL shows and changes no rows but those of
//! that business, whatever the statements say (row level security, J3).
//!
//! It stands if there is a second URL, `--database-calls-url`, of a role that the policies hold for. Connections of that role are told
//! the business of the task that takes them from their pool. What crosses businesses (batches of the
//! committer, reads that calls share, the jobs) runs outside of [`within`] and goes by the first role.

use std::future::Future;

use futures_util::future::BoxFuture;
use sea_orm::sqlx;
use sea_orm::sqlx::PgConnection;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

use crate::ids::BusinessId;
use crate::store::error::StoreError;
use crate::store::session::{self, Session};

tokio::task_local! {
    static BUSINESS: BusinessId;
}

/// Does `work` as a call of this business. What `work` spawns is not within.
pub async fn within<T>(business_id: BusinessId, work: impl Future<Output = T>) -> T {
    BUSINESS.scope(business_id, work).await
}

/// Whether this task serves a call of one business.
pub(super) fn is_within() -> bool {
    BUSINESS.try_with(|_| ()).is_ok()
}

/// Lets each connection of a pool see the business of the task that takes it.
pub(super) fn stand_before(options: &mut ConnectOptions) {
    options
        .map_sqlx_postgres_before_acquire(|connection, _| {
            Box::pin(async move { enter(connection).await.map(|()| true) })
        })
        .map_sqlx_postgres_pool_opts(|options| {
            session::give_back(options).after_connect(|connection, _| enter(connection))
        });
}

/// Refuses a way by which the wall would not stand.
///
/// # Errors
/// [`StoreError::Database`], with what is wrong.
pub(super) async fn prove(walled: &DatabaseConnection) -> Result<(), StoreError> {
    prove_role(walled).await?;
    Session::General.prove(walled).await?;
    if session::is_own(walled).await? {
        return Ok(());
    }
    let problem = "CARNET_DATABASE_CALLS_URL leads to a pooler that shares sessions: what one call tells its session, \
        another's would hear. It has to lead to PostgreSQL itself";
    Err(StoreError::Database(DbErr::Custom(problem.to_owned())))
}

/// Refuses a role that the policies do not hold for: it could see every business.
async fn prove_role(walled: &DatabaseConnection) -> Result<(), StoreError> {
    let sql = "SELECT current_user::text, bool_or(row_security_active(oid)) FROM pg_class
        WHERE relname = 'packages' AND relnamespace = current_schema()::regnamespace";
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = walled.query_one_raw(statement).await?;
    let row = row.ok_or_else(|| StoreError::corrupt("row level security", "nobody told of it"))?;
    let (role, stands): (String, Option<bool>) =
        (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    if stands == Some(true) {
        return Ok(());
    }
    let problem = format!(
        "the role {role} of CARNET_DATABASE_CALLS_URL is a superuser, owns the tables or bypasses row level \
         security: it could see every business"
    );
    Err(StoreError::Database(DbErr::Custom(problem)))
}

/// Outside of a call a connection sees nothing.
fn enter(connection: &mut PgConnection) -> BoxFuture<'_, Result<(), sqlx::Error>> {
    Box::pin(async move {
        let business = BUSINESS.try_with(|id| id.uuid().to_string());
        sqlx::query("SELECT set_config('carnet.business_id', $1, false)")
            .bind(business.unwrap_or_default())
            .execute(connection)
            .await?;
        Ok(())
    })
}
