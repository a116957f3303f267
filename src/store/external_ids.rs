//! Finding a row by the caller's own id of it; every table of things that callers name has one.

use sea_orm::QuerySelect;
use sea_orm::entity::prelude::*;

use crate::ids::BusinessId;
use crate::store::error::StoreError;

/// The id of the row of `E` that the caller knows as `external_id`.
pub(super) async fn find<E: EntityTrait>(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
    [business, id, external]: [E::Column; 3],
) -> Result<Option<Uuid>, StoreError> {
    let found = E::find()
        .select_only()
        .column(id)
        .filter(business.eq(business_id.uuid()))
        .filter(external.eq(external_id))
        .into_tuple()
        .one(db)
        .await?;
    Ok(found)
}
