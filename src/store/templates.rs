//! `templates`: packages as they are offered. What each offers lies in `template_versions` and `lines`.

use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{ExprTrait, Query};
use sea_orm::{Condition, DatabaseTransaction, QueryOrder, QuerySelect, Set, Unchanged};

use crate::domain::catalog::{Template, TemplateState};
use crate::ids::{BusinessId, CreditTypeId, TemplateId};
use crate::store::by_id;
use crate::store::columns::{instant, known, micros};
use crate::store::error::StoreError;
use crate::store::external_ids;
use crate::store::template_versions;

const TABLE: &str = "templates";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "templates")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub external_id: Option<String>,
        pub state: i16,
        pub definition_version: i32,
        pub created_at: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// Writes a new template with its first version.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    template: &Template,
) -> Result<(), StoreError> {
    let row = row(business_id, template);
    Entity::insert(row).exec_without_returning(txn).await?;
    template_versions::insert(txn, business_id, template, template.created_at).await
}

/// Writes a locked template as it is now, and counts its version up. A new definition is written before,
/// by [`template_versions::insert`].
pub async fn update(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    template: &mut Template,
) -> Result<(), StoreError> {
    template.version = template.version.saturating_add(1);
    let mut row = row(business_id, template);
    row.business_id = Unchanged(business_id.uuid());
    row.id = Unchanged(template.id.uuid());
    Entity::update(row).exec(txn).await?;
    Ok(())
}

/// One template in its current version.
pub async fn get(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    id: TemplateId,
) -> Result<Option<Template>, StoreError> {
    let row = by_id::get::<Entity>(db, business_id, id.uuid()).await?;
    read_opt(db, business_id, row).await
}

/// Locks one template and reads it in its current version.
pub async fn lock(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: TemplateId,
) -> Result<Option<Template>, StoreError> {
    let row = by_id::lock::<Entity>(txn, business_id, id.uuid()).await?;
    read_opt(txn, business_id, row).await
}

/// Locks one template against being changed, and reads it: many sales may hold it at once.
pub async fn share(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    id: TemplateId,
) -> Result<Option<Template>, StoreError> {
    let row = Entity::find_by_id((business_id.uuid(), id.uuid()))
        .lock_shared()
        .one(txn)
        .await?;
    read_opt(txn, business_id, row).await
}

/// The id of the template that the caller knows as `external_id`.
pub async fn by_external_id(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    external_id: &str,
) -> Result<Option<TemplateId>, StoreError> {
    let columns = [Column::BusinessId, Column::Id, Column::ExternalId];
    let id = external_ids::find::<Entity>(db, business_id, external_id, columns).await?;
    Ok(id.map(TemplateId::from_uuid))
}

/// A page of templates, newest first, below the id `before`; no states means all.
pub async fn list(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    states: &[TemplateState],
    before: Option<TemplateId>,
    limit: u64,
) -> Result<Vec<Template>, StoreError> {
    let codes = states.iter().map(|state| state.code());
    let condition = Condition::all()
        .add(Column::BusinessId.eq(business_id.uuid()))
        .add_option((!states.is_empty()).then(|| Column::State.is_in(codes)))
        .add_option(before.map(|id| Column::Id.lt(id.uuid())));
    let rows = Entity::find()
        .filter(condition)
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(db)
        .await?;
    let mut templates = Vec::with_capacity(rows.len());
    for row in rows {
        templates.push(read(db, business_id, row).await?);
    }
    Ok(templates)
}

/// A template that is not archived and uses this credit type in its current version, if there is one.
pub async fn using(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    credit_type_id: CreditTypeId,
) -> Result<Option<TemplateId>, StoreError> {
    let line = |column: &'static str| Expr::col(("lines", column));
    let uses = Query::select()
        .expr(Expr::val(1))
        .from("lines")
        .and_where(line("business_id").equals((Entity, Column::BusinessId)))
        .and_where(line("template_id").equals((Entity, Column::Id)))
        .and_where(line("definition_version").equals((Entity, Column::DefinitionVersion)))
        .and_where(line("credit_type_id").eq(credit_type_id.uuid()))
        .to_owned();
    let id: Option<Uuid> = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::State.ne(TemplateState::Archived.code()))
        .filter(Expr::exists(uses))
        .order_by_asc(Column::Id)
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(id.map(TemplateId::from_uuid))
}

async fn read_opt(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    row: Option<Model>,
) -> Result<Option<Template>, StoreError> {
    match row {
        Some(row) => Ok(Some(read(db, business_id, row).await?)),
        None => Ok(None),
    }
}

async fn read(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    row: Model,
) -> Result<Template, StoreError> {
    let id = TemplateId::from_uuid(row.id);
    let definition = template_versions::get(db, business_id, id, row.definition_version).await?;
    Ok(Template {
        id,
        external_id: row.external_id,
        state: known(TemplateState::from_code(row.state), TABLE, id)?,
        definition: known(definition, TABLE, id)?,
        created_at: instant(row.created_at, TABLE, id)?,
        version: row.version,
    })
}

fn row(business_id: BusinessId, template: &Template) -> ActiveModel {
    ActiveModel {
        business_id: Set(business_id.uuid()),
        id: Set(template.id.uuid()),
        external_id: Set(template.external_id.clone()),
        state: Set(template.state.code()),
        definition_version: Set(template.definition.number),
        created_at: Set(micros(template.created_at)),
        version: Set(template.version),
    }
}
