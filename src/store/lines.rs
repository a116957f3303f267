//! `lines`: what one kind of credits pays for. Rows are never changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::entity::prelude::*;
use sea_orm::{DatabaseTransaction, QueryOrder, Set};

use crate::domain::catalog::TemplateState;
use crate::domain::credits::Credits;
use crate::domain::line::{Line, LineKind};
use crate::domain::template_emails::UseEmails;
use crate::ids::{BusinessId, CreditTypeId, LineId, TemplateId};
use crate::store::columns::{IDS_PER_STATEMENT_MAX, from_json, is_any, known, to_json};
use crate::store::error::StoreError;

const TABLE: &str = "lines";

#[expect(unreachable_pub, reason = "SeaORM derives public items")]
mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "lines")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub business_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub template_id: Option<Uuid>,
        pub definition_version: Option<i32>,
        pub position: i32,
        pub kind: i16,
        pub credit_type_id: Uuid,
        pub decimal_places: i16,
        pub quantity: i64,
        pub rate_minor: Option<i64>,
        pub covers: Json,
        pub emails: Option<Json>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// The most lines that a [`LineCache`] keeps.
const CACHED_MAX: usize = 10_000;

/// The kind of a line whose credits pay.
pub(super) const PREPAID: i16 = 1;
const RATE: i16 = 2;

/// Writes lines; those of a template name the version that they belong to.
pub async fn insert(
    txn: &DatabaseTransaction,
    business_id: BusinessId,
    template: Option<(TemplateId, i32)>,
    lines: &[Arc<Line>],
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(lines.len());
    for line in lines {
        rows.push(ActiveModel {
            business_id: Set(business_id.uuid()),
            id: Set(line.id.uuid()),
            template_id: Set(template.map(|(id, _)| id.uuid())),
            definition_version: Set(template.map(|(_, version)| version)),
            position: Set(line.position),
            kind: Set(match line.kind {
                LineKind::Prepaid => PREPAID,
                LineKind::Rate { .. } => RATE,
            }),
            rate_minor: Set(match line.kind {
                LineKind::Prepaid => None,
                LineKind::Rate { rate_minor } => Some(rate_minor),
            }),
            credit_type_id: Set(line.credit_type_id.uuid()),
            decimal_places: Set(i16::try_from(line.decimal_places)
                .map_err(|_| StoreError::corrupt(TABLE, line.id))?),
            quantity: Set(line.quantity.millionths()),
            covers: Set(to_json(&line.covers, TABLE)?),
            emails: Set(match line.emails {
                none if none == UseEmails::default() => None,
                some => Some(to_json(&some, TABLE)?),
            }),
        });
    }
    if !rows.is_empty() {
        Entity::insert_many(rows)
            .exec_without_returning(txn)
            .await?;
    }
    Ok(())
}

/// The lines of one version of a template, in their order.
pub async fn of_template(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    template_id: TemplateId,
    definition_version: i32,
) -> Result<Vec<Arc<Line>>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::TemplateId.eq(template_id.uuid()))
        .filter(Column::DefinitionVersion.eq(definition_version))
        .order_by_asc(Column::Position)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Those of these lines that exist, by id.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    ids: impl IntoIterator<Item = LineId>,
) -> Result<HashMap<LineId, Arc<Line>>, StoreError> {
    let mut ids: Vec<Uuid> = ids.into_iter().map(LineId::uuid).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut found = HashMap::with_capacity(ids.len());
    for chunk in ids.chunks(IDS_PER_STATEMENT_MAX) {
        let rows = Entity::find()
            .filter(Column::BusinessId.eq(business_id.uuid()))
            .filter(is_any(Column::Id, chunk.iter().copied()))
            .all(db)
            .await?;
        for row in rows {
            let line = read(row)?;
            found.insert(line.id, line);
        }
    }
    Ok(found)
}

/// Lines that were read before; they never change. When it is full it begins anew.
#[derive(Debug, Default)]
pub struct LineCache(Mutex<HashMap<LineKey, Arc<Line>>>);

/// A line of some business.
pub type LineKey = (BusinessId, LineId);

impl LineCache {
    /// Those of these lines that exist; only those that are not in the cache are read.
    pub async fn get(
        &self,
        db: &impl ConnectionTrait,
        wanted: impl IntoIterator<Item = LineKey>,
    ) -> Result<HashMap<LineKey, Arc<Line>>, StoreError> {
        let mut found = HashMap::new();
        let mut missing: HashMap<BusinessId, Vec<LineId>> = HashMap::new();
        self.with(|cached| {
            for key in wanted {
                match cached.get(&key) {
                    Some(line) => drop(found.insert(key, Arc::clone(line))),
                    None => missing.entry(key.0).or_default().push(key.1),
                }
            }
        });
        for (business_id, ids) in missing {
            for (id, line) in by_ids(db, business_id, ids).await? {
                found.insert((business_id, id), Arc::clone(&line));
                self.with(|cached| {
                    if cached.len() >= CACHED_MAX {
                        cached.clear();
                    }
                    cached.insert((business_id, id), line);
                });
            }
        }
        Ok(found)
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<LineKey, Arc<Line>>) -> T) -> T {
        // No map is half-changed by a panic: each change of it is one call.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The lines of active templates that count in this credit type, in the current version of each.
pub async fn of_credit_type(
    db: &impl ConnectionTrait,
    business_id: BusinessId,
    credit_type_id: CreditTypeId,
) -> Result<Vec<Arc<Line>>, StoreError> {
    let rows = Entity::find()
        .filter(Column::BusinessId.eq(business_id.uuid()))
        .filter(Column::CreditTypeId.eq(credit_type_id.uuid()))
        .filter(Expr::cust(format!(
            "EXISTS (SELECT 1 FROM templates t WHERE t.business_id = lines.business_id \
             AND t.id = lines.template_id AND t.definition_version = lines.definition_version \
             AND t.state = {})",
            TemplateState::Active.code()
        )))
        .order_by_asc(Column::Id)
        .all(db)
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Model) -> Result<Arc<Line>, StoreError> {
    let id = LineId::from_uuid(row.id);
    let kind = match (row.kind, row.rate_minor) {
        (PREPAID, None) => Some(LineKind::Prepaid),
        (RATE, Some(rate_minor)) => Some(LineKind::Rate { rate_minor }),
        _ => None,
    };
    Ok(Arc::new(Line {
        id,
        position: row.position,
        kind: known(kind, TABLE, id)?,
        credit_type_id: CreditTypeId::from_uuid(row.credit_type_id),
        decimal_places: u32::try_from(row.decimal_places)
            .map_err(|_| StoreError::corrupt(TABLE, id))?,
        quantity: Credits::from_millionths(row.quantity),
        covers: from_json(row.covers, TABLE, id)?,
        emails: match row.emails {
            None => UseEmails::default(),
            Some(json) => from_json(json, TABLE, id)?,
        },
    }))
}
