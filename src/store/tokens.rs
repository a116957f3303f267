//! `tokens`: API tokens. Only a hash of the secret is kept.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::access::Token;
use crate::ids::{BusinessId, TokenId, UserId};
use crate::store::columns::{from_json, hash, instant, instant_opt, micros, to_json};
use crate::store::error::StoreError;
use crate::store::rows::Rows;

const TABLE: &str = "tokens";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tokens")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub name: String,
        pub secret_hash: Vec<u8>,
        pub permissions: Json,
        pub user_id: Option<Uuid>,
        pub created_at: i64,
        pub last_used_at: Option<i64>,
        pub revoked_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new token.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    token: &Token,
) -> Result<(), StoreError> {
    Entity::insert(ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(token.id.uuid()),
        name: Set(token.name.clone()),
        secret_hash: Set(token.secret_hash.to_vec()),
        permissions: Set(to_json(&token.permissions, TABLE)?),
        user_id: Set(token.user_id.map(UserId::uuid)),
        created_at: Set(micros(token.created_at)),
        last_used_at: Set(token.last_used_at.map(micros)),
        revoked_at: Set(token.revoked_at.map(micros)),
    })
    .exec_without_returning(txn)
    .await?;
    Ok(())
}

/// One token.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: TokenId,
) -> Result<Option<Token>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), id.uuid()))
        .one(db)
        .await?;
    row.map(read).transpose()
}

/// Those of these tokens of any businesses that exist.
pub async fn by_keys(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = (BusinessId, TokenId)>,
) -> Result<HashMap<(BusinessId, TokenId), Token>, StoreError> {
    let pairs = keys.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let statement = Rows::of_pairs(["business_id", "id"], pairs).select(db, TABLE);
    let rows = Entity::find().from_raw_sql(statement).all(db).await?;
    rows.into_iter()
        .map(|row| {
            let business_id = BusinessId::from_uuid(row.business_id);
            let token = read(row)?;
            Ok(((business_id, token.id), token))
        })
        .collect()
}

/// A page of tokens, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    hide_revoked: bool,
    before: Option<TokenId>,
    limit: u64,
) -> Result<Vec<Token>, StoreError> {
    let mut query = Entity::find().filter(Column::BusinessId.eq(business_id.uuid()));
    if hide_revoked {
        query = query.filter(Column::RevokedAt.is_null());
    }
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before.uuid()));
    }
    let rows = query.order_by_desc(Column::Id).limit(limit).all(db).await?;
    rows.into_iter().map(read).collect()
}

/// Marks a token revoked, unless it was already.
pub async fn revoke(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: TokenId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(micros(now)))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .filter(Column::RevokedAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

/// Notes when a token was last used.
pub async fn touch(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: TokenId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    Entity::update(ActiveModel {
        business_id: Unchanged(business_id.uuid()),
        id: Unchanged(id.uuid()),
        last_used_at: Set(Some(micros(now))),
        ..Default::default()
    })
    .exec(txn)
    .await?;
    Ok(())
}

fn read(row: Model) -> Result<Token, StoreError> {
    let id = TokenId::from_uuid(row.id);
    Ok(Token {
        id,
        name: row.name,
        secret_hash: hash(&row.secret_hash, TABLE, id)?,
        permissions: from_json(row.permissions, TABLE, id)?,
        user_id: row.user_id.map(UserId::from_uuid),
        created_at: instant(row.created_at, TABLE, id)?,
        last_used_at: instant_opt(row.last_used_at, TABLE, id)?,
        revoked_at: instant_opt(row.revoked_at, TABLE, id)?,
    })
}
