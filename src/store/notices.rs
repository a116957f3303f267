//! `notices`: facts to tell customers. A row is never deleted: its key is why a fact is told once.

use std::collections::HashMap;

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{DatabaseTransaction, Set};

use crate::domain::notice::{DropReason, Notice, NoticeKind};
use crate::ids::{BusinessId, CustomerId, EmailId, NoticeId, PackageId};
use crate::store::columns::{instant, is_any, known, micros};
use crate::store::error::StoreError;
use crate::store::rows;

const TABLE: &str = "notices";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "notices")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub kind: i16,
        pub package_id: Uuid,
        pub cause: String,
        pub customer_id: Uuid,
        pub email_id: Option<Uuid>,
        pub expiry_epoch: i32,
        pub lead_days: Option<i32>,
        pub dropped_reason: Option<String>,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes notices that are not there yet; one that is there already stays as it is.
pub async fn insert(txn: &DatabaseTransaction, new: &[Notice]) -> Result<(), StoreError> {
    let unique_by = [
        Column::BusinessId,
        Column::Kind,
        Column::PackageId,
        Column::Cause,
    ];
    rows::insert_new(txn, new.iter().map(row).collect(), &unique_by).await
}

/// All notices of these packages.
pub async fn of_packages(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    package_ids: &[PackageId],
) -> Result<Vec<Notice>, StoreError> {
    if package_ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids = package_ids.iter().copied().map(PackageId::uuid);
    let mut rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::PackageId, ids))
        .all(db)
        .await?;
    // Not by the database, which may read all notices to have them in this order.
    rows.sort_unstable_by_key(|row| row.id);
    rows.into_iter().map(read).collect()
}

/// The notices of e-mails, in the order in which they were found.
pub async fn of_emails(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    email_ids: &[EmailId],
) -> Result<HashMap<EmailId, Vec<Notice>>, StoreError> {
    if email_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = email_ids.iter().copied().map(EmailId::uuid);
    let mut rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::EmailId, ids))
        .all(db)
        .await?;
    // Not by the database, which may read all notices to have them in this order.
    rows.sort_unstable_by_key(|row| row.id);
    let mut notices: HashMap<EmailId, Vec<Notice>> = HashMap::new();
    for row in rows {
        let notice = read(row)?;
        if let Some(email_id) = notice.email_id {
            notices.entry(email_id).or_default().push(notice);
        }
    }
    Ok(notices)
}

/// Takes notices up again that were left out of an e-mail which was not sent.
pub async fn take_up(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    ids: &[NoticeId],
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    Entity::update_many()
        .col_expr(Column::DroppedReason, Expr::value(None::<String>))
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(is_any(Column::Id, ids.iter().map(|id| id.uuid())))
        .exec(txn)
        .await?;
    Ok(())
}

/// Says why notices were left out of their e-mail.
pub async fn drop_with_reason(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    dropped: &[(NoticeId, DropReason)],
) -> Result<(), StoreError> {
    for (id, reason) in dropped {
        Entity::update_many()
            .set(ActiveModel {
                dropped_reason: Set(Some(reason.as_str().to_owned())),
                ..Default::default()
            })
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(Column::Id.eq(id.uuid()))
            .exec(txn)
            .await?;
    }
    Ok(())
}

/// Selects the ids of the e-mails that tell, or were to tell, of a package.
pub(super) fn select_email_ids(
    select: &mut SelectStatement,
    business_id: BusinessId,
    package_id: PackageId,
) {
    select
        .column(Column::EmailId)
        .from(Entity)
        .and_where(Column::BusinessId.eq(business_id.uuid()))
        .and_where(Column::PackageId.eq(package_id.uuid()))
        .and_where(Column::EmailId.is_not_null());
}

fn read(row: Model) -> Result<Notice, StoreError> {
    let id = NoticeId::from_uuid(row.id);
    let dropped = row
        .dropped_reason
        .map(|text| {
            let known_reason = DropReason::ALL
                .iter()
                .copied()
                .find(|reason| reason.as_str() == text);
            known(known_reason, TABLE, id)
        })
        .transpose()?;
    Ok(Notice {
        id,
        business_id: BusinessId::from_uuid(row.business_id),
        kind: known(NoticeKind::from_code(row.kind), TABLE, id)?,
        package_id: PackageId::from_uuid(row.package_id),
        cause: row.cause,
        customer_id: CustomerId::from_uuid(row.customer_id),
        email_id: row.email_id.map(EmailId::from_uuid),
        expiry_epoch: row.expiry_epoch,
        lead_days: row.lead_days,
        dropped,
        created_at: instant(row.created_at, TABLE, id)?,
    })
}

fn row(notice: &Notice) -> ActiveModel {
    ActiveModel {
        business_id: Set(notice.business_id.uuid()),
        id: Set(notice.id.uuid()),
        kind: Set(notice.kind.code()),
        package_id: Set(notice.package_id.uuid()),
        cause: Set(notice.cause.clone()),
        customer_id: Set(notice.customer_id.uuid()),
        email_id: Set(notice.email_id.map(EmailId::uuid)),
        expiry_epoch: Set(notice.expiry_epoch),
        lead_days: Set(notice.lead_days),
        dropped_reason: Set(notice.dropped.map(|reason| reason.as_str().to_owned())),
        created_at: Set(micros(notice.created_at)),
    }
}
