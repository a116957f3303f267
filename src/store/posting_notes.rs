//! `posting_notes`: the free text of postings and changes, outside the ledger's hash.

use std::collections::{BTreeSet, HashMap};

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, Set};

use crate::ids::BusinessId;
use crate::store::error::StoreError;
use crate::store::rows::{self, Rows};

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posting_notes")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub posting_id: Uuid,
        pub note: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Entity};

/// Keeps the notes of postings by one statement; an empty one is not kept.
pub async fn insert<'a>(
    txn: &DatabaseTransaction,
    notes: impl IntoIterator<Item = (BusinessId, Uuid, &'a str)>,
) -> Result<(), StoreError> {
    let rows = notes
        .into_iter()
        .filter(|(_, _, note)| !note.is_empty())
        .map(|(business_id, posting_id, note)| ActiveModel {
            business_id: Set(business_id.uuid()),
            posting_id: Set(posting_id),
            note: Set(note.to_owned()),
        })
        .collect();
    rows::insert(txn, rows).await
}

/// The notes of those of these postings that have one.
pub async fn of_postings(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    posting_ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, String>, StoreError> {
    let posting_ids: BTreeSet<Uuid> = posting_ids.into_iter().collect();
    if posting_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let pairs = posting_ids.into_iter().map(|id| (business_id.uuid(), id));
    let wanted = Rows::of_pairs(["business_id", "posting_id"], pairs);
    let rows = Entity::find()
        .from_raw_sql(wanted.select(db, "posting_notes"))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.posting_id, row.note))
        .collect())
}
