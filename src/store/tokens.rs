//! `tokens`: API tokens. Only a hash of the secret is kept.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use sea_orm::{
    Condition, DatabaseTransaction, FromQueryResult, QueryOrder, QueryResult, QuerySelect, Set,
    Unchanged,
};

use crate::domain::access::{HeldToken, Holder, PreviousSecret, Token};
use crate::domain::permission::Permissions;
use crate::domain::role::BuiltInRole;
use crate::ids::{BusinessId, CustomerId, TokenId, UserId};
use crate::store::by_id;
use crate::store::columns::{from_json, hash, instant, instant_opt, known, micros, to_json};
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
        pub previous_hash: Option<Vec<u8>>,
        pub previous_until: Option<i64>,
        pub permissions: Json,
        pub user_id: Option<Uuid>,
        pub customer_id: Option<Uuid>,
        pub created_at: i64,
        pub expires_at: Option<i64>,
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
    let row = row(business_id, token)?;
    Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Writes a locked token as it is now, but for its last use.
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    token: &Token,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        business_id: Unchanged(business_id.uuid()),
        id: Unchanged(token.id.uuid()),
        last_used_at: sea_orm::NotSet,
        ..row(business_id, token)?
    };
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One token.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: TokenId,
) -> Result<Option<Token>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// Locks one token and reads it.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: TokenId,
) -> Result<Option<Token>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    row.map(read).transpose()
}

/// What is read of the user that a token belongs to.
const HOLDER_COLUMNS: &str = ", users.active AS user_active, users.built_in_role AS user_built_in_role, \
                              roles.permissions AS role_permissions";
/// Where that is.
const HOLDER_TABLES: &str = " LEFT JOIN users ON users.business_id = tokens.business_id \
                             AND users.id = tokens.user_id \
                             LEFT JOIN roles ON roles.business_id = users.business_id \
                             AND roles.id = users.role_id";

/// Those of these tokens of any businesses that exist, each with its user.
pub async fn by_keys(
    db: &impl ConnectionTrait,
    keys: impl IntoIterator<Item = (BusinessId, TokenId)>,
) -> Result<HashMap<(BusinessId, TokenId), HeldToken>, StoreError> {
    let pairs = keys.into_iter();
    let pairs = pairs.map(|(business_id, id)| (business_id.uuid(), id.uuid()));
    let wanted = Rows::of_pairs(["business_id", "id"], pairs);
    let statement = wanted.select_with(db, TABLE, HOLDER_COLUMNS, HOLDER_TABLES);
    let rows = db.query_all_raw(statement).await?;
    rows.iter()
        .map(|row| {
            let model = Model::from_query_result(row, "")?;
            let business_id = BusinessId::from_uuid(model.business_id);
            let token = read(model)?;
            let holder = holder(row, token.id)?;
            Ok((
                (business_id, token.id),
                HeldToken::new(token, holder.as_ref()),
            ))
        })
        .collect()
}

fn holder(row: &QueryResult, id: TokenId) -> Result<Option<Holder>, StoreError> {
    let active: Option<bool> = row.try_get("", "user_active")?;
    let built_in: Option<String> = row.try_get("", "user_built_in_role")?;
    let own: Option<Json> = row.try_get("", "role_permissions")?;
    let permissions = match (built_in, own) {
        (Some(name), _) => known(BuiltInRole::from_name(&name), "users", id)?.permissions(),
        (None, Some(own)) => from_json(own, "roles", id)?,
        (None, None) => Permissions::new(),
    };
    Ok(active.map(|active| Holder {
        active,
        permissions,
    }))
}

/// Which tokens a list shows.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// Of this customer; none: all.
    pub customer_id: Option<CustomerId>,
    /// Without the revoked ones.
    pub hide_revoked: bool,
}

/// A page of tokens, newest first, below the id `before`.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    filter: Filter,
    before: Option<TokenId>,
    limit: u64,
) -> Result<Vec<Token>, StoreError> {
    let mut query = Entity::find().filter(Column::BusinessId.eq(business_id.uuid()));
    if filter.hide_revoked {
        query = query.filter(Column::RevokedAt.is_null());
    }
    if let Some(customer_id) = filter.customer_id {
        query = query.filter(Column::CustomerId.eq(customer_id.uuid()));
    }
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(before.uuid()));
    }
    let rows = query.order_by_desc(Column::Id).limit(limit).all(db).await?;
    rows.into_iter().map(read).collect()
}

/// Revokes what a customer has; tokens that were revoked stay as they are.
pub async fn revoke_of_customer(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    customer_id: CustomerId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(micros(now)))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CustomerId.eq(customer_id.uuid()))
        .filter(Column::RevokedAt.is_null())
        .exec(txn)
        .await?;
    Ok(())
}

/// Notes when a token was last used; another replica may have noted a later use.
pub async fn touch(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: TokenId,
    used_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let is_later = Condition::any()
        .add(Column::LastUsedAt.is_null())
        .add(Column::LastUsedAt.lt(micros(used_at)));
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(micros(used_at)))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::Id.eq(id.uuid()))
        .filter(is_later)
        .exec(txn)
        .await?;
    Ok(())
}

fn read(row: Model) -> Result<Token, StoreError> {
    let id = TokenId::from_uuid(row.id);
    let previous = match row.previous_hash.zip(row.previous_until) {
        None => None,
        Some((bytes, until)) => Some(PreviousSecret {
            hash: hash(&bytes, TABLE, id)?,
            until: instant(until, TABLE, id)?,
        }),
    };
    Ok(Token {
        id,
        name: row.name,
        secret_hash: hash(&row.secret_hash, TABLE, id)?,
        previous,
        permissions: from_json(row.permissions, TABLE, id)?,
        user_id: row.user_id.map(UserId::from_uuid),
        customer_id: row.customer_id.map(CustomerId::from_uuid),
        created_at: instant(row.created_at, TABLE, id)?,
        expires_at: instant_opt(row.expires_at, TABLE, id)?,
        last_used_at: instant_opt(row.last_used_at, TABLE, id)?,
        revoked_at: instant_opt(row.revoked_at, TABLE, id)?,
    })
}

fn row(business_id: BusinessId, token: &Token) -> Result<ActiveModel, StoreError> {
    let previous = token.previous.as_ref();
    Ok(ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(token.id.uuid()),
        name: Set(token.name.clone()),
        secret_hash: Set(token.secret_hash.to_vec()),
        previous_hash: Set(previous.map(|previous| previous.hash.to_vec())),
        previous_until: Set(previous.map(|previous| micros(previous.until))),
        permissions: Set(to_json(&token.permissions, TABLE)?),
        user_id: Set(token.user_id.map(UserId::uuid)),
        customer_id: Set(token.customer_id.map(CustomerId::uuid)),
        created_at: Set(micros(token.created_at)),
        expires_at: Set(token.expires_at.map(micros)),
        last_used_at: Set(token.last_used_at.map(micros)),
        revoked_at: Set(token.revoked_at.map(micros)),
    })
}
